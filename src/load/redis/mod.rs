//! Redis keys in the forms that Redis can store: over the wire (`resp`) and in a file (`rdb`).
//!
//! Both take what [`Keys`] gives. It leaves out what Redis has no form for: empty hashes, lists, sets and sorted sets; scores that are not
//! a number (a server crashes on an RDB file with one); stream entries without fields, and entries with the ID 0-0. A HyperLogLog is an
//! exact set of members in elastickv: it becomes a sketch (`sketch.rs`).

pub mod rdb;
pub mod resp;
mod sketch;

use super::Options;
use super::course::Course;
use super::pass::passes_over;
use crate::error::Result;
use crate::format::redis::blob;
use crate::format::redis::stream::{StreamEntry, StreamId};
use crate::model::redis::{Key, Standing, StreamEnd, Type, Visitor};

/// Maximum length of a Redis string.
const MOST_STRING: usize = 512 << 20;

/// An element of a collection.
#[derive(Clone, Copy)]
pub(super) enum Element<'e> {
    Field(&'e [u8], &'e [u8]),
    Item(&'e [u8]),
    Member(&'e [u8]),
    Scored(&'e [u8], f64),
    Entry(StreamId, &'e StreamEntry<'e>),
}

/// The state of a collection, given after its elements.
#[derive(Clone, Copy)]
pub(super) struct Made {
    pub kind: Type,
    /// Elements that were given.
    pub elements: u64,
    /// For a stream: the last ID that was generated.
    pub last: StreamId,
    pub expire_at_ms: Option<u64>,
}

/// Takes keys that Redis can store.
pub(super) trait KeySink {
    /// Whether the sink also wants keys that have expired.
    const KEEPS_EXPIRED: bool;

    /// A string.
    fn string(&mut self, name: &[u8], value: &[u8], expire_at_ms: Option<u64>) -> Result<()>;

    /// A collection begins: it has an element, or it is a stream.
    fn begin(&mut self, name: &[u8], kind: Type) -> Result<()>;

    /// An element of it.
    fn element(&mut self, name: &[u8], element: Element<'_>) -> Result<()>;

    /// The collection is complete.
    fn end(&mut self, name: &[u8], made: Made) -> Result<()>;

    /// The collection has begun but must be dropped.
    fn abandon(&mut self, name: &[u8]) -> Result<()>;
}

/// Gives keys to a sink.
pub(super) struct Keys<'c, S: KeySink> {
    pub sink: S,
    pub course: Course<'c>,
    /// Whether the current collection is loaded.
    taken: bool,
    begun: bool,
    elements: u64,
    greatest: StreamId,
    sketch: Vec<u8>,
}

impl<'c, S: KeySink> Keys<'c, S> {
    pub fn new(sink: S, course: Course<'c>) -> Self {
        Keys {
            sink,
            course,
            taken: false,
            begun: false,
            elements: 0,
            greatest: StreamId::default(),
            sketch: Vec::new(),
        }
    }

    /// When a key expires, in a form that Redis accepts.
    fn expiry(&mut self, key: &Key<'_>) -> Option<u64> {
        let at = self.course.shift.key(key).expire_at_ms?;
        if i64::try_from(at).is_err() {
            self.course
                .changed(&[key.name], format!("it expires at {at}, which is too late for Redis: it never expires"));
            return None;
        }
        // Redis accepts no time before the first millisecond of 1970.
        Some(at.max(1))
    }

    fn is_expired(&self, expire_at_ms: Option<u64>) -> bool {
        !S::KEEPS_EXPIRED && expire_at_ms.is_some_and(|at| at <= self.course.now_ms)
    }

    fn element(&mut self, key: &Key<'_>, element: Element<'_>, bytes: usize) -> Result<()> {
        if !self.taken {
            return Ok(());
        }
        if !self.begun {
            self.begun = true;
            self.sink.begin(key.name, key.kind)?;
        }
        self.elements += 1;
        self.course.sends(bytes);
        self.sink.element(key.name, element)
    }

    /// Checks that Redis accepts the length of a string.
    fn fits(&mut self, key: &Key<'_>, parts: &[&[u8]]) -> bool {
        let fits = parts.iter().all(|part| part.len() <= MOST_STRING);
        if !fits && self.taken {
            self.course.left_out(&[key.name], "it has a string of more than 512 MiB");
        }
        fits
    }
}

impl<S: KeySink> Visitor for Keys<'_, S> {
    fn string(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        if key.standing == Standing::Orphan || !self.course.takes(key.kind.plural(), &[key.name]) {
            return Ok(());
        }
        self.taken = true;
        if !self.fits(key, &[key.name, value]) {
            return Ok(());
        }
        let expiry = self.expiry(key);
        if self.is_expired(expiry) {
            self.course.expired(&[key.name]);
            return Ok(());
        }
        let mut sketch = std::mem::take(&mut self.sketch);
        let mut value = value;
        if key.kind == Type::Hll {
            let mut registers = sketch::Registers::default();
            if blob::set(value, |member| registers.add(member)).is_err() {
                self.course.left_out(&[key.name], "its value is not a HyperLogLog of elastickv");
                return Ok(());
            }
            registers.encode(&mut sketch);
            value = &sketch;
        }
        self.course.sends(key.name.len() + value.len());
        self.sink.string(key.name, value, expiry)?;
        self.sketch = sketch;
        self.course.loaded(key.kind.plural());
        Ok(())
    }

    fn begin(&mut self, key: &Key<'_>) -> Result<()> {
        self.taken = key.standing == Standing::Served && self.course.takes(key.kind.plural(), &[key.name]);
        self.taken = self.taken && self.fits(key, &[key.name]);
        (self.begun, self.elements, self.greatest) = (false, 0, StreamId::default());
        if self.taken && key.kind == Type::Stream {
            self.begun = true;
            return self.sink.begin(key.name, key.kind);
        }
        Ok(())
    }

    fn field(&mut self, key: &Key<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        self.element(key, Element::Field(name, value), name.len() + value.len())
    }

    fn item(&mut self, key: &Key<'_>, value: &[u8]) -> Result<()> {
        self.element(key, Element::Item(value), value.len())
    }

    fn member(&mut self, key: &Key<'_>, member: &[u8]) -> Result<()> {
        self.element(key, Element::Member(member), member.len())
    }

    fn scored(&mut self, key: &Key<'_>, member: &[u8], score: f64) -> Result<()> {
        if score.is_nan() {
            if self.taken {
                let why = format!("the score of its member \"{}\" is not a number", member.escape_ascii());
                self.course.left_out(&[key.name], why);
            }
            return Ok(());
        }
        self.element(key, Element::Scored(member, score), member.len() + size_of::<f64>())
    }

    fn entry(&mut self, key: &Key<'_>, id: StreamId, entry: &StreamEntry<'_>) -> Result<()> {
        let is_empty = entry.fields().next().is_none();
        if is_empty || id == StreamId::default() {
            if self.taken {
                let why = if is_empty { "has no fields" } else { "has an ID that Redis does not take" };
                self.course.left_out(&[key.name], format!("its entry {id} {why}"));
            }
            return Ok(());
        }
        self.greatest = self.greatest.max(id);
        let bytes = entry.fields().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.element(key, Element::Entry(id, entry), bytes + size_of::<StreamId>())
    }

    fn end(&mut self, key: &Key<'_>, stream: StreamEnd) -> Result<()> {
        if !self.taken {
            return Ok(());
        }
        if !self.begun {
            self.course.left_out(&[key.name], "it is empty");
            return Ok(());
        }
        let expire_at_ms = self.expiry(key);
        if self.is_expired(expire_at_ms) {
            self.course.expired(&[key.name]);
            return self.sink.abandon(key.name);
        }
        // The last generated ID in Redis must not be smaller than any entry.
        let last = stream.last.max(self.greatest);
        self.course.sends(key.name.len());
        self.sink.end(key.name, Made { kind: key.kind, elements: self.elements, last, expire_at_ms })?;
        self.course.loaded(key.kind.plural());
        Ok(())
    }

    fn abandon(&mut self, key: &Key<'_>) -> Result<()> {
        if self.taken && self.begun { self.sink.abandon(key.name) } else { Ok(()) }
    }

    fn stray_items(&mut self, _: &[u8], _: &[&[u8]]) -> Result<()> {
        Ok(())
    }

    fn stray_expiry(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

passes_over!(['c, S: KeySink] Keys<'c, S>: sqs, dynamodb, s3, fs, added);

/// A sink that only counts: for a dry run.
pub(super) struct Nothing;

impl KeySink for Nothing {
    const KEEPS_EXPIRED: bool = false;

    fn string(&mut self, _: &[u8], _: &[u8], _: Option<u64>) -> Result<()> {
        Ok(())
    }

    fn begin(&mut self, _: &[u8], _: Type) -> Result<()> {
        Ok(())
    }

    fn element(&mut self, _: &[u8], _: Element<'_>) -> Result<()> {
        Ok(())
    }

    fn end(&mut self, _: &[u8], _: Made) -> Result<()> {
        Ok(())
    }

    fn abandon(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Reads the inputs and sends nothing.
fn dry(input: &super::Input, options: &Options, course: Course<'_>) -> Result<super::Outcome> {
    let (adapter, listener) = (course.adapter, course.listener);
    let mut keys = Keys::new(Nothing, course);
    let findings = super::input::read(input, adapter, options, listener, &mut keys)?;
    keys.course.noticed(findings);
    keys.course.finish()
}
