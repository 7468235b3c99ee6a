//! Runs tasks on all threads and hands their results over in task order.
//!
//! Tasks are claimed and committed in order. A fast thread may be at most a window ahead of the slowest task, and it starts no further task
//! while the waiting results are large. One thread commits at a time, while the others work. Work that needs no order (hashing and writing
//! lines of files) follows the commit, in parallel with the next one. A task with a large result may hand over parts of it before it is
//! done, once all tasks below it are committed. The returned error is that of the lowest task, whatever the number of threads: every lower
//! task still runs to its end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use super::Stop;
use crate::error::{Error, Result};
use crate::output::split::SplitOutput;
use crate::sync::{into_inner, lock, wait};

/// Tasks that may wait for their turn, per thread.
const WINDOW: usize = 8;
/// Bytes that may wait for their turn before no further task is begun.
const MOST_WAITING: usize = 16 << 20;

/// The result of a task.
pub trait Done: Send {
    /// Approximate bytes that it takes while it waits for its turn.
    fn held(&self) -> usize;
}

/// Results or tasks with their numbers. There are few: at most as many as the window has.
type Numbered<T> = Vec<(usize, T)>;

fn take<T>(all: &mut Numbered<T>, number: usize) -> Option<T> {
    let at = all.iter().position(|(known, _)| *known == number)?;
    Some(all.swap_remove(at).1)
}

#[derive(Default)]
struct State {
    next: usize,
    committed: usize,
    /// Whether a thread is committing.
    committing: bool,
    /// Results that wait, with the bytes that each holds.
    waiting: Numbered<usize>,
    /// The sum of these bytes.
    held: usize,
    failed: Option<(usize, Error)>,
    /// A thread has panicked: no other thread may wait for its task.
    abandoned: bool,
}

/// The steps of a task. The queue knows only numbers of tasks, so it is compiled once for all types of results.
struct Steps<'s> {
    /// Runs a task and keeps its result; gives the bytes that the result takes.
    work: &'s (dyn Fn(usize, &Queue<'_>) -> Result<usize> + Sync),
    /// Commits the result of a task, then calls the function, then does the work that needs no order.
    settle: &'s Settle<'s>,
}

type Settle<'s> = dyn Fn(usize, &dyn Fn()) -> Result<()> + Sync + 's;

struct Queue<'q> {
    /// Number of tasks; it may become smaller while they run.
    tasks: &'q AtomicUsize,
    window: usize,
    state: Mutex<State>,
    turned: Condvar,
    steps: Steps<'q>,
    stop: Option<Stop>,
}

/// Runs `work` for every task below `tasks`, and `commit` for every result in order.
///
/// # Errors
/// The error of the lowest task that failed, in `work` or in `commit`.
pub fn run<T: Done>(
    tasks: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    run_with(tasks, work, commit, |()| Ok(()))
}

/// As [`run`], with `after` for the result of each commit, in any order.
///
/// # Errors
/// The error of the lowest task that failed in any of the three.
pub fn run_with<T: Done, W>(
    tasks: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    run_ahead(tasks, |task, _| work(task), commit, after)
}

/// Takes a part of the result of a task before the task is done: see [`run_ahead`].
pub type Ahead<'q, T> = dyn Fn(T) -> Result<()> + Sync + 'q;

/// As [`run_with`], for tasks that may give parts of their results before they are done: `work` gets a function that takes a part. The
/// function waits until all lower tasks are committed (these wait for nobody), and then commits the part before the next part or the result
/// of the task.
///
/// # Errors
/// The error of the lowest task that failed in any of the three.
pub fn run_ahead<T: Done, W>(
    tasks: usize,
    work: impl Fn(usize, &Ahead<'_, T>) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    run_up_to(&AtomicUsize::new(tasks), work, commit, after)
}

/// As [`run_with`], for tasks that are found one after the other: `next` gives them, in one thread at a time, while other threads work on
/// the tasks before.
///
/// # Errors
/// The error of the lowest task that failed in any of the three.
pub fn run_pulled<U: Send, T: Done, W>(
    next: impl FnMut() -> Result<Option<U>> + Send,
    work: impl Fn(U) -> Result<T> + Sync,
    mut commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    let tasks = AtomicUsize::new(usize::MAX);
    let source = Mutex::new(Source { next, pulled: 0, kept: Vec::new() });
    let pull = |task| lock(&source).pull(task, &tasks);
    run_up_to(
        &tasks,
        |task, _| pull(task).map(|found| found.and_then(&work)).transpose(),
        |done| done.map(&mut commit).transpose(),
        |done| done.map_or(Ok(()), &after),
    )
}

/// Gives tasks by their numbers, to any thread.
struct Source<U, N> {
    next: N,
    pulled: usize,
    /// Tasks pulled for threads that have not asked yet.
    kept: Numbered<Result<U>>,
}

impl<U, N: FnMut() -> Result<Option<U>>> Source<U, N> {
    /// The task of this number; `None`: there are fewer tasks.
    fn pull(&mut self, task: usize, tasks: &AtomicUsize) -> Option<Result<U>> {
        while self.pulled <= task && self.pulled < tasks.load(Ordering::Relaxed) {
            match (self.next)().transpose() {
                Some(Ok(found)) => {
                    self.kept.push((self.pulled, Ok(found)));
                    self.pulled += 1;
                }
                // Nothing comes after an error.
                last => {
                    let failed = last.map(|error| self.kept.push((self.pulled, error))).is_some();
                    self.pulled += usize::from(failed);
                    tasks.store(self.pulled, Ordering::Relaxed);
                }
            }
        }
        take(&mut self.kept, task)
    }
}

fn run_up_to<T: Done, W>(
    tasks: &AtomicUsize,
    work: impl Fn(usize, &Ahead<'_, T>) -> Result<T> + Sync,
    commit: impl FnMut(T) -> Result<W> + Send,
    after: impl Fn(W) -> Result<()> + Sync,
) -> Result<()> {
    let (results, commit) = (Mutex::new(Numbered::new()), Mutex::new(commit));
    let settle = |done: T, committed: &dyn Fn()| {
        let given = lock(&commit)(done);
        committed();
        given.and_then(&after)
    };
    run_steps(
        tasks,
        Steps {
            work: &|task, queue| {
                let ahead = |part| {
                    queue.wait_for_turn(task)?;
                    settle(part, &|| queue.committed_part())
                };
                let done = work(task, &ahead)?;
                let held = done.held();
                lock(&results).push((task, done));
                Ok(held)
            },
            settle: &|task, committed| {
                let done = take(&mut lock(&results), task);
                done.map_or_else(|| Err(Error::internal("a task without a result")), |done| settle(done, committed))
            },
        },
    )
}

fn run_steps(tasks: &AtomicUsize, steps: Steps<'_>) -> Result<()> {
    let threads = rayon::current_num_threads();
    let (state, turned, stop) = (Mutex::default(), Condvar::new(), super::current());
    let queue = Queue { tasks, window: threads * WINDOW, state, turned, steps, stop };
    rayon::scope(|scope| {
        for _ in 0..threads.min(tasks.load(Ordering::Relaxed)) {
            scope.spawn(|_| queue.serve());
        }
    });
    let state = into_inner(queue.state);
    state.failed.map_or(Ok(()), |(_, error)| Err(error))
}

/// Wakes the other threads when this one panics.
struct Alarm<'a, 'q>(&'a Queue<'q>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.state).abandoned = true;
            self.0.turned.notify_all();
        }
    }
}

impl Queue<'_> {
    /// The next task, once it is within the window; `None` when there is nothing left to do.
    fn claim(&self) -> Option<usize> {
        let mut state = lock(&self.state);
        let task = state.next;
        state.next += 1;
        loop {
            let past_failure = state.failed.as_ref().is_some_and(|(failed, _)| task > *failed);
            if task >= self.tasks.load(Ordering::Relaxed) || past_failure || state.abandoned {
                return None;
            }
            // The lowest task runs in any case: all others wait for it.
            let room = task < state.committed + self.window && state.held < MOST_WAITING;
            if room || task == state.committed {
                return Some(task);
            }
            state = wait(&self.turned, state);
        }
    }

    fn serve(&self) {
        let _alarm = Alarm(self);
        while let Some(task) = self.claim() {
            let begun = self.stop.as_ref().map_or(Ok(()), Stop::check);
            let result = begun.and_then(|()| (self.steps.work)(task, self));
            self.hand_over(task, result);
        }
    }

    /// Waits until a task that is not done may commit a part; [`committed_part`](Queue::committed_part) follows.
    fn wait_for_turn(&self, task: usize) -> Result<()> {
        let mut state = lock(&self.state);
        loop {
            if state.abandoned || state.failed.as_ref().is_some_and(|(failed, _)| *failed < task) {
                return Err(Error::internal("a task below this one failed"));
            }
            if state.committed == task && !state.committing {
                state.committing = true;
                return Ok(());
            }
            state = wait(&self.turned, state);
        }
    }

    fn committed_part(&self) {
        lock(&self.state).committing = false;
        self.turned.notify_all();
    }

    fn committed(&self) {
        let mut state = lock(&self.state);
        state.committing = false;
        state.committed += 1;
        self.turned.notify_all();
    }

    fn hand_over(&self, task: usize, result: Result<usize>) {
        let mut state = lock(&self.state);
        match result {
            Ok(held) => {
                state.held += held;
                state.waiting.push((task, held));
            }
            Err(error) => state.fail(task, error),
        }
        while let Some(turn) = state.take_turn() {
            drop(state);
            let settled = (self.steps.settle)(turn, &|| self.committed());
            state = lock(&self.state);
            if let Err(error) = settled {
                state.fail(turn, error);
            }
        }
        self.turned.notify_all();
    }
}

impl State {
    /// The task whose turn it is, if it is done and no other thread is committing (which then goes on with it).
    fn take_turn(&mut self) -> Option<usize> {
        if self.committing || self.failed.as_ref().is_some_and(|(failed, _)| self.committed > *failed) {
            return None;
        }
        let turn = self.committed;
        self.held -= take(&mut self.waiting, turn)?;
        self.committing = true;
        Some(turn)
    }

    fn fail(&mut self, task: usize, error: Error) {
        if self.failed.as_ref().is_none_or(|(failed, _)| task < *failed) {
            self.failed = Some((task, error));
        }
    }
}

/// Tasks without a result, or with a result that is stored elsewhere.
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
mod tests;
