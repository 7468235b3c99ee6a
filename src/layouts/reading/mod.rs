//! What the readers of both layouts share: files of an output, back to logical objects.
//!
//! An output is read in two passes, since an archive has no other order than its own and its sidecars must be known before what they
//! tell of: key maps, expiries and documents first, then everything else. A file comes as a stream of bytes. Its objects go to
//! a visitor of [`crate::model`] one element at a time, so that a key can be larger than the memory. Whoever drives a reader proves
//! the bytes: nothing counts before the last file has its digest.

mod bytes;
mod members;
pub mod output;
mod reader;
mod text;

pub(super) use bytes::{Binary, BytesSeed};
pub(super) use members::{Member, OncePerMember, expect_object};
pub(crate) use reader::AsRows;
pub use reader::{Reader, RowReader, Standing};
pub(super) use text::{Budget, Lines, Text};

use crate::error::{Error, ErrorKind};
use crate::output::names::{looks_like_fallback, segment, unsegment};

/// What a reader makes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It is read before the others, for it tells of them.
    Sidecar,
    /// It has objects.
    Objects,
    /// It has what the server does not serve.
    Aside,
}

/// A file is not what a decode writes.
#[cold]
pub(crate) fn wrong(path: &[u8], why: impl std::fmt::Display) -> Error {
    let path = serde_json::Value::from(String::from_utf8_lossy(path));
    Error::new(ErrorKind::Output(format!("{path}: {why}")))
}

/// The raw bytes behind a segment of a path. `keymap` tells those of a name that cannot be decoded.
pub(super) fn raw_of(
    path: &[u8],
    name: &str,
    keymap: impl FnOnce(&str) -> crate::Result<Option<Vec<u8>>>,
) -> crate::Result<Vec<u8>> {
    if !looks_like_fallback(name) {
        return unsegment(name).ok_or_else(|| wrong(path, "its name is not one that a decode gives"));
    }
    let raw = keymap(name)?.ok_or_else(|| wrong(path, "its name does not tell its key, and no KEYMAP.jsonl does"))?;
    if segment(&raw) != name {
        return Err(wrong(path, "KEYMAP.jsonl tells a key that has another name"));
    }
    Ok(raw)
}
