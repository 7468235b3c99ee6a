//! The number of objects in the files of an output: MANIFEST.json must have the same. Each adapter defines what counts as an object.
//!
//! Objects are counted as a client of the server would count them: keys, items, objects, messages. Files below `_orphans` and side records
//! of queues are not counted; they have digests like all files.

use std::collections::BTreeMap;

use crate::output::manifest_read::ScopeCount;

/// Objects and bytes.
pub type Sum = (u64, u64);

/// What counts as one object in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each {
    /// The file.
    File,
    /// Each line.
    Line,
    /// Each occurrence of these bytes.
    Occurrence(&'static [u8]),
}

/// How the objects of a file are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileCount<'p> {
    /// Their scope, with the name of its folder or file.
    pub scope: &'p [u8],
    /// Their kind, in the plural.
    pub kind: &'static str,
    /// What counts as one of them.
    pub each: Each,
}

impl<'p> FileCount<'p> {
    /// Each line is an object.
    pub fn lines(scope: &'p [u8], kind: &'static str) -> FileCount<'p> {
        FileCount { scope, kind, each: Each::Line }
    }

    /// The file is an object.
    pub fn file(scope: &'p [u8], kind: &'static str) -> FileCount<'p> {
        FileCount { scope, kind, each: Each::File }
    }
}

/// The objects of an adapter in an output that was read, and the counts of its manifest.
#[derive(Debug)]
pub struct ReadBack<'c> {
    /// The counts of the manifest.
    pub told: Vec<ScopeCount<'c>>,
    /// What was read. The scope is empty, unless the adapter distinguishes scopes.
    pub found: Vec<ScopeCount<'c>>,
    /// Whether everything could be read when the output was made.
    pub is_complete: bool,
}

/// A count that differs from the manifest: the kind, the manifest's number, the number that was found.
pub type Difference = (String, u64, u64);

/// How the objects of an adapter are counted.
pub trait Counts: std::fmt::Debug + Sync {
    /// Kinds of objects, in the plural, whose numbers in the manifest are compared.
    fn kinds(&self) -> &'static [&'static str];

    /// How the objects of a file are counted, by its path below the adapter's folder; `None`: it has none that count.
    fn file<'p>(&self, below: &'p [u8]) -> Option<FileCount<'p>>;

    /// Objects of a scope, and their bytes if they are known, computed from the counts of the files of each kind. `packed`: files have
    /// lines of many objects.
    fn objects(&self, files: &BTreeMap<&'static str, Sum>, _packed: bool) -> Vec<(&'static str, (u64, Option<u64>))> {
        let compared = files.iter().filter(|(kind, _)| self.kinds().contains(kind));
        compared.map(|(kind, (objects, bytes))| (*kind, (*objects, Some(*bytes)))).collect()
    }

    /// The scope of files for a scope of the manifest.
    fn scope<'s>(&self, name: &'s str) -> &'s str {
        name
    }

    /// The first objects whose number differs from that in the manifest.
    fn difference(&self, of: &ReadBack<'_>) -> Option<Difference> {
        self.kinds().iter().find_map(|kind| {
            let (told, found) = (sum(&of.told, kind), sum(&of.found, kind));
            (told != found).then(|| ((*kind).to_owned(), told, found))
        })
    }
}

/// Objects of a kind in all scopes.
pub fn sum<'a, 'c: 'a>(counts: impl IntoIterator<Item = &'a ScopeCount<'c>>, kind: &str) -> u64 {
    counts.into_iter().filter(|count| count.kind == kind).map(|count| count.objects).fold(0, u64::saturating_add)
}

/// A scope and the rest of a path in which each scope has a folder.
pub fn in_folder(below: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scope, rest) = below.split_at_checked(memchr::memchr(b'/', below)?)?;
    Some((scope, rest.get(1..)?))
}

/// A scope whose objects are lines of one file, unless only a restore needs that file.
pub fn in_file(below: &[u8]) -> Option<&[u8]> {
    let is_for_restore = std::str::from_utf8(below).is_ok_and(crate::output::names::is_for_restore);
    below.strip_suffix(b".jsonl").filter(|_| !is_for_restore)
}
