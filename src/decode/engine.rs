//! Runs units of work on all threads and hands their results over in unit order.
//!
//! Units are claimed in order and committed in order; a fast thread may run at most a window ahead of the slowest
//! unit, so that what waits for its turn stays small. The first error is the one of the lowest unit, whatever the
//! number of threads: every lower unit still runs to its end.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Units that may wait for their turn, for each thread.
const WINDOW: usize = 8;

struct State<T, C> {
    next: usize,
    committed: usize,
    waiting: BTreeMap<usize, T>,
    failed: Option<(usize, Error)>,
    commit: C,
}

struct Queue<T, C> {
    units: usize,
    window: usize,
    state: Mutex<State<T, C>>,
    turned: Condvar,
}

/// Runs `work` for every unit below `units`, and `commit` for every result in order.
///
/// # Errors
/// The error of the lowest unit that failed, or the first one of `commit`.
pub fn run<T: Send>(
    units: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    let threads = rayon::current_num_threads();
    let state = State { next: 0, committed: 0, waiting: BTreeMap::new(), failed: None, commit };
    let queue = Queue { units, window: threads * WINDOW, state: Mutex::new(state), turned: Condvar::new() };
    rayon::scope(|scope| {
        for _ in 0..threads.min(units) {
            scope.spawn(|_| queue.serve(&work));
        }
    });
    let state = queue.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    state.failed.map_or(Ok(()), |(_, error)| Err(error))
}

impl<T: Send, C: FnMut(T) -> Result<()> + Send> Queue<T, C> {
    fn serve(&self, work: &(impl Fn(usize) -> Result<T> + Sync)) {
        while let Some(unit) = self.claim() {
            let result = work(unit);
            self.hand_over(unit, result);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T, C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next unit, once it is within the window; `None` when there is nothing left to do.
    fn claim(&self) -> Option<usize> {
        let mut state = self.lock();
        let unit = state.next;
        state.next += 1;
        loop {
            let past_failure = state.failed.as_ref().is_some_and(|(failed, _)| unit > *failed);
            if unit >= self.units || past_failure {
                return None;
            }
            if unit < state.committed + self.window {
                return Some(unit);
            }
            state = self.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn hand_over(&self, unit: usize, result: Result<T>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        match result {
            Ok(done) => {
                state.waiting.insert(unit, done);
            }
            Err(error) => state.fail(unit, error),
        }
        while let Some(done) = state.waiting.remove(&state.committed) {
            let turn = state.committed;
            state.committed += 1;
            if let Err(error) = (state.commit)(done) {
                state.fail(turn, error);
            }
        }
        self.turned.notify_all();
    }
}

impl<T, C> State<T, C> {
    fn fail(&mut self, unit: usize, error: Error) {
        if self.failed.as_ref().is_none_or(|(failed, _)| unit < *failed) {
            self.failed = Some((unit, error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
    }

    #[test]
    fn results_come_in_order() {
        for threads in [1, 2, 3, 8] {
            let mut got = Vec::new();
            with_threads(threads, || {
                run(
                    500,
                    |i| Ok(i * 2),
                    |n| {
                        got.push(n);
                        Ok(())
                    },
                )
            })
            .unwrap();
            assert_eq!(got, (0..500).map(|i| i * 2).collect::<Vec<_>>());
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
    }
}
