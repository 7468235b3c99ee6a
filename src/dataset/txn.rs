//! Prepared transactions: committed intents become rows, the others are counted (`container.md` §8).

use super::DataSet;
use super::marks::Marks;
use super::row::Row;
use crate::error::{Error, Result};
use crate::format::txn::{self, Intent, Lock, Marker};
use crate::format::{Family, Fault};

/// What happened to the locks and intents that are still in the inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unresolved {
    /// Intents of committed transactions, applied.
    pub applied: u64,
    /// Locks whose transaction is neither committed, rolled back nor expired: the server would answer "retry".
    pub pending: u64,
    /// The key of the first pending lock.
    pub pending_example: Option<Vec<u8>>,
    /// Locks of transactions that were rolled back or have expired: ignored, as the server does.
    pub rolled_back: u64,
    /// Intents without a live lock, or with a start timestamp that differs from their lock's: ignored.
    pub stray_intents: u64,
    /// Live records of commits and rollbacks, kept by the server as history.
    pub records: u64,
}

/// How a transaction ended.
enum Outcome {
    Committed(u64),
    RolledBack,
    Pending,
}

impl<'a> DataSet<'a> {
    /// Applies the intents of transactions that are known to be committed.
    ///
    /// # Errors
    /// A malformed row of a transaction.
    pub fn resolve_transactions(&mut self) -> Result<Unresolved> {
        let mut report = Unresolved::default();
        let mut overlay = Vec::new();
        if self.groups.iter().any(|g| g.index.counts.family(Family::TxnLock).live > 0) {
            self.resolve_locks(&mut report, &mut overlay)?;
        }
        if self.groups.iter().any(|g| g.index.counts.family(Family::TxnIntent).live > 0) {
            report.stray_intents = self.stray_intents()?;
        }
        report.records = self.check_records()?;
        overlay.sort_by_key(|row| (row.user_key, std::cmp::Reverse(row.commit_ts)));
        report.applied = overlay.len() as u64;
        // Set only now: the look-ups above must see the rows of the files.
        self.overlay = overlay;
        Ok(report)
    }

    fn resolve_locks(&self, report: &mut Unresolved, overlay: &mut Vec<Row<'a>>) -> Result<()> {
        let marks = self.marks()?;
        let mut locks = self.family(Family::TxnLock);
        while let Some(row) = locks.next()? {
            if let Err(error) = self.resolve_lock(&row, &marks, report, overlay) {
                self.skip(error)?;
            }
        }
        Ok(())
    }

    fn resolve_lock(
        &self,
        row: &Row<'a>,
        marks: &Marks<'a>,
        report: &mut Unresolved,
        overlay: &mut Vec<Row<'a>>,
    ) -> Result<()> {
        let lock = Lock::parse(row.body).map_err(|fault| self.at(row, Family::TxnLock, fault))?;
        let key = Family::TxnLock.suffix(row.user_key);
        let intent = self.intent_of(key, lock.start_ts)?;
        match (self.outcome(&lock, marks)?, intent) {
            (Outcome::Committed(ts), Some((intent_row, intent))) => {
                if ts <= self.view.as_of {
                    overlay.push(self.overlay_row(key, ts, &intent_row, intent));
                }
            }
            (Outcome::RolledBack, _) => report.rolled_back += 1,
            (Outcome::Committed(_), None) | (Outcome::Pending, _) => {
                report.pending += 1;
                report.pending_example.get_or_insert_with(|| key.to_vec());
            }
        }
        Ok(())
    }

    fn overlay_row(&self, key: &'a [u8], commit_ts: u64, row: &Row<'a>, intent: Intent<'a>) -> Row<'a> {
        let body = intent.body.unwrap_or_default();
        // It is not an input, but errors must still find its file: see `locate`.
        let group = row.group + self.groups.len() as u32;
        let live = intent.body.is_some();
        Row { user_key: key, body, commit_ts, offset: row.offset, group, live, sealed: false }
    }

    fn intent_of(&self, key: &[u8], start_ts: u64) -> Result<Option<(Row<'a>, Intent<'a>)>> {
        let Some(row) = self.get(&[Family::TxnIntent.prefix().as_bytes(), key].concat())? else { return Ok(None) };
        let intent = Intent::parse(row.body).map_err(|fault| self.at(&row, Family::TxnIntent, fault))?;
        Ok((intent.start_ts == start_ts).then_some((row, intent)))
    }

    fn outcome(&self, lock: &Lock<'_>, marks: &Marks<'a>) -> Result<Outcome> {
        let id = |family: Family| {
            [family.prefix().as_bytes(), lock.primary, lock.start_ts.to_be_bytes().as_slice()].concat()
        };
        if let Some(row) = self.get(&id(Family::TxnCommit))? {
            let ts = txn::commit_ts(row.body).map_err(|fault| self.at(&row, Family::TxnCommit, fault))?;
            return Ok(Outcome::Committed(ts));
        }
        if let Some(ts) = marks.commit_ts(lock) {
            return Ok(Outcome::Committed(ts));
        }
        if self.get(&id(Family::TxnRollback))?.is_some() {
            return Ok(Outcome::RolledBack);
        }
        let primary = self.get(&[Family::TxnLock.prefix().as_bytes(), lock.primary].concat())?;
        let Some(row) = primary else { return Ok(Outcome::RolledBack) };
        let held = Lock::parse(row.body).map_err(|fault| self.at(&row, Family::TxnLock, fault))?;
        let expired = held.expire_at != 0 && held.expire_at <= self.view.read_ts;
        let alive = held.start_ts == lock.start_ts && !expired;
        Ok(if alive { Outcome::Pending } else { Outcome::RolledBack })
    }

    /// Live rows of some families that only applied intents create: their keys have no live row in an input, so the
    /// index did not count them.
    ///
    /// # Errors
    /// An input that changed.
    pub fn made_by_intents(&self, of: impl Fn(Family) -> bool) -> Result<Vec<Row<'a>>> {
        let mut made = Vec::new();
        let mut last: Option<&[u8]> = None;
        for row in self.overlay.iter().filter(|row| of(Family::of(row.user_key))) {
            if last.replace(row.user_key) == Some(row.user_key) {
                continue;
            }
            let mut counted = false;
            for group in &self.groups {
                counted |= group.newest(row.user_key, self.view)?.is_some_and(|row| row.live);
            }
            made.extend(self.get(row.user_key)?.filter(|_| !counted));
        }
        Ok(made)
    }

    fn stray_intents(&self) -> Result<u64> {
        let mut stray = 0;
        let mut intents = self.family(Family::TxnIntent);
        while let Some(row) = intents.next()? {
            let intent = match Intent::parse(row.body) {
                Ok(intent) => intent,
                Err(fault) => {
                    self.skip(self.at(&row, Family::TxnIntent, fault))?;
                    continue;
                }
            };
            let key = Family::TxnIntent.suffix(row.user_key);
            let lock = self.get(&[Family::TxnLock.prefix().as_bytes(), key].concat())?;
            let held = lock.and_then(|row| Lock::parse(row.body).ok()).map(|lock| lock.start_ts);
            stray += u64::from(held != Some(intent.start_ts));
        }
        Ok(stray)
    }

    /// Parses every live record of a commit or rollback: a malformed one is damage.
    fn check_records(&self) -> Result<u64> {
        let mut records = 0;
        for family in [Family::TxnCommit, Family::TxnOk, Family::TxnRollback] {
            let mut rows = self.family(family);
            while let Some(row) = rows.next()? {
                let ok = match family {
                    Family::TxnCommit => txn::commit_ts(row.body).map(|_| ()),
                    Family::TxnOk => Marker::parse(family.suffix(row.user_key)).map(drop),
                    _ if row.body == [1] => Ok(()),
                    _ => Err(Fault::Value("it is not the single byte 01")),
                };
                match ok {
                    Ok(()) => records += 1,
                    Err(fault) => self.skip(self.at(&row, family, fault))?,
                }
            }
        }
        Ok(records)
    }

    #[cold]
    fn at(&self, row: &Row<'_>, family: Family, fault: Fault) -> Error {
        self.locate(row.fault(family, fault))
    }
}
