//! Decides which blocks are unpacked next: the tables of a bundle in order, each cut into runs of blocks.
//!
//! The index of a table lists its blocks. If the index is damaged, blocks are found one after the other by their checksums
//! ([`block::find`]).

use std::ops::Range;

use super::scan::Scan;
use crate::format::sst::block::Handle;
use crate::format::sst::bundle::File;
use crate::format::sst::table::{Footer, Index, Properties, Table, payload_of};
use crate::format::sst::{At, SstFault, row};

/// Maximum number of items of a run, which bounds those without block bytes.
const MOST_ITEMS: usize = 1 << 12;

/// The next task of a thread.
pub(super) enum Task<'a> {
    /// Hash a file.
    Hash(usize, &'a [u8]),
    /// Unpack a run of blocks.
    Run(Run<'a>),
}

/// Consecutive blocks of one table.
pub(super) struct Run<'a> {
    /// Number from 0 in the whole bundle.
    pub number: usize,
    /// The file of the bundle.
    pub file: usize,
    /// The table, or the part of it that exists.
    pub table: &'a [u8],
    pub items: Vec<Item>,
    /// Bytes of the separators of the blocks.
    separators: Vec<u8>,
    /// Whether the first block is the first of the table.
    pub first: bool,
    /// What the table says about itself, after its last block.
    pub end: Option<Option<Properties>>,
}

pub(super) enum Item {
    /// A block of rows, with the place of a raw key that is not smaller than any of its keys.
    Block(Handle, Range<usize>),
    /// A fault in the index blocks. `None`: it loses no rows.
    Fault(At, Option<Range<usize>>),
}

impl Run<'_> {
    /// The raw key at such a place, which is not smaller than any key of the block.
    pub fn separator(&self, place: &Range<usize>) -> &[u8] {
        self.separators.get(place.clone()).unwrap_or_default()
    }
}

/// The files of a bundle.
pub(super) struct Plan<'a> {
    files: &'a [File],
    /// The bytes after the manifest.
    rest: &'a [u8],
    /// Bytes of blocks in a run.
    size: usize,
    next_file: usize,
    runs: usize,
    open: Option<Open<'a>>,
    /// The last file to work on.
    last: usize,
}

/// The table that is being cut into runs.
struct Open<'a> {
    file: usize,
    table: &'a [u8],
    /// Blocks of the index, upper level first, each with the minimum position of the next one.
    upper: Option<(Index, u64)>,
    lower: Option<Index>,
    /// Position of the index block that is being read, for messages.
    lower_at: u64,
    /// Position of the next block.
    expected: u64,
    /// Whether that is only a minimum.
    after_loss: bool,
    scan: Scan<'a>,
    properties: Option<Properties>,
    /// The next item.
    pending: Option<Item>,
    first: bool,
}

impl<'a> Plan<'a> {
    pub fn new(files: &'a [File], rest: &'a [u8], size: usize) -> Plan<'a> {
        Plan { files, rest, size, next_file: 0, runs: 0, open: None, last: usize::MAX }
    }

    /// Leaves out all files after this one.
    pub fn end_with(&mut self, file: usize) {
        self.last = self.last.min(file);
    }

    /// Leaves out everything that was not returned yet.
    pub fn end(&mut self) {
        (self.open, self.next_file) = (None, self.files.len());
    }

    /// The next task: the hash of a file comes before its blocks.
    pub fn next(&mut self) -> Option<Task<'a>> {
        if self.open.is_none() {
            let file = self.next_file;
            let size = self.files.get(file).filter(|_| file <= self.last)?.size;
            self.next_file += 1;
            let size = usize::try_from(size).unwrap_or(usize::MAX).min(self.rest.len());
            let (table, rest) = self.rest.split_at(size);
            self.rest = rest;
            self.open = Some(Open::new(file, table, self.files[file].size));
            return Some(Task::Hash(file, table));
        }
        self.run().map(Task::Run)
    }

    fn run(&mut self) -> Option<Run<'a>> {
        let open = self.open.as_mut()?;
        let mut run = Run {
            number: self.runs,
            file: open.file,
            table: open.table,
            items: Vec::new(),
            separators: Vec::new(),
            first: std::mem::take(&mut open.first),
            end: None,
        };
        let mut bytes = 0;
        while bytes < self.size && run.items.len() < MOST_ITEMS {
            match open.next(&mut run.separators, &self.files[open.file].largest) {
                Some(item) => {
                    if let Item::Block(handle, _) = &item {
                        bytes += handle.len as usize;
                    }
                    run.items.push(item);
                }
                None => {
                    run.end = Some(open.properties);
                    break;
                }
            }
        }
        if run.end.is_some() {
            self.open = None;
        }
        self.runs += 1;
        Some(run)
    }
}

impl<'a> Open<'a> {
    fn new(file: usize, table: &'a [u8], size: u64) -> Open<'a> {
        let mut open = Open {
            file,
            table,
            upper: None,
            lower: None,
            lower_at: 0,
            expected: 0,
            after_loss: false,
            scan: Scan::new(table),
            properties: None,
            pending: None,
            first: true,
        };
        let parsed = match table.len() as u64 == size {
            true => Table::parse(table),
            false => Err(SstFault::Truncated("a file of it").into()),
        };
        match parsed {
            Ok(Table { index, index_at, properties }) => {
                open.properties = Some(properties);
                open.scan.end_at(index_at);
                match properties.partitions {
                    Some(_) => open.upper = Some((index, 0)),
                    None => (open.lower, open.lower_at) = (Some(index), index_at),
                }
            }
            Err(at) => {
                open.pending = Some(Item::Fault(at, None));
                if let Ok(Footer { index, .. }) = Footer::parse(table) {
                    open.scan.end_before(index.offset);
                }
                open.scan.begin(0);
            }
        }
        open
    }

    fn next(&mut self, separators: &mut Vec<u8>, largest: &[u8]) -> Option<Item> {
        if let Some(item) = self.pending.take() {
            return Some(item);
        }
        loop {
            if self.scan.is_on() {
                match self.scan.next() {
                    Some(Ok(handle)) => return Some(Item::Block(handle, stored(separators, largest))),
                    Some(Err(at)) => {
                        (self.expected, self.after_loss) = (self.scan.position(), true);
                        return Some(Item::Fault(at, Some(stored(separators, largest))));
                    }
                    None => (self.expected, self.after_loss) = (self.scan.position(), true),
                }
                continue;
            }
            let Some(index) = &mut self.lower else {
                if let Some(item) = self.partition()? {
                    return Some(item);
                }
                continue;
            };
            match index.next() {
                // A scan has found this block already.
                Ok(Some((_, handle))) if self.after_loss && handle.offset < self.expected => {}
                Ok(Some((separator, handle))) if handle.of(self.table).is_ok() && handle.offset >= self.expected => {
                    let jumps = handle.offset > self.expected && !self.after_loss;
                    let place = stored(separators, raw(separator));
                    (self.expected, self.after_loss) = (handle.end(), false);
                    if jumps {
                        let fault = SstFault::Handle("it has unused bytes between two blocks");
                        self.pending = Some(Item::Block(handle, place.clone()));
                        return Some(Item::Fault(fault.at(self.lower_at), Some(place)));
                    }
                    return Some(Item::Block(handle, place));
                }
                Ok(Some((_, handle))) => {
                    let fault = handle
                        .of(self.table)
                        .err()
                        .unwrap_or(SstFault::Handle("its block does not follow the one before it"));
                    return Some(self.broken(fault.at(self.lower_at)));
                }
                Ok(None) => {
                    self.lower = None;
                    self.upper.as_ref()?;
                }
                Err(fault) => return Some(self.broken(fault.at(self.lower_at))),
            }
        }
    }

    /// Continues without the block of the index that is being read.
    fn broken(&mut self, at: At) -> Item {
        self.lower = None;
        self.scan.begin(self.expected);
        Item::Fault(at, None)
    }

    /// Opens the next lower block of the index. `None`: there is none. Otherwise its fault, if it has one.
    #[allow(clippy::option_option)]
    fn partition(&mut self) -> Option<Option<Item>> {
        let (upper, least) = self.upper.as_mut()?;
        let found = match upper.next() {
            Ok(None) => {
                self.upper = None;
                return None;
            }
            Ok(Some((_, handle))) if handle.offset >= *least => {
                if *least == 0 {
                    self.scan.end_at(handle.offset);
                }
                *least = handle.end();
                self.lower_at = handle.offset;
                payload_of(self.table, handle)
                    .and_then(|payload| Index::parse(payload).map_err(|fault| fault.at(handle.offset)))
            }
            Ok(Some(_)) => {
                self.upper = None;
                Err(SstFault::Handle("its block does not follow the one before it").into())
            }
            Err(fault) => {
                self.upper = None;
                Err(fault.into())
            }
        };
        Some(match found {
            Ok(index) => {
                self.lower = Some(index);
                None
            }
            Err(at) => Some(self.broken(at)),
        })
    }
}

/// A separator without its trailer.
fn raw(separator: &[u8]) -> &[u8] {
    separator.len().checked_sub(row::TRAILER).and_then(|len| separator.get(..len)).unwrap_or_default()
}

fn stored(separators: &mut Vec<u8>, separator: &[u8]) -> Range<usize> {
    let start = separators.len();
    separators.extend_from_slice(separator.get(..=super::places::BOUND).unwrap_or(separator));
    start..separators.len()
}
