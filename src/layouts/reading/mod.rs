//! Shared by the readers of both layouts: reads files of an output back into logical objects.
//!
//! An output is read in two passes, because an archive has only its own order, and sidecars must be known before the files that they
//! describe: first key maps, expiries and documents, then everything else. A file is read as a stream of bytes. Its objects go to a visitor
//! of [`crate::model`] one element at a time, so that a key can be larger than the memory. The caller of a reader checks the digests: no
//! result is valid before the last file was checked.

mod blocks;
mod bytes;
mod canonical;
mod members;
pub mod output;
mod reader;
mod text;
mod visitor;

pub use blocks::{BlockSize, Forked};
pub(super) use bytes::{Binary, BytesSeed};
pub(super) use canonical::Scanner;
pub(super) use members::{Member, OncePerMember, expect_object};
pub(crate) use reader::AsRows;
pub use reader::{Reader, RowReader, Standing};
pub use text::Lines;
pub(super) use text::{Budget, Text};

use crate::error::{Error, ErrorKind};
use crate::output::names::{looks_like_fallback, segment, unsegment};

/// The role of a file for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It is read before the others, because it describes them.
    Sidecar,
    /// It has objects.
    Objects,
    /// It has objects that the server does not serve.
    Aside,
}

/// A file is not what a decode writes.
#[cold]
pub(crate) fn wrong(path: &[u8], why: impl std::fmt::Display) -> Error {
    let path = serde_json::Value::from(String::from_utf8_lossy(path));
    Error::new(ErrorKind::Output(format!("{path}: {why}")))
}

/// The raw bytes of a segment of a path. `keymap` has those of a name that cannot be decoded.
pub(super) fn raw_of(
    path: &[u8],
    name: &str,
    keymap: impl FnOnce(&str) -> crate::Result<Option<Vec<u8>>>,
) -> crate::Result<Vec<u8>> {
    if !looks_like_fallback(name) {
        return unsegment(name).ok_or_else(|| wrong(path, "its name is not in a form that a decode writes"));
    }
    let raw = keymap(name)?
        .ok_or_else(|| wrong(path, "its key cannot be derived from its name, and no KEYMAP.jsonl has it"))?;
    if segment(&raw) != name {
        return Err(wrong(path, "KEYMAP.jsonl has a key for it that would have another name"));
    }
    Ok(raw)
}
