//! DynamoDB tables and items (`dynamodb.md`, `rules.md` §2, §3, §6).

mod names;
mod render;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use super::json::{Html, Json};
use super::names::{directory as plain_directory, segment};
use super::{Ask, Damage, Set, Tree, of, proto};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use names::{Identity, Primary};
use value::Item;

/// A table's schema.
#[derive(Debug, Default)]
struct Schema {
    name: String,
    /// Declared types of attributes.
    types: BTreeMap<String, String>,
    key: KeyNames,
    indexes: BTreeMap<String, Index>,
    version: u64,
    from: u64,
    generation: u64,
}

/// Names of the hash and the range attribute; the second may be empty.
type KeyNames = (String, String);

#[derive(Debug, Default)]
struct Index {
    key: KeyNames,
    projection: String,
    others: Vec<String>,
}

/// A row of an item.
struct ItemRow {
    user_key: Vec<u8>,
    /// Generation as written in the key.
    generation: String,
    /// What follows it.
    primary: Vec<u8>,
    item: Item,
}

/// Writes everything below `dynamodb/`.
pub fn decode(set: &Set, ask: &Ask, tree: &mut Tree) -> Result<(), Damage> {
    let mut schemas = BTreeMap::new();
    for (name, body) in of(&set.live, "!ddb|meta|table|") {
        schemas.insert(name_of(name)?, schema(body)?);
    }
    let mut items: BTreeMap<Vec<u8>, Vec<ItemRow>> = BTreeMap::new();
    for (rest, body) in of(&set.live, "!ddb|item|") {
        let mut parts = rest.splitn(3, |b| *b == b'|');
        let mut part = || parts.next().map(<[u8]>::to_vec).ok_or("an item key is short");
        let (table, generation, primary) = (part()?, part()?, part()?);
        let user_key = [b"!ddb|item|", rest].concat();
        let generation = text(generation)?;
        let row = ItemRow { user_key, generation, primary, item: value::item(body)? };
        items.entry(name_of(&table)?).or_default().push(row);
    }
    for (name, schema) in &schemas {
        let rows = items.remove(name).unwrap_or_default();
        let (live, left) = split(schema, rows)?;
        table(name, schema, &live, ask, tree);
        leave(name, &left, ask, tree);
    }
    for (name, left) in items {
        leave(&name, &left, ask, tree);
    }
    Ok(())
}

fn text(bytes: Vec<u8>) -> Result<String, Damage> {
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

fn name_of(encoded: &[u8]) -> Result<Vec<u8>, Damage> {
    URL_SAFE_NO_PAD.decode(encoded).map_err(|e| e.to_string())
}

fn schema(body: &[u8]) -> Result<Schema, Damage> {
    let message = body.strip_prefix(b"\0DS\x01").ok_or("a schema without magic")?;
    let mut schema = Schema {
        name: text(proto::string(message, 1)?)?,
        key: key_names(&proto::string(message, 3)?)?,
        version: proto::number(message, 5)?,
        from: proto::number(message, 6)?,
        generation: proto::number(message, 7)?,
        ..Schema::default()
    };
    for pair in proto::strings(message, 2)? {
        schema.types.insert(text(proto::string(&pair, 1)?)?, text(proto::string(&pair, 2)?)?);
    }
    for pair in proto::strings(message, 4)? {
        let index = proto::string(&pair, 2)?;
        let projection = proto::string(&index, 2)?;
        let others = proto::strings(&projection, 2)?.into_iter().map(text).collect::<Result<_, _>>()?;
        let key = key_names(&proto::string(&index, 1)?)?;
        let index = Index { key, projection: text(proto::string(&projection, 1)?)?, others };
        schema.indexes.insert(text(proto::string(&pair, 1)?)?, index);
    }
    Ok(schema)
}

fn key_names(message: &[u8]) -> Result<KeyNames, Damage> {
    Ok((text(proto::string(message, 1)?)?, text(proto::string(message, 2)?)?))
}

/// A live row with its key values.
type LiveRow = (ItemRow, Primary);

/// Live rows in key order, and the others. If two generations have an item, that of the new one counts (§1.2).
fn split(schema: &Schema, rows: Vec<ItemRow>) -> Result<(Vec<LiveRow>, Vec<ItemRow>), Damage> {
    let (mut live, mut left) = (Vec::new(), Vec::new());
    let mut current: BTreeSet<Identity> = BTreeSet::new();
    for row in rows {
        let generation: u64 = row.generation.parse().map_err(|e| format!("{e}"))?;
        let is_current = generation == schema.generation;
        if !is_current && (schema.from == 0 || generation != schema.from) {
            left.push(row);
            continue;
        }
        let primary = Primary::of(schema, &row.item)?;
        if is_current {
            current.insert(primary.identity());
        }
        live.push((is_current, row, primary));
    }
    let stays =
        |(is_current, _, primary): &(bool, ItemRow, Primary)| *is_current || !current.contains(&primary.identity());
    let live = live.into_iter().filter(stays).map(|(_, row, primary)| (row, primary)).collect();
    Ok((live, left))
}

/// The name of a table's directory.
fn directory(name: &[u8]) -> String {
    if name == b"_orphans" { "%5Forphans".into() } else { plain_directory(name) }
}

fn table(name: &[u8], schema: &Schema, live: &[LiveRow], ask: &Ask, tree: &mut Tree) {
    let directory = directory(name);
    let document = render::schema(schema).indented(Html::Escaped).into_bytes();
    if ask.packed {
        let line = |(row, _): &LiveRow| Json::object([("Item", row.item.json())]).line(Html::Escaped) + "\n";
        tree.insert(format!("dynamodb/{directory}.schema.json").into(), document);
        tree.insert(format!("dynamodb/{directory}.jsonl").into(), live.iter().map(line).collect::<String>().into());
        return;
    }
    tree.insert(format!("dynamodb/{directory}/_schema.json").into(), document);
    let (paths, keymap) = names::paths(schema, live);
    for ((row, _), path) in live.iter().zip(paths) {
        tree.insert(format!("dynamodb/{directory}/{path}").into(), row.item.json().indented(Html::Escaped).into());
    }
    if !keymap.is_empty() {
        tree.insert(format!("dynamodb/{directory}/KEYMAP.jsonl").into(), keymap.into());
    }
}

/// Items of no live generation, by the bytes of their row keys.
fn leave(name: &[u8], left: &[ItemRow], ask: &Ask, tree: &mut Tree) {
    for row in left.iter().filter(|_| ask.orphans) {
        let generation = segment(format!("gen-{}", row.generation).as_bytes()).0;
        let place = format!("dynamodb/_orphans/{}/{generation}", directory(name));
        if ask.packed {
            let line = Json::object([("key", Json::bytes(&row.primary)), ("Item", row.item.json())]);
            let lines = tree.entry(format!("{place}.jsonl").into()).or_default();
            lines.extend((line.line(Html::Escaped) + "\n").into_bytes());
        } else {
            let path = format!("{place}/items/{}.json", segment(&row.primary).0);
            tree.insert(path.into(), row.item.json().indented(Html::Escaped).into());
        }
    }
}
