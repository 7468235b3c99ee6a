//! One message of an output, or all of a queue.

use super::names as queues;
use super::paths::{DOCUMENT, MESSAGES};
use crate::error::Result;
use crate::layouts::lookup::{Lookup, scan};
use crate::layouts::members;

/// Writes the requested message, or all of the queue; returns whether it exists.
///
/// # Errors
/// As [`lookup`](crate::registry::lookup).
pub fn lookup(at: &mut Lookup<'_>) -> Result<bool> {
    let name = &at.one.name;
    let (dir, stem) = (queues::queue_directory(name), queues::queue_stem(name));
    let (document, messages) = match at.packed {
        true => (queues::packed_document(&stem), queues::packed_messages(&stem)),
        false => (format!("{dir}/{DOCUMENT}"), format!("{dir}/{MESSAGES}")),
    };
    let (about, messages) = (queues::queue_path(&document), queues::queue_path(&messages));
    let files = at.files([about.clone().into_bytes(), messages.clone().into_bytes()])?;
    let Some(id) = &at.one.rest else {
        return Ok(at.copy(&files, messages.as_bytes())? || files.has(about.as_bytes()));
    };
    let mut found = Vec::new();
    scan(&files, messages.as_bytes(), &[], &mut |line| {
        if members::message_id(line).as_ref() == Some(id) {
            found.extend_from_slice(line);
        }
        Ok(())
    })?;
    at.put(&found)?;
    Ok(!found.is_empty())
}
