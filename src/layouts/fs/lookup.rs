//! One file of an output.

use crate::error::{Error, Remedy, Result};
use crate::layouts::lookup::{Lookup, scan};
use crate::layouts::members;
use crate::output::fs_metadata::METADATA;

/// Writes the requested file, or the metadata of a path and everything below it; returns whether it exists.
///
/// # Errors
/// As [`lookup`](crate::registry::lookup).
pub fn lookup(at: &mut Lookup<'_>) -> Result<bool> {
    let (metadata, path) = (METADATA.as_bytes().to_vec(), resolved(&at.one.name));
    let files = at.files([metadata.clone()])?;
    let (lines, mut any, mut found) = (at.lines, false, None);
    let out = &mut *at.out;
    scan(&files, &metadata, &[], &mut |line| {
        let named = members::member(line, "path").or_else(|| members::member_of_base64(line, "path_b64"));
        let Some(named) = named else { return Ok(()) };
        let is_it = named == path;
        let is_below = named.strip_prefix(&*path).is_some_and(|rest| path.is_empty() || rest.starts_with(b"/"));
        if lines && (is_it || is_below) {
            any = true;
            out.write_all(line).map_err(Error::stdout)?;
        } else if is_it {
            found = Some(line.to_vec());
        }
        Ok(())
    })?;
    let Some(line) = found else { return Ok(any) };
    if members::member(&line, "type").as_deref() == Some(b"directory") {
        return Err(Error::usage("it is a directory").with_remedy(Remedy::Lines));
    }
    let body = members::member(&line, "tree").or_else(|| members::member_of_base64(&line, "tree_b64"));
    let body = body.ok_or_else(|| at.odd(&metadata))?;
    let files = at.files([body.clone()])?;
    if at.copy(&files, &body)? { Ok(true) } else { Err(at.missing(&body)) }
}

/// A path without the parts that do not count.
fn resolved(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    names.join(&b'/')
}
