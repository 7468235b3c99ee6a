//! What the files of Redis keys contain.

use super::paths::KEYMAP;
use crate::format::adapter::REDIS;
use crate::layouts::place::{Place, Shape, split};
use crate::model::redis::Type;
use crate::options::Layout;
use crate::output::names::raw_of_segment;

/// What a file contains, by its path below `redis/`; `None`: no objects.
pub fn place(layout: Layout, below: &[u8]) -> Option<Place> {
    let (scope, rest) = split(below)?;
    if layout.is_packed() {
        let kind = std::str::from_utf8(rest).ok()?.strip_suffix(".jsonl").and_then(Type::of_plural)?;
        let shape = if kind == Type::Stream { Shape::Stream } else { Shape::Keyed };
        return Some(Place::new(REDIS, &scope, kind.plural(), shape));
    }
    let named = std::str::from_utf8(rest).ok().and_then(|rest| rest.split_once('/'));
    let kind = named.and_then(|(folder, _)| Type::of_plural(folder)).map(Type::plural);
    match (kind, named) {
        _ if rest == KEYMAP.as_bytes() => None,
        _ if matches!(rest, b"strings_ttl.jsonl" | b"hll_ttl.jsonl") => {
            Some(Place::new(REDIS, &scope, "expiry", Shape::Ttl))
        }
        (Some(kind), Some((_, name))) => Some(Place::whole(REDIS, &scope, kind, &key_of_name(name))),
        _ => Some(Place::whole(REDIS, &scope, "others", rest)),
    }
}

/// A Redis key from the name of its file.
fn key_of_name(name: &str) -> Vec<u8> {
    raw_of_segment(name.rsplit_once('.').map_or(name, |(segment, _)| segment))
}
