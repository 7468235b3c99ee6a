//! Whether the inputs contain the state of an earlier moment (`--as-of`).

use super::DataSet;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::family::Class;
use crate::report::time;

/// How far commit timestamps run ahead of the clock (`container.md` §8.3): within this span the order is not known.
pub const AHEAD: u64 = 10_000 << 16;

impl DataSet<'_> {
    /// Refuses a moment that is clearly before the first commit, or one whose history is compacted away.
    pub(super) fn check_moment(&self, as_of: u64) -> Result<()> {
        for group in &self.groups {
            let kept_from = group.index.min_retained_ts;
            if as_of < kept_from {
                let error = Error::new(ErrorKind::HistoryGone { as_of, kept_from });
                return Err(error.input(group.source.path()));
            }
        }
        // Usually there are live keys, and nothing has to be read a second time.
        let counts = self.counts();
        if counts.families().any(|(family, count)| is_dated(family) && count.live > 0) {
            return Ok(());
        }
        match self.first_commit()?.filter(|first| as_of.saturating_add(AHEAD) < *first) {
            Some(first) => Err(self.too_early(as_of, first)),
            None => Ok(()),
        }
    }

    /// The smallest commit timestamp of rows that clients wrote.
    fn first_commit(&self) -> Result<Option<u64>> {
        let mut first: Option<u64> = None;
        self.versions(b"", None, &mut |version| {
            if is_dated(Family::of(version.user_key)) {
                first = Some(first.map_or(version.commit_ts, |first| first.min(version.commit_ts)));
            }
            Ok(())
        })?;
        Ok(first)
    }

    #[cold]
    fn too_early(&self, as_of: u64, first: u64) -> Error {
        let last = self.groups.iter().map(|group| group.index.last_commit_ts.max(group.index.max_commit_ts)).max();
        let shown = |ts: u64| format!("{ts} (about {})", time::clamped(ts >> 16));
        let (from, to) = (shown(first), shown(last.unwrap_or(first)));
        let millis = as_of
            .checked_mul(1 << 16)
            .filter(|hlc| *hlc >= first)
            .map_or("", |_| "; it looks like Unix milliseconds: multiply them by 65536, or give a date");
        Error::usage(format!(
            "the moment {} is before the first commit: the commits are from {from} to {to}{millis}",
            shown(as_of),
        ))
    }
}

/// Whether rows of a family have the time of a commit by a client. Timestamps of the store itself begin at 1, and each
/// node writes payloads of S3 with timestamps of its own.
fn is_dated(family: Family) -> bool {
    use Family::{S3ChunkBlob, TxnCommit, TxnIntent, TxnLock, TxnRollback};
    match family.class() {
        Class::Internal => matches!(family, TxnCommit | TxnIntent | TxnLock | TxnRollback),
        _ => family != S3ChunkBlob,
    }
}
