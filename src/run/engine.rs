//! Runs units of work on all threads and hands their results over in unit order.
//!
//! Units are claimed in order and committed in order; a fast thread may run at most a window ahead of the slowest
//! unit, and no farther once what waits for its turn is much, so that it stays small. One thread commits at a time, while the others work; what need
//! not be in order (hashing and writing lines of files) follows the commit, beside the next one. A unit that gives much may hand
//! over parts of it before it is done, once all units below it are committed. The first error is
//! the one of the lowest unit, whatever the number of threads: every lower unit still runs to its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Stop;
use crate::error::{Error, Result};
use crate::output::split::SplitOutput;

/// Units that may wait for their turn, for each thread.
const WINDOW: usize = 8;
/// Bytes that may wait for their turn before no other unit is begun.
const MOST_WAITING: usize = 16 << 20;

/// What a unit gives.
pub trait Done: Send {
    /// Bytes that it holds while it waits for its turn, about.
    fn held(&self) -> usize;
}

struct State<T> {
    next: usize,
    committed: usize,
    /// Whether a thread is committing.
    committing: bool,
    /// Results with the bytes that each holds.
    waiting: BTreeMap<usize, (T, usize)>,
    /// Those bytes, of all of them.
    held: usize,
    failed: Option<(usize, Error)>,
    /// A thread has panicked: nobody may wait for its unit.
    abandoned: bool,
}

struct Queue<'u, T, C, A> {
    /// How many there are; it may turn out to be less while they run.
    units: &'u AtomicUsize,
    window: usize,
    state: Mutex<State<T>>,
    turned: Condvar,
    commit: Mutex<C>,
    after: A,
    stop: Option<Stop>,
}

/// Runs `work` for every unit below `units`, and `commit` for every result in order.
///
/// # Errors
/// The error of the lowest unit that failed in either.
pub fn run<T: Done>(
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
pub fn run_with<T: Done, W>(
    units: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    run_ahead(units, |unit, _| work(unit), commit, after)
}

/// Takes a part of what a unit gives before the unit is done: see [`run_ahead`].
pub type Ahead<'q, T> = dyn Fn(T) -> Result<()> + Sync + 'q;

/// As [`run_with`], for units that may give parts of their results before they are done: `work` gets a function that takes
/// one. It waits until all lower units are committed, which wait for nobody, and then commits the part before the next one
/// or the result of the unit.
///
/// # Errors
/// The error of the lowest unit that failed in any of the three.
pub fn run_ahead<T: Done, W>(
    units: usize,
    work: impl Fn(usize, &Ahead<'_, T>) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    run_up_to(&AtomicUsize::new(units), work, commit, after)
}

/// As [`run_with`], for units that are found one after the other: `next` gives them, in one thread at a time, while others
/// work on those before.
///
/// # Errors
/// The error of the lowest unit that failed in any of the three.
pub fn run_pulled<U: Send, T: Done, W>(
    next: impl FnMut() -> Result<Option<U>> + Send,
    work: impl Fn(U) -> Result<T> + Sync,
    mut commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    let units = AtomicUsize::new(usize::MAX);
    let source = Mutex::new(Source { next, pulled: 0, kept: BTreeMap::new() });
    let pull = |unit| source.lock().unwrap_or_else(PoisonError::into_inner).pull(unit, &units);
    run_up_to(
        &units,
        |unit, _| pull(unit).map(|found| found.and_then(&work)).transpose(),
        |done| done.map(&mut commit).transpose(),
        |done| done.map_or(Ok(()), &after),
    )
}

/// Gives units by their numbers, whoever asks first.
struct Source<U, N> {
    next: N,
    pulled: usize,
    /// Units pulled for threads that have not asked yet.
    kept: BTreeMap<usize, Result<U>>,
}

impl<U, N: FnMut() -> Result<Option<U>>> Source<U, N> {
    /// The unit of this number; `None` if there are not so many.
    fn pull(&mut self, unit: usize, units: &AtomicUsize) -> Option<Result<U>> {
        while self.pulled <= unit && self.pulled < units.load(Ordering::Relaxed) {
            match (self.next)().transpose() {
                Some(Ok(found)) => {
                    self.kept.insert(self.pulled, Ok(found));
                    self.pulled += 1;
                }
                // Nothing comes behind an error.
                last => {
                    let failed = last.map(|error| self.kept.insert(self.pulled, error)).is_some();
                    self.pulled += usize::from(failed);
                    units.store(self.pulled, Ordering::Relaxed);
                }
            }
        }
        self.kept.remove(&unit)
    }
}

fn run_up_to<T: Done, W>(
    units: &AtomicUsize,
    work: impl Fn(usize, &Ahead<'_, T>) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    let threads = rayon::current_num_threads();
    let (waiting, commit) = (BTreeMap::new(), Mutex::new(commit));
    let state = State { next: 0, committed: 0, committing: false, waiting, held: 0, failed: None, abandoned: false };
    let (state, turned) = (Mutex::new(state), Condvar::new());
    let stop = super::current();
    let queue = Queue { units, window: threads * WINDOW, state, turned, commit, after, stop };
    rayon::scope(|scope| {
        for _ in 0..threads.min(units.load(Ordering::Relaxed)) {
            scope.spawn(|_| queue.serve(&work));
        }
    });
    let state = queue.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    state.failed.map_or(Ok(()), |(_, error)| Err(error))
}

/// Wakes the other threads when this one panics.
struct Alarm<'q, 'u, T, C, A>(&'q Queue<'u, T, C, A>);

impl<T, C, A> Drop for Alarm<'_, '_, T, C, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().abandoned = true;
            self.0.turned.notify_all();
        }
    }
}

impl<T, C, A> Queue<'_, T, C, A> {
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
            if unit >= self.units.load(Ordering::Relaxed) || past_failure || state.abandoned {
                return None;
            }
            // The unit whose turn it is goes on in any case: all others wait for it.
            let room = unit < state.committed + self.window && state.held < MOST_WAITING;
            if room || unit == state.committed {
                return Some(unit);
            }
            state = self.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T: Done, W, C: FnMut(T) -> Result<W> + Send, A: Fn(W) -> Result<()> + Sync> Queue<'_, T, C, A> {
    fn serve(&self, work: &(impl Fn(usize, &Ahead<'_, T>) -> Result<T> + Sync)) {
        let _alarm = Alarm(self);
        while let Some(unit) = self.claim() {
            let begun = self.stop.as_ref().map_or(Ok(()), Stop::check);
            let result = begun.and_then(|()| work(unit, &|part| self.take_ahead(unit, part)));
            self.hand_over(unit, result);
        }
    }

    /// Commits a part of a unit that is not done, once its turn has come.
    fn take_ahead(&self, unit: usize, part: T) -> Result<()> {
        let mut state = self.lock();
        loop {
            if state.abandoned || state.failed.as_ref().is_some_and(|(failed, _)| *failed < unit) {
                return Err(Error::internal("a unit below this one failed"));
            }
            if state.committed == unit && !state.committing {
                break;
            }
            state = self.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.committing = true;
        drop(state);
        let committed = self.commit.lock().unwrap_or_else(PoisonError::into_inner)(part);
        self.lock().committing = false;
        self.turned.notify_all();
        committed.and_then(&self.after)
    }

    fn hand_over(&self, unit: usize, result: Result<T>) {
        let mut state = self.lock();
        match result {
            Ok(done) => {
                let held = done.held();
                state.held += held;
                state.waiting.insert(unit, (done, held));
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
        let (done, held) = self.waiting.remove(&turn)?;
        self.held -= held;
        self.committing = true;
        Some((turn, done))
    }

    fn fail(&mut self, unit: usize, error: Error) {
        if self.failed.as_ref().is_none_or(|(failed, _)| unit < *failed) {
            self.failed = Some((unit, error));
        }
    }
}

/// Of units that give nothing, or leave it elsewhere.
impl Done for () {
    fn held(&self) -> usize {
        0
    }
}

impl<T: Done> Done for Option<T> {
    fn held(&self) -> usize {
        self.as_ref().map_or(0, Done::held)
    }
}

impl Done for SplitOutput<'_> {
    fn held(&self) -> usize {
        Self::held(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Done for usize {
        fn held(&self) -> usize {
            0
        }
    }

    /// While the first unit works, others are done until they hold enough, and no more.
    #[test]
    fn what_waits_is_bounded_in_bytes() {
        struct Large(usize);
        impl Done for Large {
            fn held(&self) -> usize {
                MOST_WAITING / 4
            }
        }
        let begun = AtomicUsize::new(0);
        let work = |i: usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            if i == 0 {
                while begun.load(Ordering::SeqCst) < 5 {
                    std::thread::yield_now();
                }
                std::thread::sleep(std::time::Duration::from_millis(30));
            }
            Ok(Large(i))
        };
        let (mut got, mut most) = (Vec::new(), 0);
        let commit = |done: Large| {
            most = most.max(if got.is_empty() { begun.load(Ordering::SeqCst) } else { 0 });
            got.push(done.0);
            Ok(())
        };
        with_threads(2, || run(12, work, commit)).unwrap();
        assert_eq!(got, (0..12).collect::<Vec<_>>());
        assert_eq!(most, 5);
    }

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
    fn a_run_is_stopped() {
        for threads in [1, 2, 8] {
            let (stop, done) = (Stop::default(), AtomicUsize::new(0));
            let work = |i: usize| {
                done.fetch_add(1, Ordering::Relaxed);
                if i == 50 {
                    stop.set();
                }
                Ok(i)
            };
            // A pool gets the flag of the thread that starts it.
            let error = stop.during(|| crate::decode::on_threads(threads, || run(1000, work, |_| Ok(())))).unwrap();
            assert_eq!(error.unwrap_err().to_string(), "the run was stopped");
            assert!(done.into_inner() < 51 + threads * WINDOW);
            assert!(run(10, Ok, |_: usize| Ok(())).is_ok(), "the thread has no flag any more");
        }
    }

    /// Units give two parts each before they are done, or none: all comes in order, whoever has to wait.
    #[test]
    fn parts_come_before_the_rest() {
        for threads in [1, 2, 3, 8] {
            let mut got = Vec::new();
            let work = |i: usize, ahead: &Ahead<'_, usize>| {
                if i % 3 != 1 {
                    ahead(i * 3)?;
                    ahead(i * 3 + 1)?;
                }
                Ok(i * 3 + 2)
            };
            let commit = |n| {
                got.push(n);
                Ok(())
            };
            with_threads(threads, || run_ahead(300, work, commit, |()| Ok(()))).unwrap();
            let want: Vec<_> = (0..900).filter(|n| n / 3 % 3 != 1 || n % 3 == 2).collect();
            assert_eq!(got, want, "{threads} threads");
        }
    }

    /// A unit that waits to give a part does not wait for one that has failed, in its work or in its commit.
    #[test]
    fn parts_of_a_run_that_failed() {
        for threads in [1, 2, 8] {
            for fails_in_work in [true, false] {
                let work = |i: usize, ahead: &Ahead<'_, usize>| {
                    if fails_in_work && i == 20 {
                        return Err(Error::usage("unit 20"));
                    }
                    ahead(i)?;
                    Ok(i)
                };
                let commit = |i| if i == 20 { Err(Error::usage("unit 20")) } else { Ok(()) };
                let error = with_threads(threads, || run_ahead(300, work, commit, |()| Ok(()))).unwrap_err();
                assert_eq!(error.to_string(), "unit 20", "{threads} threads");
            }
        }
    }

    #[test]
    fn pulled_units_come_in_order() {
        for (threads, units) in [(1, 0), (1, 5), (2, 500), (3, 1), (8, 500)] {
            let (mut given, mut got) = (0, Vec::new());
            let next = || {
                given += 1;
                Ok((given <= units).then_some(given))
            };
            let commit = |n| {
                got.push(n);
                Ok(())
            };
            with_threads(threads, || run_pulled(next, |n| Ok(n * 2), commit, |()| Ok(()))).unwrap();
            assert_eq!(got, (1..=units).map(|n| n * 2).collect::<Vec<_>>(), "{threads} threads");
        }
    }

    #[test]
    fn a_source_that_fails_is_a_unit_that_fails() {
        for threads in [1, 2, 8] {
            for bad in [5, 12] {
                let mut given = 0;
                let next = || {
                    given += 1;
                    if given == 10 { Err(Error::usage("source")) } else { Ok(Some(given)) }
                };
                let work = |n| if n == bad { Err(Error::usage("work")) } else { Ok(n) };
                let error = with_threads(threads, || run_pulled(next, work, |_| Ok(()), |()| Ok(()))).unwrap_err();
                assert_eq!(error.to_string(), if bad == 5 { "work" } else { "source" });
            }
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
