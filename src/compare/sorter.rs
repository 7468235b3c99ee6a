//! Both sides' objects, sorted together in flat memory.

use std::path::Path;

use super::differences::{Change, Counts, Difference, Totals};
use crate::error::Result;
use crate::format::adapter::{self, Adapter};
use crate::objects::{Fingerprint, Object, describes_scope};
use crate::run::spill::Spill;

/// Begins a part of an identity.
const PART: [u8; 2] = [0, 1];
/// Ends an identity.
const END: [u8; 2] = [0, 0];
/// Bytes of the fingerprints after the identity: rows of one identity are sorted by them.
const FINGERPRINTS: usize = 32;

/// Bytes of rows that are sorted in memory: less than the default of a sorter, because a decode runs at the same time.
const BATCH: usize = 24 << 20;

/// Every kind of object and of part of an object. A row stores the position in this list.
const KINDS: [&str; 19] = [
    "others",
    "strings",
    "hll",
    "lists",
    "hashes",
    "sets",
    "zsets",
    "streams",
    "expiry",
    "items",
    "tables",
    "objects",
    "metadata",
    "body",
    "buckets",
    "messages",
    "queues",
    "files",
    "directories",
];

/// Collects objects.
pub(crate) struct DiffSorter {
    rows: Spill,
    key: Vec<u8>,
}

/// One object, or one part of it, of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    kind: &'static str,
    value: Fingerprint,
    rest: Fingerprint,
    size: u64,
}

/// The state of one object. Many rows can have one identity: equal rows meet in the sorter, and of the rows without an equal on the other
/// side only a few are kept.
#[derive(Default)]
struct Known {
    id: Vec<u8>,
    /// The fingerprints of the current rows.
    fingerprints: [u8; FINGERPRINTS],
    /// Rows with these fingerprints, by kind, and their number on each side.
    equal: Vec<(Row, [u64; 2])>,
    sides: [Side; 2],
}

/// The state of one side.
#[derive(Default)]
struct Side {
    /// The row of the object itself, not of its expiry, metadata or body; if there is none, another row.
    main: Option<Row>,
    /// Rows that the other side does not have, sorted by kind; only the first ones are kept.
    only: Vec<Row>,
}

/// Maximum number of such rows per side. They show what differs, and one row is enough to show that something does.
const MOST_HELD: usize = 64;

impl DiffSorter {
    pub fn new(scratch: &Path) -> DiffSorter {
        DiffSorter { rows: Spill::with_batch(scratch, BATCH), key: Vec::new() }
    }

    /// Takes an object of side 0 or 1.
    pub fn add(&mut self, side: usize, object: &Object<'_>) -> Result<()> {
        let key = &mut self.key;
        key.clear();
        id_into(object, key);
        key.extend_from_slice(&END);
        key.extend_from_slice(&object.value.unwrap_or_default());
        key.extend_from_slice(&object.rest.unwrap_or_default());
        let kind = KINDS.iter().position(|kind| *kind == object.kind).unwrap_or_default();
        let mut value = [0; 9];
        value[0] = (side | kind << 1) as u8;
        value[1..].copy_from_slice(&object.size.to_le_bytes());
        self.rows.push(key, &value)
    }

    /// Gives every difference, in order of adapter, scope and key.
    pub fn classify(self, each: &mut dyn FnMut(&Difference<'_>) -> Result<()>) -> Result<Totals> {
        let (mut known, mut tally) = (Known::default(), Tally::default());
        let mut rows = self.rows.finish()?;
        while let Some((key, value)) = rows.next()? {
            let Some((id, fingerprints)) =
                key.split_last_chunk().and_then(|(id, fingerprints)| Some((id.strip_suffix(&END)?, fingerprints)))
            else {
                continue;
            };
            if id != known.id.as_slice() {
                known.finish();
                known.settle(&mut tally, each)?;
                known.begin(id);
            }
            known.take(fingerprints, value);
        }
        known.finish();
        known.settle(&mut tally, each)?;
        Ok(tally.finish())
    }
}

/// Counts by scope. Rows of one scope come together.
#[derive(Default)]
struct Tally {
    totals: Totals,
    /// The prefix of the identities of the current scope.
    scope: Vec<u8>,
    counts: Counts,
}

impl Tally {
    #[inline]
    fn count(&mut self, id: &[u8], change: Option<Change>) {
        let is_here =
            id.strip_prefix(self.scope.as_slice()).is_some_and(|rest| rest.is_empty() || rest.starts_with(&PART));
        if !is_here || self.scope.is_empty() {
            self.enter(id);
        }
        self.counts.count(change);
    }

    #[cold]
    fn enter(&mut self, id: &[u8]) {
        self.leave();
        self.scope.clear();
        self.scope.extend_from_slice(&id[..memchr::memmem::find(id, &PART).unwrap_or(id.len())]);
    }

    fn leave(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        if let Some(Id { adapter, scope, .. }) = Id::of(&self.scope) {
            self.totals.scopes.entry((adapter, scope.to_owned())).or_default().add(counts);
        }
    }

    fn finish(mut self) -> Totals {
        self.leave();
        self.totals
    }
}

impl Known {
    fn begin(&mut self, id: &[u8]) {
        self.id.clear();
        self.id.extend_from_slice(id);
        self.sides = Default::default();
    }

    fn take(&mut self, fingerprints: &[u8; FINGERPRINTS], value: &[u8]) {
        let Some((flags, size)) = value.split_first().and_then(|(flags, size)| Some((*flags, size.first_chunk()?)))
        else {
            return;
        };
        if *fingerprints != self.fingerprints {
            self.finish();
            self.fingerprints = *fingerprints;
        }
        let (value, rest) = fingerprints.split_at(16);
        let fingerprint = |half: &[u8]| half.first_chunk().copied().unwrap_or_default();
        let kind = KINDS.get(usize::from(flags >> 1)).copied().unwrap_or("others");
        let row = Row { kind, value: fingerprint(value), rest: fingerprint(rest), size: u64::from_le_bytes(*size) };
        let side = usize::from(flags & 1);
        let main = &mut self.sides[side].main;
        if main.is_none_or(|main| is_beside(&main) && !is_beside(&row)) {
            *main = Some(row);
        }
        match self.equal.iter_mut().find(|(known, _)| known.kind == kind) {
            Some((_, many)) => many[side] += 1,
            None => {
                let mut many = [0, 0];
                many[side] = 1;
                self.equal.push((row, many));
            }
        }
    }

    /// All rows with the current fingerprints were read: rows that both sides have cancel each other.
    fn finish(&mut self) {
        for (row, [before, after]) in self.equal.drain(..) {
            let only = &mut self.sides[usize::from(after > before)].only;
            if before != after && only.len() < MOST_HELD {
                only.insert(only.partition_point(|other| other.kind <= row.kind), row);
            }
        }
    }

    fn settle(&self, tally: &mut Tally, each: &mut dyn FnMut(&Difference<'_>) -> Result<()>) -> Result<()> {
        let [before, after] = &self.sides;
        let (before_main, after_main) = (before.main.as_ref(), after.main.as_ref());
        if before_main.is_some() && after_main.is_some() && before.only.is_empty() && after.only.is_empty() {
            tally.count(&self.id, None);
            return Ok(());
        }
        let Some(id) = Id::of(&self.id).filter(|_| before_main.or(after_main).is_some()) else { return Ok(()) };
        let (change, parts) = match (before_main, after_main) {
            (None, _) => (Some(Change::Added), Vec::new()),
            (_, None) => (Some(Change::Removed), Vec::new()),
            _ => {
                let parts = parts(id.adapter, &before.only, &after.only);
                ((!parts.is_empty()).then_some(Change::Changed), parts)
            }
        };
        tally.count(&self.id, change);
        let Some(change) = change else { return Ok(()) };
        let Id { adapter, scope, key, range } = &id;
        let kind = after_main.or(before_main).map_or("others", |row| row.kind);
        let kind_before = before_main.map(|row| row.kind);
        let size = |row: Option<&Row>| row.map(|row| row.size);
        let (before, after) = (size(before_main), size(after_main));
        let (adapter, range) = (*adapter, range.as_deref());
        each(&Difference { change, adapter, scope, kind, kind_before, key, range, parts, before, after })
    }
}

/// Whether a row is a part of an object: its expiry, metadata or body.
fn is_beside(row: &Row) -> bool {
    matches!(row.kind, "expiry" | "metadata" | "body")
}

/// What differs between two states of an object, by the rows that only one side has, sorted by kind.
fn parts(adapter: Adapter, before: &[Row], after: &[Row]) -> Vec<&'static str> {
    let beside = adapter.spec().beside;
    let mut parts = Vec::new();
    for (rows, others) in [(before, after), (after, before)] {
        for row in rows {
            let twin = others.get(others.partition_point(|other| other.kind < row.kind));
            match twin.filter(|twin| twin.kind == row.kind) {
                _ if matches!(row.kind, "expiry" | "metadata") => parts.push(beside),
                None if row.kind == "body" => parts.push("value"),
                None => parts.push("type"),
                Some(twin) => {
                    parts.extend((twin.value != row.value).then_some("value"));
                    parts.extend((twin.rest != row.rest).then_some(beside));
                }
            }
        }
    }
    parts.sort_unstable_by_key(|part| (*part != "type", *part != "value"));
    parts.dedup();
    parts
}

/// The identity of an object.
fn id_into(object: &Object<'_>, id: &mut Vec<u8>) {
    let key = Some(object.key).filter(|_| !describes_scope(object.kind));
    identity_into(object.adapter, object.scope, key, object.range, id);
}

/// The identity by its parts. It sorts by adapter, scope and key. Rows that describe a scope have no key and come before its objects.
pub(super) fn identity_into(adapter: Adapter, scope: &str, key: Option<&[u8]>, range: Option<&[u8]>, id: &mut Vec<u8>) {
    id.push(adapter.id());
    escape_into(scope.as_bytes(), id);
    let Some(key) = key else { return };
    id.extend_from_slice(&PART);
    escape_into(key, id);
    if let Some(range) = range {
        id.extend_from_slice(&PART);
        escape_into(range, id);
    }
}

/// A NUL becomes `00 FF`. So `00 01` can begin a part and `00 00` can end the last one, and the order is kept.
fn escape_into(bytes: &[u8], id: &mut Vec<u8>) {
    let mut from = 0;
    for at in memchr::memchr_iter(0, bytes) {
        id.extend_from_slice(&bytes[from..=at]);
        id.push(0xff);
        from = at + 1;
    }
    id.extend_from_slice(&bytes[from..]);
}

/// The parts of an identity, decoded.
struct Id<'i> {
    adapter: Adapter,
    scope: &'i str,
    key: Vec<u8>,
    range: Option<Vec<u8>>,
}

impl<'i> Id<'i> {
    fn of(id: &'i [u8]) -> Option<Id<'i>> {
        let (adapter, rest) = id.split_first()?;
        let adapter = adapter::numbered(*adapter)?;
        let end = memchr::memmem::find(rest, &PART);
        let (scope, mut rest) = rest.split_at(end.unwrap_or(rest.len()));
        let mut part = || {
            rest = rest.strip_prefix(&PART)?;
            let end = memchr::memmem::find(rest, &PART).unwrap_or(rest.len());
            let escaped = &rest[..end];
            rest = &rest[end..];
            let after_nul = |at: usize| at > 0 && escaped[at - 1] == 0;
            Some(escaped.iter().enumerate().filter(|(at, _)| !after_nul(*at)).map(|(_, byte)| *byte).collect())
        };
        let scope = std::str::from_utf8(scope).ok()?;
        let key: Option<Vec<u8>> = part();
        let range = part();
        Some(Id { adapter, scope, key: key.unwrap_or_else(|| scope.as_bytes().to_vec()), range })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object<'a>(key: &'a [u8], range: Option<&'a [u8]>, kind: &'static str) -> Object<'a> {
        let (adapter, scope) = (adapter::REDIS, "db_0");
        Object { adapter, scope, kind, key, range, size: 1, expire_at_ms: None, value: None, rest: None }
    }

    #[test]
    fn identities() {
        let keys: [&[u8]; 7] = [b"", b"\0", b"\0\x01", b"\0\xff", b"\x01", b"a", b"a\0"];
        let mut ids = Vec::new();
        for key in keys {
            for range in [None].into_iter().chain(keys.map(Some)) {
                let mut id = Vec::new();
                id_into(&object(key, range, "items"), &mut id);
                let back = Id::of(&id).unwrap();
                assert_eq!((back.key.as_slice(), back.range.as_deref(), back.scope), (key, range, "db_0"));
                ids.push(id);
            }
        }
        assert!(ids.is_sorted());
    }

    fn differences(sides: [&[(&'static str, u8, u8)]; 2]) -> Vec<(Change, Vec<&'static str>)> {
        let mut sorter = DiffSorter::new(&std::env::temp_dir());
        for (side, rows) in sides.into_iter().enumerate() {
            for (kind, value, rest) in rows {
                let object = Object { value: Some([*value; 16]), rest: Some([*rest; 16]), ..object(b"k", None, kind) };
                sorter.add(side, &object).unwrap();
            }
        }
        let mut all = Vec::new();
        let take = &mut |difference: &Difference<'_>| {
            all.push((difference.change, difference.parts.clone()));
            Ok(())
        };
        sorter.classify(take).unwrap();
        all
    }

    #[test]
    fn what_differs() {
        use Change::{Added, Changed, Removed};
        assert_eq!(differences([&[("strings", 1, 1)], &[("strings", 1, 1)]]), []);
        assert_eq!(differences([&[("strings", 1, 1)], &[("strings", 2, 1)]]), [(Changed, vec!["value"])]);
        assert_eq!(differences([&[("strings", 1, 1)], &[("strings", 2, 2)]]), [(Changed, vec!["value", "expiry"])]);
        assert_eq!(differences([&[("strings", 1, 1)], &[("hashes", 1, 1)]]), [(Changed, vec!["type"])]);
        let with_expiry: &[_] = &[("strings", 1, 0), ("expiry", 0, 1)];
        assert_eq!(differences([&[("strings", 1, 0)], with_expiry]), [(Changed, vec!["expiry"])]);
        assert_eq!(differences([&[], with_expiry]), [(Added, vec![])]);
        assert_eq!(differences([with_expiry, &[]]), [(Removed, vec![])]);
        let body: fn(u8) -> [(&'static str, u8, u8); 2] = |value| [("objects", 1, 1), ("body", value, 0)];
        assert_eq!(differences([&body(1), &body(1)]), []);
        assert_eq!(differences([&body(1), &body(2)]), [(Changed, vec!["value"])]);
        // Two objects that look equal are two.
        let twice: &[_] = &[("items", 1, 0), ("items", 1, 0)];
        assert_eq!(differences([twice, twice]), []);
        assert_eq!(differences([&twice[..1], twice]), [(Changed, vec!["type"])]);
    }

    /// More rows of one identity than are kept: in any order, one that differs is found.
    #[test]
    fn many_of_one_identity() {
        let rows: Vec<_> = (0..1000u32).map(|n| ("messages", (n * 7 % 250) as u8, (n % 3) as u8)).collect();
        let reversed: Vec<_> = rows.iter().rev().copied().collect();
        assert_eq!(differences([&rows, &reversed]), []);
        for at in [0, 500, 999] {
            let mut other = reversed.clone();
            other[at].1 = 255;
            assert_eq!(differences([&rows, &other]), [(Change::Changed, vec!["value"])], "{at}");
        }
        let shifted: Vec<_> = rows.iter().map(|(kind, value, rest)| (*kind, value ^ 1, rest + 3)).collect();
        assert_eq!(differences([&rows, &shifted]), [(Change::Changed, vec!["value", "expiry"])]);
    }
}
