//! Notes and warnings: counted by event, with the first few as examples (`rules.md` §5).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer};

use crate::error::Brief;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Normal in every healthy cluster: in the manifest and `--json` only.
    Note,
    /// Something to look at: shown, and `--strict` fails.
    Warning,
}

/// A kind of finding: constants of this type are the vocabulary.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Its severity.
    pub level: Level,
    /// Name of the event; that of the public decoder's log, if it has one.
    pub event: &'static str,
    /// What it means and what to do.
    pub hint: &'static str,
    /// For a kind that claims that something does not exist: the kind that is reported if rows of the store are missing, because what was
    /// not found may be among them.
    pub unread: Option<&'static Kind>,
}

/// Declares the vocabulary of a module: `Level NAME "event" "hint";` makes a [`Kind`] called `NAME`. With `, unread Level "hint"` before the
/// semicolon it has a kind for stores of which rows are missing.
macro_rules! kinds {
    ($($level:ident $name:ident $event:literal $hint:literal $(, unread $other:ident $unread:literal)?;)*) => {
        $(pub(super) static $name: $crate::report::Kind = $crate::report::Kind {
            level: $crate::report::Level::$level,
            event: $event,
            hint: $hint,
            unread: $crate::report::kinds!(@unread $event $($other $unread)?),
        };)*
    };
    (@unread $event:literal) => { None };
    (@unread $event:literal $level:ident $hint:literal) => {
        Some(&$crate::report::Kind {
            level: $crate::report::Level::$level,
            event: $event,
            hint: $hint,
            unread: None,
        })
    };
}
pub(crate) use kinds;

/// A member of a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A count or a length.
    Int(i128),
    /// A number whose kind exceeds 2^53, such as a commit timestamp or an inode: in JSON a string with its digits, because some readers
    /// lose digits of numbers.
    #[serde(serialize_with = "digits")]
    Exact(u64),
    /// Text.
    Text(String),
    /// The start of a long text.
    Cut(Cut),
    /// A key that is not UTF-8.
    Binary {
        /// base64url without padding.
        base64: String,
        /// The original number of bytes, if only the first are shown.
        #[serde(skip_serializing_if = "Option::is_none")]
        cut_from_bytes: Option<usize>,
    },
}

/// A path that is not UTF-8, and so is not exact as text, in standard base64.
pub fn exact_path(path: &Path) -> Option<String> {
    path.to_str().is_none().then(|| STANDARD.encode(path.as_os_str().as_bytes()))
}

/// A number as the string of its digits.
///
/// # Errors
/// The serializer's.
pub fn digits<S: Serializer>(n: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(n)
}

/// The start of a long text; in JSON a string that says so at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// The first bytes.
    pub head: String,
    /// The original number of bytes.
    pub bytes: usize,
}

impl Serialize for Cut {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}… ({} bytes)", self.head, self.bytes))
    }
}

impl Value {
    /// The value, or its start and its length: a hundred examples with keys of a megabyte must fill neither memory nor the manifest.
    pub(crate) fn cut(self) -> Value {
        match self {
            Value::Text(text) if text.len() > MOST_SHOWN => {
                let end = (0..=MOST_SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
                Value::Cut(Cut { head: text[..end].to_owned(), bytes: text.len() })
            }
            Value::Binary { mut base64, cut_from_bytes: None } if base64.len() > MOST_SHOWN => {
                let bytes = base64.len() * 3 / 4;
                base64.truncate(MOST_SHOWN);
                base64.shrink_to_fit();
                Value::Binary { base64, cut_from_bytes: Some(bytes) }
            }
            short => short,
        }
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Value {
        Value::Int(n.into())
    }
}

impl From<i128> for Value {
    fn from(n: i128) -> Value {
        Value::Int(n)
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Value {
        Value::Int(n as i128)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<&Path> for Value {
    fn from(path: &Path) -> Value {
        Value::from(path.as_os_str().as_bytes())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Value {
        match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Binary { base64: URL_SAFE_NO_PAD.encode(bytes), cut_from_bytes: None },
        }
    }
}

impl From<&Brief> for Value {
    fn from(key: &Brief) -> Value {
        let head = &key.head[..];
        if head.len() == key.len {
            return Value::from(head).cut();
        }
        match std::str::from_utf8(head) {
            Ok(text) => Value::Cut(Cut { head: text.to_owned(), bytes: key.len }),
            // A character that is cut in two.
            Err(e) if e.error_len().is_none() => {
                let head = String::from_utf8_lossy(&head[..e.valid_up_to()]).into_owned();
                Value::Cut(Cut { head, bytes: key.len })
            }
            Err(_) => {
                let mut base64 = URL_SAFE_NO_PAD.encode(head);
                base64.truncate(MOST_SHOWN);
                Value::Binary { base64, cut_from_bytes: Some(key.len) }
            }
        }
    }
}

/// One finding: members in the order of the public decoder's log, then ekvsnap's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its kind.
    pub kind: &'static Kind,
    /// Name and value.
    pub fields: Vec<(&'static str, Value)>,
}

impl Finding {
    /// A finding without members.
    pub fn new(kind: &'static Kind) -> Finding {
        Finding { kind, fields: Vec::new() }
    }

    /// Adds a member; a long one is cut.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Finding {
        self.fields.push((name, value.into().cut()));
        self
    }
}

/// Findings of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Their number.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Vec<(&'static str, Value)>>,
}

/// Examples kept of one kind: a run with a million warnings must not fill memory.
const EXAMPLES: usize = 100;
/// Maximum length of a text in an example, a multiple of four for base64.
const MOST_SHOWN: usize = 512;

/// All findings of a task or a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    kinds: BTreeMap<&'static str, (&'static Kind, Seen)>,
}

impl Findings {
    /// Adds a finding.
    #[cold]
    pub fn add(&mut self, finding: Finding) {
        let seen = Seen { count: 1, examples: vec![finding.fields] };
        self.merge_kind(finding.kind, seen);
    }

    /// Adds findings of one kind; those for which no example is kept are only counted.
    pub fn add_all(&mut self, kind: &'static Kind, findings: impl ExactSizeIterator<Item = Finding>) {
        let count = findings.len() as u64;
        if count > 0 {
            let examples = findings.take(EXAMPLES).map(|finding| finding.fields).collect();
            self.merge_kind(kind, Seen { count, examples });
        }
    }

    /// Adds the findings of a kind.
    pub(super) fn add_seen(&mut self, kind: &'static Kind, seen: Seen) {
        self.merge_kind(kind, seen);
    }

    fn merge_kind(&mut self, kind: &'static Kind, seen: Seen) {
        match self.kinds.entry(kind.event) {
            Entry::Vacant(slot) => {
                slot.insert((kind, seen));
            }
            Entry::Occupied(mut slot) => {
                let mine = &mut slot.get_mut().1;
                mine.count += seen.count;
                let room = EXAMPLES.saturating_sub(mine.examples.len());
                mine.examples.extend(seen.examples.into_iter().take(room));
            }
        }
    }

    /// Adds the findings of a later task.
    pub fn merge(&mut self, other: Findings) {
        for (_, (kind, seen)) in other.kinds {
            self.merge_kind(kind, seen);
        }
    }

    /// Takes back the claims that something does not exist, because rows of the store are missing.
    pub fn of_incomplete_store(&mut self) {
        self.kinds.values_mut().for_each(|(kind, _)| *kind = kind.unread.unwrap_or(*kind));
    }

    /// Every kind with its findings, by event name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Kind, &Seen)> {
        self.kinds.values().map(|(kind, seen)| (*kind, seen))
    }

    /// The number of findings of this level.
    pub fn count(&self, level: Level) -> u64 {
        self.iter().filter(|(kind, _)| kind.level == level).map(|(_, seen)| seen.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_members_are_cut() {
        let kind: &'static Kind = &Kind { level: Level::Note, event: "e", hint: "", unread: None };
        let long = |unit: &str| unit.repeat((1 << 20) / unit.len());
        let binary = [&[0xff][..], &[0; 1 << 20]].concat();
        let base64 = format!("_w{}", "A".repeat(510));
        for (value, want) in [
            (Value::from("k".repeat(512)), serde_json::json!("k".repeat(512))),
            (Value::from(long("k")), serde_json::json!(format!("{}… (1048576 bytes)", "k".repeat(512)))),
            (Value::from(long("€uro")), serde_json::json!(format!("{}… (1048572 bytes)", "€uro".repeat(85)))),
            (Value::from(&binary[..384]), serde_json::json!({ "base64": &base64 })),
            (Value::from(&binary[..385]), serde_json::json!({ "base64": &base64, "cut_from_bytes": 385 })),
            (Value::from(&binary[..]), serde_json::json!({ "base64": &base64, "cut_from_bytes": 1_048_577 })),
        ] {
            let finding = Finding::new(kind).with("key", value);
            assert_eq!(serde_json::to_value(&finding.fields[0].1).unwrap(), want);
        }
    }
}
