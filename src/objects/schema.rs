//! Reads the schema of a table in pieces: a schema can have millions of indexes.

use sha2::{Digest as _, Sha256};

use super::Fingerprint;
use super::digest::cut;
use crate::layouts::members::KeyNames;

/// The text after the names of the key attributes, on a separate line: no string has a raw line feed.
const BEHIND_KEY: &[u8] = b"\n  \"attribute_definitions\"";

/// Reads the text of a `_schema.json`.
#[derive(Debug, Clone, Default)]
pub(super) struct SchemaText {
    hash: Sha256,
    /// Bytes so far.
    pub size: usize,
    /// Number of open objects and arrays.
    depth: u64,
    in_string: bool,
    escaped: bool,
    /// Its start, up to the text after the key.
    head: Vec<u8>,
    has_key: bool,
}

impl SchemaText {
    /// Reads the next bytes; returns whether the outermost object ends in them.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        self.hash.update(bytes);
        self.size += bytes.len();
        if !self.has_key {
            let from = self.head.len().saturating_sub(BEHIND_KEY.len());
            self.head.extend_from_slice(bytes);
            if let Some(at) = memchr::memmem::find(&self.head[from..], BEHIND_KEY) {
                self.head.truncate(from + at);
                self.has_key = true;
            }
        }
        let mut ends = false;
        for byte in bytes {
            ends |= self.ends_with(*byte);
        }
        ends
    }

    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_string {
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }

    /// Names of the key attributes.
    pub fn key_names(&self) -> Option<KeyNames> {
        let head = self.head.trim_ascii_end();
        let closed = [head.strip_suffix(b",").unwrap_or(head), b"}"].concat();
        let schema: serde_json::Value = serde_json::from_slice(if self.has_key { &closed } else { head }).ok()?;
        KeyNames::of(&schema)
    }

    /// The fingerprint of the text.
    pub fn fingerprint(self) -> Fingerprint {
        cut(self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_pieces_of_any_size() {
        let key = r#""primary_key": {"hash_key": {"name": "h\"}"}, "range_key": {}}"#;
        let text = format!(
            "{{\n  \"table_name\": \"}}]\\\\\",\n  {key},\n  \"attribute_definitions\": [],\n  \"x\": [{{}}]\n}}"
        );
        for text in [text.clone(), text.replace('\n', "")] {
            let mut fingerprints = Vec::new();
            for size in [1, 3, 20, 1000] {
                let mut schema = SchemaText::default();
                let ends: Vec<bool> = text.as_bytes().chunks(size).map(|piece| schema.feed(piece)).collect();
                assert_eq!(ends.iter().position(|end| *end), Some(ends.len() - 1), "{size}");
                let names = schema.key_names().unwrap();
                assert_eq!((names.hash.as_str(), names.range.as_deref()), ("h\"}", None));
                assert_eq!(schema.size, text.len());
                fingerprints.push(schema.fingerprint());
            }
            fingerprints.dedup();
            assert_eq!(fingerprints.len(), 1);
        }
        let mut broken = SchemaText::default();
        assert!(broken.feed(b"{\"primary_key\": 1}") && broken.key_names().is_none());
    }
}
