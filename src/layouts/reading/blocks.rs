//! Lines of a file in blocks: threads read them at once, each with a fork of the visitor, and the forks are joined in the order of lines.
//!
//! A line that is longer than a block may become is read by the visitor itself, as a stream, between two rounds of blocks.

use std::io::Read;

use memchr::{memchr_iter, memrchr};

use super::text::{SHORT, failed_read};
use super::visitor::Visitor;
use super::{Lines, Reader, Text};
use crate::error::Result;
use crate::run::engine::{self, Done};
use crate::sync::Spare;

/// Bytes of a block.
const BLOCK: usize = 512 << 10;
/// A file up to this length is not worth other threads.
const SMALL: usize = 32 << 10;

/// How a file of lines is cut into blocks. Tests make them tiny; the objects do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSize {
    /// A block with this many bytes ends with the line.
    pub bytes: usize,
    /// A line with more bytes is no block: it is not held in memory.
    pub longest: usize,
    /// A file with fewer bytes is not shared among threads.
    pub small: usize,
}

impl Default for BlockSize {
    fn default() -> Self {
        BlockSize { bytes: BLOCK, longest: SHORT, small: SMALL }
    }
}

/// A visitor that can take the lines of a file on several threads.
pub trait Forked: Visitor + Send + Sized {
    /// What forks begin with.
    type Seed: Sync;
    /// What a fork took.
    type Taken: Done;

    /// Begins forks, which know what the visitor was given so far.
    fn seed(&self) -> Self::Seed;

    /// A visitor for some lines.
    ///
    /// # Errors
    /// Memory that cannot be allocated.
    fn fork(seed: &Self::Seed) -> Result<Self>;

    /// Ends a fork, on its thread.
    ///
    /// # Errors
    /// Objects that are refused.
    fn taken(self) -> Result<Self::Taken>;

    /// Takes what a fork took, in the order of lines. This runs in a task.
    ///
    /// # Errors
    /// As for the objects themselves.
    fn join(&mut self, taken: Self::Taken) -> Result<()>;
}

/// Gives the objects of a file of lines.
pub(super) fn read<V: Forked>(
    reader: &dyn Reader<V>,
    path: &[u8],
    bytes: &mut (dyn Read + Send),
    size: BlockSize,
    visitor: &mut V,
) -> Result<()> {
    let mut blocks = Blocks { path, bytes, size, rest: Vec::new(), long: None, before: 0, spare: Spare::default() };
    loop {
        if let Some(all) = blocks.small()? {
            reader.lines(path, &mut Lines::of_block(path, &all.bytes, all.before), visitor)?;
        } else {
            round(reader, &mut blocks, visitor)?;
        }
        match blocks.long.take() {
            None => return Ok(()),
            Some(begun) => blocks.long_line(&begun, reader, visitor)?,
        }
    }
}

/// Reads blocks up to the end of the file or to a long line.
fn round<V: Forked>(reader: &dyn Reader<V>, blocks: &mut Blocks<'_>, visitor: &mut V) -> Result<()> {
    let (seed, path, spare) = (visitor.seed(), blocks.path, std::mem::take(&mut blocks.spare));
    engine::run_pulled(
        || blocks.next(&spare),
        |mut block: Block| {
            let mut fork = V::fork(&seed)?;
            reader.lines(path, &mut Lines::of_block(path, &block.bytes, block.before), &mut fork)?;
            block.bytes.clear();
            spare.give(block.bytes);
            fork.taken()
        },
        |taken| visitor.join(taken),
        |()| Ok(()),
    )?;
    blocks.spare = spare;
    Ok(())
}

/// Complete lines; only the last line of a file may lack its line feed.
struct Block {
    bytes: Vec<u8>,
    /// Number of lines before it.
    before: u64,
}

/// Cuts a file into blocks.
struct Blocks<'b> {
    path: &'b [u8],
    bytes: &'b mut (dyn Read + Send),
    size: BlockSize,
    /// Bytes after the last block.
    rest: Vec<u8>,
    /// The beginning of a long line, which comes next.
    long: Option<Vec<u8>>,
    /// Number of lines before the next block.
    before: u64,
    /// Buffers of blocks that were read.
    spare: Spare<Vec<u8>>,
}

impl Blocks<'_> {
    /// The rest of the file, if it is small.
    fn small(&mut self) -> Result<Option<Block>> {
        let is_end = self.fill(self.size.small)?;
        let is_small = is_end && self.rest.len() < self.size.small;
        Ok(is_small.then(|| Block { bytes: std::mem::take(&mut self.rest), before: self.before }))
    }

    /// The next block; `None`: the file ends, or a long line comes next.
    fn next(&mut self, spare: &Spare<Vec<u8>>) -> Result<Option<Block>> {
        let mut len = self.size.bytes.max(1);
        loop {
            let is_end = self.fill(len)?;
            let end = if is_end { self.rest.len() } else { memrchr(b'\n', &self.rest).map_or(0, |at| at + 1) };
            if end > 0 {
                return Ok(Some(self.block(end, spare)));
            }
            if is_end {
                return Ok(None);
            }
            if self.rest.len() >= self.size.longest {
                self.long = Some(std::mem::take(&mut self.rest));
                return Ok(None);
            }
            len = (self.rest.len() + self.size.bytes.max(1)).min(self.size.longest);
        }
    }

    fn block(&mut self, end: usize, spare: &Spare<Vec<u8>>) -> Block {
        let mut next = spare.take();
        next.extend_from_slice(&self.rest[end..]);
        let mut bytes = std::mem::replace(&mut self.rest, next);
        bytes.truncate(end);
        let before = self.before;
        self.before += memchr_iter(b'\n', &bytes).count() as u64;
        Block { bytes, before }
    }

    /// Reads until there are `len` bytes, or all of the file: then `true`.
    fn fill(&mut self, len: usize) -> Result<bool> {
        let Some(more) = len.checked_sub(self.rest.len()).filter(|more| *more > 0) else { return Ok(false) };
        self.rest.reserve_exact(more);
        let read = self.bytes.take(more as u64).read_to_end(&mut self.rest).map_err(|e| failed_read(self.path, e))?;
        Ok(read < more)
    }

    /// Reads a line as a stream.
    fn long_line<V>(&mut self, begun: &[u8], reader: &dyn Reader<V>, visitor: &mut V) -> Result<()> {
        let mut stream = begun.chain(&mut *self.bytes);
        let mut line = Lines::of_one(Text::new(self.path, &mut stream), self.before);
        reader.lines(self.path, &mut line, visitor)?;
        self.rest.extend_from_slice(line.read_ahead());
        self.before += 1;
        Ok(())
    }
}
