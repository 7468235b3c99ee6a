//! The loop of the index.

use std::ops::Range;

use super::sealed::Unopened;
use super::{Checkpoints, Counts, Granularity, Holes, Index, Layout, Moments, PrefixStack, SealedRows, Segment, View};
use crate::error::{Brief, Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::envelope::Sealed;
use crate::format::family::Classifier;
use crate::format::frame::{self, Entry};
use crate::format::header::FsmHeader;
use crate::format::mvcc::{self, MvccFault, Operational, ValueHeader};
use crate::format::mvcc2;
use crate::report::Pile;
use crate::source::{Source, Values};

/// The end of the rows.
pub(super) struct End {
    pub at: usize,
    pub footer: bool,
}

/// State of the one pass over a file.
pub(super) struct Pass<'a> {
    source: &'a Source,
    file: &'a [u8],
    values: Values<'a>,
    view: View,
    last_commit_ts: u64,
    classifier: Classifier,
    open: PrefixStack<'a>,
    /// The raw key of the first row, as long as an earlier part may have opened keys that it begins with.
    first_key: Option<&'a [u8]>,
    /// First rows of such keys: whether they are the newest is known when the parts are joined.
    doubtful: Vec<Doubt<'a>>,
    /// The last raw key that was entered.
    last_entered: &'a [u8],
    previous_key: Option<&'a [u8]>,
    /// The previous user key, by family: only order within a family matters.
    previous_user: Vec<&'a [u8]>,
    /// The first user key, by family.
    first_user: Vec<Option<&'a [u8]>>,
    current: Option<Segment>,
    index: Index,
    lost: Pile,
}

/// A row that is live if no earlier part has a row of its key.
struct Doubt<'a> {
    family: Family,
    user_key: &'a [u8],
    bytes: Range<usize>,
}

/// One version of a key, whatever the stream's layout.
struct Version<'a> {
    start: usize,
    end: usize,
    user_key: &'a [u8],
    commit_ts: u64,
    tombstone: bool,
    /// The newest version of its key, and visible to a reader.
    live: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(source: &'a Source, file: &'a [u8], view: View, last_commit_ts: u64) -> Self {
        Pass {
            source,
            file,
            values: source.values(),
            view,
            last_commit_ts,
            classifier: Classifier::default(),
            open: PrefixStack::default(),
            first_key: None,
            doubtful: Vec::new(),
            last_entered: b"",
            previous_key: None,
            previous_user: vec![b""; Family::ALL.len()],
            first_user: vec![None; Family::ALL.len()],
            current: None,
            lost: Pile::small(),
            index: Index {
                header: FsmHeader::default(),
                layout: Layout::Empty,
                rows: 0..0,
                last_commit_ts: 0,
                min_retained_ts: 0,
                applied_index: None,
                max_commit_ts: 0,
                above_last_commit: 0,
                crc32c: None,
                is_whole: true,
                holes: Holes::default(),
                segments: Vec::new(),
                checkpoints: Checkpoints::new(1),
                counts: Counts::new(),
                moments: Moments::default(),
                sealed: SealedRows::default(),
            },
        }
    }

    /// Makes it a pass over a whole file, which can find more losses than the limit of a part.
    pub(super) fn whole(self) -> Self {
        Pass { lost: Pile::default(), ..self }
    }

    /// Reads entries of an `EKVPBBL1` stream, whose frames are known to be intact.
    pub(super) fn pebble(&mut self, bytes: Range<usize>, previous_key: Option<&'a [u8]>) -> Result<()> {
        self.previous_key = previous_key;
        let mut at = bytes.start;
        while at < bytes.end
            && let frame::Step::Entry(entry) = frame::step(self.file, at).map_err(|fault| Error::from(fault).at(at))?
        {
            if at == bytes.start && previous_key.is_some() {
                self.first_key = Some(entry.raw_key);
            }
            self.pebble_entry(&entry)?;
            at = entry.end;
        }
        Ok(())
    }

    fn pebble_entry(&mut self, entry: &Entry<'a>) -> Result<()> {
        if let Some(row) = Operational::of(entry.raw_key, entry.raw_value) {
            self.ascend(entry.raw_key, entry.start)?;
            return self.operational(row, entry);
        }
        // Limits are checked before order, order before flags (`container.md` §8.1).
        let at = |fault| Error::from(fault).at(entry.start);
        let (user_key, commit_ts) = match mvcc::split_key(entry.raw_key) {
            Ok(split) => split,
            Err(fault) => {
                self.lose(at(fault))?;
                return self.ascend(entry.raw_key, entry.start);
            }
        };
        let row = |fault| at(fault).row(Family::of(user_key), user_key);
        let room = mvcc::check_value_len(entry.raw_value).map_err(row);
        let ordered = room.or_else(|error| self.lose(error)).and_then(|()| self.ascend(entry.raw_key, entry.start));
        ordered?;
        let value = match mvcc::split_value(entry.raw_value) {
            Ok(value) => Some(value),
            // A value that is too short for its header was counted already.
            Err(mvcc::MvccFault::ShortValue(_)) => None,
            Err(fault) => return self.other_row(entry, user_key, commit_ts, fault),
        };
        self.pebble_row(entry, user_key, commit_ts, value);
        Ok(())
    }

    /// A row whose value is not a plain one: it is or was encrypted, or it is damaged.
    #[inline(never)]
    fn other_row(&mut self, entry: &Entry<'a>, user_key: &'a [u8], commit_ts: u64, fault: MvccFault) -> Result<()> {
        let family = self.classifier.family(user_key);
        let (value, sealed, is_opened) = match self.values.opened(entry.raw_value) {
            Some((value, sealed)) => (Some(value), Some(sealed), true),
            None => {
                let sealed = self.values.sealed(entry.raw_value);
                (self.closed_value(entry, user_key, family, sealed, fault)?, sealed, false)
            }
        };
        let live = self.index.counts.family(family).live;
        self.rare_row(entry, user_key, commit_ts, value);
        let Some(sealed) = sealed else { return Ok(()) };
        let is_live = self.index.counts.family(family).live > live;
        self.index.sealed.add(sealed.key_id, is_live);
        if is_live && !is_opened && self.index.sealed.unopened.is_none() {
            let (offset, key) = (entry.start, Brief::of(user_key));
            self.index.sealed.unopened = Some(Unopened { offset, sealed, family, key });
        }
        Ok(())
    }

    /// What is known of a value that is neither plain nor decrypted: its header if its key is missing. Any other is damaged.
    fn closed_value(
        &mut self,
        entry: &Entry<'a>,
        user_key: &'a [u8],
        family: Family,
        sealed: Option<Sealed>,
        fault: MvccFault,
    ) -> Result<Option<ValueHeader<'a>>> {
        let header = self.values.without_key(entry.raw_value);
        if header.is_some() {
            return Ok(header);
        }
        let why = sealed.and_then(|sealed| {
            let fault = self.values.why_closed(entry.raw_key, entry.raw_value)?;
            Some(ErrorKind::Sealed { key_id: sealed.key_id, fault })
        });
        let error = why.map_or_else(|| Error::from(self.values.why(entry.raw_value, fault)), Error::new);
        self.lose(error.at(entry.start).row(family, user_key)).map(|()| None)
    }

    #[inline(always)]
    fn pebble_row(&mut self, entry: &Entry<'a>, user_key: &'a [u8], commit_ts: u64, value: Option<ValueHeader<'a>>) {
        let visible = commit_ts <= self.view.as_of;
        let newest = visible && self.open.enter(entry.raw_key, user_key);
        if visible {
            self.last_entered = entry.raw_key;
        }
        let live = newest && value.is_some_and(|v| !v.tombstone && self.serves(v.expire_at));
        self.count(&Version {
            start: entry.start,
            end: entry.end,
            user_key,
            commit_ts,
            tombstone: value.is_some_and(|v| v.tombstone),
            live,
        });
    }

    /// Counts an entry that the index knows to be intact, under the current key of `entry`.
    pub(super) fn again_pebble(&mut self, entry: &Entry<'a>) {
        if Operational::of(entry.raw_key, entry.raw_value).is_some() {
            return;
        }
        if let Ok((user_key, commit_ts)) = mvcc::split_key(entry.raw_key) {
            self.index.checkpoints.offer(entry.start);
            let value = self.values.split(entry.raw_value).ok().or_else(|| self.values.without_key(entry.raw_value));
            self.rare_row(entry, user_key, commit_ts, value);
        }
    }

    /// The same, not inlined, for callers that are not hot: another copy would keep the hot one from being inlined.
    #[inline(never)]
    fn rare_row(&mut self, entry: &Entry<'a>, user_key: &'a [u8], commit_ts: u64, value: Option<ValueHeader<'a>>) {
        self.pebble_row(entry, user_key, commit_ts, value);
    }

    /// Records a row that cannot be read, or fails the run.
    #[cold]
    fn lose(&mut self, error: Error) -> Result<()> {
        if !self.view.lenient {
            return Err(error);
        }
        self.lost.add(self.source.locate(error));
        Ok(())
    }

    /// Reads an `EKVMVCC2` stream from `at`.
    pub(super) fn mvcc2(&mut self, mut at: usize, granularity: Granularity) -> Result<End> {
        self.index.checkpoints = Checkpoints::new(granularity.checkpoint_interval);
        loop {
            match mvcc2::step(self.file, at).map_err(|fault| Error::from(fault).at(at))? {
                mvcc2::Step::Entry(entry) => {
                    self.mvcc2_entry(&entry)?;
                    at = entry.end;
                }
                mvcc2::Step::End => return Ok(End { at, footer: false }),
                mvcc2::Step::Footer => return Ok(End { at, footer: true }),
            }
        }
    }

    pub(super) fn mvcc2_entry(&mut self, entry: &mvcc2::KeyEntry<'a>) -> Result<()> {
        self.ascend(entry.user_key, entry.start)?;
        self.index.checkpoints.offer(entry.start);
        let newest = entry.versions().filter(|v| v.commit_ts <= self.view.as_of).map(|v| v.commit_ts).last();
        let mut previous = None;
        let mut start = entry.start;
        for version in entry.versions() {
            if previous >= Some(version.commit_ts) {
                let error = Error::new(ErrorKind::KeyOrder).at(entry.start);
                return Err(error.row(Family::of(entry.user_key), entry.user_key));
            }
            previous = Some(version.commit_ts);
            let live = newest == Some(version.commit_ts) && !version.tombstone && self.serves(version.expire_at);
            self.count(&Version {
                start,
                end: entry.end,
                user_key: entry.user_key,
                commit_ts: version.commit_ts,
                tombstone: version.tombstone,
                live,
            });
            start = entry.end; // The bytes of the entry are counted once.
        }
        Ok(())
    }

    /// Whether a row is visible at the read timestamp; the index records for which other timestamps its counts are valid.
    #[inline(always)]
    fn serves(&mut self, expire_at: u64) -> bool {
        expire_at == 0 || {
            let serves = self.view.serves(expire_at);
            self.index.moments.note(expire_at, serves);
            serves
        }
    }

    /// Keys ascend strictly; anything else is damage.
    #[inline]
    fn ascend(&mut self, key: &'a [u8], at: usize) -> Result<()> {
        if self.previous_key.is_some_and(|previous| key <= previous) {
            return self.out_of_order(key, at);
        }
        self.previous_key = Some(key);
        Ok(())
    }

    #[cold]
    fn out_of_order(&mut self, key: &'a [u8], at: usize) -> Result<()> {
        let user_key = mvcc::split_key(key).map_or(key, |(user_key, _)| user_key);
        let error = Error::new(ErrorKind::KeyOrder).at(at).row(Family::of(user_key), user_key);
        // The same key again is a version that does not count: the order is still correct.
        if self.previous_key == Some(key) { self.lose(error) } else { Err(error) }
    }

    #[cold]
    fn operational(&mut self, row: Operational, entry: &Entry<'a>) -> Result<()> {
        let n = match row.value(entry.raw_value) {
            Ok(n) => n,
            Err(fault) => return self.lose(Error::from(fault).at(entry.start).row(Family::Bare, entry.raw_key)),
        };
        self.index.counts.operational += 1;
        match row {
            // A compaction in progress may have removed history up to its own timestamp already.
            Operational::MinRetainedTs | Operational::PendingMinRetainedTs => {
                self.index.min_retained_ts = self.index.min_retained_ts.max(n);
            }
            Operational::AppliedIndex => self.index.applied_index = Some(n),
            _ => {}
        }
        Ok(())
    }

    #[inline]
    fn count(&mut self, v: &Version<'a>) {
        let family = self.classifier.family(v.user_key);
        let previous = &mut self.previous_user[family as usize];
        let unordered = is_unordered(previous, v.user_key);
        *previous = v.user_key;
        self.first_user[family as usize].get_or_insert(v.user_key);
        let doubtful = v.live && self.first_key.is_some_and(|first| first.starts_with(v.user_key));
        let live = v.live && !doubtful;
        let count = self.index.counts.family_mut(family);
        count.rows += 1;
        count.tombstones += u64::from(v.tombstone);
        count.live += u64::from(live);
        let bytes = (v.end - v.start) as u64;
        count.bytes += bytes;
        count.live_bytes += if live { bytes } else { 0 };
        count.unordered |= unordered;
        self.index.max_commit_ts = self.index.max_commit_ts.max(v.commit_ts);
        self.index.above_last_commit += u64::from(v.commit_ts > self.last_commit_ts);
        if doubtful {
            self.doubtful.push(Doubt { family, user_key: v.user_key, bytes: v.start..v.end });
        }
        if family == Family::Unknown && live {
            self.index.counts.note_unknown(v.user_key, v.start);
        }
        let len = super::len_in(family, v.user_key);
        self.segment(Segment { family, len, bytes: v.start..v.end });
    }

    /// Extends the current segment, or begins the next one.
    #[inline]
    fn segment(&mut self, next: Segment) {
        match &mut self.current {
            Some(current) if current.family == next.family && current.len == next.len => {
                current.bytes.end = next.bytes.end;
            }
            current => self.index.segments.extend(current.replace(next)),
        }
    }

    /// Adds the results of the next part of the file.
    pub(super) fn absorb(&mut self, next: Pass<'a>) {
        for doubt in next.doubtful {
            if !self.open.contains(doubt.user_key) {
                let count = self.index.counts.family_mut(doubt.family);
                count.live += 1;
                count.live_bytes += doubt.bytes.len() as u64;
                if doubt.family == Family::Unknown {
                    self.index.counts.note_unknown(doubt.user_key, doubt.bytes.start);
                }
            }
        }
        if !next.last_entered.is_empty() {
            self.open.absorb(next.open, next.last_entered);
        }
        for (family, first) in Family::ALL.iter().zip(&next.first_user) {
            let Some(first) = first else { continue };
            let previous = &mut self.previous_user[*family as usize];
            self.index.counts.family_mut(*family).unordered |= is_unordered(previous, first);
            *previous = next.previous_user[*family as usize];
        }
        next.index.segments.into_iter().chain(next.current).for_each(|segment| self.segment(segment));
        let (mine, theirs) = (&mut self.index, next.index.counts);
        mine.counts.append(theirs);
        mine.min_retained_ts = mine.min_retained_ts.max(next.index.min_retained_ts);
        mine.applied_index = next.index.applied_index.or(mine.applied_index);
        mine.max_commit_ts = mine.max_commit_ts.max(next.index.max_commit_ts);
        mine.above_last_commit += next.index.above_last_commit;
        mine.moments.append(next.index.moments);
        mine.sealed.append(&next.index.sealed);
        self.lost.append(next.lost);
    }

    /// Sets the positions from which reading can start.
    pub(super) fn set_checkpoints(&mut self, checkpoints: Checkpoints) {
        self.index.checkpoints = checkpoints;
    }

    pub(super) fn finish(mut self) -> (Index, Pile) {
        self.index.segments.extend(self.current.take());
        (self.index, self.lost)
    }
}

/// Whether a user key that follows another one in the file is before it in order.
#[inline]
fn is_unordered(previous: &[u8], user_key: &[u8]) -> bool {
    user_key.len() < previous.len() && previous.starts_with(user_key)
}
