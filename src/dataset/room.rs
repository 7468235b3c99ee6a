//! A memory budget for rows that take many times their length while they are read. Only a few are read at a time, so that memory grows
//! neither with the number of threads nor with the second snapshot of `diff`.
//!
//! Data sets have a budget only in runs whose visitors are our own. A foreign visitor may wait (for the reader of a channel, say) while
//! another run waits for it.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::sync::lock;

/// Rows of at least this length count.
const WIDE: usize = 1 << 20;
/// Bytes of such rows that all threads read at once. A longer row is read alone.
const MOST: usize = 16 << 20;

/// The long rows that are being read, of all data sets that share the budget.
#[derive(Debug, Default)]
pub struct Room {
    held: Mutex<usize>,
    turned: Condvar,
}

/// A row that is being read. Its owner must not wait for another thread that reads.
#[must_use]
#[derive(Debug)]
pub struct Reading<'r>(Option<(&'r Room, usize)>);

impl Reading<'_> {
    /// A row without a bound.
    pub(super) const UNBOUNDED: Reading<'static> = Reading(None);
}

impl Room {
    /// Waits until the budget allows a row of `len` bytes.
    pub fn reading(&self, len: usize) -> Reading<'_> {
        if len < WIDE {
            return Reading::UNBOUNDED;
        }
        let held = lock(&self.held);
        let is_full = |held: &mut usize| *held > 0 && *held + len > MOST;
        *self.turned.wait_while(held, is_full).unwrap_or_else(PoisonError::into_inner) += len;
        Reading(Some((self, len)))
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some((room, len)) = self.0 {
            *lock(&room.held) -= len;
            room.turned.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Threads read rows of all lengths: a long one alone, others together up to the bound.
    #[test]
    fn long_rows_are_read_few_at_a_time() {
        let room = Room::default();
        let (held, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (room, held, most) = (&room, &held, &most);
                scope.spawn(move || {
                    for len in [WIDE, MOST / 3, MOST, MOST * 2].into_iter().cycle().skip(thread).take(40) {
                        let _reading = room.reading(len);
                        let now = held.fetch_add(len, Ordering::SeqCst) + len;
                        std::thread::yield_now();
                        assert!(now <= MOST || now == len, "{now}");
                        most.fetch_max(now, Ordering::SeqCst);
                        held.fetch_sub(len, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() >= MOST * 2);
        assert_eq!(*room.held.lock().unwrap(), 0);
    }
}
