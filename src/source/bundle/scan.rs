//! Finds the blocks of a table without its index, one after the other, each by its checksum.

use crate::format::sst::block::{Handle, Payload, find_len};
use crate::format::sst::row::{Row, Rows};
use crate::format::sst::{At, SstFault};

/// A search that ends where no block begins, or at a block without rows.
pub(super) struct Scan<'a> {
    table: &'a [u8],
    on: bool,
    /// Position of the next block.
    at: u64,
    /// There are no rows after this position.
    end: u64,
    /// Whether the rows reach up to there: otherwise an index may be before it.
    is_exact: bool,
    /// The last raw key: after the blocks of rows there is an index that looks like one of them.
    last: Vec<u8>,
    /// Bytes that may still be searched without a result.
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

    /// The rows end exactly at this position.
    pub fn end_at(&mut self, end: u64) {
        (self.end, self.is_exact) = (end, true);
    }

    /// The rows end at this position or before it.
    pub fn end_before(&mut self, end: u64) {
        self.end = end;
    }

    /// Searches for blocks from a position on.
    pub fn begin(&mut self, from: u64) {
        (self.on, self.at) = (true, self.at.max(from));
    }

    pub fn is_on(&self) -> bool {
        self.on
    }

    /// The end of the last block that was found.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next block; an error if there is none although rows are expected. The search ends unless a block is returned.
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

    /// Whether a block has rows that follow the previous ones.
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
