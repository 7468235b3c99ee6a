//! Rows that no client sees: homes, handles, intents, move jobs and counters. All are read, so that every fault is
//! found. Some show what the server was about to do.

use std::collections::BTreeMap;

use bumpalo::Bump;

use super::Inputs;
use super::findings;
use super::links::LinkTable;
use super::scan::scan;
use crate::dataset::Row;
use crate::error::Result;
use crate::format::Family;
use crate::format::fault::Result as Parsed;
use crate::format::fs::{self, Counter, Home, HomeState, Intent, MoveJob, Usage, UsageKey, key};
use crate::report::{Finding, Findings, Value};
use crate::run::sort::{Sorted, Sorter};

/// The content of these rows.
pub struct InternalRows<'r> {
    /// Inodes that are being moved.
    pub(super) moving: LinkTable<'r>,
    /// The sum of the counters; `None`: there are none.
    pub usage: Option<Total>,
    /// Live rows, by family.
    pub rows: BTreeMap<&'static str, u64>,
}

/// A sum of counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total {
    /// Inodes.
    pub files: i128,
    /// Bytes of chunks.
    pub bytes: i128,
}

impl Total {
    fn add(&mut self, other: Total) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// The result for a split.
#[derive(Default)]
struct Gathered {
    rows: u64,
    usage: Option<Total>,
    moving: Vec<u64>,
    findings: Findings,
}

/// The families that are read here.
const FAMILIES: [Family; 7] = [
    Family::FsDirVersion,
    Family::FsHome,
    Family::FsIntent,
    Family::FsMoveJob,
    Family::FsHandle,
    Family::FsHandleFence,
    Family::FsUsage,
];

impl<'r> InternalRows<'r> {
    /// Reads all these rows.
    ///
    /// # Errors
    /// An input that changed, or a temporary file that cannot be written.
    pub fn read(inputs: Inputs<'r, '_>, findings: &mut Findings) -> Result<InternalRows<'r>> {
        let (mut moving, mut usage, mut rows) = (Sorter::new(inputs.scratch, 0), None::<Total>, BTreeMap::new());
        for family in FAMILIES {
            let mut count = 0;
            scan(
                inputs,
                family,
                findings,
                |row, arena, split: &mut Gathered| Ok(split.take(family, row, arena)),
                |split, findings| {
                    count += split.rows;
                    split.usage.into_iter().for_each(|sum| usage.get_or_insert_default().add(sum));
                    findings.merge(split.findings);
                    split.moving.into_iter().try_for_each(|inode| moving.push(inode))
                },
            )?;
            rows.insert(name(family), count);
        }
        Ok(InternalRows { moving: table_of(inputs, moving.finish()?)?, usage, rows })
    }
}

/// A table of inodes, of which some may come several times.
fn table_of<'r>(inputs: Inputs<'r, '_>, mut numbers: Sorted<u64>) -> Result<LinkTable<'r>> {
    let (mut table, mut last) = (LinkTable::new(inputs.scratch), None);
    while let Some(number) = numbers.next()? {
        if last.replace(number) != Some(number) {
            table.push(number, 0)?;
        }
    }
    table.flush()?;
    Ok(table)
}

fn name(family: Family) -> &'static str {
    match family {
        Family::FsDirVersion => "directory_versions",
        Family::FsHome => "homes",
        Family::FsIntent => "intents",
        Family::FsMoveJob => "move_jobs",
        Family::FsHandle => "open_handles",
        Family::FsHandleFence => "handle_fences",
        _ => "usage_counters",
    }
}

impl Gathered {
    fn take(&mut self, family: Family, row: &Row<'_>, arena: &Bump) -> Parsed<()> {
        self.rows += 1;
        let suffix = family.suffix(row.user_key);
        match family {
            Family::FsIntent => {
                key::id(suffix)?;
                self.intent(&Intent::parse(arena, row.body)?);
            }
            Family::FsMoveJob => {
                key::id(suffix)?;
                self.job(&MoveJob::parse(arena, row.body)?);
            }
            Family::FsHome => {
                let (number, home) = (key::number(suffix)?, Home::parse(arena, row.body)?);
                self.moving.extend((home.state == HomeState::Migrating).then_some(number));
            }
            Family::FsUsage => self.usage(&UsageKey::parse(suffix)?, row, arena)?,
            _ => fs::check(arena, family, row.user_key, row.body)?,
        }
        Ok(())
    }

    /// Handles an intent. An existing intent was not carried out; one of a move belongs to a job.
    fn intent(&mut self, intent: &Intent<'_>) {
        if intent.kind != "move" {
            let finding = Finding::new(&findings::INTENT_PENDING).with("kind", intent.kind);
            self.findings.add(finding.with("directory", intent.parent).with("name", intent.name));
        }
    }

    fn job(&mut self, job: &MoveJob<'_>) {
        let finding =
            Finding::new(&findings::MOVE_PENDING).with("inode", Value::Exact(job.inode)).with("phase", job.phase);
        let finding = finding.with("source_home", job.source_home).with("target_home", job.target_home);
        self.findings.add(finding.with("copied_chunks", job.copied_chunks));
        self.moving.push(job.inode);
    }

    fn usage(&mut self, key: &UsageKey<'_>, row: &Row<'_>, arena: &Bump) -> Parsed<()> {
        let (files, bytes) = match key {
            UsageKey::Whole => {
                let usage = Usage::parse(arena, row.body)?;
                (i128::from(usage.files), i128::from(usage.bytes))
            }
            UsageKey::Route(_) => {
                let counter = Counter::parse(arena, row.body)?;
                let difference = |add: u64, sub: u64| i128::from(add) - i128::from(sub);
                (difference(counter.files_add, counter.files_sub), difference(counter.bytes_add, counter.bytes_sub))
            }
        };
        self.usage.get_or_insert_default().add(Total { files, bytes });
        Ok(())
    }
}
