//! `get`: one logical object of a snapshot, and its history.

pub mod versions;

use std::io::{self, Write};

use crate::dataset::{DataSet, LossBook};
use crate::decode::one::{One, fill_one};
use crate::decode::{Layout, Options, Progress, fs, on_threads};
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::objects;
use crate::output::tap::{Chunk, Tap};
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
        return on_threads(options.threads, || file(sources, one, options, progress, out))?;
    }
    let packed = options.layout == Layout::Packed;
    let (tap, chunks) = Tap::new(if packed { objects::has_lines } else { objects::has_object });
    let scratch = std::env::temp_dir();
    let tree = Tree::tapped(&scratch, tap, false);
    std::thread::scope(|scope| {
        // The tree goes with the thread, and the tap with the tree: then there are no more chunks.
        let decode = move || {
            on_threads(options.threads, || {
                let set = survey(sources, options, progress)?;
                fill_one(&set, one, options, &tree, &scratch, progress)
            })?
        };
        let decoding = scope.spawn(decode);
        let mut writer = Writer::new(one, packed, out);
        let written = chunks.iter().try_for_each(|chunk| writer.take(&chunk));
        drop(chunks);
        let decoded = decoding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.map_err(failed).and(decoded)?;
        Ok(writer.any)
    })
}

/// Surveys the inputs.
fn survey<'a>(sources: &'a [Source], options: &Options, progress: &dyn Progress) -> Result<DataSet<'a>> {
    progress.begin("survey", 1);
    let losses = LossBook::new(options.skip_damage);
    let mut set = DataSet::survey_with(sources, options.as_of, options.grain, losses)?;
    set.resolve_transactions()?;
    Ok(set)
}

fn file(
    sources: &[Source],
    one: &One,
    options: &Options,
    progress: &dyn Progress,
    out: &mut dyn Write,
) -> Result<bool> {
    let set = survey(sources, options, progress)?;
    let Some(node) = fs::open::resolve(&set, &one.name)? else { return Ok(false) };
    if node.inode.kind.is_dir() {
        return Err(Error::usage("it is a directory: --json gives a line for each file and directory in it"));
    }
    fs::open::copy(&set, &node, out)?;
    set.check_unchanged()?;
    Ok(true)
}

fn failed(e: io::Error) -> Error {
    Error::io("write to", "standard output", e)
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
