//! One key of an output.

use super::paths;
use crate::error::Result;
use crate::layouts::lookup::{Files, Lookup, compact_into, indented, keyed, scan, without_key};
use crate::layouts::members;
use crate::model::redis::Type;
use crate::output::json::{self, Escape};
use crate::output::names::segment;

/// Writes the requested key; `true`: it is there.
///
/// # Errors
/// As [`lookup`](crate::registry::lookup).
pub fn lookup(at: &mut Lookup<'_>) -> Result<bool> {
    if at.packed { of_lines(at) } else { of_tree(at) }
}

fn of_tree(at: &mut Lookup<'_>) -> Result<bool> {
    let key = &at.one.name;
    let all = || Type::ALL.map(|kind| (kind, paths::file_of_key(kind, key).into_bytes()));
    let expiries = [Type::String, Type::Hll].map(expiries);
    let files = at.files(all().into_iter().map(|(_, path)| path).chain(expiries))?;
    let mut any = false;
    for (kind, path) in all().into_iter().filter(|(_, path)| files.has(path)) {
        if !at.lines {
            return at.copy(&files, &path);
        }
        let expiry = expiry_of(&files, key, kind)?;
        any |= at.put_as_lines(&files, &path, |file| as_lines(kind, key, &expiry, file))?;
    }
    Ok(any)
}

fn of_lines(at: &mut Lookup<'_>) -> Result<bool> {
    let path = |kind: Type| paths::file_of_lines(kind).into_bytes();
    let files = at.files(Type::ALL.map(path))?;
    let mut any = false;
    for kind in Type::ALL {
        let mut found = Vec::new();
        scan(&files, &path(kind), &[keyed(&at.one.name)], &mut |line| {
            found.extend_from_slice(line);
            Ok(())
        })?;
        any |= at.put_lines(&path(kind), &found, |lines| as_file(kind, lines))?;
        if any && !at.lines {
            return Ok(true);
        }
    }
    Ok(any)
}

/// The file of the expiries of strings in a tree.
fn expiries(kind: Type) -> Vec<u8> {
    paths::file_of_expiries(kind).into_bytes()
}

/// The expiry of a string of a tree. The file has a line for each string that expires.
fn expiry_of(files: &Files, key: &[u8], kind: Type) -> Result<String> {
    let mut expiry = "null".to_owned();
    if matches!(kind, Type::String | Type::Hll) {
        let mut head = b"{\"key\":".to_vec();
        json::string(&segment(key), Escape::Plain, &mut head);
        head.push(b',');
        scan(files, &expiries(kind), &[head], &mut |line| {
            expiry = members::raw_member(line, "expire_at_ms").unwrap_or("null").to_owned();
            Ok(())
        })?;
    }
    Ok(expiry)
}

/// Turns the lines of one key into its file in a tree; `None`: no decode writes such lines.
fn as_file(kind: Type, lines: &[u8]) -> Option<Vec<u8>> {
    match kind {
        Type::String | Type::Hll => members::member(lines, "value"),
        Type::Stream => {
            let lines = lines.split_inclusive(|byte| *byte == b'\n');
            let entries: Option<Vec<_>> = lines.map(|line| Some([b"{", without_key(line)?].concat())).collect();
            entries.map(|all| all.concat())
        }
        _ => {
            let rest = without_key(lines)?.trim_ascii_end();
            Some(indented(&[b"{\"format_version\":1,", rest].concat()))
        }
    }
}

/// Turns the file of one key in a tree into its lines; `None`: no decode writes such a file. `expiry` is that of a string, whose file does
/// not contain it.
fn as_lines(kind: Type, key: &[u8], expiry: &str, file: &[u8]) -> Option<Vec<u8>> {
    let head = keyed(key);
    let mut out = Vec::with_capacity(head.len() + file.len() + 32);
    match kind {
        Type::String | Type::Hll => {
            out.extend(head);
            out.extend_from_slice(b"\"value\":");
            json::bytes(file, Escape::Html, &mut out);
            out.extend_from_slice(b",\"expire_at_ms\":");
            out.extend_from_slice(expiry.as_bytes());
            out.push(b'}');
        }
        Type::Stream => {
            for line in file.split_inclusive(|byte| *byte == b'\n') {
                out.extend_from_slice(&head);
                out.extend_from_slice(line.strip_prefix(b"{")?);
            }
            return Some(out);
        }
        _ => {
            let mut whole = Vec::with_capacity(file.len());
            compact_into(file, &mut whole);
            out.extend(head);
            out.extend_from_slice(whole.strip_prefix(b"{\"format_version\":1,")?);
        }
    }
    out.push(b'\n');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_decode_writes() {
        assert_eq!(as_lines(Type::Hash, b"k", "null", b"{\"fields\": []}"), None);
        assert_eq!(as_file(Type::String, br#"{"key":"k","value":{"base64":"_w"}}"#).unwrap(), b"\xff");
    }
}
