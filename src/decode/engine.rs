//! Runs units of work on all threads and hands their results over in unit order.
//!
//! Units are claimed in order and committed in order; a fast thread may run at most a window ahead of the slowest
//! unit, so that what waits for its turn stays small. One thread commits at a time, while the others work; what need
//! not be in order (writing bytes whose place is settled) follows the commit, beside the next one. The first error is
//! the one of the lowest unit, whatever the number of threads: every lower unit still runs to its end.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Units that may wait for their turn, for each thread.
const WINDOW: usize = 8;

struct State<T> {
    next: usize,
    committed: usize,
    /// Whether a thread is committing.
    committing: bool,
    waiting: BTreeMap<usize, T>,
    failed: Option<(usize, Error)>,
    /// A thread has panicked: nobody may wait for its unit.
    abandoned: bool,
}

struct Queue<T, C, A> {
    units: usize,
    window: usize,
    state: Mutex<State<T>>,
    turned: Condvar,
    commit: Mutex<C>,
    after: A,
}

/// Runs `work` for every unit below `units`, and `commit` for every result in order.
///
/// # Errors
/// The error of the lowest unit that failed in either.
pub fn run<T: Send>(
    units: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    run_with(units, work, commit, |()| Ok(()))
}

/// As [`run`], with `after` for what each commit gives, in any order.
///
/// # Errors
/// The error of the lowest unit that failed in any of the three.
pub fn run_with<T: Send, W>(
    units: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    let threads = rayon::current_num_threads();
    let (waiting, commit) = (BTreeMap::new(), Mutex::new(commit));
    let state = State { next: 0, committed: 0, committing: false, waiting, failed: None, abandoned: false };
    let (state, turned) = (Mutex::new(state), Condvar::new());
    let queue = Queue { units, window: threads * WINDOW, state, turned, commit, after };
    rayon::scope(|scope| {
        for _ in 0..threads.min(units) {
            scope.spawn(|_| queue.serve(&work));
        }
    });
    let state = queue.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    state.failed.map_or(Ok(()), |(_, error)| Err(error))
}

/// Wakes the other threads when this one panics.
struct Alarm<'q, T, C, A>(&'q Queue<T, C, A>);

impl<T, C, A> Drop for Alarm<'_, T, C, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().abandoned = true;
            self.0.turned.notify_all();
        }
    }
}

impl<T, C, A> Queue<T, C, A> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next unit, once it is within the window; `None` when there is nothing left to do.
    fn claim(&self) -> Option<usize> {
        let mut state = self.lock();
        let unit = state.next;
        state.next += 1;
        loop {
            let past_failure = state.failed.as_ref().is_some_and(|(failed, _)| unit > *failed);
            if unit >= self.units || past_failure || state.abandoned {
                return None;
            }
            if unit < state.committed + self.window {
                return Some(unit);
            }
            state = self.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T: Send, W, C: FnMut(T) -> Result<W> + Send, A: Fn(W) -> Result<()> + Sync> Queue<T, C, A> {
    fn serve(&self, work: &(impl Fn(usize) -> Result<T> + Sync)) {
        let _alarm = Alarm(self);
        while let Some(unit) = self.claim() {
            let result = work(unit);
            self.hand_over(unit, result);
        }
    }

    fn hand_over(&self, unit: usize, result: Result<T>) {
        let mut state = self.lock();
        match result {
            Ok(done) => {
                state.waiting.insert(unit, done);
            }
            Err(error) => state.fail(unit, error),
        }
        while let Some((turn, done)) = state.take_turn() {
            drop(state);
            let committed = self.commit.lock().unwrap_or_else(PoisonError::into_inner)(done);
            state = self.lock();
            state.committing = false;
            state.committed += 1;
            self.turned.notify_all();
            drop(state);
            let finished = committed.and_then(&self.after);
            state = self.lock();
            if let Err(error) = finished {
                state.fail(turn, error);
            }
        }
        self.turned.notify_all();
    }
}

impl<T> State<T> {
    /// The result whose turn it is, unless another thread is committing (which then goes on with it).
    fn take_turn(&mut self) -> Option<(usize, T)> {
        if self.committing || self.failed.as_ref().is_some_and(|(failed, _)| self.committed > *failed) {
            return None;
        }
        let turn = self.committed;
        let done = self.waiting.remove(&turn)?;
        self.committing = true;
        Some((turn, done))
    }

    fn fail(&mut self, unit: usize, error: Error) {
        if self.failed.as_ref().is_none_or(|(failed, _)| unit < *failed) {
            self.failed = Some((unit, error));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
    }

    #[test]
    fn results_come_in_order() {
        for threads in [1, 2, 3, 8] {
            let (mut got, written) = (Vec::new(), AtomicUsize::new(0));
            with_threads(threads, || {
                run_with(
                    500,
                    |i| Ok(i * 2),
                    |n| {
                        got.push(n);
                        Ok(n)
                    },
                    |n| {
                        written.fetch_add(n, Ordering::Relaxed);
                        Ok(())
                    },
                )
            })
            .unwrap();
            assert_eq!(got, (0..500).map(|i| i * 2).collect::<Vec<_>>());
            assert_eq!(written.into_inner(), 499 * 500);
        }
    }

    #[test]
    fn the_lowest_error_wins() {
        for threads in [1, 2, 8] {
            let work = |i: usize| if i % 100 == 37 { Err(Error::usage(format!("unit {i}"))) } else { Ok(i) };
            let error = with_threads(threads, || run(1000, work, |_| Ok(()))).unwrap_err();
            assert_eq!(error.to_string(), "unit 37");
        }
        let error = with_threads(4, || run(1000, Ok, |i| Err(Error::usage(format!("{i}"))))).unwrap_err();
        assert_eq!(error.to_string(), "0");
        let late = |i: usize| if i % 100 == 37 { Err(Error::usage(format!("write {i}"))) } else { Ok(()) };
        for threads in [1, 2, 8] {
            let error = with_threads(threads, || run_with(1000, Ok, Ok, late)).unwrap_err();
            assert_eq!(error.to_string(), "write 37");
        }
    }

    #[test]
    #[should_panic(expected = "unit 20")]
    fn a_panic_ends_the_run() {
        let work = |i: usize| {
            assert!(i != 20, "unit 20");
            Ok(i)
        };
        let _ = with_threads(4, || run(1000, work, |_| Ok(())));
    }
}
