//! Buffers that are used again: fresh memory of the system costs a page fault for each page.

use std::sync::Mutex;

use super::lock;

/// Buffers that are not in use, shared by threads. Who gives one back empties it, and keeps none that has grown large.
#[derive(Debug)]
pub(crate) struct Spare<T>(Mutex<Vec<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Spare(Mutex::default())
    }
}

impl<T: Default> Spare<T> {
    /// A used buffer, or a new one.
    pub fn take(&self) -> T {
        lock(&self.0).pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub fn give(&self, empty: T) {
        lock(&self.0).push(empty);
    }
}
