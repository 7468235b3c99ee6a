//! Finds the blocks of a table without its index, one after the other, each by its checksum.

use crate::format::sst::block::{Handle, Payload, find_len};
use crate::format::sst::row::{Row, Rows};
use crate::format::sst::{At, SstFault};

/// A search that comes to an end where no block begins, or one that holds no rows.
pub(super) struct Scan<'a> {
    table: &'a [u8],
    on: bool,
    /// Where the next block would begin.
    at: u64,
    /// No rows stand behind this place.
    end: u64,
    /// Whether rows stand up to there: else an index may be in front of it.
    is_exact: bool,
    /// The last raw key: behind the blocks of rows stands an index that looks like one of them.
    last: Vec<u8>,
    /// Bytes that may still be searched in vain.
    budget: usize,
}

impl<'a> Scan<'a> {
    pub fn new(table: &'a [u8]) -> Scan<'a> {
        Scan {
            table,
            on: false,
            at: 0,
            end: u64::MAX,
            is_exact: false,
            last: Vec::new(),
            budget: table.len().saturating_mul(2),
        }
    }

    /// Rows stand up to this place.
    pub fn end_at(&mut self, end: u64) {
        (self.end, self.is_exact) = (end, true);
    }

    /// Rows end at this place or before.
    pub fn end_before(&mut self, end: u64) {
        self.end = end;
    }

    /// Looks for blocks from a place on.
    pub fn begin(&mut self, from: u64) {
        (self.on, self.at) = (true, self.at.max(from));
    }

    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Where the last block that was found ends.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next block; an error where there is none although rows should stand there. Both end the search but for a block.
    pub fn next(&mut self) -> Option<Result<Handle, At>> {
        self.on = false;
        let end = usize::try_from(self.end).unwrap_or(usize::MAX).min(self.table.len());
        let bytes = usize::try_from(self.at).ok().and_then(|at| self.table.get(at..end))?;
        if bytes.is_empty() {
            return None;
        }
        let Some(len) = bytes.get(..bytes.len().min(self.budget)).and_then(find_len) else {
            self.budget = self.budget.saturating_sub(bytes.len());
            return Some(Err(SstFault::Block("no block begins here whose checksum matches").at(self.at)));
        };
        let handle = Handle { offset: self.at, len: len as u64 };
        if !self.has_rows(handle) && !self.is_exact {
            return None;
        }
        (self.on, self.at) = (true, handle.end());
        Some(Ok(handle))
    }

    /// Whether a block has rows that follow the ones before it.
    fn has_rows(&mut self, handle: Handle) -> bool {
        let (mut room, mut key, mut any) = (Vec::new(), Vec::new(), false);
        let mut walk = || {
            let payload = Payload::parse(handle.of(self.table)?)?.inflate(&mut room)?;
            let mut rows = Rows::new(payload, &mut key)?;
            while let Some(Row { raw_key, .. }) = rows.next()? {
                if raw_key <= self.last.as_slice() {
                    return Err(SstFault::Block("its keys do not ascend"));
                }
                any = true;
                self.last.clear();
                self.last.extend_from_slice(raw_key);
            }
            Ok(())
        };
        walk().is_ok() && any
    }
}
