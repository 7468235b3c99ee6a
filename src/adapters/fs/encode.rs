//! Turns files and directories into rows, as the server would store them (`docs/format/fs.md` §1 and §3).
//!
//! Chunks are stored as the server stores them: without trailing zeros, and not at all if they have only zeros. The home of every inode is
//! where its data is, so that it can be written.

use crate::adapters::rows::RowSink;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Family;
use crate::format::fs::{Entry, Home, HomeState, Usage, key, number_into};
use crate::format::limits::{MAX_RAW_VALUE, VALUE_HEADER};
use crate::model::fs::{InodeVisitor, Node};

/// Gives the rows of a file system to a sink, in any order.
pub struct Encoder<S> {
    rows: S,
    usage: Usage,
    /// The current chunk: its number, and its bytes so far.
    index: u64,
    chunk: Vec<u8>,
    value: Vec<u8>,
}

impl<S: RowSink> Encoder<S> {
    /// Gives rows to `rows`.
    pub fn new(rows: S) -> Self {
        Encoder { rows, usage: Usage::default(), index: 0, chunk: Vec::new(), value: Vec::new() }
    }

    /// Completes the work after all files were given.
    ///
    /// # Errors
    /// The error of the sink.
    pub fn finish(mut self) -> Result<()> {
        if self.usage.files == 0 {
            return Ok(());
        }
        // Without it the server counts again, and refuses `statfs` after the first deletion.
        self.value.clear();
        self.usage.encode(&mut self.value)?;
        self.rows.row(&key::numbers(Family::FsUsage, &[]), &self.value)
    }

    fn row(&mut self, family: Family, number: u64) -> Result<()> {
        self.rows.row(&key::numbers(family, &[number]), &self.value)
    }

    /// Gives the current chunk, if it has bytes.
    fn put_chunk(&mut self, file: &Node) -> Result<()> {
        let len = self.chunk.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if len > 0 {
            self.usage.bytes += len as u64;
            let key = key::numbers(Family::FsChunk, &[file.inode.home_slot, file.number, self.index]);
            self.rows.row(&key, self.chunk.get(..len).unwrap_or_default())?;
        }
        self.chunk.clear();
        Ok(())
    }

    /// Adds bytes of one chunk, at an offset from its start.
    fn add(&mut self, file: &Node, within: u64, bytes: &[u8]) -> Result<()> {
        let end = within.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > MAX_RAW_VALUE - VALUE_HEADER as u64) {
            let number = file.number;
            let why =
                format!("a chunk of inode {number} has more bytes than a snapshot can hold: its chunk_size is wrong");
            return Err(Error::new(ErrorKind::Output(why)));
        }
        // The file reads as zeros there.
        self.chunk.resize(usize::try_from(within).unwrap_or(usize::MAX), 0);
        self.chunk.extend_from_slice(bytes);
        Ok(())
    }
}

impl<S: RowSink> InodeVisitor for Encoder<S> {
    fn inode(&mut self, node: &Node) -> Result<()> {
        let inode = &node.inode;
        self.usage.files += 1;
        self.value.clear();
        inode.encode(&mut self.value)?;
        self.row(Family::FsInode, node.number)?;
        self.value.clear();
        let home = Home { slot: inode.home_slot, target: 0, state: HomeState::Active, epoch: inode.epoch };
        home.encode(&mut self.value)?;
        self.row(Family::FsHome, node.number)?;
        if inode.kind.is_dir() {
            self.value.clear();
            number_into(u64::try_from(inode.ctime).unwrap_or(0), &mut self.value);
            self.row(Family::FsDirVersion, node.number)?;
        }
        Ok(())
    }

    fn name(&mut self, parent: u64, name: &[u8], node: &Node) -> Result<()> {
        self.value.clear();
        Entry { inode: node.number, kind: node.inode.kind }.encode(&mut self.value)?;
        self.rows.row(&key::entry(parent, name), &self.value)
    }

    fn content(&mut self, file: &Node, offset: u64, bytes: &[u8]) -> Result<()> {
        let (size, mut at, mut rest) = (file.inode.chunk(), offset, bytes);
        while !rest.is_empty() {
            let (index, within) = (at / size, at % size);
            if index != self.index {
                self.put_chunk(file)?;
                self.index = index;
            }
            let room = usize::try_from(size - within).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.add(file, within, now)?;
            (at, rest) = (at + now.len() as u64, later);
        }
        Ok(())
    }

    fn end_content(&mut self, file: &Node) -> Result<()> {
        self.put_chunk(file)?;
        self.index = 0;
        Ok(())
    }
}
