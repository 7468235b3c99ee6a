//! Rows that could not be read, where the caller asked to go on without them (`--on-error skip`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::error::{Brief, Error, ErrorKind, Result};
use crate::report::{Value, exact_path};

/// One loss: a line of `ERRORS.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lost {
    /// The input, as it was named.
    pub input: String,
    /// The same in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_b64: Option<String>,
    /// Byte offset of the entry.
    pub offset: u64,
    /// Prefix of the row's family.
    pub family: Option<&'static str>,
    /// User key of the row, with its prefix; a long one is cut.
    pub key: Option<Value>,
    /// The bucket, where the body of an S3 object cannot be put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Value>,
    /// The object of that bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    /// What is wrong.
    pub reason: String,
    /// In a decode: live rows that are left out, which is the row with all others of the object that needs it. Not there
    /// where nobody can tell, as of bytes that were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Lost {
    /// The loss that an error tells of.
    pub fn of(error: &Error) -> Lost {
        let of_body =
            |part: fn(&ErrorKind) -> Option<&[u8]>| part(error.kind()).map(|name| Value::from(&Brief::of(name)));
        Lost {
            input: error.path().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
            input_b64: error.path().and_then(exact_path),
            offset: error.offset().unwrap_or_default(),
            family: error.family().map(|family| family.prefix()),
            key: error.brief().map(Value::from),
            bucket: of_body(|kind| if let ErrorKind::Body { bucket, .. } = kind { Some(bucket) } else { None }),
            object: of_body(|kind| if let ErrorKind::Body { object, .. } = kind { Some(object) } else { None }),
            reason: error.reason(),
            rows: None,
        }
    }
}

/// Whether an error is about a row, not about bytes that may hold any number of them.
fn is_of_a_row(error: &Error) -> bool {
    use ErrorKind::{FooterCrc, Gap, Mvcc2Crc, RestLost};
    !matches!(error.kind(), Gap { .. } | RestLost { .. } | FooterCrc { .. } | Mvcc2Crc { .. })
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
        self.tolerate_with(error, || Ok(1))
    }

    /// Takes a loss, with the number of rows that go with it.
    ///
    /// # Errors
    /// As [`tolerate`](LossBook::tolerate), and what `rows` gives.
    #[cold]
    pub fn tolerate_with(&self, error: Error, rows: impl FnOnce() -> Result<u64>) -> Result<()> {
        if !self.lenient || !error.is_damage() || matches!(error.kind(), ErrorKind::Changed) {
            return Err(error);
        }
        let rows = is_of_a_row(&error).then(rows).transpose()?;
        let lost = Lost { rows, ..Lost::of(&error) };
        let place = (lost.input.clone(), lost.offset, lost.reason.clone());
        let mut book = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        // A place can be met on two ways, of which one knows the object.
        let known = book.entry(place).or_insert(lost);
        known.rows = known.rows.max(rows);
        Ok(())
    }

    /// All losses so far.
    pub fn all(&self) -> Vec<Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
