//! Rows that could not be read, if the caller asked to continue without them (`--on-error skip`).

use std::sync::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::report::{Losses, Lost, Pile, is_of_a_row};
use crate::sync::lock;

/// Collects losses, each position once, in the order of inputs and offsets: the same for any number of threads.
#[derive(Debug, Default)]
pub struct SkipLog {
    lenient: bool,
    lost: Mutex<Pile>,
}

impl SkipLog {
    /// A log that takes losses if `lenient`, and refuses them otherwise.
    pub fn new(lenient: bool) -> SkipLog {
        SkipLog { lenient, lost: Mutex::default() }
    }

    /// Whether losses are taken.
    pub fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// Takes a loss.
    ///
    /// # Errors
    /// The error itself, if losses are refused or it is not damage of a row: a file that changes, or an output that
    /// cannot be written, ends every run.
    #[cold]
    pub fn skip(&self, error: Error) -> Result<()> {
        self.skip_with(error, || Ok(1))
    }

    /// Takes a loss, with the number of rows that are lost with it.
    ///
    /// # Errors
    /// As [`skip`](SkipLog::skip), and the error of `rows`.
    #[cold]
    pub fn skip_with(&self, error: Error, rows: impl FnOnce() -> Result<u64>) -> Result<()> {
        if !self.lenient || !error.is_damage() || matches!(error.kind(), ErrorKind::Changed) {
            return Err(error);
        }
        let rows = is_of_a_row(&error).then(rows).transpose()?;
        self.pile(|pile| pile.push(Lost { rows, ..Lost::of(&error) }));
        Ok(())
    }

    /// Takes the losses of an index, which has some only if the log is lenient.
    pub(super) fn append(&self, lost: Pile) {
        self.pile(|pile| pile.append(lost));
    }

    /// All losses so far; the log is empty afterwards.
    ///
    /// # Errors
    /// A temporary file that could not be written or read.
    pub fn take(&self) -> Result<Losses> {
        self.pile(std::mem::take).finish()
    }

    fn pile<T>(&self, work: impl FnOnce(&mut Pile) -> T) -> T {
        work(&mut lock(&self.lost))
    }
}
