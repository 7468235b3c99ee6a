//! The input of a decode of changes: which objects changed, and since which state.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::adapter::Adapter;
use crate::format::mvcc::hlc_millis;
use crate::index;
use crate::report::time::clamped;
use crate::source::{Source, group_of, index_of};

/// What is known of changes before they are written.
pub trait Changes: Send + Sync {
    /// Whether an object was added or changed: by its table, bucket or queue and its keys in that, as for
    /// [`Filter::takes`](super::filter::Filter::takes). The second key of an item is that of
    /// [`item_name`](crate::format::dynamodb::item_name). If this cannot be determined, the answer is true, and
    /// [`deleted`](Changes::deleted) returns the error.
    fn has(&self, adapter: Adapter, name: &[u8], keys: &[&[u8]]) -> bool;

    /// Passes on lines that name the deleted objects, in pieces.
    ///
    /// # Errors
    /// The error of `each`, or a file that cannot be read, now or before.
    fn deleted(&self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// Changes that were found.
#[derive(Clone)]
pub struct Found(pub Arc<dyn Changes>);

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("changes")
    }
}

/// Snapshots of an older state, whose changes to a newer one are requested.
#[derive(Clone)]
pub struct Older {
    sources: Arc<Vec<Source>>,
    moment: u64,
}

impl fmt::Debug for Older {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources.iter().map(Source::path)).finish()
    }
}

impl Older {
    /// These snapshots, in their newest state.
    ///
    /// # Errors
    /// A file that is not an intact snapshot.
    pub fn of(sources: Vec<Source>) -> Result<Older> {
        let mut moment = 0;
        for source in &sources {
            source.unpack(false)?;
            moment = moment.max(index::last_commit_ts(source)?);
        }
        Ok(Older { sources: Arc::new(sources), moment })
    }

    /// The snapshots.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The moment of their state: that of the last commit.
    pub fn moment(&self) -> u64 {
        self.moment
    }

    /// The CRC32C at the end of each, by which a manifest names it.
    pub fn footers(&self) -> Vec<String> {
        let footer =
            |source: &Source| source.file().last_chunk().map(|footer| format!("{:08x}", u32::from_be_bytes(*footer)));
        self.sources.iter().filter_map(footer).collect()
    }

    /// Rejects snapshots that are not an older state of these groups; `moment`: that of the newer state.
    ///
    /// # Errors
    /// A usage error that says why.
    pub fn check<'s>(&self, newer: impl Iterator<Item = &'s Source>, moment: u64) -> Result<()> {
        let newer: Vec<&Path> = newer.map(Source::path).collect();
        let older: Vec<&Path> = self.sources.iter().map(Source::path).collect();
        if older.len() != newer.len() {
            return Err(Error::usage(format!(
                "the older state has {} snapshots, and the newer one {}: give both snapshots of each group",
                older.len(),
                newer.len()
            )));
        }
        let (was, is) = (groups(&older), groups(&newer));
        if let (Some(was), Some(is)) = (&was, &is)
            && was != is
        {
            return Err(Error::usage(format!(
                "the older snapshots are those of groups {}, the newer ones those of groups {}: give snapshots of the same groups",
                numbers(was),
                numbers(is)
            )));
        }
        for older in &older {
            let same = newer.iter().find(|newer| group_of(newer) == group_of(older));
            let is_later = |newer: &&&Path| index_of(older).zip(index_of(newer)).is_some_and(|(was, is)| was > is);
            let alone = newer.len() == 1 || group_of(older).is_some();
            if let Some(newer) = same.filter(|newer| alone && is_later(newer)) {
                return Err(Error::usage(format!(
                    "{} is not older than {}: its number is higher",
                    older.display(),
                    newer.display()
                )));
            }
        }
        if self.moment > moment {
            return Err(Error::usage(format!(
                "the snapshot of the older state has commits up to {}, the newer state is that of {}: give an older one",
                shown(self.moment),
                shown(moment)
            )));
        }
        Ok(())
    }
}

/// The numbers of the groups, if all of them are known.
fn groups(paths: &[&Path]) -> Option<Vec<u64>> {
    let mut numbers = paths.iter().map(|path| group_of(path)).collect::<Option<Vec<_>>>()?;
    numbers.sort_unstable();
    Some(numbers)
}

fn numbers(groups: &[u64]) -> String {
    groups.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// A moment as a number and as a time.
fn shown(moment: u64) -> String {
    format!("{moment} (about {})", clamped(hlc_millis(moment)))
}

/// Rejects changes that begin after the state that they lead to.
///
/// # Errors
/// A usage error with both moments.
pub fn check_moments(since: u64, moment: u64) -> Result<()> {
    if since <= moment {
        return Ok(());
    }
    Err(Error::usage(format!(
        "changes since {} are asked for, but the state is that of {}: choose an earlier moment",
        shown(since),
        shown(moment)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str) -> Source {
        Source::from_bytes(path, Vec::new())
    }

    fn refusal(older: &[&str], newer: &[&str], moments: (u64, u64)) -> String {
        let older = Older { sources: Arc::new(older.iter().map(|path| source(path)).collect()), moment: moments.0 };
        let newer: Vec<Source> = newer.iter().map(|path| source(path)).collect();
        older.check(newer.iter(), moments.1).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_no_older_state() {
        let one = "n/group-1/fsm-snap/0000000000000010.fsm";
        let later = "n/group-1/fsm-snap/0000000000000020.fsm";
        let other = "n/group-2/fsm-snap/0000000000000001.fsm";
        for (older, newer, moments, want) in [
            (&[one][..], &[later][..], (1, 2), ""),
            (&[one], &[later], (2, 2), ""),
            (&[one, other], &[other, later], (1, 2), ""),
            (&["a.fsm"], &["b.fsm"], (1, 2), ""),
            (&["a.fsm", "b.fsm"], &["c.fsm", "d.fsm"], (1, 2), ""),
            (&[one], &[later, other], (1, 2), "has 1 snapshots, and the newer one 2"),
            (&[one], &[other], (1, 2), "those of groups 1, the newer ones those of groups 2"),
            (&[later], &[one], (1, 2), "its number is higher"),
            (&["a.fsm"], &["b.fsm"], (3, 2), "give an older one"),
        ] {
            let words = refusal(older, newer, moments);
            assert!(
                if want.is_empty() { words.is_empty() } else { words.contains(want) },
                "{older:?} {newer:?}: {words}"
            );
        }
    }
}
