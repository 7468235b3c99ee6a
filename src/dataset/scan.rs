//! Reading newest versions forward from a position of an indexed file.

use std::ops::Range;
use std::sync::Arc;

use super::group::Group;
use super::row::Row;
use crate::error::{Error, ErrorKind, Result};
use crate::format::limits::TS_SUFFIX;
use crate::format::mvcc::{self, Operational, ValueHeader};
use crate::format::{frame, mvcc2};
use crate::index::{Holes, Layout, PrefixStack, View};
use crate::source::Values;

/// Walks the newest visible version of each user key, tombstones included, in file order.
///
/// It may start at any entry: a key whose newest version lies before the start is smaller than the range the caller
/// asked for, and the caller skips it (see [`RangeIter`](super::RangeIter)).
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    file: &'a [u8],
    values: Values<'a>,
    /// How entries are read.
    manner: Manner,
    /// Where the rows end.
    rows_end: usize,
    holes: Holes,
    /// Where the current stretch ends: at the next hole, or the end of the rows.
    end: usize,
    at: usize,
    view: View,
    group: u32,
    open: PrefixStack<'a>,
    /// Where the rows of the wanted family are, for a family that is spread over the file.
    only: Option<Arc<[Range<usize>]>>,
}

/// How entries are read. The plainest form, which nearly all files have, is recognised by one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Pebble,
    /// The first bytes of each stored key are not part of the key: their number.
    Staged(usize),
    Mvcc2(usize),
}

/// What an entry is for a reader.
enum Seen<'a> {
    /// Nothing: a row of the store itself, an older version, or a version after the moment.
    Nothing,
    /// The newest version of a key: user key, commit timestamp, value.
    Plain(&'a [u8], u64, ValueHeader<'a>),
    /// The same, with a value that is not simply there: user key, commit timestamp.
    Other(&'a [u8], u64),
}

impl<'a> Scan<'a> {
    pub(super) fn new(group: &Group<'a>, at: usize, view: View) -> Self {
        let (file, index) = (group.file(), &group.index);
        let manner = match (index.layout, group.strip) {
            (Layout::Mvcc2, strip) => Manner::Mvcc2(strip),
            (_, 0) => Manner::Pebble,
            (_, strip) => Manner::Staged(strip),
        };
        let (rows_end, holes) = (index.rows.end, index.holes.clone());
        let Range { start: at, end } = holes.from(at, rows_end);
        let values = group.source.values();
        let (group, open) = (group.number, PrefixStack::default());
        Scan { file, values, manner, rows_end, holes, end, at, view, group, open, only: None }
    }

    /// Reads only these parts of the file. They must contain all rows of their keys.
    pub(super) fn only(mut self, parts: Arc<[Range<usize>]>) -> Self {
        self.only = Some(parts);
        self.jump();
        self
    }

    /// Jumps to the next wanted part.
    fn jump(&mut self) {
        let Some(parts) = &self.only else { return };
        let next = parts.get(parts.partition_point(|part| part.end <= self.at));
        self.at = next.map_or(self.rows_end, |part| self.at.max(part.start));
    }

    /// Continues after the current stretch; `false`: there are no more rows.
    #[cold]
    fn next_stretch(&mut self) -> bool {
        while self.at < self.rows_end {
            let next = self.holes.from(self.at, self.rows_end);
            (self.at, self.end) = (next.start, next.end);
            self.jump();
            if self.at < self.end {
                return true;
            }
        }
        false
    }

    /// The position of the next entry.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Gives the newest versions in entries whose stored keys are below `limit`. Entries before the position `sure` are known to be below it.
    ///
    /// `take` gets each row where it is made. Rows that a function returns one by one are copied several times, which takes
    /// longer than to find them.
    #[inline]
    pub(super) fn each_below(
        &mut self,
        limit: Option<&[u8]>,
        sure: usize,
        mut take: impl FnMut(Row<'a>),
    ) -> Result<()> {
        if self.manner != Manner::Pebble {
            while let Some(row) = self.next_other(limit)? {
                take(row);
            }
            return Ok(());
        }
        while let Some(entry) = self.entry(0, limit, sure)? {
            match self.look(&entry)? {
                Seen::Plain(user_key, commit_ts, value) => take(self.plain_row(&entry, user_key, commit_ts, value)),
                Seen::Other(user_key, commit_ts) => {
                    if let Some(row) = self.other_row(&entry, user_key, commit_ts)? {
                        take(row);
                    }
                }
                Seen::Nothing => {}
            }
        }
        Ok(())
    }

    /// The next of these rows.
    pub(super) fn next_below(&mut self, limit: Option<&[u8]>) -> Result<Option<Row<'a>>> {
        if self.manner != Manner::Pebble {
            return self.next_other(limit);
        }
        while let Some(entry) = self.entry(0, limit, 0)? {
            if let Some(row) = self.pebble_row(&entry)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The next entry, without the first `strip` bytes of its key, if this key is below `limit`.
    #[inline(always)]
    fn entry(&mut self, strip: usize, limit: Option<&[u8]>, sure: usize) -> Result<Option<frame::Entry<'a>>> {
        if self.at >= self.end && !self.next_stretch() {
            return Ok(None);
        }
        let Ok(frame::Step::Entry(mut entry)) = frame::step(self.file, self.at) else { return Err(changed()) };
        entry.raw_key = entry.raw_key.get(strip..).unwrap_or_default();
        if self.at >= sure && limit.is_some_and(|limit| entry.raw_key >= limit) {
            return Ok(None);
        }
        self.at = entry.end;
        self.jump();
        Ok(Some(entry))
    }

    /// Its result stays in registers, because no function that is called writes it.
    #[inline(always)]
    fn look(&mut self, entry: &frame::Entry<'a>) -> Result<Seen<'a>> {
        if Operational::of(entry.raw_key, entry.raw_value).is_some() {
            return Ok(Seen::Nothing);
        }
        let Ok((user_key, commit_ts)) = mvcc::split_key(entry.raw_key) else {
            // A row that the index skipped.
            return if self.view.lenient { Ok(Seen::Nothing) } else { Err(changed()) };
        };
        if commit_ts > self.view.as_of || !self.open.enter(entry.raw_key, user_key) {
            return Ok(Seen::Nothing);
        }
        Ok(match mvcc::split_value(entry.raw_value) {
            Ok(value) => Seen::Plain(user_key, commit_ts, value),
            Err(_) => Seen::Other(user_key, commit_ts),
        })
    }

    #[inline(always)]
    fn plain_row(
        &self,
        entry: &frame::Entry<'a>,
        user_key: &'a [u8],
        commit_ts: u64,
        value: ValueHeader<'a>,
    ) -> Row<'a> {
        let live = !value.tombstone && self.view.serves(value.expire_at);
        self.row(user_key, commit_ts, live, value.body, entry.start)
    }

    fn pebble_row(&mut self, entry: &frame::Entry<'a>) -> Result<Option<Row<'a>>> {
        Ok(match self.look(entry)? {
            Seen::Plain(user_key, commit_ts, value) => Some(self.plain_row(entry, user_key, commit_ts, value)),
            Seen::Other(user_key, commit_ts) => self.other_row(entry, user_key, commit_ts)?,
            Seen::Nothing => None,
        })
    }

    /// A row that was decrypted, or whose body cannot be read: its encryption key is missing, or the index skipped it.
    #[inline(never)]
    fn other_row(&self, entry: &frame::Entry<'a>, user_key: &'a [u8], commit_ts: u64) -> Result<Option<Row<'a>>> {
        if let Ok(value) = self.values.split(entry.raw_value) {
            let live = !value.tombstone && self.view.serves(value.expire_at);
            return Ok(Some(self.row(user_key, commit_ts, live, value.body, entry.start)));
        }
        let row = |live| self.row(user_key, commit_ts, live, &[], entry.start);
        match self.values.without_key(entry.raw_value) {
            Some(value) => Ok(Some(Row { sealed: true, ..row(self.view.serves(value.expire_at)) })),
            // The index skipped it. Its key is absent, because an older version must not be taken for the current one.
            None if self.view.lenient => Ok(Some(row(false))),
            None => Err(changed()),
        }
    }

    #[inline(never)]
    fn next_other(&mut self, limit: Option<&[u8]>) -> Result<Option<Row<'a>>> {
        match self.manner {
            Manner::Mvcc2(strip) => self.next_mvcc2(strip, limit),
            Manner::Staged(strip) => self.next_staged(strip, limit),
            Manner::Pebble => Ok(None),
        }
    }

    fn next_staged(&mut self, strip: usize, limit: Option<&[u8]>) -> Result<Option<Row<'a>>> {
        while let Some(entry) = self.entry(strip, limit, 0)? {
            // An unknown row whose timestamp looks like a job can be here: it is too short for a staged row.
            if entry.raw_key.len() < TS_SUFFIX {
                continue;
            }
            if let Some(row) = self.pebble_row(&entry)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn next_mvcc2(&mut self, strip: usize, limit: Option<&[u8]>) -> Result<Option<Row<'a>>> {
        while self.at < self.end || self.next_stretch() {
            let mvcc2::Step::Entry(mut entry) = mvcc2::step(self.file, self.at).map_err(|_| changed())? else {
                return Err(changed());
            };
            entry.user_key = entry.user_key.get(strip..).unwrap_or_default();
            if limit.is_some_and(|limit| entry.user_key >= limit) {
                return Ok(None);
            }
            self.at = entry.end;
            self.jump();
            let visible = entry.versions().filter(|v| v.commit_ts <= self.view.as_of);
            if let Some(v) = visible.last() {
                let live = !v.tombstone && self.view.serves(v.expire_at);
                return Ok(Some(self.row(entry.user_key, v.commit_ts, live, v.body, entry.start)));
            }
        }
        Ok(None)
    }

    #[inline]
    fn row(&self, user_key: &'a [u8], commit_ts: u64, live: bool, body: &'a [u8], offset: usize) -> Row<'a> {
        let body = if live { body } else { &[] };
        Row { user_key, body, commit_ts, offset, group: self.group, live, sealed: false }
    }
}

/// The index accepted these bytes. If they do not parse now, they have changed.
#[cold]
pub(super) fn changed() -> Error {
    Error::new(ErrorKind::Changed)
}
