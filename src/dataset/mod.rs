//! Several inputs as one data set: the newest version of every key over all of them, with committed transactions
//! applied (`container.md` §3.5, §8; `rules.md` §8).

mod again;
mod group;
mod key_range;
mod marks;
mod moment;
mod range;
mod room;
mod row;
mod scan;
mod sealed;
mod skip_log;
mod staged;
mod txn;
mod versions;

pub use again::RowRef;
pub use group::Group;
pub use key_range::{IsRow, KeyRange, RowsOf, next_key};
pub(crate) use moment::AHEAD;
pub use range::{RangeIter, after_prefix};
pub use room::{Reading, Room};
pub use row::{Row, RowError};
pub use skip_log::SkipLog;
pub use staged::StagedRows;
pub use txn::Unresolved;
pub use versions::Version;

pub use crate::report::{Losses, Lost};

use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{Error, ErrorKind, Result};
use crate::format::wire::{self, Reader};
use crate::format::{Adapter, Family};
use crate::index::{self, Counts, Granularity, Layout, View};
use crate::report::Findings;
use crate::source::Source;

/// Bytes of a cut that are kept beyond the length of the start of its range.
const CUT_TAIL: usize = 48;

/// Keys that have rows in more than one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The number of keys.
    pub count: u64,
    /// The first key.
    pub example: Vec<u8>,
}

impl Shared {
    /// Appends it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        wire::number(self.count, out);
        wire::bytes(&self.example, out);
    }

    /// Reads one.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Shared> {
        Some(Shared { count: reader.number()?, example: reader.bytes()?.to_vec() })
    }

    fn new(row: &Row<'_>) -> Shared {
        Shared { count: 0, example: row.user_key.to_vec() }
    }
}

/// The indexed inputs.
pub struct DataSet<'a> {
    /// The inputs, followed by the staged rows of each migration as separate inputs.
    groups: Vec<Group<'a>>,
    /// How many of the groups are inputs.
    stored: usize,
    view: View,
    granularity: Granularity,
    losses: SkipLog,
    /// Values of committed transactions whose rows are still intents, by user key, newest first.
    overlay: Vec<Row<'a>>,
    /// Whether the keys of some encrypted rows are missing.
    missing_keys: bool,
    /// Whether the index of an input has left out rows.
    is_damaged: bool,
    /// Bounds the rows that take much memory while they are read; `None`: no bound.
    room: Option<Arc<Room>>,
}

/// The visible versions: `as_of` as asked, the read timestamp from the inputs.
fn view_of(sources: &[&Source], as_of: Option<u64>, lenient: bool) -> Result<View> {
    let mut newest = 0;
    for source in sources {
        source.unpack(lenient)?;
        newest = newest.max(index::last_commit_ts(source)?);
    }
    Ok(View { as_of: as_of.unwrap_or(u64::MAX), read_ts: as_of.unwrap_or(newest), lenient })
}

impl<'a> DataSet<'a> {
    /// Indexes the inputs, in parallel.
    ///
    /// # Errors
    /// The first input, in the order given, that is not a valid snapshot; or an `as_of` for history that an input has compacted away.
    pub fn index(sources: &'a [Source], as_of: Option<u64>, granularity: Granularity) -> Result<DataSet<'a>> {
        DataSet::index_with(sources, as_of, granularity, SkipLog::default())
    }

    /// Indexes the inputs, with a log for rows that cannot be read.
    ///
    /// # Errors
    /// As [`DataSet::index`]; with a lenient log, only for streams whose format is not recognised.
    pub fn index_with(
        sources: &'a [Source],
        as_of: Option<u64>,
        granularity: Granularity,
        losses: SkipLog,
    ) -> Result<DataSet<'a>> {
        DataSet::of(&sources.iter().collect::<Vec<_>>(), as_of, granularity, losses)
    }

    /// Indexes the same inputs as of an earlier moment, with the values of transactions that were committed by then. Damage is an error.
    ///
    /// # Errors
    /// As [`index`](DataSet::index), and a malformed row of a transaction.
    pub fn earlier(&self, moment: u64) -> Result<DataSet<'a>> {
        let sources: Vec<&'a Source> = self.inputs().map(|group| group.source).collect();
        let mut set = DataSet::of(&sources, Some(moment), self.granularity, SkipLog::default())?;
        set.resolve_transactions()?;
        Ok(set)
    }

    fn of(
        sources: &[&'a Source],
        as_of: Option<u64>,
        granularity: Granularity,
        losses: SkipLog,
    ) -> Result<DataSet<'a>> {
        let view = view_of(sources, as_of, losses.is_lenient())?;
        let indexes: Vec<_> = sources.par_iter().map(|source| index::index(source, view, granularity)).collect();
        let (mut groups, mut is_damaged) = (Vec::new(), false);
        for (source, indexed) in sources.iter().copied().zip(indexes) {
            let (index, lost) = indexed?;
            is_damaged |= !lost.is_empty();
            losses.append(lost);
            groups.push(Group::new(groups.len() as u32, source, index));
        }
        if let Some(first) = groups.first()
            && groups.iter().all(|group| group.index.layout == Layout::Timestamps)
        {
            return Err(Error::new(ErrorKind::TimestampGroup).input(first.source.path()));
        }
        let stored = groups.len();
        for index in 0..stored {
            staged::add(&mut groups, index, view, granularity)?;
        }
        let missing_keys = groups.iter().any(sealed::has_missing_keys);
        let overlay = Vec::new();
        let set = DataSet { groups, stored, view, granularity, losses, overlay, missing_keys, is_damaged, room: None };
        as_of.map_or(Ok(()), |as_of| set.check_moment(as_of))?;
        Ok(set)
    }

    /// What is merged: the inputs, and the staged rows of migrations, each job of an input as a separate group.
    pub fn groups(&self) -> &[Group<'a>] {
        &self.groups
    }

    /// The inputs.
    pub fn inputs(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups[..self.stored].iter()
    }

    /// The only input, with the number of its routes, if it may be one of several groups: a store with one group has one route.
    pub fn one_of_several(&self) -> Option<(&Group<'a>, u64)> {
        let mut inputs = self.inputs();
        let (Some(only), None) = (inputs.next(), inputs.next()) else { return None };
        let routes = only.index.counts.family(Family::DistRoute).live;
        (routes > 1).then_some((only, routes))
    }

    /// Whether rows of the store are missing: an index has left out damaged ones, encryption keys are missing, or the only input may be one of
    /// several groups.
    pub fn lacks_rows(&self) -> bool {
        self.is_damaged || self.missing_keys || self.one_of_several().is_some()
    }

    /// Corrects findings about what was not found, if it may be among rows that are missing.
    pub fn qualify(&self, findings: &mut Findings) {
        if self.lacks_rows() {
            findings.of_incomplete_store();
        }
    }

    /// The inputs that can have rows: all but those of the timestamp group.
    pub fn stores(&self) -> impl Iterator<Item = &Group<'a>> {
        self.inputs().filter(|group| group.index.layout != Layout::Timestamps)
    }

    /// Which versions are visible.
    pub fn view(&self) -> View {
        self.view
    }

    /// Rows that could not be read.
    pub fn losses(&self) -> &SkipLog {
        &self.losses
    }

    /// Continues without a damaged row, if the caller asked for that: see [`SkipLog::skip`].
    ///
    /// # Errors
    /// The error itself, if the caller did not.
    pub fn skip(&self, error: Error) -> Result<()> {
        self.losses.skip(error)
    }

    /// Continues without a damaged row and without the other rows of its object: those in some ranges of user keys for which `is_row` is
    /// true.
    ///
    /// # Errors
    /// As [`skip`](DataSet::skip); an input that changed.
    #[cold]
    pub fn tolerate_object(&self, error: Error, ranges: Vec<KeyRange>, is_row: &dyn Fn(&[u8]) -> bool) -> Result<()> {
        let count = || {
            let mut count = 0;
            for KeyRange { lo, hi } in ranges {
                let family = Family::of(&lo);
                let mut rows = self.range(family, lo, hi);
                while let Some(row) = rows.next()? {
                    count += u64::from(Family::of(row.user_key) == family && is_row(row.user_key));
                }
            }
            // The damaged row itself is not counted as live if its header cannot be read.
            Ok(count.max(1))
        };
        self.losses.skip_with(error, count)
    }

    /// Shares a memory budget with other data sets.
    pub fn enter(&mut self, room: Arc<Room>) {
        self.room = Some(room);
    }

    /// Waits until there is memory for a row of `len` bytes, of a kind that takes many times its length.
    #[inline]
    pub fn reading(&self, len: usize) -> Reading<'_> {
        self.room.as_ref().map_or(Reading::UNBOUNDED, |room| room.reading(len))
    }

    /// How finely the work is cut.
    pub fn granularity(&self) -> Granularity {
        self.granularity
    }

    /// Whether there are rows of an adapter, live or not; for an added adapter: live rows.
    pub fn has_rows_of(&self, adapter: Adapter) -> bool {
        let counts = self.counts();
        let is_of = |prefix: &Vec<u8>| adapter.spec().prefixes.iter().any(|own| own.as_bytes() == prefix);
        counts.summary().adapter(adapter) > 0 || counts.unknown.keys().any(is_of)
    }

    /// Counts over all inputs: each row once, as it is stored.
    pub fn counts(&self) -> Counts {
        Self::sum(&self.groups[..self.stored])
    }

    /// Counts of what is merged: staged rows are counted a second time, as rows of their inner keys' families.
    pub fn merged_counts(&self) -> Counts {
        Self::sum(&self.groups)
    }

    fn sum(groups: &[Group<'a>]) -> Counts {
        let mut all = Counts::new();
        for group in groups {
            all.add(&group.index.counts);
        }
        all
    }

    /// Whether several inputs or applied intents can give a key more than one newest version.
    pub fn is_merged(&self) -> bool {
        self.groups.len() > 1 || !self.overlay.is_empty()
    }

    /// Live rows of `family` with `lo <= user key < hi`, in user-key order. No `hi`: to the end of the keys.
    pub fn range(&self, family: Family, lo: Vec<u8>, hi: Option<Vec<u8>>) -> RangeIter<'_, 'a> {
        RangeIter::new(self, family, lo, hi)
    }

    /// Live rows of a whole family, by its prefix.
    pub fn family(&self, family: Family) -> RangeIter<'_, 'a> {
        let prefix = family.prefix().as_bytes();
        self.range(family, prefix.to_vec(), after_prefix(prefix))
    }

    /// Keys that cut `[lo, hi)` into parts of about `bytes` bytes: each part can be read by itself with [`range`].
    ///
    /// The cuts do not depend on the number of threads.
    ///
    /// [`range`]: DataSet::range
    pub fn cuts(&self, lo: &[u8], hi: Option<&[u8]>, bytes: usize) -> Result<Vec<Vec<u8>>> {
        let bytes = bytes.min(self.granularity.task_size);
        let (mut keys, mut spacing) = (Vec::new(), usize::MAX);
        for group in &self.groups {
            let to = hi.map_or(Ok(group.index.rows.end), |hi| group.seek(hi))?;
            let (positions, distance) = group.index.checkpoints.samples(group.seek(lo)?..to, bytes);
            spacing = spacing.min(distance);
            keys.extend(positions.filter_map(|at| group.user_key_at(at)));
        }
        keys.sort_unstable();
        let every = (bytes / spacing).max(1);
        let cuts = keys.iter().skip(every).step_by(every).filter(|key| **key > lo && hi.is_none_or(|hi| **key < hi));
        // Any byte string can be a boundary. A short one has few prefixes that could be keys.
        let most = lo.len() + CUT_TAIL;
        let cuts = cuts.map(|key| key[..key.len().min(most)].to_vec());
        let mut cuts: Vec<Vec<u8>> = cuts.filter(|key| key.as_slice() > lo).collect();
        cuts.dedup();
        Ok(cuts)
    }

    /// Cuts the keys of a family into parts of about `bytes` bytes, for [`range`](DataSet::range).
    pub fn parts(&self, family: Family, bytes: usize) -> Result<Vec<KeyRange>> {
        let prefix = family.prefix().as_bytes();
        let end = after_prefix(prefix);
        let cuts = self.cuts(prefix, end.as_deref(), bytes)?;
        let los = std::iter::once(prefix.to_vec()).chain(cuts.iter().cloned());
        let his = cuts.iter().cloned().map(Some).chain(std::iter::once(end));
        Ok(los.zip(his).map(|(lo, hi)| KeyRange { lo, hi }).collect())
    }

    /// Cuts a range into pieces of about `bytes` bytes, for [`range`](DataSet::range). The cuts are as short as possible, because every
    /// prefix of a cut is looked up at the end of its piece.
    pub fn pieces(&self, range: &KeyRange, bytes: usize) -> Result<Vec<KeyRange>> {
        let (mut pieces, mut lo) = (Vec::new(), range.lo.clone());
        for key in self.cuts(&range.lo, range.hi.as_deref(), bytes)? {
            let hi = range::cut(&lo, &key);
            pieces.push(KeyRange { lo: std::mem::replace(&mut lo, hi.clone()), hi: Some(hi) });
        }
        pieces.push(KeyRange { lo, hi: range.hi.clone() });
        Ok(pieces)
    }

    /// The live row of exactly this key.
    pub fn get(&self, user_key: &[u8]) -> Result<Option<Row<'a>>> {
        self.get_in(user_key, self.view)
    }

    /// As [`get`](DataSet::get), but ignores `--as-of`: for node-local rows, whose timestamps mean nothing.
    pub fn get_of_any_time(&self, user_key: &[u8]) -> Result<Option<Row<'a>>> {
        self.get_in(user_key, self.view.of_any_time())
    }

    fn get_in(&self, user_key: &[u8], view: View) -> Result<Option<Row<'a>>> {
        let mut newest: Option<Row<'a>> = None;
        let mut offer = |row: Row<'a>| {
            if newest.is_none_or(|best| row.commit_ts > best.commit_ts) {
                newest = Some(row);
            }
        };
        for group in &self.groups {
            group.newest(user_key, view)?.into_iter().for_each(&mut offer);
        }
        let from = self.overlay.partition_point(|row| row.user_key < user_key);
        self.overlay[from..].iter().take_while(|row| row.user_key == user_key).copied().for_each(&mut offer);
        match newest.filter(|row| row.live) {
            Some(row) if row.sealed => self.skip(self.missing_key(&row)).map(|()| None),
            row => Ok(row),
        }
    }

    /// Applied intents, in the order of their keys.
    pub fn applied(&self) -> &[Row<'a>] {
        &self.overlay
    }

    /// Families (with the length of the user key where keys carry it) that have applied intents.
    pub fn overlay_families(&self) -> impl Iterator<Item = (Family, u32)> + '_ {
        self.overlay.iter().map(|row| index::family_and_len(row.user_key))
    }

    fn overlay_rows(&self, lo: &[u8], hi: Option<&[u8]>) -> &[Row<'a>] {
        let from = self.overlay.partition_point(|row| row.user_key < lo);
        let to = hi.map_or(self.overlay.len(), |hi| self.overlay.partition_point(|row| row.user_key < hi));
        self.overlay.get(from..to).unwrap_or_default()
    }

    /// Adds the input's name to an error about a row.
    #[cold]
    pub fn locate(&self, error: RowError) -> Error {
        // Rows of the overlay have the group of their intent in the upper half of the numbers.
        let index = error.group as usize % self.groups.len().max(1);
        match self.groups.get(index) {
            Some(group) => group.source.locate(error.error),
            None => error.error,
        }
    }

    /// Fails if an input changed since it was opened.
    pub fn check_unchanged(&self) -> Result<()> {
        self.groups.iter().try_for_each(|group| group.source.check_unchanged())
    }
}
