//! The threads that unpack a bundle.

use std::sync::{Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};

use super::out::{Out, Part, Stopped};
use super::plan::{Item, Plan, Run, Task};
use crate::format::sst::SstFault;
use crate::format::sst::block::{Handle, Payload};
use crate::format::sst::bundle::File;
use crate::format::sst::row::{Row, Rows, TRAILER};
use crate::source::crc::Crc;
use crate::sync::lock;

/// Bytes that are hashed at once, while they are in cache for the checksum.
const TOGETHER: usize = 64 << 10;
/// Size of an inflated block from which a thread waits until no other thread has such a block.
const BIG: usize = 8 << 20;

/// What all threads share.
pub(super) struct Work<'w, 'a> {
    pub plan: Mutex<Plan<'a>>,
    pub out: &'w Out<'a>,
    /// Whether a broken block costs only its rows.
    pub lenient: bool,
}

/// Memory that a thread reuses.
#[derive(Default)]
struct Room {
    inflated: Vec<u8>,
    key: Vec<u8>,
}

enum Stop {
    Fault(SstFault),
    Stopped,
}

impl From<SstFault> for Stop {
    fn from(fault: SstFault) -> Stop {
        Stop::Fault(fault)
    }
}

impl From<Stopped> for Stop {
    fn from(_: Stopped) -> Stop {
        Stop::Stopped
    }
}

impl<'a> Work<'_, 'a> {
    /// Works until nothing is left.
    pub fn serve(&self) {
        let (mut room, mut buffer) = (Room::default(), Vec::new());
        loop {
            let task = self.plan().next();
            match task {
                None => return,
                Some(Task::Hash(file, table)) => self.hash(file, table),
                Some(Task::Run(run)) => match self.run(&run, &mut room, buffer) {
                    Ok(used) => buffer = used,
                    Err(Stopped) => return self.plan().end(),
                },
            }
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan<'a>> {
        lock(&self.plan)
    }

    fn hash(&self, file: usize, table: &[u8]) {
        let mut sha256 = Sha256::new();
        let crc = Crc::of_all(table.chunks(TOGETHER).inspect(|bytes| sha256.update(bytes)));
        let listed = self.out.files.get(file).map(|listed| listed.sha256);
        let wrong = listed != Some(sha256.finalize().into());
        if wrong && !self.lenient {
            self.plan().end_with(file);
        }
        self.out.hashed(file, crc, wrong.then_some(SstFault::FileHash));
    }

    /// Unpacks a run of blocks. In a strict run, everything after the first fault is ignored.
    fn run(&self, run: &Run<'a>, room: &mut Room, buffer: Vec<u8>) -> Result<Vec<u8>, Stopped> {
        let mut part = Part::new(self.out, run.number, run.file, buffer);
        let mut blocks = 0;
        for item in &run.items {
            match item {
                Item::Fault(at, missing) => part.fault(*at, missing.as_ref().map(|place| run.separator(place))),
                Item::Block(handle, separator) => {
                    let first = run.first && blocks == 0;
                    blocks += 1;
                    let mark = part.mark();
                    match self.block(run.table, *handle, first, &mut part, room) {
                        Ok(()) => part.block(mark, handle.offset),
                        Err(Stop::Stopped) => return Err(Stopped),
                        Err(Stop::Fault(fault)) => {
                            part.back_to(mark);
                            // The last separator of a table may be larger than all its keys.
                            let largest = self.listed(run.file).map_or(&[][..], |file| &file.largest);
                            part.fault(fault.at(handle.offset), Some(run.separator(separator).min(largest)));
                            room.key.clear();
                        }
                    }
                }
            }
            if !self.lenient && part.has_faults() {
                self.plan().end();
                break;
            }
        }
        if let (Some(_), Some(Item::Block(handle, _))) = (&run.end, run.items.last())
            && let Some(last) = room.key.len().checked_sub(TRAILER).and_then(|len| room.key.get(..len))
            && self.listed(run.file).is_none_or(|file| file.largest != last)
        {
            part.fault(SstFault::KeyBound("last").at(handle.offset), None);
        }
        part.finish(run.end)
    }

    fn listed(&self, file: usize) -> Option<&'a File> {
        self.out.files.get(file)
    }

    /// Unpacks a block; the last key stays in `room`.
    fn block(
        &self,
        table: &[u8],
        handle: Handle,
        first: bool,
        part: &mut Part<'_, 'a>,
        room: &mut Room,
    ) -> Result<(), Stop> {
        let payload = Payload::parse(handle.of(table)?)?;
        let big = matches!(payload, Payload::Snappy(_)) && payload.inflated_len()? > BIG;
        if big {
            part.take_turn()?;
        }
        let mut rows = Rows::new(payload.inflate(&mut room.inflated)?, &mut room.key)?;
        let before = part.counted.entries;
        while let Some(Row { raw_key, raw_value }) = rows.next()? {
            if first
                && part.counted.entries == before
                && self.listed(part.file).is_none_or(|file| file.smallest != raw_key)
            {
                part.fault(SstFault::KeyBound("first").at(handle.offset), None);
            }
            part.row(raw_key, raw_value)?;
        }
        if part.counted.entries == before {
            return Err(SstFault::Block("it has no rows").into());
        }
        if big {
            room.inflated = Vec::new();
        }
        Ok(())
    }
}
