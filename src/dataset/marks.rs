//! Success markers: transactions that are known to be committed although their own group's record is not among the inputs
//! (`future.md` F5).

use std::collections::BTreeMap;

use super::DataSet;
use crate::error::Result;
use crate::format::Family;
use crate::format::txn::{Lock, Marker};

/// Commit timestamps by primary key and start timestamp, of the transactions that still hold locks.
#[derive(Default)]
pub(super) struct Marks<'a>(BTreeMap<(&'a [u8], u64), Option<u64>>);

impl<'a> Marks<'a> {
    /// When a transaction was committed, if a marker says so.
    pub(super) fn commit_ts(&self, lock: &Lock<'_>) -> Option<u64> {
        self.0.get(&(lock.primary, lock.start_ts)).copied().flatten()
    }
}

impl<'a> DataSet<'a> {
    /// Reads the markers, if there are any. Memory grows with the number of locks, as resolving them does anyway.
    pub(super) fn marks(&self) -> Result<Marks<'a>> {
        let mut marks = Marks::default();
        if self.groups.iter().all(|group| group.index.counts.family(Family::TxnOk).live == 0) {
            return Ok(marks);
        }
        let mut locks = self.family(Family::TxnLock);
        while let Some(row) = locks.next()? {
            // A malformed lock is reported where it is resolved, and a malformed marker where all records are checked.
            if let Ok(lock) = Lock::parse(row.body) {
                marks.0.insert((lock.primary, lock.start_ts), None);
            }
        }
        let mut rows = self.family(Family::TxnOk);
        while let Some(row) = rows.next()? {
            let Ok(marker) = Marker::parse(Family::TxnOk.suffix(row.user_key)) else { continue };
            if let Some(ts) = marks.0.get_mut(&(marker.primary, marker.start_ts)) {
                ts.get_or_insert(marker.commit_ts);
            }
        }
        Ok(marks)
    }
}
