//! Staged rows of migrations: versions of their inner keys, merged with all others (`future.md` F4).
//!
//! The staged rows of a job are a separate input whose keys begin after the job. So every range and look-up sees them, the newest version
//! wins, a tombstone hides older versions, and the code above does not know of them.

use super::DataSet;
use super::group::Group;
use crate::error::Result;
use crate::format::Family;
use crate::index::{Granularity, View, staged};

/// The staged rows of one job in one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedRows {
    /// Number of the group.
    pub group: u32,
    /// The migration.
    pub job: u64,
    /// Number of versions, of all keys.
    pub rows: u64,
    /// Live keys without a row in any input, in families without a row in any other input: the group that they were copied from is missing,
    /// or a part of it.
    pub alone: u64,
    /// One of these keys.
    pub example: Option<Vec<u8>>,
}

/// Adds the staged rows of a group as separate groups.
pub(super) fn add(groups: &mut Vec<Group<'_>>, index: usize, view: View, granularity: Granularity) -> Result<()> {
    let Some(group) = groups.get(index) else { return Ok(()) };
    if group.index.counts.family(Family::Staged).rows == 0 {
        return Ok(());
    }
    let source = group.source;
    let found = staged::staged(source, &group.index, view, granularity).map_err(|e| source.locate(e))?;
    for job in found {
        groups.push(Group::staged(groups.len() as u32, source, job));
    }
    Ok(())
}

impl DataSet<'_> {
    /// The staged rows, and whether the groups that they were copied from are among the inputs.
    ///
    /// # Errors
    /// An input that changed.
    pub fn staged(&self) -> Result<Vec<StagedRows>> {
        let mut all = Vec::new();
        for group in self.groups.get(self.stored..).unwrap_or_default() {
            let rows = group.index.counts.families().map(|(_, count)| count.rows).sum();
            let mut found =
                StagedRows { group: group.number, job: group.job.unwrap_or(0), rows, alone: 0, example: None };
            for (family, _) in group.index.counts.families().filter(|(_, count)| count.live > 0) {
                if !self.others_have(group, family) {
                    self.count_alone(family, &mut found)?;
                }
            }
            all.push(found);
        }
        Ok(all)
    }

    /// Whether an input other than that of the staged rows has rows of a family.
    fn others_have(&self, staged: &Group<'_>, family: Family) -> bool {
        let mut others = self.groups[..self.stored].iter().filter(|group| !std::ptr::eq(group.source, staged.source));
        others.any(|group| group.index.counts.family(family).rows > 0)
    }

    fn count_alone(&self, family: Family, found: &mut StagedRows) -> Result<()> {
        let mut rows = self.family(family).noting_alone(found.group);
        while rows.next()?.is_some() {}
        let (alone, example) = rows.alone();
        found.alone += alone;
        found.example = found.example.take().or(example);
        Ok(())
    }

    /// Whether a row comes from the staged rows of a job.
    pub(super) fn is_staged(&self, group: u32) -> bool {
        // Rows of applied intents have numbers after those of all groups.
        self.groups.get(group as usize).is_some_and(|group| group.job.is_some())
    }
}
