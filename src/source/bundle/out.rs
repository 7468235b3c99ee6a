//! The stream that a bundle is unpacked to, which all threads write.
//!
//! The length of a run of blocks is known only after it is unpacked. So each run has its turn: then it learns its start, gives the next run
//! its start, and writes its bytes while the others continue. A run that holds too many bytes waits for its turn at once, and keeps the
//! turn until it is done.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard};

use rustix::fs::fstatvfs;

use super::places;
use crate::error::{Error, Result, SstPlace};
use crate::format::sst::bundle::File as Listed;
use crate::format::sst::table::Properties;
use crate::format::sst::{At, SstFault};
use crate::report::Pile;
use crate::source::crc::Crc;
use crate::sync::{into_inner, lock, wait};

/// Maximum bytes that a run holds.
const HELD: usize = 4 << 20;

/// Maximum size of the stream.
///
/// Neighbouring keys share their beginning, so a few bytes of a block can expand to a row of a megabyte. The numbers in the manifest bound
/// how much is written: the larger they are, the more space must be free at the start.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// Bytes of the rows according to the manifest; 0 if it cannot be trusted.
    pub told: u64,
    /// Maximum bytes that are written.
    pub most: u64,
}

impl Room {
    /// Checks that the file system of the stream has enough space.
    fn check(self, name: &Path, stream: &File) -> Result<()> {
        let free = fstatvfs(stream).map_err(|e| Error::io("unpack", name, e))?;
        let free = free.f_bavail.saturating_mul(free.f_frsize);
        if self.told <= free {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{} is a bundle whose rows take {} bytes, but only {free} are free in {}: set TMPDIR to a directory with more room",
            name.display(),
            self.told,
            std::env::temp_dir().display()
        )))
    }
}

/// What all threads write to.
pub(super) struct Out<'a> {
    /// The name of the bundle.
    name: &'a Path,
    pub files: &'a [Listed],
    /// Where each file begins in the input.
    pub starts: &'a [u64],
    room: Room,
    stream: File,
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// The next run that gets its start, and that start.
    turn: usize,
    pub at: u64,
    pub places: places::Builder,
    pub gaps: places::GapBuilder,
    pub lost: Pile,
    pub any_lost: bool,
    /// The first fault, and the key that orders faults.
    pub first: Option<((usize, Rank), Error)>,
    /// Checksums of the files.
    pub crcs: Vec<Option<Crc>>,
    /// Counts of the file whose runs have their turns.
    file: Counted,
    /// Counts of all files.
    pub all: Counted,
    failed: Option<Error>,
}

/// The order in which faults of a file are reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Block,
    Hash,
    Count,
}

/// Counts of rows.
#[derive(Default, Clone, Copy)]
pub(super) struct Counted {
    pub entries: u64,
    pub key_bytes: u64,
    /// Bytes of the rows in the stream.
    pub bytes: u64,
    pub blocks: u64,
    /// Whether some could not be unpacked.
    pub broken: bool,
}

impl Counted {
    fn add(&mut self, other: Counted) {
        self.entries += other.entries;
        self.key_bytes += other.key_bytes;
        self.bytes += other.bytes;
        self.blocks += other.blocks;
        self.broken |= other.broken;
    }

    /// Bytes of values.
    pub fn value_bytes(&self) -> u64 {
        // Each key and each value comes after its length.
        self.bytes.saturating_sub(self.key_bytes + 16 * self.entries)
    }
}

/// Another thread failed: all work stops.
pub(super) struct Stopped;

impl<'a> Out<'a> {
    /// Begins the stream with these bytes.
    pub fn new(name: &'a Path, files: &'a [Listed], starts: &'a [u64], room: Room, front: &[u8]) -> Result<Out<'a>> {
        let made = tempfile::tempfile().and_then(|stream| stream.write_all_at(front, 0).map(|()| stream));
        let stream = made.map_err(|e| Error::io("unpack", name, e))?;
        room.check(name, &stream)?;
        let state = State { at: front.len() as u64, crcs: vec![None; files.len()], ..State::default() };
        Ok(Out { name, files, starts, room, stream, state: Mutex::new(state), turned: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The results, and the stream, truncated to its content.
    pub fn finish(self) -> Result<(State, File)> {
        let mut state = into_inner(self.state);
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        self.stream.set_len(state.at).map_err(|e| Error::io("unpack", self.name, e))?;
        Ok((state, self.stream))
    }

    /// Waits until the start of a run is known.
    fn turn(&self, run: usize) -> std::result::Result<u64, Stopped> {
        let mut state = self.lock();
        while state.turn != run && state.failed.is_none() {
            state = wait(&self.turned, state);
        }
        if state.failed.is_some() { Err(Stopped) } else { Ok(state.at) }
    }

    fn write(&self, bytes: &[u8], at: u64) -> std::result::Result<(), Stopped> {
        let end = at.saturating_add(bytes.len() as u64);
        if end > self.room.most {
            let fault =
                SstFault::Count { what: "uncompressed_bytes of the manifest", stated: self.room.told, found: end };
            return Err(self.fail(Error::from(fault).at(0).input(self.name)));
        }
        self.stream.write_all_at(bytes, at).map_err(|e| self.fail(Error::io("unpack", self.name, e)))
    }

    /// Stops the work of all threads.
    pub fn fail(&self, error: Error) -> Stopped {
        self.lock().failed.get_or_insert(error);
        self.turned.notify_all();
        Stopped
    }

    /// Records the checksum of a file, and a fault of the whole file.
    pub fn hashed(&self, file: usize, crc: Crc, fault: Option<SstFault>) {
        let mut state = self.lock();
        if let Some(place) = state.crcs.get_mut(file) {
            *place = Some(crc);
        }
        if let Some(fault) = fault {
            // The start of the file's rows is not known yet.
            self.note(&mut state, file, 0, fault.into(), Rank::Hash);
        }
    }

    /// Records a fault; faults of blocks come before those of their file.
    fn note(&self, state: &mut State, file: usize, position: u64, at: At, rank: Rank) {
        let start = self.starts.get(file).copied().unwrap_or_default();
        let place = SstPlace { file: file as u32, block: at.block };
        let offset = start.saturating_add(at.block.unwrap_or_default());
        let error = || Error::from(at.fault).at(position as usize).placed(offset, Some(place)).input(self.name);
        let order = (file, rank);
        if state.first.as_ref().is_none_or(|(first, _)| order < *first) {
            state.first = Some((order, error()));
        }
        state.lost.add(error());
        state.any_lost = true;
    }

    /// Compares the counts of a file with its properties.
    fn check(&self, state: &mut State, file: usize, told: Option<Properties>) {
        let counted = std::mem::take(&mut state.file);
        state.all.add(counted);
        let Some(told) = told.filter(|_| !counted.broken) else { return };
        let trailers = 8 * counted.entries;
        for (what, stated, found) in [
            ("number of data blocks", told.data_blocks, counted.blocks),
            ("number of rows", told.entries, counted.entries),
            ("size of keys", told.key_size, counted.key_bytes + trailers),
            ("size of values", told.value_size, counted.value_bytes()),
        ] {
            if stated != found {
                let fault = SstFault::Count { what, stated, found };
                self.note(state, file, state.at - 1, fault.into(), Rank::Count);
            }
        }
    }
}

/// The result of a run of blocks.
pub(super) struct Part<'o, 'a> {
    out: &'o Out<'a>,
    run: usize,
    pub file: usize,
    /// Its start in the stream, as soon as it is known.
    start: Option<u64>,
    /// Bytes that were written.
    written: u64,
    buffer: Vec<u8>,
    /// Positions and blocks.
    places: Vec<(u64, u64)>,
    gaps: Vec<(u64, Vec<u8>)>,
    faults: Vec<(u64, At)>,
    pub counted: Counted,
}

/// The state of a part at the start of a block.
#[derive(Clone, Copy)]
pub(super) struct Mark(u64, Counted);

impl<'o, 'a> Part<'o, 'a> {
    /// An empty part; the buffer is used again.
    pub fn new(out: &'o Out<'a>, run: usize, file: usize, mut buffer: Vec<u8>) -> Part<'o, 'a> {
        buffer.clear();
        let (places, gaps, faults, counted) = (Vec::new(), Vec::new(), Vec::new(), Counted::default());
        Part { out, run, file, start: None, written: 0, buffer, places, gaps, faults, counted }
    }

    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub fn mark(&self) -> Mark {
        Mark(self.position(), self.counted)
    }

    /// Adds a row.
    #[inline]
    pub fn row(&mut self, raw_key: &[u8], raw_value: &[u8]) -> std::result::Result<(), Stopped> {
        self.counted.entries += 1;
        self.counted.key_bytes += raw_key.len() as u64;
        for (part, length) in [(raw_key, raw_key.len()), (raw_value, raw_value.len())] {
            self.buffer.extend_from_slice(&(length as u64).to_le_bytes());
            if length > HELD {
                self.flush()?;
                self.out.write(part, self.start.unwrap_or_default() + self.written)?;
                self.written += length as u64;
            } else {
                self.buffer.extend_from_slice(part);
            }
        }
        if self.buffer.len() > HELD { self.flush() } else { Ok(()) }
    }

    /// Waits for the turn: only one run at a time has it.
    pub fn take_turn(&mut self) -> std::result::Result<u64, Stopped> {
        match self.start {
            Some(start) => Ok(start),
            None => Ok(*self.start.insert(self.out.turn(self.run)?)),
        }
    }

    #[cold]
    fn flush(&mut self) -> std::result::Result<(), Stopped> {
        let start = self.take_turn()?;
        self.out.write(&self.buffer, start + self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends a block of rows.
    pub fn block(&mut self, Mark(start, _): Mark, offset: u64) {
        self.counted.blocks += 1;
        self.places.push((start, offset));
    }

    /// Removes the rows of a block.
    pub fn back_to(&mut self, Mark(position, counted): Mark) {
        match position.checked_sub(self.written) {
            Some(left) => self.buffer.truncate(left as usize),
            None => {
                self.buffer.clear();
                self.written = position;
            }
        }
        self.counted = counted;
    }

    /// Records a fault; rows up to a raw key are missing, if any are.
    pub fn fault(&mut self, at: At, missing_up_to: Option<&[u8]>) {
        self.faults.push((self.position(), at));
        if let Some(bound) = missing_up_to {
            self.gaps.push((self.position(), bound.to_vec()));
            self.counted.broken = true;
        }
    }

    pub fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Gives the next run its turn and writes the rest. Returns the buffer. `end`: the file ends here, with its properties.
    pub fn finish(mut self, end: Option<Option<Properties>>) -> std::result::Result<Vec<u8>, Stopped> {
        let start = self.take_turn()?;
        let mut state = self.out.lock();
        if let Err(error) = self.join(&mut state, start) {
            drop(state);
            return Err(self.out.fail(error));
        }
        self.counted.bytes = self.position();
        state.at = start + self.position();
        state.file.add(self.counted);
        if let Some(told) = end {
            self.out.check(&mut state, self.file, told);
        }
        state.turn += 1;
        drop(state);
        self.out.turned.notify_all();
        self.out.write(&self.buffer, start + self.written)?;
        Ok(self.buffer)
    }

    fn join(&mut self, state: &mut State, start: u64) -> Result<()> {
        let file = self.out.starts.get(self.file).copied().unwrap_or_default();
        for (position, offset) in &self.places {
            state.places.push(start + position, file + offset)?;
        }
        for (position, bound) in &self.gaps {
            state.gaps.push(start + position, bound)?;
        }
        for (position, at) in std::mem::take(&mut self.faults) {
            // One before the next row, at a position where no row begins.
            self.out.note(state, self.file, start + position - 1, at, Rank::Block);
        }
        Ok(())
    }
}
