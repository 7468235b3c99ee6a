//! `get`: one logical object of a snapshot or an output, and its history.

mod files;
mod output;
mod rendered;
pub mod versions;

use std::io::{self, Write};
use std::path::Path;

pub use output::get_from_output;

use crate::decode::one::{One, fill_one, spellings};
use crate::decode::s3::names::Name;
use crate::decode::{Layout, Options, Progress, fs, on_threads, or_changed, survey};
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::objects;
use crate::output::tap::{Chunk, tapped};
use crate::output::tree::{Digests, Tree};
use crate::report::Findings;
use crate::source::Source;

/// Writes one object to `out`; tells whether it is there.
///
/// In the tree layout that is what its file holds: the bytes of a string, an S3 object or a file, else JSON. In the packed
/// layout it is its line, or lines.
///
/// # Errors
/// An input that is not a sound snapshot, a damaged row of the object, a failed write.
pub fn get(
    sources: &[Source],
    one: &One,
    options: &Options,
    progress: &dyn Progress,
    out: &mut (dyn Write + Send),
) -> Result<bool> {
    get_noting(sources, one, options, progress, out).map(|(found, _)| found)
}

/// As [`get`], with what a decode of the object would warn of.
///
/// # Errors
/// As [`get`].
pub fn get_noting(
    sources: &[Source],
    one: &One,
    options: &Options,
    progress: &dyn Progress,
    out: &mut (dyn Write + Send),
) -> Result<(bool, Findings)> {
    if one.adapter == Adapter::Fs && options.layout == Layout::Tree {
        let there =
            on_threads(options.threads, || or_changed(sources, || file(sources, one, options, progress, out)))??;
        return Ok((there, Findings::default()));
    }
    let packed = options.layout == Layout::Packed;
    let decode = |tree: &Tree, scratch: &Path| {
        on_threads(options.threads, || {
            or_changed(sources, || {
                fill_one(&survey(sources, options, progress)?.set, one, options, tree, scratch, progress)
            })
        })?
    };
    let wanted = match one.adapter {
        Adapter::S3 if !packed => |path: &[u8]| path.starts_with(b"s3/"),
        Adapter::Sqs => objects::is_of_queue,
        _ if packed => objects::has_lines,
        _ => objects::has_object,
    };
    let mut writer = Writer::new(one, packed, out);
    let findings = tapped(wanted, Digests::None, decode, |chunk| writer.take(&chunk).map_err(Error::stdout))?;
    Ok((writer.any, findings))
}

fn file(
    sources: &[Source],
    one: &One,
    options: &Options,
    progress: &dyn Progress,
    out: &mut dyn Write,
) -> Result<bool> {
    let set = survey(sources, options, progress)?.set;
    let Some(node) = fs::open::resolve(&set, &one.name)? else { return Ok(false) };
    if node.inode.kind.is_dir() {
        return Err(Error::usage("it is a directory: --json gives a line for each file and directory in it"));
    }
    fs::open::copy(&set, &node, out)?;
    set.check_unchanged()?;
    Ok(true)
}

/// Writes what comes of a decode of one object.
struct Writer<'w> {
    out: &'w mut dyn Write,
    /// The file that is written: of several that a name can stand for, the first one.
    path: Option<Vec<u8>>,
    /// What comes is the line of an S3 object.
    index: bool,
    /// Of an S3 object in a tree, how its path ends: any other file is about it.
    ends: Vec<Vec<u8>>,
    /// A queue is there even if it is empty.
    queue: bool,
    /// The message that is wanted of a queue.
    message: Option<&'w [u8]>,
    line: Vec<u8>,
    any: bool,
}

impl<'w> Writer<'w> {
    fn new(one: &'w One, packed: bool, out: &'w mut dyn Write) -> Writer<'w> {
        let index = packed && one.adapter == Adapter::S3;
        let message = one.rest.as_deref().filter(|_| one.adapter == Adapter::Sqs);
        let body = one.rest.as_deref().filter(|_| !packed && one.adapter == Adapter::S3);
        let end = |key: &Vec<u8>| [b"/", &Name::Encoded.path(key)[..]].concat();
        let ends = body.map_or_else(Vec::new, |key| spellings(key).iter().map(end).collect());
        let queue = one.adapter == Adapter::Sqs && message.is_none();
        Writer { out, path: None, index, ends, queue, message, line: Vec::new(), any: false }
    }

    fn take(&mut self, chunk: &Chunk) -> io::Result<()> {
        if objects::describes_queue(&chunk.path) {
            self.any |= self.queue;
            return Ok(());
        }
        if !self.ends.is_empty() && !self.ends.iter().any(|end| chunk.path.ends_with(end)) {
            return Ok(());
        }
        if self.path.get_or_insert_with(|| chunk.path.clone()) != &chunk.path {
            return Ok(());
        }
        if self.index {
            self.any |= !chunk.last;
            self.line.extend_from_slice(&chunk.bytes);
            return if chunk.last { self.out.write_all(&objects::without_path(&self.line)) } else { Ok(()) };
        }
        if chunk.last {
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
        if objects::message_id(&self.line).as_deref() == self.message {
            self.any = true;
            self.out.write_all(&self.line)?;
        }
        Ok(())
    }
}
