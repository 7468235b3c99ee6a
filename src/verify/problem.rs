//! Problems of an output: all are counted, and the first N are described.

use serde::Serialize;

use crate::report::Value;

/// The kinds, by the name that `--json` has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The archive, MANIFEST.json or CHECKSUMS as a whole.
    Unreadable,
    /// A line of CHECKSUMS that is none.
    Malformed,
    /// Two files, or two lines of CHECKSUMS, of one path.
    Doubled,
    /// Neither a directory nor a regular file.
    NotAFile,
    /// In an archive: what no decode writes, and an extractor may act upon.
    Odd,
    /// In CHECKSUMS, but not there.
    Missing,
    /// There, but neither in CHECKSUMS nor in the metadata.
    Foreign,
    /// Its bytes are not those that CHECKSUMS tells of.
    Differs,
    /// Another mode, owner or time than the metadata tells of, or a mode that no decode sets.
    Attributes,
    /// A file that has names outside of the output too.
    Shared,
    /// MANIFEST.json counts otherwise, or contradicts itself.
    Counts,
    /// MANIFEST.json tells of other snapshots than a fresh decode was made of.
    Origin,
    /// A fresh decode has other bytes.
    NotEqual,
    /// Only in this output.
    OnlyHere,
    /// Only in a fresh decode.
    OnlyInDecode,
}

impl Kind {
    /// In words, behind a number.
    pub const fn words(self) -> &'static str {
        match self {
            Kind::Unreadable => "unreadable",
            Kind::Malformed => "malformed lines of CHECKSUMS",
            Kind::Doubled => "listed twice",
            Kind::NotAFile => "not regular files",
            Kind::Missing => "missing",
            Kind::Foreign => "foreign",
            Kind::Differs => "with other bytes than CHECKSUMS tells of",
            Kind::Odd => "that no decode writes",
            Kind::Attributes => "with another mode, owner or time",
            Kind::Shared => "with names outside of the output",
            Kind::Counts => "that MANIFEST.json tells otherwise",
            Kind::Origin => "about where it came from",
            Kind::NotEqual => "with other bytes than a fresh decode",
            Kind::OnlyHere => "only in this output",
            Kind::OnlyInDecode => "only in a fresh decode",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// What kind.
    pub problem: Kind,
    /// Path of the file below the root.
    pub path: Value,
    /// What is wrong.
    pub reason: String,
}

/// All problems.
#[derive(Debug, Default)]
pub struct Problems {
    limit: usize,
    /// The first ones, in the order in which they were found.
    pub shown: Vec<Problem>,
    counts: std::collections::BTreeMap<Kind, u64>,
}

impl Problems {
    /// None so far; at most `limit` will be shown.
    pub fn new(limit: usize) -> Problems {
        Problems { limit, ..Problems::default() }
    }

    /// Takes one.
    pub fn add(&mut self, problem: Kind, path: &[u8], reason: impl Into<String>) {
        *self.counts.entry(problem).or_default() += 1;
        if self.shown.len() < self.limit {
            self.shown.push(Problem { problem, path: Value::from(path), reason: reason.into() });
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many of each kind.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.counts.iter().map(|(kind, n)| (*kind, *n))
    }

    /// Whether the data may be other than the output tells: names elsewhere and modes say nothing about them.
    pub fn concern_data(&self) -> bool {
        self.counts.keys().any(|kind| !matches!(kind, Kind::Shared | Kind::Attributes | Kind::Origin))
    }

    /// How many of all kinds.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}
