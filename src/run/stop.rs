//! Ends a run from another thread without ending the process.
//!
//! The flag belongs to a thread and to the pools that it starts, so functions need not pass it on.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

thread_local! {
    static CURRENT: RefCell<Option<Stop>> = const { RefCell::new(None) };
}

/// A flag that ends a run: tasks that were not begun are not run, and the run returns an error, as after any other failure.
///
/// ```
/// use ekvsnap::decode::{Options, fill_nowhere, Silent};
/// use ekvsnap::{Snapshot, run::Stop};
///
/// # fn main() -> ekvsnap::Result<()> {
/// let snapshot = Snapshot::open(&["testdata/redis-small.fsm"])?;
/// let stop = Stop::default();
/// stop.set(); // In a program, another thread does this.
/// let ended = stop.during(|| fill_nowhere(snapshot.sources(), &Options::default(), &Silent));
/// assert_eq!(ended.unwrap_err().to_string(), "the run was stopped");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the runs that have this flag.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether they must end.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// The run must end.
    pub fn check(&self) -> Result<()> {
        if self.is_set() { Err(Error::usage("the run was stopped")) } else { Ok(()) }
    }

    /// Runs `work` in this thread, and in the pools that it starts, until the flag is set.
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        /// Restores the previous flag, even if the work panics.
        struct Before(Option<Stop>);
        impl Drop for Before {
            fn drop(&mut self) {
                adopt(self.0.take());
            }
        }
        let _before = Before(adopt(Some(self.clone())));
        work()
    }
}

/// The flag of this thread.
pub(crate) fn current() -> Option<Stop> {
    CURRENT.with_borrow(Option::clone)
}

/// Sets the flag of this thread and returns the previous one.
pub(crate) fn adopt(stop: Option<Stop>) -> Option<Stop> {
    CURRENT.replace(stop)
}
