//! Findings as bytes, so that another process can add those of a share of the work (`plan.md` §5).

use std::collections::HashSet;
use std::sync::Mutex;

use super::findings::{Cut, Findings, Kind, Level, Seen, Value};
use crate::format::wire::{self, Reader};
use crate::sync::lock;

/// Maximum number of names that are kept for the rest of the process: a program has a few dozen.
const MOST_NAMES: usize = 4096;

/// The names and kinds that were read from bytes: those of the program itself are constants.
static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
static KINDS: Mutex<Vec<&'static Kind>> = Mutex::new(Vec::new());

/// A name that lives as long as the process; `None`: there are too many.
pub fn lasting(name: &[u8]) -> Option<&'static str> {
    let name = std::str::from_utf8(name).ok()?;
    let mut names = lock(&NAMES);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= MOST_NAMES {
        return None;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    Some(name)
}

fn lasting_kind(wanted: Kind) -> Option<&'static Kind> {
    let mut kinds = lock(&KINDS);
    if let Some(known) = kinds.iter().find(|kind| ***kind == wanted) {
        return Some(known);
    }
    if kinds.len() >= MOST_NAMES {
        return None;
    }
    let kind: &'static Kind = Box::leak(Box::new(wanted));
    kinds.push(kind);
    Some(kind)
}

impl Findings {
    /// Appends them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        wire::number(self.iter().count() as u64, out);
        for (kind, Seen { count, examples }) in self.iter() {
            wire::bytes(kind.event.as_bytes(), out);
            encode_claim(kind, out);
            out.push(u8::from(kind.unread.is_some()));
            kind.unread.iter().for_each(|unread| encode_claim(unread, out));
            wire::number(*count, out);
            wire::number(examples.len() as u64, out);
            for example in examples {
                wire::number(example.len() as u64, out);
                for (name, value) in example {
                    wire::bytes(name.as_bytes(), out);
                    encode_value(value, out);
                }
            }
        }
    }

    /// Reads what was appended; `None`: the bytes are invalid.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Findings> {
        let mut findings = Findings::default();
        for _ in 0..reader.count()? {
            let event = lasting(reader.bytes()?)?;
            let kind = decode_claim(event, reader)?;
            let unread = if reader.flag()? { Some(lasting_kind(decode_claim(event, reader)?)?) } else { None };
            let (count, mut examples) = (reader.number()?, Vec::new());
            for _ in 0..reader.count()? {
                let mut example = Vec::new();
                for _ in 0..reader.count()? {
                    example.push((lasting(reader.bytes()?)?, decode_value(reader)?));
                }
                examples.push(example);
            }
            findings.add_seen(lasting_kind(Kind { unread, ..kind })?, Seen { count, examples });
        }
        Some(findings)
    }
}

/// Level and hint of a kind.
fn encode_claim(kind: &Kind, out: &mut Vec<u8>) {
    out.push(u8::from(kind.level == Level::Warning));
    wire::bytes(kind.hint.as_bytes(), out);
}

fn decode_claim(event: &'static str, reader: &mut Reader<'_>) -> Option<Kind> {
    let level = if reader.flag()? { Level::Warning } else { Level::Note };
    Some(Kind { level, event, hint: lasting(reader.bytes()?)?, unread: None })
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Int(n) => {
            out.push(0);
            wire::bytes(&n.to_le_bytes(), out);
        }
        Value::Exact(n) => {
            out.push(1);
            wire::number(*n, out);
        }
        Value::Text(text) => {
            out.push(2);
            wire::bytes(text.as_bytes(), out);
        }
        Value::Cut(Cut { head, bytes }) => {
            out.push(3);
            wire::bytes(head.as_bytes(), out);
            wire::number(*bytes as u64, out);
        }
        Value::Binary { base64, cut_from_bytes } => {
            out.push(4);
            wire::bytes(base64.as_bytes(), out);
            out.push(u8::from(cut_from_bytes.is_some()));
            cut_from_bytes.iter().for_each(|n| wire::number(*n as u64, out));
        }
    }
}

fn decode_value(reader: &mut Reader<'_>) -> Option<Value> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(match reader.byte()? {
        0 => Value::Int(i128::from_le_bytes(reader.bytes()?.try_into().ok()?)),
        1 => Value::Exact(reader.number()?),
        2 => Value::Text(text(reader.bytes()?)?),
        3 => Value::Cut(Cut { head: text(reader.bytes()?)?, bytes: reader.size()? }),
        4 => {
            let base64 = text(reader.bytes()?)?;
            Value::Binary { base64, cut_from_bytes: if reader.flag()? { Some(reader.size()?) } else { None } }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Finding;

    static UNREAD: Kind = Kind { level: Level::Note, event: "some", hint: "another hint", unread: None };
    static SOME: Kind = Kind { level: Level::Warning, event: "some", hint: "a hint", unread: Some(&UNREAD) };
    static OTHER: Kind = Kind { level: Level::Note, event: "other", hint: "", unread: None };

    #[test]
    fn findings_come_back() {
        let mut findings = Findings::default();
        let long = "k".repeat(1000);
        for value in [
            Value::from(7_u64),
            Value::from(-9_i64),
            Value::Exact(u64::MAX),
            Value::from("text"),
            Value::from(long.as_str()),
            Value::from(&b"\xff\0"[..]),
            Value::from(&vec![0xff; 2000][..]),
        ] {
            findings.add(Finding::new(&SOME).with("a", value.clone()).with("b", value));
        }
        findings
            .add_all(&OTHER, (0..300_u64).map(|n| Finding::new(&OTHER).with("n", n)).collect::<Vec<_>>().into_iter());
        let mut bytes = Vec::new();
        findings.encode(&mut bytes);
        let mut reader = Reader::new(&bytes);
        let mut again = Findings::decode(&mut reader).unwrap();
        assert!(reader.is_empty() && again == findings);
        // They are merged with those of the program itself.
        again.merge(findings.clone());
        assert_eq!(again.count(Level::Warning), 14);
        again.of_incomplete_store();
        assert_eq!(again.count(Level::Warning), 0);
        for end in 0..bytes.len() {
            assert!(Findings::decode(&mut Reader::new(&bytes[..end])).is_none(), "{end}");
        }
    }
}
