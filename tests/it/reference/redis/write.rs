//! Writes objects to files (`redis.md` §4, `rules.md` §6, §7).

use std::collections::BTreeMap;

use super::super::json::{Html, Json};
use super::super::names::{keymap, segment};
use super::super::{Ask, Tree};
use super::object::{Entry, Object};

pub const ORPHANS: &str = "redis/db_0/_orphans";

/// The tree, with lines that are not complete.
pub struct Out<'t> {
    ask: Ask,
    tree: &'t mut Tree,
    /// The last key in each KEYMAP: one line is enough.
    mapped: BTreeMap<String, Vec<u8>>,
}

type Members = Vec<(&'static str, Json)>;

impl<'t> Out<'t> {
    pub fn new(ask: Ask, tree: &'t mut Tree) -> Self {
        Out { ask, tree, mapped: BTreeMap::new() }
    }

    /// Packed files of a known scope exist even if they are empty.
    pub fn exist(&mut self) {
        if self.ask.packed {
            for kind in ["strings", "hll", "hashes", "lists", "sets", "zsets", "streams"] {
                self.add(&format!("redis/db_0/{kind}.jsonl"), "");
            }
        }
    }

    fn add(&mut self, path: &str, text: &str) {
        self.tree.entry(path.as_bytes().to_vec()).or_default().extend(text.bytes());
    }

    fn new_file(&mut self, path: String, body: Vec<u8>) {
        assert!(self.tree.insert(path.clone().into_bytes(), body).is_none(), "{path} twice");
    }

    /// The file name of a key, listed in the KEYMAP of `base` if it cannot be read back.
    fn name(&mut self, base: &str, key: &[u8]) -> String {
        let (name, fallback) = segment(key);
        if fallback && self.mapped.insert(base.to_owned(), key.to_vec()).as_deref() != Some(key) {
            self.add(&format!("{base}/KEYMAP.jsonl"), &keymap(&name, key, "sha-fallback"));
        }
        name
    }

    /// Writes an object, unless it has expired and expired ones are left out.
    pub fn object(&mut self, base: &str, key: &[u8], object: &Object, expiry: Option<u64>) {
        if self.ask.drop_expired.is_some_and(|when| expiry.is_some_and(|at| at <= when)) {
            return;
        }
        if self.ask.packed {
            let lines = packed(key, object, expiry);
            return self.add(&format!("{base}/{}.jsonl", folder(object)), &lines);
        }
        let name = self.name(base, key);
        let folder = folder(object);
        match object {
            Object::Str(payload) | Object::Hll(payload) => {
                self.new_file(format!("{base}/{folder}/{name}.bin"), payload.clone());
                if let Some(ms) = expiry {
                    let line = Json::object([("key", Json::text(name)), ("expire_at_ms", Json::number(ms))]);
                    let side = if folder == "hll" { "hll_ttl" } else { "strings_ttl" };
                    self.add(&format!("{base}/{side}.jsonl"), &(line.line(Html::Plain) + "\n"));
                }
            }
            Object::Stream { .. } => {
                let lines = stream(object, expiry, &[]);
                self.new_file(format!("{base}/{folder}/{name}.jsonl"), lines.into_bytes());
            }
            _ => self.new_file(format!("{base}/{folder}/{name}.json"), collection(object, expiry).into_bytes()),
        }
    }

    /// A TTL row of no key.
    pub fn orphan_ttl(&mut self, key: &[u8], ms: u64) {
        let key = if self.ask.packed { Json::bytes(key) } else { Json::text(self.name(ORPHANS, key)) };
        let line = Json::object([("key", key), ("expire_at_ms", Json::number(ms))]);
        let html = if self.ask.packed { Html::Escaped } else { Html::Plain };
        self.add(&format!("{ORPHANS}/ttl.jsonl"), &(line.line(html) + "\n"));
    }

    /// Items of no list: files in either layout.
    pub fn orphan_items(&mut self, key: &[u8], items: &Object) {
        let base = format!("{ORPHANS}/list_items");
        let name = self.name(&base, key);
        self.new_file(format!("{base}/{name}.json"), collection(items, None).into_bytes());
    }
}

fn folder(object: &Object) -> &'static str {
    match object {
        Object::Str(_) => "strings",
        Object::Hll(_) => "hll",
        Object::Hash(_) => "hashes",
        Object::Set(_) => "sets",
        Object::Zset(_) => "zsets",
        Object::List(_) => "lists",
        Object::Stream { .. } => "streams",
    }
}

/// The member that has the elements.
fn elements(object: &Object) -> (&'static str, Json) {
    let pair =
        |(name, value): &(Vec<u8>, Vec<u8>)| Json::object([("name", Json::bytes(name)), ("value", Json::bytes(value))]);
    let scored = |(member, score): &(Vec<u8>, f64)| {
        Json::object([("member", Json::bytes(member)), ("score", Json::score(*score))])
    };
    let bytes = |all: &[Vec<u8>]| Json::List(all.iter().map(|one| Json::bytes(one)).collect());
    match object {
        Object::Str(value) | Object::Hll(value) => ("value", Json::bytes(value)),
        Object::Hash(fields) => ("fields", Json::List(fields.iter().map(pair).collect())),
        Object::Zset(members) => ("members", Json::List(members.iter().map(scored).collect())),
        Object::Set(members) => ("members", bytes(members)),
        Object::List(items) => ("items", bytes(items)),
        Object::Stream { .. } => unreachable!("streams have lines"),
    }
}

fn collection(object: &Object, expiry: Option<u64>) -> String {
    let version = ("format_version", Json::number(1));
    Json::object([version, elements(object), ("expire_at_ms", Json::number_or_null(expiry))]).indented(Html::Escaped)
}

fn packed(key: &[u8], object: &Object, expiry: Option<u64>) -> String {
    let key = ("key", Json::bytes(key));
    if let Object::Stream { .. } = object {
        return stream(object, expiry, &[key]);
    }
    let line = Json::object([key, elements(object), ("expire_at_ms", Json::number_or_null(expiry))]);
    line.line(Html::Escaped) + "\n"
}

fn stream(object: &Object, expiry: Option<u64>, first: &[(&'static str, Json)]) -> String {
    let Object::Stream { entries, length, last } = object else { unreachable!("only streams have lines") };
    let line = |members: Members| Json::object([first.to_vec(), members].concat()).line(Html::Escaped) + "\n";
    let pair =
        |(name, value): &(Vec<u8>, Vec<u8>)| Json::object([("name", Json::bytes(name)), ("value", Json::bytes(value))]);
    let entry = |((ms, seq), fields): &Entry| {
        let fields = Json::List(fields.iter().map(pair).collect());
        line(vec![("id", Json::text(format!("{ms}-{seq}"))), ("fields", fields)])
    };
    let terminator = vec![
        ("_meta", Json::Raw("true".into())),
        ("length", Json::number(length)),
        ("last_ms", Json::number(last.0)),
        ("last_seq", Json::number(last.1)),
        ("expire_at_ms", Json::number_or_null(expiry)),
    ];
    entries.iter().map(entry).collect::<String>() + &line(terminator)
}
