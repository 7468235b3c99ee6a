//! An RDB file (`REDIS0010`), which Redis 7.0 and later load when they start.
//!
//! | bytes | meaning |
//! |---|---|
//! | 9 | `REDIS0010` |
//! | `FA` string string | the program that wrote it |
//! | `FE` 00 | database 0 |
//! | (`FC` `u64le`) type string value | a key, with its expiry in Unix milliseconds |
//! | `FF` `u64le` | the end, and the CRC-64 of all bytes before |
//!
//! The number of elements and the expiry come before the elements. Neither is known before the last element, so a collection waits in a
//! buffer, or a large one in a temporary file.

mod encode;
mod stream;

use std::io::{self, Seek as _, Write as _};
use std::path::Path;

use tempfile::SpooledTempFile;
use xxhash_rust::xxh3::xxh3_128;

use super::{Element, KeySink, Keys, Made, dry};
use crate::error::{Error, ErrorKind, Result};
use crate::load::course::Course;
use crate::load::{Input, Options, Outcome, input};
use crate::model::redis::Type;
use crate::output::Writer;
use crate::output::single::SingleFile;
use crate::run::spill::Spill;
use encode::{Rdb, length_into, string_into};
use stream::Nodes;

/// Bytes of a collection that are held in memory.
const HELD: usize = 8 << 20;

/// Writes all keys of the inputs to a new file.
pub(in crate::load) fn load(input: &Input, target: &Path, options: &Options, course: Course<'_>) -> Result<Outcome> {
    if options.dry_run {
        return dry(input, options, course);
    }
    if target.as_os_str() == "-" {
        return Err(Error::command_line("an RDB file cannot go to standard output: name a file"));
    }
    let mut file = SingleFile::fresh(target)?;
    let scratch = file.scratch().to_path_buf();
    let out = file.file().ok_or_else(|| Error::internal("a file was asked for"))?;
    let failed = |e| Error::io("write", target, e);
    let out = Writer(out.0.try_clone().map_err(failed)?);
    let (adapter, listener) = (course.adapter, course.listener);
    let sink = File {
        rdb: Rdb::begin(out).map_err(failed)?,
        target,
        head: Vec::new(),
        body: SpooledTempFile::new_in(HELD, &scratch),
        scratch: &scratch,
        bytes: Vec::new(),
        nodes: Nodes::default(),
        previous: Vec::new(),
        names: Spill::new(&scratch),
    };
    let mut keys = Keys::new(sink, course);
    let findings = input::read(input, adapter, options, listener, &mut keys)?;
    let Keys { sink, mut course, .. } = keys;
    sink.rdb.finish().map_err(failed)?;
    refuse_repeated(sink.names)?;
    course.noticed(findings);
    let outcome = course.finish()?;
    file.publish(options.decode.fsync.unwrap_or(true))?;
    Ok(outcome)
}

/// Writes keys to the file.
struct File<'f> {
    rdb: Rdb<Writer<std::fs::File>>,
    target: &'f Path,
    head: Vec<u8>,
    /// Elements of the current collection.
    body: SpooledTempFile,
    scratch: &'f Path,
    /// The last elements, which are not in the body yet.
    bytes: Vec<u8>,
    nodes: Nodes,
    /// The previous element.
    previous: Vec<u8>,
    /// Digests of the names of all keys: a server does not load a file with a repeated key.
    names: Spill,
}

/// Bytes of elements that are moved to the body at once.
const PIECE: usize = 64 << 10;
/// Bytes of a name that a message shows.
const SHOWN: usize = 200;

impl File<'_> {
    #[cold]
    fn failed(&self, e: io::Error) -> Error {
        Error::io("write", self.target, e)
    }

    /// Writes everything before the value of a key.
    fn head(&mut self, name: &[u8], kind: u8, expire_at_ms: Option<u64>) -> Result<()> {
        self.names.push(&xxh3_128(name).to_be_bytes(), &name[..name.len().min(SHOWN)])?;
        self.head.clear();
        if let Some(at) = expire_at_ms {
            self.head.push(encode::EXPIRY_MS);
            self.head.extend_from_slice(&at.to_le_bytes());
        }
        self.head.push(kind);
        string_into(name, &mut self.head);
        Ok(())
    }

    /// Moves elements to the body.
    fn settle(&mut self) -> Result<()> {
        let moved = self.body.write_all(&self.bytes);
        moved.map_err(|e| self.failed(e))?;
        self.bytes.clear();
        Ok(())
    }

    /// A server crashes on a hash, set or sorted set with a repeated element. Elements come in ascending order, so a repetition is seen at
    /// once.
    fn ascends(&mut self, name: &[u8], element: &[u8]) -> Result<()> {
        if !self.previous.is_empty() && self.previous[1..] >= *element {
            return Err(repeated(&format!(
                "elements of the key \"{}\" are not in ascending order",
                name.escape_ascii()
            )));
        }
        self.previous.clear();
        // The first byte distinguishes an empty element from none.
        self.previous.push(1);
        self.previous.extend_from_slice(element);
        Ok(())
    }

    fn reset(&mut self) -> Result<()> {
        self.bytes.clear();
        self.previous.clear();
        self.nodes = Nodes::default();
        if self.body.is_rolled() {
            self.body = SpooledTempFile::new_in(HELD, self.scratch);
            return Ok(());
        }
        let emptied = self.body.rewind().and_then(|()| self.body.set_len(0));
        emptied.map_err(|e| self.failed(e))
    }
}

impl KeySink for File<'_> {
    /// The file must not depend on when it was written.
    const KEEPS_EXPIRED: bool = true;

    fn string(&mut self, name: &[u8], value: &[u8], expire_at_ms: Option<u64>) -> Result<()> {
        self.head(name, encode::STRING, expire_at_ms)?;
        string_into(value, &mut self.head);
        self.rdb.write(&self.head).map_err(|e| Error::io("write", self.target, e))
    }

    fn begin(&mut self, _: &[u8], _: Type) -> Result<()> {
        self.reset()
    }

    fn element(&mut self, name: &[u8], element: Element<'_>) -> Result<()> {
        match element {
            Element::Field(field, value) => {
                self.ascends(name, field)?;
                string_into(field, &mut self.bytes);
                string_into(value, &mut self.bytes);
            }
            Element::Item(value) => string_into(value, &mut self.bytes),
            Element::Member(member) => {
                self.ascends(name, member)?;
                string_into(member, &mut self.bytes);
            }
            Element::Scored(member, score) => {
                self.ascends(name, member)?;
                string_into(member, &mut self.bytes);
                self.bytes.extend_from_slice(&score.to_le_bytes());
            }
            Element::Entry(id, entry) => self
                .nodes
                .entry(id, entry, &mut self.bytes)
                .map_err(|why| repeated(&format!("entry {id} of the stream \"{}\": {why}", name.escape_ascii())))?,
        }
        if self.bytes.len() >= PIECE { self.settle() } else { Ok(()) }
    }

    fn end(&mut self, name: &[u8], made: Made) -> Result<()> {
        let mut count = made.elements;
        if made.kind == Type::Stream {
            count = self.nodes.finish(&mut self.bytes);
        }
        self.settle()?;
        self.head(name, encode::kind(made.kind)?, made.expire_at_ms)?;
        length_into(count, &mut self.head);
        let failed = |e| Error::io("write", self.target, e);
        self.rdb.write(&self.head).map_err(failed)?;
        self.body.rewind().map_err(failed)?;
        io::copy(&mut self.body, &mut self.rdb).map_err(failed)?;
        if made.kind == Type::Stream {
            self.head.clear();
            self.nodes.tail(made, &mut self.head);
            self.rdb.write(&self.head).map_err(failed)?;
        }
        Ok(())
    }

    fn abandon(&mut self, _: &[u8]) -> Result<()> {
        self.reset()
    }
}

#[cold]
fn repeated(why: &str) -> Error {
    Error::new(ErrorKind::Output(why.to_owned()))
}

/// Refuses repeated keys: several outputs, or a modified one, can have them.
fn refuse_repeated(names: Spill) -> Result<()> {
    let (mut sorted, mut previous) = (names.finish()?, Vec::new());
    while let Some((digest, name)) = sorted.next()? {
        if digest == previous {
            return Err(repeated(&format!("the key \"{}\" occurs twice", name.escape_ascii())));
        }
        previous.clear();
        previous.extend_from_slice(digest);
    }
    Ok(())
}
