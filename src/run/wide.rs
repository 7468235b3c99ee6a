//! Rows that take many times their length while they are read: few at a time, so that memory does not grow with the number of threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// Rows from this length on are counted.
const WIDE: usize = 1 << 20;
/// Bytes of such rows that all threads read at once. A longer row is read alone.
const MOST: usize = 16 << 20;

/// The bytes of wide rows that are being read, by all runs of the process: `diff` decodes two snapshots side by side.
static READING: Bytes = Bytes { held: Mutex::new(0), turned: Condvar::new() };

struct Bytes {
    held: Mutex<usize>,
    turned: Condvar,
}

/// A row that is being read. Whoever has one must not wait for another thread.
#[must_use]
pub struct Reading {
    of: &'static Bytes,
    len: usize,
}

/// Waits until there is room for a row of `len` bytes.
pub fn reading(len: usize) -> Reading {
    READING.take(len)
}

impl Bytes {
    fn take(&'static self, len: usize) -> Reading {
        let len = if len < WIDE { 0 } else { len };
        if len > 0 {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let is_full = |held: &mut usize| *held > 0 && *held + len > MOST;
            *self.turned.wait_while(held, is_full).unwrap_or_else(PoisonError::into_inner) += len;
        }
        Reading { of: self, len }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if self.len > 0 {
            *self.of.held.lock().unwrap_or_else(PoisonError::into_inner) -= self.len;
            self.of.turned.notify_all();
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
        static OWN: Bytes = Bytes { held: Mutex::new(0), turned: Condvar::new() };
        let (held, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (held, most) = (&held, &most);
                scope.spawn(move || {
                    for len in [WIDE, MOST / 3, MOST, MOST * 2].into_iter().cycle().skip(thread).take(40) {
                        let _reading = OWN.take(len);
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
        assert_eq!(*OWN.held.lock().unwrap(), 0);
    }
}
