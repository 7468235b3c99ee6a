//! What DynamoDB of AWS rejects (`aws-export.md` §4). The elastickv server has other limits, or none.

use crate::format::dynamodb::item::{Entry, Item, Map, Value};
use crate::format::dynamodb::number::{Decimal, plain};
use crate::format::dynamodb::schema::{Index, KeyNames, Schema};
use crate::format::dynamodb::stored::{StoredIndex, StoredSchema};

/// Maximum bytes of an item: names and values.
const MOST_ITEM: usize = 400 << 10;
/// Maximum bytes of the value of a hash attribute and of a range attribute.
const MOST_HASH: usize = 2048;
const MOST_RANGE: usize = 1024;
/// Maximum bytes of the name of an attribute, and of a key attribute.
const MOST_NAME: usize = 65_535;
const MOST_KEY_NAME: usize = 255;
/// Maximum nesting of lists and maps.
const MOST_NESTING: usize = 32;
/// Maximum characters of a number: 38 digits, and zeros next to them.
const MOST_TEXT: usize = 256;
/// Maximum digits of a number, and the bounds of its exponent of ten.
const MOST_DIGITS: usize = 38;
const EXPONENTS: std::ops::RangeInclusive<i64> = -130..=125;
/// Maximum number of indexes of a table, unless the account has a higher quota, and of attributes in their projections.
const MOST_INDEXES: usize = 20;
const MOST_PROJECTED: usize = 100;
/// Bytes that a list, a map and each element of them add.
const BRACKETS: usize = 3;
const ELEMENT: usize = 1;

/// Why something is rejected, in words.
pub(super) type Reason = String;

/// An attribute that is a key of the table or of an index.
#[derive(Debug)]
struct KeyPart {
    name: String,
    /// The letter of its type.
    kind: String,
    most: usize,
}

/// The limits for the items of a table.
#[derive(Debug, Default)]
pub(super) struct Limits {
    parts: Vec<KeyPart>,
}

/// A table in the form in which it can be created.
#[derive(Debug, Default)]
pub(super) struct Importable {
    /// Its schema, without the parts that exceed the limits.
    pub schema: Schema,
    /// The parts that are rejected.
    pub refused: Vec<Reason>,
}

impl Importable {
    /// The table of a schema.
    pub fn of(name: &[u8], stored: &StoredSchema<'_>) -> Importable {
        let mut refused = Vec::new();
        refused.extend(name_fault(name).map(|why| format!("its name {why}")));
        let mut schema = Schema { table_name: String::from_utf8_lossy(name).into_owned(), ..stored.head.clone() };
        let count = stored.indexes().len();
        if count > MOST_INDEXES {
            refused.push(format!(
                "it has {count} indexes, and {MOST_INDEXES} are the quota: import-table.json has the first of them"
            ));
        }
        for (name, index) in stored.indexes().take(MOST_INDEXES) {
            schema.indexes.insert(name.to_owned(), projected(name, index, &mut refused));
        }
        let keys: Vec<(String, usize)> = key_parts(&schema).map(|(name, most)| (name.to_owned(), most)).collect();
        for (name, _) in keys {
            let kind = stored.declared(&name).unwrap_or("S").to_owned();
            if !matches!(&*kind, "S" | "N" | "B") {
                refused.push(format!("the key attribute {name} has the type {kind}"));
            }
            if name.len() > MOST_KEY_NAME {
                refused
                    .push(format!("the name of a key attribute has {} bytes, {MOST_KEY_NAME} are allowed", name.len()));
            }
            schema.attributes.insert(name, kind);
        }
        if schema.key.hash.is_empty() {
            refused.push("it has no hash attribute".to_owned());
        }
        Importable { schema, refused }
    }
}

/// An index, without attributes beyond the limit.
fn projected(name: &str, stored: StoredIndex<'_>, refused: &mut Vec<Reason>) -> Index {
    let (mut non_key_attributes, mut count) = (Vec::new(), 0_usize);
    stored.each_non_key(|attribute| {
        count += 1;
        if count <= MOST_PROJECTED {
            non_key_attributes.push(attribute.to_owned());
        }
    });
    let index = Index { key: stored.key(), projection: stored.projection().to_owned(), non_key_attributes };
    let mut refuse = |why: String| refused.push(format!("the index {name}: {why}"));
    if let Some(why) = name_fault(name.as_bytes()) {
        refuse(format!("its name {why}"));
    }
    if count > MOST_PROJECTED {
        refuse(format!(
            "it names {count} attributes, {MOST_PROJECTED} are allowed: import-table.json has the first of them"
        ));
    }
    match &*index.projection {
        "" | "ALL" | "KEYS_ONLY" if count == 0 => {}
        "INCLUDE" if count > 0 => {}
        "" | "ALL" | "KEYS_ONLY" | "INCLUDE" => {
            refuse(format!("the projection {} with {count} attributes", index.projection));
        }
        other => refuse(format!("there is no projection {other}")),
    }
    if index.key.hash.is_empty() {
        refuse("it has no hash attribute".to_owned());
    }
    index
}

/// What is wrong with the name of a table or an index.
fn name_fault(name: &[u8]) -> Option<Reason> {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !(3..=255).contains(&name.len()) {
        return Some(format!("is not 3 to 255 bytes long (length {})", name.len()));
    }
    (!name.iter().all(is_allowed)).then(|| "has other characters than letters, digits, _, - and .".to_owned())
}

/// The key attributes of a table and of its indexes, with the maximum bytes of their values.
fn key_parts(schema: &Schema) -> impl Iterator<Item = (&str, usize)> {
    let keys = std::iter::once(&schema.key).chain(schema.indexes.values().map(|index| &index.key));
    let parts = keys.flat_map(|KeyNames { hash, range }| [(hash.as_str(), MOST_HASH), (range.as_str(), MOST_RANGE)]);
    parts.filter(|(name, _)| !name.is_empty())
}

impl Limits {
    /// The limits of a table.
    pub fn of(table: &Importable) -> Limits {
        let schema = &table.schema;
        let part = |(name, most): (&str, usize)| KeyPart {
            name: name.to_owned(),
            kind: schema.declared(name).unwrap_or("S").to_owned(),
            most,
        };
        Limits { parts: key_parts(schema).map(part).collect() }
    }

    /// Whether a value is allowed for a key attribute.
    fn check_key(&self, name: &str, value: Value<'_>) -> Result<(), Reason> {
        for part in self.parts.iter().filter(|part| part.name == name) {
            let name = shown(name);
            let (kind, len) = match value {
                Value::S(text) => ("S", text.len()),
                Value::B(bytes) => ("B", bytes.len()),
                Value::N(_) => ("N", 1),
                _ => ("another type", 1),
            };
            if kind != part.kind {
                return Err(format!("the key attribute {name} is {kind}, the table declares {}", part.kind));
            }
            if len == 0 {
                return Err(format!("the key attribute {name} is empty"));
            }
            if len > part.most {
                return Err(format!("the key attribute {name} has {len} bytes, {} are allowed", part.most));
            }
        }
        Ok(())
    }
}

/// Checks items; reuses its memory.
#[derive(Debug, Default)]
pub(super) struct Checker<'a> {
    entries: Vec<Entry<'a>>,
}

impl<'a> Checker<'a> {
    /// Checks whether an item is accepted.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&mut self, limits: &Limits, item: Item<'a>) -> Result<(), Reason> {
        let from = self.entries.len();
        let checked = self.attributes(limits, item.attributes());
        self.entries.truncate(from);
        let bytes = checked?;
        if bytes > MOST_ITEM {
            return Err(format!("it has {bytes} bytes, {MOST_ITEM} are allowed"));
        }
        Ok(())
    }

    fn attributes(&mut self, limits: &Limits, map: Map<'a>) -> Result<usize, Reason> {
        map.push_sorted(&mut self.entries);
        let mut bytes = 0;
        for at in 0..self.entries.len() {
            let entry = self.entries[at];
            limits.check_key(entry.name, entry.value())?;
            bytes += self.entry(entry, 0)?;
        }
        Ok(bytes)
    }

    /// Bytes of a name and its value.
    fn entry(&mut self, entry: Entry<'a>, level: usize) -> Result<usize, Reason> {
        if entry.name.is_empty() {
            return Err("an attribute has no name".to_owned());
        }
        if entry.name.len() > MOST_NAME {
            return Err(format!("the name of an attribute has {} bytes, {MOST_NAME} are allowed", entry.name.len()));
        }
        let bytes =
            self.value(entry.value(), level).map_err(|why| format!("the attribute {}: {why}", shown(entry.name)));
        Ok(entry.name.len() + bytes?)
    }

    /// Bytes of a value.
    fn value(&mut self, value: Value<'a>, level: usize) -> Result<usize, Reason> {
        Ok(match value {
            Value::S(text) => text.len(),
            Value::B(bytes) => bytes.len(),
            Value::N(text) => number(text)?,
            Value::Bool(_) | Value::Null(true) | Value::Unset => 1,
            Value::Null(false) => return Err("NULL is false".to_owned()),
            Value::Ss(set) => members(set.iter().map(str::as_bytes))?,
            Value::Bs(set) => members(set.iter())?,
            Value::Ns(set) => numbers(set.iter())?,
            Value::L(list) => {
                let mut bytes = BRACKETS;
                for value in list.iter() {
                    bytes += ELEMENT + self.value(value, deeper(level)?)?;
                }
                bytes
            }
            Value::M(map) => self.map(map, deeper(level)?)?,
        })
    }

    fn map(&mut self, map: Map<'a>, level: usize) -> Result<usize, Reason> {
        let from = self.entries.len();
        map.push_sorted(&mut self.entries);
        let to = self.entries.len();
        let mut bytes = BRACKETS;
        for at in from..to {
            let entry = self.entries[at];
            bytes += ELEMENT + self.entry(entry, level)?;
        }
        self.entries.truncate(from);
        Ok(bytes)
    }
}

/// A name of bounded length.
fn shown(name: &str) -> String {
    const SHOWN: usize = 64;
    name.chars().take(SHOWN).collect()
}

fn deeper(level: usize) -> Result<usize, Reason> {
    if level < MOST_NESTING { Ok(level + 1) } else { Err(format!("it is nested deeper than {MOST_NESTING} levels")) }
}

/// Bytes of a number.
fn number(text: &str) -> Result<usize, Reason> {
    if text.len() > MOST_TEXT {
        return Err(format!("a number is written in {} characters, {MOST_TEXT} are allowed", text.len()));
    }
    let Some((decimal, scale)) = Decimal::parse(text).and_then(|decimal| Some((decimal, decimal.scale()?))) else {
        return Err("it is no decimal number".to_owned());
    };
    let digits = decimal.significant().len();
    if digits > MOST_DIGITS {
        return Err(format!("a number has {digits} digits, {MOST_DIGITS} are allowed"));
    }
    if digits > 0 && !EXPONENTS.contains(&(scale - 1)) {
        return Err(format!("a number is about 1e{}, 1e-130 to 1e125 are allowed", scale - 1));
    }
    Ok(digits.div_ceil(2) + 1)
}

/// Bytes of the members of a set.
fn members<'m>(set: impl Iterator<Item = &'m [u8]>) -> Result<usize, Reason> {
    // If there are more members than allowed bytes, two of them are equal or the item is too large: so not all are kept.
    let mut all: Vec<&[u8]> = set.take(MOST_ITEM + 1).collect();
    if all.is_empty() {
        return Err("a set is empty".to_owned());
    }
    if all.len() > MOST_ITEM {
        return Err(format!("a set has more than {MOST_ITEM} members"));
    }
    let bytes = all.iter().map(|member| member.len()).sum();
    all.sort_unstable();
    if all.windows(2).any(|pair| pair[0] == pair[1]) { Err("a set has a member twice".to_owned()) } else { Ok(bytes) }
}

/// Bytes of a set of numbers: equal numbers are one member, in whatever form they are written.
fn numbers<'t>(set: impl Iterator<Item = &'t str>) -> Result<usize, Reason> {
    let (mut bytes, mut texts) = (0, Vec::new());
    for text in set.take(MOST_ITEM + 1) {
        bytes += number(text)?;
        texts.push(plain(text));
    }
    members(texts.iter().map(|text| text.as_bytes()))?;
    Ok(bytes)
}
