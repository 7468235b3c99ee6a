//! One object of an output.

use std::collections::BTreeMap;

use super::names::{META_SUFFIX, Name, Rules, assign};
use super::paths::INDEX;
use crate::error::Result;
use crate::layouts::lookup::{Lookup, compact_into, keyed, scan};
use crate::layouts::members;
use crate::output::names::segment;

/// Writes the requested object; returns whether it exists.
///
/// # Errors
/// As [`lookup`](crate::registry::lookup).
pub fn lookup(at: &mut Lookup<'_>) -> Result<bool> {
    if at.packed { of_lines(at) } else { of_tree(at) }
}

fn of_lines(at: &mut Lookup<'_>) -> Result<bool> {
    let bucket = format!("s3/{}", bucket(&at.one.name));
    let index = format!("{bucket}/{INDEX}").into_bytes();
    let (files, mut found) = (at.files([index.clone()])?, None);
    scan(&files, &index, &[keyed(at.rest())], &mut |line| {
        found = Some(line.to_vec());
        Ok(())
    })?;
    let Some(line) = found else { return Ok(false) };
    if at.lines {
        return at.put(&members::without_path(&line)).map(|()| true);
    }
    let body = members::member(&line, "path").ok_or_else(|| at.odd(&index))?;
    let body = [bucket.as_bytes(), b"/", &body].concat();
    let files = at.files([body.clone()])?;
    if at.copy(&files, &body)? { Ok(true) } else { Err(at.missing(&body)) }
}

fn of_tree(at: &mut Lookup<'_>) -> Result<bool> {
    const NAMES: [Name; 5] = [Name::Verbatim, Name::LeafData, Name::UserData, Name::Encoded, Name::Hashed];
    let (bucket, key) = (format!("s3/{}/", bucket(&at.one.name)), at.rest().to_vec());
    let below = |path: &[u8]| [bucket.as_bytes(), path].concat();
    let about = |path: &[u8]| [&below(path), META_SUFFIX.as_bytes()].concat();
    let candidates = NAMES.map(|name| name.path(&key)).into_iter().flat_map(|path| [below(&path), about(&path)]);
    let keymap = below(b"KEYMAP.jsonl");
    let files = at.files(candidates.chain([keymap.clone()]))?;
    // Renamed objects, by path and by key.
    let mut renamed = BTreeMap::new();
    scan(&files, &keymap, &[], &mut |line| {
        let record = members::member(line, "encoded").zip(members::member_of_base64url(line, "original"));
        let Some((encoded, original)) = record else { return Ok(()) };
        if key == original || files.has(&below(&encoded)) {
            renamed.insert(encoded, original);
        }
        Ok(())
    })?;
    let other = renamed.iter().find(|(_, original)| **original == key).map(|(encoded, _)| encoded.clone());
    let has_own = || !renamed.contains_key(&key) && assign(&[&key], Rules::default()) == [Name::Verbatim];
    let path = other.or_else(|| has_own().then(|| key.clone())).filter(|path| files.has(&below(path)));
    let Some(path) = path else { return Ok(false) };
    if !at.lines {
        return at.copy(&files, &below(&path));
    }
    let about = about(&path);
    let there = at.put_as_lines(&files, &about, |file| as_lines(&key, file))?;
    if there { Ok(true) } else { Err(at.missing(&about)) }
}

fn bucket(name: &[u8]) -> String {
    match name {
        b"" => "%".into(),
        b"." => "%2E".into(),
        b".." => "%2E%2E".into(),
        _ => segment(name),
    }
}

/// The document of an object in a tree in the form of its line; `None`: it is not what a decode writes.
fn as_lines(key: &[u8], file: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut whole) = (keyed(key), Vec::with_capacity(file.len()));
    compact_into(file, &mut whole);
    out.extend_from_slice(whole.strip_prefix(b"{\"format_version\":1,")?);
    out.push(b'\n');
    Some(out)
}
