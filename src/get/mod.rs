//! `get`: one logical object of a snapshot, and its history.

pub mod versions;

use std::io::{self, Write};
use std::path::Path;

use crate::decode::one::{One, fill_one};
use crate::decode::{Layout, Options, Progress, fs, on_threads, or_changed, survey};
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::objects;
use crate::output::tap::{Chunk, tapped};
use crate::output::tree::Tree;
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
    if one.adapter == Adapter::Fs && options.layout == Layout::Tree {
        return on_threads(options.threads, || or_changed(sources, || file(sources, one, options, progress, out)))?;
    }
    let packed = options.layout == Layout::Packed;
    let decode = |tree: &Tree, scratch: &Path| {
        on_threads(options.threads, || {
            or_changed(sources, || {
                fill_one(&survey(sources, options, progress)?.set, one, options, tree, scratch, progress)
            })
        })?
    };
    let wanted = if packed { objects::has_lines } else { objects::has_object };
    let mut writer = Writer::new(one, packed, out);
    tapped(wanted, false, decode, |chunk| writer.take(&chunk).map_err(Error::stdout))?;
    Ok(writer.any)
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
    /// The message that is wanted of a queue.
    message: Option<&'w [u8]>,
    line: Vec<u8>,
    any: bool,
}

impl<'w> Writer<'w> {
    fn new(one: &'w One, packed: bool, out: &'w mut dyn Write) -> Writer<'w> {
        let index = packed && one.adapter == Adapter::S3;
        let message = one.rest.as_deref().filter(|_| one.adapter == Adapter::Sqs);
        Writer { out, path: None, index, message, line: Vec::new(), any: false }
    }

    fn take(&mut self, chunk: &Chunk) -> io::Result<()> {
        if self.path.get_or_insert_with(|| chunk.path.clone()) != &chunk.path {
            return Ok(());
        }
        if self.index {
            self.any = true;
            return self.out.write_all(&objects::without_path(&chunk.bytes));
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
