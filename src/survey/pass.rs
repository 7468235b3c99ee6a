//! The loop of the survey.

use super::{Checkpoints, Counts, Grain, Layout, OpenKeys, Segment, Survey, View};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::family::Classifier;
use crate::format::frame::{self, Entry};
use crate::format::header::FsmHeader;
use crate::format::mvcc::{self, Operational};
use crate::format::mvcc2;

/// Where the rows end.
pub(super) struct End {
    pub at: usize,
    pub footer: bool,
}

/// State of the one pass over a file.
pub(super) struct Pass<'a> {
    file: &'a [u8],
    view: View,
    last_commit_ts: u64,
    classifier: Classifier,
    open: OpenKeys<'a>,
    previous_key: Option<&'a [u8]>,
    /// The user key before, by family: only order within a family matters.
    previous_user: Vec<&'a [u8]>,
    current: Option<Segment>,
    survey: Survey,
    lost: Vec<Error>,
}

/// One version of a key, whatever the stream's layout.
struct Version<'a> {
    start: usize,
    end: usize,
    user_key: &'a [u8],
    commit_ts: u64,
    tombstone: bool,
    /// The newest of its key, and there for a reader.
    live: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(file: &'a [u8], view: View, grain: Grain, last_commit_ts: u64) -> Self {
        Pass {
            file,
            view,
            last_commit_ts,
            classifier: Classifier::default(),
            open: OpenKeys::default(),
            previous_key: None,
            previous_user: vec![b""; Family::ALL.len()],
            current: None,
            lost: Vec::new(),
            survey: Survey {
                header: FsmHeader::default(),
                layout: Layout::Empty,
                rows: 0..0,
                last_commit_ts: 0,
                min_retained_ts: 0,
                applied_index: None,
                max_commit_ts: 0,
                above_last_commit: 0,
                crc32c: None,
                segments: Vec::new(),
                checkpoints: Checkpoints::new(grain.spacing),
                counts: Counts::new(),
            },
        }
    }

    /// Walks an `EKVPBBL1` stream from `at`.
    pub(super) fn pebble(&mut self, mut at: usize) -> Result<End> {
        loop {
            match frame::step(self.file, at).map_err(|fault| Error::from(fault).at(at))? {
                frame::Step::Entry(entry) => {
                    self.pebble_entry(&entry)?;
                    at = entry.end;
                }
                frame::Step::End => return Ok(End { at, footer: false }),
                frame::Step::Footer => return Ok(End { at, footer: true }),
            }
        }
    }

    fn pebble_entry(&mut self, entry: &Entry<'a>) -> Result<()> {
        self.survey.checkpoints.offer(entry.start);
        if let Some(row) = Operational::of(entry.raw_key) {
            self.ascend(entry.raw_key, entry.start)?;
            return self.operational(row, entry);
        }
        // Limits come before order, order before flags (`container.md` §8.1).
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
            // A value without room for its header is known already.
            Err(mvcc::MvccFault::ShortValue(_)) => None,
            Err(fault) => self.lose(row(fault)).map(|()| None)?,
        };
        let visible = commit_ts <= self.view.as_of;
        let newest = visible && self.open.enter(entry.raw_key, user_key);
        self.count(&Version {
            start: entry.start,
            end: entry.end,
            user_key,
            commit_ts,
            tombstone: value.is_some_and(|v| v.tombstone),
            live: newest && value.is_some_and(|v| !v.tombstone && self.view.serves(v.expire_at)),
        });
        Ok(())
    }

    /// Takes note of a row that cannot be read, or ends the survey.
    #[cold]
    fn lose(&mut self, error: Error) -> Result<()> {
        if !self.view.lenient {
            return Err(error);
        }
        self.lost.push(error);
        Ok(())
    }

    /// Walks an `EKVMVCC2` stream from `at`.
    pub(super) fn mvcc2(&mut self, mut at: usize) -> Result<End> {
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

    fn mvcc2_entry(&mut self, entry: &mvcc2::KeyEntry<'a>) -> Result<()> {
        self.ascend(entry.user_key, entry.start)?;
        self.survey.checkpoints.offer(entry.start);
        let newest = entry.versions().filter(|v| v.commit_ts <= self.view.as_of).map(|v| v.commit_ts).last();
        let mut previous = None;
        let mut start = entry.start;
        for version in entry.versions() {
            if previous >= Some(version.commit_ts) {
                let error = Error::new(ErrorKind::KeyOrder).at(entry.start);
                return Err(error.row(Family::of(entry.user_key), entry.user_key));
            }
            previous = Some(version.commit_ts);
            self.count(&Version {
                start,
                end: entry.end,
                user_key: entry.user_key,
                commit_ts: version.commit_ts,
                tombstone: version.tombstone,
                live: newest == Some(version.commit_ts) && !version.tombstone && self.view.serves(version.expire_at),
            });
            start = entry.end; // The bytes of the entry are counted once.
        }
        Ok(())
    }

    /// Keys ascend strictly; anything else is damage.
    #[inline]
    fn ascend(&mut self, key: &'a [u8], at: usize) -> Result<()> {
        if self.previous_key.is_some_and(|previous| key <= previous) {
            let user_key = mvcc::split_key(key).map_or(key, |(user_key, _)| user_key);
            return Err(Error::new(ErrorKind::KeyOrder).at(at).row(Family::of(user_key), user_key));
        }
        self.previous_key = Some(key);
        Ok(())
    }

    #[cold]
    fn operational(&mut self, row: Operational, entry: &Entry<'a>) -> Result<()> {
        let n = row
            .value(entry.raw_value)
            .map_err(|fault| Error::from(fault).at(entry.start).row(Family::Bare, entry.raw_key))?;
        self.survey.counts.operational += 1;
        match row {
            // A compaction under way may have removed history up to its own mark already.
            Operational::MinRetainedTs | Operational::PendingMinRetainedTs => {
                self.survey.min_retained_ts = self.survey.min_retained_ts.max(n);
            }
            Operational::AppliedIndex => self.survey.applied_index = Some(n),
            _ => {}
        }
        Ok(())
    }

    #[inline]
    fn count(&mut self, v: &Version<'a>) {
        let family = self.classifier.family(v.user_key);
        let previous = &mut self.previous_user[family as usize];
        let unordered = v.user_key.len() < previous.len() && previous.starts_with(v.user_key);
        *previous = v.user_key;
        let count = self.survey.counts.family_mut(family);
        count.rows += 1;
        count.tombstones += u64::from(v.tombstone);
        count.live += u64::from(v.live);
        count.bytes += (v.end - v.start) as u64;
        count.unordered |= unordered;
        self.survey.max_commit_ts = self.survey.max_commit_ts.max(v.commit_ts);
        self.survey.above_last_commit += u64::from(v.commit_ts > self.last_commit_ts);
        if family == Family::Unknown && v.live {
            self.survey.counts.note_unknown(v.user_key, v.start);
        }
        self.segment(family, v);
    }

    #[inline]
    fn segment(&mut self, family: Family, v: &Version<'a>) {
        let len = super::len_in(family, v.user_key);
        match &mut self.current {
            Some(current) if current.family == family && current.len == len => current.bytes.end = v.end,
            current => {
                let next = Segment { family, len, bytes: v.start..v.end };
                self.survey.segments.extend(current.replace(next));
            }
        }
    }

    pub(super) fn finish(mut self) -> (Survey, Vec<Error>) {
        self.survey.segments.extend(self.current.take());
        (self.survey, self.lost)
    }
}
