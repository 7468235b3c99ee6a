//! `get`: one logical object of a snapshot or an output, and its history.

pub mod versions;

use std::io::{self, Write};
use std::path::Path;

use crate::adapters::fs;
use crate::decode::findings::{later_moment, note_passed_over};
use crate::decode::{Layout, Options, Progress, index, on_threads, or_changed};
use crate::error::{Error, Remedy, Result};
use crate::format::adapter;
use crate::layouts::lookup::Lookup;
use crate::layouts::s3::names::Name;
use crate::layouts::{self, members};
use crate::objects;
use crate::options::ObjectName;
use crate::output::manifest_read::ReadManifest;
use crate::output::tee::{Chunk, Part, teed};
use crate::output::tree::{Digests, Tree};
use crate::registry::{self, fill_one};
use crate::report::{Findings, Losses};
use crate::source::Source;

/// The result of the search for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It does not exist.
    No,
    /// It was written.
    Whole,
    /// Its start was written, then damage was found.
    Torn,
}

/// The result of `get` besides the object's bytes.
#[derive(Debug)]
pub struct Got {
    /// Whether it exists.
    pub found: Found,
    /// The warnings of a decode of it.
    pub findings: Findings,
    /// With [`Options::skip_damage`], what could not be read: the object, or rows of it, may have been there.
    pub lost: Losses,
}

/// Writes one object to `out`; returns whether it exists.
///
/// In the tree layout this is the content of its file: the bytes of a string, an S3 object or a file, otherwise JSON. In the packed layout
/// it is its line, or lines.
///
/// # Errors
/// An input that is not a valid snapshot, a damaged row of the object, a failed write.
pub fn get(
    sources: &[Source],
    one: &ObjectName,
    options: &Options,
    progress: &dyn Progress,
    out: &mut (dyn Write + Send),
) -> Result<bool> {
    let got = get_noting(sources, one, options, progress, out)?;
    Ok(got.found == Found::Whole)
}

/// As [`get`], with the additional results.
///
/// # Errors
/// As [`get`].
pub fn get_noting(
    sources: &[Source],
    one: &ObjectName,
    options: &Options,
    progress: &dyn Progress,
    out: &mut (dyn Write + Send),
) -> Result<Got> {
    if one.adapter == adapter::FS && options.layout == Layout::TREE {
        return on_threads(options.threads, || or_changed(sources, || file(sources, one, options, progress, out)))?;
    }
    let packed = options.layout == Layout::JSONL;
    let decode = |tree: &Tree, scratch: &Path| {
        on_threads(options.threads, || {
            or_changed(sources, || {
                let set = index(sources, options, progress)?.set;
                let mut findings = fill_one(&set, one, options, tree, scratch, progress)?;
                later_moment(&set, options, &mut findings);
                note_passed_over(&options.passed_over, &mut findings);
                set.qualify(&mut findings);
                Ok((findings, set.losses().take()?))
            })
        })?
    };
    let wanted = match one.adapter {
        adapter::S3 if !packed => |path: &[u8]| path.starts_with(b"s3/"),
        adapter::SQS => objects::is_of_queue,
        _ if packed => objects::has_lines,
        _ => objects::has_object,
    };
    let mut writer = Writer::new(one, packed, out);
    let (findings, lost) = teed(wanted, Digests::None, decode, |chunk| writer.take(&chunk).map_err(Error::stdout))?;
    Ok(Got { found: writer.found(), findings, lost })
}

fn file(
    sources: &[Source],
    one: &ObjectName,
    options: &Options,
    progress: &dyn Progress,
    out: &mut dyn Write,
) -> Result<Got> {
    let set = index(sources, options, progress)?.set;
    let node = fs::resolve(&set, &one.name).or_else(|error| set.skip(error).map(|()| None))?;
    let mut found = Found::No;
    if let Some(node) = node {
        if node.inode.kind.is_dir() {
            return Err(Error::usage("it is a directory").with_remedy(Remedy::Lines));
        }
        let copied = layouts::fs::copy(&set, &node, out).map(|()| Found::Whole);
        found = copied.or_else(|error| set.skip(error).map(|()| Found::Torn))?;
    }
    set.check_unchanged()?;
    let mut findings = Findings::default();
    later_moment(&set, options, &mut findings);
    note_passed_over(&options.passed_over, &mut findings);
    Ok(Got { found, findings, lost: set.losses().take()? })
}

/// Writes one object of the output at `path` to `out`; returns whether it exists. `lines`: in the form of [`Layout::JSONL`].
///
/// Every file that is read is compared with CHECKSUMS first.
///
/// # Errors
/// A file of the output that is missing, is not listed or differs, or is not what a decode writes.
pub fn get_from_output(
    path: &Path,
    manifest: &ReadManifest,
    one: &ObjectName,
    lines: bool,
    out: &mut dyn Write,
) -> Result<bool> {
    let packed = Options::of_readable(manifest)?.layout == Layout::JSONL;
    registry::lookup(&mut Lookup { path, one, lines, packed, out })
}

/// Writes the result of decoding one object.
struct Writer<'w> {
    out: &'w mut dyn Write,
    /// The file that is written: if a name can mean several, the first one.
    path: Option<Vec<u8>>,
    /// Whether the next file is the line of an S3 object.
    index: bool,
    /// For an S3 object in a tree: the end of its path. Other files only describe it.
    end: Option<Vec<u8>>,
    /// A queue exists even if it is empty.
    queue: bool,
    /// The requested message of a queue.
    message: Option<&'w [u8]>,
    line: Vec<u8>,
    any: bool,
    /// Whether more of the file must come.
    is_open: bool,
}

impl<'w> Writer<'w> {
    fn new(one: &'w ObjectName, packed: bool, out: &'w mut dyn Write) -> Writer<'w> {
        let index = packed && one.adapter == adapter::S3;
        let message = one.rest.as_deref().filter(|_| one.adapter == adapter::SQS);
        let body = one.rest.as_deref().filter(|_| !packed && one.adapter == adapter::S3);
        let end = body.map(|key| [b"/", &Name::Encoded.path(key)[..]].concat());
        let queue = one.adapter == adapter::SQS && message.is_none();
        Writer { out, path: None, index, end, queue, message, line: Vec::new(), any: false, is_open: false }
    }

    fn found(&self) -> Found {
        match (self.any, self.is_open) {
            (false, _) => Found::No,
            (true, false) => Found::Whole,
            (true, true) => Found::Torn,
        }
    }

    fn take(&mut self, chunk: &Chunk) -> io::Result<()> {
        if objects::describes_queue(&chunk.path) {
            self.any |= self.queue;
            return Ok(());
        }
        if self.end.as_ref().is_some_and(|end| !chunk.path.ends_with(end)) {
            return Ok(());
        }
        if self.path.get_or_insert_with(|| chunk.path.clone()) != &chunk.path {
            return Ok(());
        }
        self.is_open = chunk.part == Part::Next;
        let is_end = chunk.part == Part::End;
        if self.index {
            self.any |= !is_end;
            self.line.extend_from_slice(&chunk.bytes);
            return if is_end { self.out.write_all(&members::without_path(&self.line)) } else { Ok(()) };
        }
        if is_end {
            return Ok(());
        }
        if self.message.is_none() {
            self.any = true;
            return self.out.write_all(&chunk.bytes);
        }
        for piece in chunk.bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                self.wanted_line()?;
                self.line.clear();
            }
        }
        Ok(())
    }

    fn wanted_line(&mut self) -> io::Result<()> {
        if members::message_id(&self.line).as_deref() == self.message {
            self.any = true;
            self.out.write_all(&self.line)?;
        }
        Ok(())
    }
}
