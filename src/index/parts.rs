//! The index of a Pebble stream, computed by all threads.
//!
//! Entries have no marks between them, so one thread moves over the frames and cuts the file into parts. The others check the parts, and
//! their checksums while the bytes are in cache. If enough parts wait, the first thread helps. Parts are joined in file order; then the
//! facts that a part cannot know (which keys were open before it) are added.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard};

use super::pass::{End, Pass};
use super::{Checkpoints, Granularity, Holes, View};
use crate::error::{Error, Result};
use crate::format::frame;
use crate::source::Source;
use crate::source::crc::Crc;
use crate::sync::{into_inner, lock, wait};

/// Maximum number of waiting parts per thread.
const WAITING: usize = 4;

/// Number of entries from which the position of the next read is guessed: neighbours often have the same length.
const AHEAD: usize = 8;
const CACHE_LINE: usize = 64;

/// Prefetches a frame header: when moving from frame to frame, nothing else hides the latency of memory.
#[inline(always)]
fn warm(file: &[u8], at: usize) {
    if let Some([first, .., second]) = file.get(at..at + CACHE_LINE + 1) {
        std::hint::black_box(*first ^ *second);
    }
}

/// The values that are the same for all parts.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub source: &'a Source,
    pub file: &'a [u8],
    pub view: View,
    pub granularity: Granularity,
    pub last_commit_ts: u64,
    /// Parts of the file that are left out.
    pub holes: &'a Holes,
}

/// A run of entries.
struct Part<'a> {
    number: usize,
    bytes: Range<usize>,
    /// The raw key before it.
    previous_key: Option<&'a [u8]>,
}

/// A checked part and the checksum of its bytes.
type Checked<'a> = Result<(Pass<'a>, Crc)>;

struct State<'a> {
    waiting: VecDeque<Part<'a>>,
    /// No more parts will come.
    cut: bool,
    checked: BTreeMap<usize, Checked<'a>>,
    joined: usize,
    whole: Option<(Pass<'a>, Crc)>,
    failed: Option<Error>,
}

/// Parts of the file on their way from the thread that cuts them to those that check them.
struct Parts<'a> {
    ground: Ground<'a>,
    /// The bytes before the first part, which its checksum includes.
    before: &'a [u8],
    state: Mutex<State<'a>>,
    changed: Condvar,
}

/// The result of a pass over all parts: what it found, where the rows end, and the checksum of everything before.
pub(super) type Whole<'a> = (Pass<'a>, End, Crc);

/// Checks the entries from `start` on; the checksum covers `before` and the entries.
///
/// # Errors
/// The first damage in file order.
pub(super) fn run<'a>(ground: Ground<'a>, start: usize, before: &'a [u8]) -> Result<Whole<'a>> {
    let threads = rayon::current_num_threads();
    let first = (Pass::new(ground.source, ground.file, ground.view, ground.last_commit_ts).whole(), Crc::of(b""));
    let state = State {
        waiting: VecDeque::new(),
        cut: false,
        checked: BTreeMap::new(),
        joined: 0,
        whole: Some(first),
        failed: None,
    };
    let parts = Parts { ground, before, state: Mutex::new(state), changed: Condvar::new() };
    let cut = rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| parts.serve());
        }
        let last = Last(&parts);
        let cut = parts.cut(start, threads * WAITING);
        drop(last);
        parts.serve();
        cut
    });
    let state = into_inner(parts.state);
    if let Some(error) = state.failed {
        return Err(error);
    }
    let (end, checkpoints) = cut?;
    let (mut pass, crc) = state.whole.ok_or_else(|| Error::internal("a part of the index was lost"))?;
    pass.set_checkpoints(checkpoints);
    Ok((pass, end, crc))
}

/// Says that no part follows, also if the thread that cuts panics: the others would wait for ever.
struct Last<'p, 'a>(&'p Parts<'a>);

impl Drop for Last<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().cut = true;
        self.0.changed.notify_all();
    }
}

impl<'a> Parts<'a> {
    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        lock(&self.state)
    }

    /// Cuts the file into parts, up to the end of the rows or the first broken frame.
    fn cut(&self, start: usize, most_waiting: usize) -> Result<(End, Checkpoints)> {
        let Ground { file, granularity, holes, .. } = self.ground;
        let size = (granularity.task_size / 4).max(1);
        let mut checkpoints = Checkpoints::new(granularity.checkpoint_interval);
        let first = holes.from(start, file.len());
        let mut part = Part { number: 0, bytes: first.start..first.start, previous_key: None };
        let mut last_key = None;
        // The bytes up to the next hole.
        let mut before = file.get(..first.end).unwrap_or(file);
        loop {
            let at = part.bytes.end;
            let step = frame::step(before, at);
            if let Ok(frame::Step::Entry(entry)) = &step {
                checkpoints.offer(at);
                warm(file, entry.end + AHEAD * (entry.end - at));
                part.bytes.end = entry.end;
                last_key = Some(entry.raw_key);
                if part.bytes.len() < size {
                    continue;
                }
            }
            let end = part.bytes.end;
            let next = Part { number: part.number + 1, bytes: end..end, previous_key: last_key };
            let go_on = self.offer(std::mem::replace(&mut part, next), most_waiting);
            match step {
                Ok(frame::Step::Entry(_)) if go_on => {}
                Ok(frame::Step::End) if go_on && before.len() < file.len() => {
                    let behind = holes.from(at, file.len());
                    part.bytes = behind.start..behind.start;
                    before = file.get(..behind.end).unwrap_or(file);
                }
                Ok(frame::Step::Footer) => return Ok((End { at, footer: true }, checkpoints)),
                Ok(_) => return Ok((End { at, footer: false }, checkpoints)),
                Err(fault) => return Err(Error::from(fault).at(at)),
            }
        }
    }

    /// Passes a part to the other threads; `false`: the rest need not be read.
    fn offer(&self, part: Part<'a>, most_waiting: usize) -> bool {
        let mut state = self.lock();
        state.waiting.push_back(part);
        self.changed.notify_one();
        while state.waiting.len() > most_waiting
            && let Some(part) = state.waiting.pop_front()
        {
            drop(state);
            self.work(&part);
            state = self.lock();
        }
        state.failed.is_none()
    }

    fn serve(&self) {
        loop {
            let mut state = self.lock();
            let part = loop {
                if let Some(part) = state.waiting.pop_front() {
                    break part;
                }
                if state.cut {
                    return;
                }
                state = wait(&self.changed, state);
            };
            drop(state);
            self.work(&part);
        }
    }

    fn work(&self, part: &Part<'a>) {
        let checked = self.check(part);
        let mut state = self.lock();
        state.checked.insert(part.number, checked);
        state.join();
    }

    fn check(&self, part: &Part<'a>) -> Checked<'a> {
        let Ground { source, file, view, last_commit_ts, .. } = self.ground;
        let mut pass = Pass::new(source, file, view, last_commit_ts);
        pass.pebble(part.bytes.clone(), part.previous_key)?;
        let bytes = &source.stored()[part.bytes.clone()];
        let crc = if part.number == 0 { Crc::of_all([self.before, bytes].into_iter()) } else { Crc::of(bytes) };
        Ok((pass, crc))
    }
}

impl State<'_> {
    /// Joins the parts that are next in order.
    fn join(&mut self) {
        while let Some(checked) = self.checked.remove(&self.joined) {
            self.joined += 1;
            match (checked, &mut self.whole) {
                (Ok((part, part_crc)), Some((whole, crc))) => {
                    whole.absorb(part);
                    crc.append(part_crc);
                }
                (Err(error), Some(_)) => {
                    // What comes after the first damage does not count.
                    self.failed = Some(error);
                    self.whole = None;
                    self.waiting.clear();
                }
                _ => {}
            }
        }
    }
}
