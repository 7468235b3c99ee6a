//! The list of unfinished files and directories of a run. A signal handler that ends the run removes them.
//!
//! A thing is made and added in one step, and gets its final name and leaves the list in one step. So at any moment it
//! is either listed here or does not need to be removed.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::sync::lock;

/// The entries, in the order in which they were made.
static MADE: Mutex<Vec<(u64, Made)>> = Mutex::new(Vec::new());
/// Nothing may be made or published any more.
static ENDED: AtomicBool = AtomicBool::new(false);

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// A file or a tree under a temporary name.
    Temporary(PathBuf),
    /// A directory above the output: it is removed only if it is empty.
    Parent(PathBuf),
    /// A directory that stays, so that a later run can continue with it.
    Kept(PathBuf),
}

/// An entry. Dropping it removes it from the list.
#[derive(Debug)]
pub struct Pending(u64);

fn made() -> MutexGuard<'static, Vec<(u64, Made)>> {
    lock(&MADE)
}

impl Pending {
    /// Makes something and adds it to the list.
    ///
    /// # Errors
    /// The error of `make`, or that the run was ended.
    pub fn enter<T>(make: impl FnOnce() -> io::Result<(T, Made)>) -> io::Result<(T, Pending)> {
        let mut all = made();
        if is_ended() {
            return Err(rustix::io::Errno::CANCELED.into());
        }
        let (thing, what) = make()?;
        let number = all.last().map_or(0, |(last, _)| last + 1);
        all.push((number, what));
        Ok((thing, Pending(number)))
    }

    /// Runs the step that gives something its final name, so that no signal interrupts it.
    ///
    /// # Errors
    /// The error of `step`, or that the run was ended.
    pub fn publish<T>(step: impl FnOnce() -> Result<T>) -> Result<T> {
        let _alone = made();
        if is_ended() {
            return Err(Error::usage("the run was ended"));
        }
        step()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        made().retain(|(number, _)| *number != self.0);
    }
}

/// Whether the run was ended from outside.
#[inline]
pub fn is_ended() -> bool {
    ENDED.load(Ordering::Relaxed)
}

/// Ends the run: from now on nothing is made or published. Returns what must be removed, the last one first.
pub fn end() -> Vec<Made> {
    let all = made();
    ENDED.store(true, Ordering::Relaxed);
    all.iter().rev().map(|(_, made)| made.clone()).collect()
}
