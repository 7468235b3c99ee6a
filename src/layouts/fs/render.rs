//! Lines of metadata.jsonl (`docs/format/fs.md` §7).
//!
//! A path of more than 4,096 bytes is not written completely: instead of `path` such a line has `parent_ino`, the inode number of its
//! directory, and `name` (or `name_b64`), its name there. The line of that directory comes before it. Otherwise the lines of n nested
//! directories would have n²/2 names.

use super::findings::code;
use super::names::Names;
use super::places::Named;
use super::plan::Planned;
use crate::adapters::fs::Holes;
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::hex;
use crate::output::checksums::Sum;
use crate::output::json::{self, Escape};
use crate::output::nested::Nested;
use crate::output::observer::Fingerprint;
use crate::output::split::SpillWriter;

/// What a line says about a file's content.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    /// Its digest; `None`: the file could not be written.
    pub sum: Option<Sum>,
    /// Its stored bytes.
    pub stored: u64,
    /// Its fingerprint, if objects are reported with fingerprints.
    pub fingerprint: Option<Fingerprint>,
}

/// Writes the line of a file or directory.
///
/// # Errors
/// A failed write, or an input that changed.
pub fn line(
    set: &DataSet<'_>,
    planned: &Planned,
    content: Option<&Content>,
    names: Names,
    out: &mut SpillWriter<'_>,
) -> Result<()> {
    begin(planned, names, &mut out.buffer);
    if let Some(content) = content {
        described(content, &mut out.buffer);
        if content.stored < planned.node.inode.size {
            holes(Holes::new(set, &planned.node), out)?;
        }
    }
    let line = &mut out.buffer;
    if let Some(link) = &planned.link {
        path_member("hardlink_to", link, line);
    }
    if !planned.notes.is_empty() {
        member("notes", line);
        line.push(b'[');
        for (n, kind) in planned.notes.iter().enumerate() {
            line.extend_from_slice(if n > 0 { b"," } else { b"" });
            json::string(code(kind), Escape::Plain, line);
        }
        line.push(b']');
    }
    line.extend_from_slice(b"}\n");
    out.spill()
}

fn begin(planned: &Planned, names: Names, line: &mut Vec<u8>) {
    line.push(b'{');
    match &planned.named {
        Named::Whole(path) => path_member("path", path, line),
        Named::Below(above, name) => {
            text("parent_ino", *above, line);
            path_member("name", name, line);
        }
        Named::Nowhere => {
            member("path", line);
            line.extend_from_slice(b"null");
        }
    }
    if let Some((above, name)) = &planned.within {
        text("parent_ino", *above, line);
        name.iter().for_each(|name| path_member("name", name, line));
    }
    if planned.has_place(names) {
        path_member("tree", &planned.tree, line);
    }
    let inode = &planned.node.inode;
    text("ino", planned.node.number, line);
    member("type", line);
    json::string(if inode.kind.is_dir() { "directory" } else { "file" }, Escape::Plain, line);
    member("mode", line);
    json::string(&format!("{:04o}", inode.mode), Escape::Plain, line);
    number("uid", inode.uid, line);
    number("gid", inode.gid, line);
    text("size", inode.size, line);
    text("atime_ns", inode.atime, line);
    text("mtime_ns", inode.mtime, line);
    text("ctime_ns", inode.ctime, line);
    number("nlink", inode.nlink, line);
    text("generation", inode.generation, line);
    text("chunk_size", inode.chunk_size, line);
    text("home_slot", inode.home_slot, line);
    text("epoch", inode.epoch, line);
}

fn described(content: &Content, line: &mut Vec<u8>) {
    let (name, digest) = match &content.sum {
        Some(Sum::Whole(digest)) => ("sha256", digest),
        Some(Sum::Extents(digest)) => ("sha256_extents", digest),
        None => return number("stored_bytes", content.stored, line),
    };
    let mut hex = String::with_capacity(64);
    hex::push(digest, &mut hex);
    member(name, line);
    json::string(&hex, Escape::Plain, line);
    number("stored_bytes", content.stored, line);
}

/// Their number has no bound, so they are spilled.
fn holes(mut holes: Holes<'_, '_>, out: &mut SpillWriter<'_>) -> Result<()> {
    member("holes", &mut out.buffer);
    let mut before = b'[';
    while let Some((offset, len)) = holes.next()? {
        out.buffer.extend_from_slice(&[before, b'[']);
        json::integer(offset, &mut out.buffer);
        out.buffer.push(b',');
        json::integer(len, &mut out.buffer);
        out.buffer.push(b']');
        out.spill()?;
        before = b',';
    }
    out.buffer.push(b']');
    Ok(())
}

fn member(name: &str, line: &mut Vec<u8>) {
    Nested::<false>::new(line).plain_member(name);
}

/// A path as text or, if it is not UTF-8, in base64 under another name.
fn path_member(name: &str, path: &[u8], line: &mut Vec<u8>) {
    match std::str::from_utf8(path) {
        Ok(path) => {
            member(name, line);
            json::string(path, Escape::Plain, line);
        }
        Err(_) => {
            member(&format!("{name}_b64"), line);
            line.push(b'"');
            json::base64(path, line);
            line.push(b'"');
        }
    }
}

fn number(name: &str, n: impl itoa::Integer, line: &mut Vec<u8>) {
    member(name, line);
    json::integer(n, line);
}

/// Numbers of 64 bits are strings: some readers of JSON lose digits.
fn text(name: &str, n: impl itoa::Integer, line: &mut Vec<u8>) {
    member(name, line);
    line.push(b'"');
    json::integer(n, line);
    line.push(b'"');
}
