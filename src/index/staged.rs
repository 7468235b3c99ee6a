//! Staged rows as separate stores: one for each migration job of a file (`future.md` F4).
//!
//! A second pass over the staged rows only, which the index has found intact. Files without such rows, which are nearly all, pay nothing.

use std::ops::Range;

use super::pass::Pass;
use super::{Checkpoints, Granularity, Index, Layout, View};
use crate::error::{Error, Result};
use crate::format::staged::{self, StagedKey};
use crate::format::{Family, Fault, frame, mvcc, mvcc2};
use crate::source::Source;

/// Maximum number of jobs of one file. A group takes part in one or two at a time. Without a bound a hostile file could have as many as it
/// has rows, each with its own counts.
const MOST_JOBS: usize = 64;

/// The staged rows of a job.
pub struct Staged {
    /// The migration.
    pub job: u64,
    /// The index of a store with these rows.
    pub index: Index,
}

/// An entry with the key after the job.
enum Entry<'a> {
    Pebble(frame::Entry<'a>),
    Mvcc2(mvcc2::KeyEntry<'a>),
}

impl<'a> Entry<'a> {
    fn read(file: &'a [u8], layout: Layout, at: usize) -> Option<Entry<'a>> {
        match layout {
            Layout::Mvcc2 => match mvcc2::step(file, at) {
                Ok(mvcc2::Step::Entry(entry)) => Some(Entry::Mvcc2(entry)),
                _ => None,
            },
            _ => match frame::step(file, at) {
                Ok(frame::Step::Entry(entry)) => Some(Entry::Pebble(entry)),
                _ => None,
            },
        }
    }

    fn bytes(&self) -> Range<usize> {
        match self {
            Entry::Pebble(entry) => entry.start..entry.end,
            Entry::Mvcc2(entry) => entry.start..entry.end,
        }
    }

    fn user_key(&self) -> &'a [u8] {
        match self {
            Entry::Pebble(entry) => mvcc::split_key(entry.raw_key).map_or(b"", |(user_key, _)| user_key),
            Entry::Mvcc2(entry) => entry.user_key,
        }
    }

    fn count(self, pass: &mut Pass<'a>) -> Result<()> {
        let behind = |key: &'a [u8]| key.get(staged::PREFIX..).unwrap_or_default();
        match self {
            Entry::Pebble(entry) => {
                pass.again_pebble(&frame::Entry { raw_key: behind(entry.raw_key), ..entry });
                Ok(())
            }
            Entry::Mvcc2(mut entry) => {
                entry.user_key = behind(entry.user_key);
                pass.mvcc2_entry(&entry)
            }
        }
    }
}

/// Indexes the staged rows of a file.
///
/// # Errors
/// More jobs than a file can have.
pub fn staged(source: &Source, whole: &Index, view: View, granularity: Granularity) -> Result<Vec<Staged>> {
    let file = source.bytes();
    let mut jobs: Vec<(u64, Pass<'_>, Range<usize>)> = Vec::new();
    for segment in whole.segments.iter().filter(|segment| segment.family == Family::Staged) {
        let mut at = segment.bytes.start;
        loop {
            at = whole.holes.from(at, segment.bytes.end).start;
            let entry = (at < segment.bytes.end).then(|| Entry::read(file, whole.layout, at)).flatten();
            let Some(entry) = entry else { break };
            let bytes = entry.bytes();
            at = bytes.end;
            // Raw rows of the store can be between the rows of a segment.
            let Some(StagedKey { job, .. }) = StagedKey::parse(entry.user_key()) else { continue };
            if jobs.last().is_none_or(|(last, ..)| *last != job) {
                if jobs.len() == MOST_JOBS {
                    let fault = Fault::Key("more than 64 migration jobs have staged rows");
                    return Err(Error::from(fault).at(bytes.start).row(Family::Staged, entry.user_key()));
                }
                let mut pass = Pass::new(source, file, view, whole.last_commit_ts);
                pass.set_checkpoints(Checkpoints::new(granularity.checkpoint_interval));
                jobs.push((job, pass, bytes.clone()));
            }
            if let Some((_, pass, rows)) = jobs.last_mut() {
                rows.end = bytes.end;
                entry.count(pass)?;
            }
        }
    }
    Ok(jobs.into_iter().map(|(job, pass, rows)| Staged { job, index: of_whole(pass, whole, rows) }).collect())
}

/// Adds what is true for the whole file.
fn of_whole(pass: Pass<'_>, whole: &Index, rows: Range<usize>) -> Index {
    let Index { segments, checkpoints, counts, max_commit_ts, .. } = pass.finish().0;
    // Rows above the last commit timestamp are reported for the file.
    Index { rows, segments, checkpoints, counts, max_commit_ts, above_last_commit: 0, ..whole.clone() }
}
