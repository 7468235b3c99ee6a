//! Work with one result, in a separate thread: Python receives its progress, and can stop it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ekvsnap::decode::Progress;
use ekvsnap::run::Stop;
use ekvsnap::{Error, Result};
use pyo3::prelude::*;

use crate::errors::exception;

/// How often progress is reported to Python, and signals are checked.
const LOOK: Duration = Duration::from_millis(50);

/// The progress of the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    stage: &'static str,
    done: u64,
    steps: u64,
    bytes: u64,
}

/// Receives the progress from the library.
#[derive(Default)]
pub struct Told(Mutex<State>);

impl Told {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Told {
    fn begin(&self, stage: &'static str, steps: u64) {
        self.change(|state| *state = State { stage, steps, done: 0, bytes: state.bytes });
    }

    fn advance(&self, steps: u64) {
        self.change(|state| state.done += steps);
    }

    fn bytes(&self, bytes: u64) {
        self.change(|state| state.bytes = state.bytes.max(bytes));
    }
}

/// Does some work, and waits for it without the interpreter's lock. `progress` is called with stage, steps done, total steps (0: unknown)
/// and bytes; an exception in it ends the work, like a signal.
///
/// # Errors
/// Those of the work, and an exception that was raised meanwhile: then the work has ended, and its files are removed.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<Bound<'_, PyAny>>,
    work: impl FnOnce(&Told) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let (told, stop) = (Arc::new(Told::default()), Stop::default());
    let (answer, answered) = sync_channel(1);
    let (hears, flag) = (Arc::clone(&told), stop.clone());
    let started = thread::Builder::new().name("ekvsnap".into()).spawn(move || {
        let done = catch_unwind(AssertUnwindSafe(|| flag.during(|| work(&hears))));
        let _ = answer.send(done.unwrap_or_else(|_| Err(Error::internal("a panic at work"))));
    });
    started.map_err(|e| exception(py, &Error::io("start", "a thread", e)))?;
    let answered = Mutex::new(answered);
    let wait = |patience| answered.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(patience);
    let mut last = State::default();
    let mut look = || -> PyResult<()> {
        py.check_signals()?;
        let state = *told.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(progress) = &progress
            && state != last
        {
            last = state;
            progress.call1((state.stage, state.done, state.steps, state.bytes))?;
        }
        Ok(())
    };
    let mut raised = None;
    let done = loop {
        match py.detach(|| wait(LOOK)) {
            Ok(done) => break done.map_err(|error| exception(py, &error)),
            Err(RecvTimeoutError::Disconnected) => break Err(exception(py, &Error::internal("no answer"))),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let looked = if raised.is_none() { look() } else { py.check_signals() };
        if let Err(error) = looked {
            // A stopped run has removed its files when it ends. A second interrupt ends the wait.
            if raised.replace(error).is_some() {
                break Err(exception(py, &Error::internal("interrupted again")));
            }
            stop.set();
        }
    };
    match raised {
        Some(error) => Err(error),
        None => done.and_then(|done| look().map(|()| done)),
    }
}
