//! Problems of an output: all are counted, and the first N are described.

use serde::Serialize;

use crate::report::Value;

/// The kinds of problems, with their names in `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The archive, MANIFEST.json or CHECKSUMS as a whole.
    Unreadable,
    /// A malformed line of CHECKSUMS.
    Malformed,
    /// Two files, or two lines of CHECKSUMS, with one path.
    Doubled,
    /// Neither a directory nor a regular file.
    NotAFile,
    /// In an archive: a member that no decode writes and that an extractor may act on.
    Odd,
    /// In CHECKSUMS, but not in the output.
    Missing,
    /// In the output, but neither in CHECKSUMS nor in the metadata.
    Foreign,
    /// Its bytes do not match CHECKSUMS.
    Differs,
    /// Mode, owner or time do not match the metadata, or no decode sets this mode.
    Attributes,
    /// A file that also has names outside of the output.
    Shared,
    /// MANIFEST.json has other counts, or contradicts itself.
    Counts,
    /// MANIFEST.json names other snapshots than those of the fresh decode.
    Origin,
    /// A fresh decode has other bytes.
    NotEqual,
    /// Only in this output.
    OnlyHere,
    /// Only in a fresh decode.
    OnlyInDecode,
}

impl Kind {
    /// Whether only a comparison with a fresh decode finds it.
    pub const fn is_of_comparison(self) -> bool {
        matches!(self, Kind::Origin | Kind::NotEqual | Kind::OnlyHere | Kind::OnlyInDecode)
    }

    /// In words, after a number.
    pub const fn words(self) -> &'static str {
        match self {
            Kind::Unreadable => "unreadable",
            Kind::Malformed => "malformed in CHECKSUMS",
            Kind::Doubled => "there twice",
            Kind::NotAFile => "neither file nor directory",
            Kind::Missing => "missing",
            Kind::Foreign => "foreign",
            Kind::Differs => "with other bytes than in CHECKSUMS",
            Kind::Odd => "not written by any decode",
            Kind::Attributes => "with another mode, owner or time",
            Kind::Shared => "with names outside of the output",
            Kind::Counts => "contradicting MANIFEST.json",
            Kind::Origin => "with another origin",
            Kind::NotEqual => "with other bytes than a fresh decode",
            Kind::OnlyHere => "only in this output",
            Kind::OnlyInDecode => "only in a fresh decode",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// Its kind.
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
    /// Empty; at most `limit` will be shown.
    pub fn new(limit: usize) -> Problems {
        Problems { limit, ..Problems::default() }
    }

    /// Adds a problem.
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

    /// The number of problems of each kind.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.counts.iter().map(|(kind, n)| (*kind, *n))
    }

    /// Whether the data may differ from what the output says: names elsewhere and modes say nothing about them.
    pub fn concern_data(&self) -> bool {
        self.counts.keys().any(|kind| !matches!(kind, Kind::Shared | Kind::Attributes | Kind::Origin))
    }

    /// The number of problems of all kinds.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}
