//! The history of an object: every version of its rows that the snapshot has, the newest first.

use std::io;

use super::{Found, Got};
use crate::dataset::{DataSet, KeyRange, RowsOf, Version};
use crate::decode::findings::{later_moment, note_passed_over};
use crate::decode::sort::{Record, Sorter, field};
use crate::decode::{Options, Progress, index, on_threads, or_changed};
use crate::error::Result;
use crate::options::ObjectName;
use crate::output::tree::Tree;
use crate::registry::rows_of;
use crate::report::Findings;
use crate::source::Source;

/// The position of a version; the newest sorts first.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Commit timestamp.
    ts: u64,
    group: u32,
    at: u64,
}

impl Record for Place {
    type Key = (std::cmp::Reverse<u64>, u32, u64);
    const STORED: usize = 20;

    fn key(&self) -> Self::Key {
        (std::cmp::Reverse(self.ts), self.group, self.at)
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.ts.to_le_bytes())?;
        out.write_all(&self.group.to_le_bytes())?;
        out.write_all(&self.at.to_le_bytes())
    }

    fn read(stored: &[u8]) -> Place {
        let (ts, group, at) = (field(stored, 0), field(stored, 8), field(stored, 12));
        Place { ts: u64::from_le_bytes(ts), group: u32::from_le_bytes(group), at: u64::from_le_bytes(at) }
    }
}

/// Calls `each` for every version of the rows of an object, also of deleted rows; returns whether there are any, and with
/// [`Options::skip_damage`] what could not be read.
///
/// The rows are, by adapter: all rows of a Redis key; an item; an S3 object's manifest; a message, or a queue's record; a
/// file's name and inode.
///
/// # Errors
/// An input that is not a valid snapshot, or the error of `each`.
pub fn versions(
    sources: &[Source],
    one: &ObjectName,
    options: &Options,
    progress: &dyn Progress,
    each: &mut (dyn FnMut(&Version<'_>) -> Result<()> + Send),
) -> Result<Got> {
    on_threads(options.threads, || {
        or_changed(sources, || {
            let set = index(sources, options, progress)?.set;
            let found = if in_order(&set, one, each)? > 0 { Found::Whole } else { Found::No };
            set.check_unchanged()?;
            let mut findings = Findings::default();
            later_moment(&set, options, &mut findings);
            note_passed_over(&options.passed_over, &mut findings);
            Ok(Got { found, findings, lost: set.losses().take()? })
        })
    })?
}

fn in_order(set: &DataSet<'_>, one: &ObjectName, each: &mut dyn FnMut(&Version<'_>) -> Result<()>) -> Result<u64> {
    let RowsOf { ranges, is_row } = rows_of(set, one)?;
    let tree = Tree::null(&std::env::temp_dir());
    let (mut sorter, mut number) = (Sorter::new(&tree, 0), 0);
    for KeyRange { lo, hi } in &ranges {
        set.versions(lo, hi.as_deref(), &mut |version| {
            if !is_row(version.user_key) || version.commit_ts > set.view().as_of {
                return Ok(());
            }
            number += 1;
            sorter.push(Place { ts: version.commit_ts, group: version.group, at: version.offset as u64 })
        })?;
    }
    let mut sorted = sorter.finish()?;
    while let Some(place) = sorted.next()? {
        set.versions_at(place.group, place.at as usize, &mut |version| {
            let group = set.input_of(version.group);
            if version.commit_ts == place.ts { each(&Version { group, ..version }) } else { Ok(()) }
        })?;
    }
    Ok(number)
}
