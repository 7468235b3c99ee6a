//! Locks and buffers that threads share.
//!
//! A lock whose holder has panicked is taken all the same: the panic itself ends the run, and what is cleaned up meanwhile needs the data.

mod spare;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) use spare::Spare;

/// Locks, whether a thread that held the lock has panicked or not.
pub(crate) fn lock<T: ?Sized>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives up a lock until `turned` is notified, and takes it again.
pub(crate) fn wait<'m, T>(turned: &Condvar, locked: MutexGuard<'m, T>) -> MutexGuard<'m, T> {
    turned.wait(locked).unwrap_or_else(PoisonError::into_inner)
}

/// What a lock protected, when no thread needs the lock any more.
pub(crate) fn into_inner<T>(of: Mutex<T>) -> T {
    of.into_inner().unwrap_or_else(PoisonError::into_inner)
}
