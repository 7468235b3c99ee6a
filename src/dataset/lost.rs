//! Rows that could not be read, where the caller asked to go on without them (`--on-error skip`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::report::Value;

/// One loss: a line of `ERRORS.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lost {
    /// The input, as it was named.
    pub input: String,
    /// Byte offset of the entry.
    pub offset: u64,
    /// Prefix of the row's family.
    pub family: Option<&'static str>,
    /// User key of the row, with its prefix.
    pub key: Option<Value>,
    /// What is wrong.
    pub reason: String,
}

impl Lost {
    /// The loss that an error tells of.
    pub fn of(error: &Error) -> Lost {
        Lost {
            input: error.path().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
            offset: error.offset().unwrap_or_default(),
            family: error.family().map(|family| family.prefix()),
            key: error.key().map(Value::from),
            reason: error.reason(),
        }
    }
}

/// Collects losses, each place once, in the order of inputs and offsets: the same for any number of threads.
#[derive(Debug, Default)]
pub struct LossBook {
    lenient: bool,
    lost: Mutex<BTreeMap<(String, u64, String), Lost>>,
}

impl LossBook {
    /// A book that takes losses if `lenient`, and refuses them otherwise.
    pub fn new(lenient: bool) -> LossBook {
        LossBook { lenient, lost: Mutex::default() }
    }

    /// Whether losses are taken.
    pub fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// Takes a loss.
    ///
    /// # Errors
    /// The error itself, when losses are refused or it is not damage of a row: a file that changes, or an output that
    /// cannot be written, ends every run.
    #[cold]
    pub fn tolerate(&self, error: Error) -> Result<()> {
        if !self.lenient || !error.is_damage() || matches!(error.kind(), ErrorKind::Changed) {
            return Err(error);
        }
        let lost = Lost::of(&error);
        let place = (lost.input.clone(), lost.offset, lost.reason.clone());
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_insert(lost);
        Ok(())
    }

    /// All losses so far.
    pub fn all(&self) -> Vec<Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
