//! One forward pass over a file: checks that it is intact, counts its content, and records positions.
//!
//! The index checks framing, limits, key order, value headers and the checksum, so that every later stage can rely on them. It stores
//! family segments and a checkpoint every few KiB; it allocates per segment and checkpoint, never per row.

pub mod checkpoints;
pub mod counts;
mod decrypt;
mod holes;
mod moments;
mod order;
mod parts;
mod pass;
mod prefix_stack;
mod recover;
pub mod saved;
mod sealed;
mod search;
pub mod staged;

use std::ops::Range;

pub use checkpoints::Checkpoints;
pub use counts::{Counts, Summary};
pub use decrypt::decrypt;
pub use holes::Holes;
pub use moments::Moments;
pub use prefix_stack::PrefixStack;
pub use sealed::{OfKey, SealedRows};

use crate::error::{Error, ErrorKind, Result};
use crate::format::header::{self, FsmHeader};
use crate::format::limits::FOOTER;
use crate::format::mvcc2::Migration;
use crate::format::sst::bundle;
use crate::format::tso::Timestamps;
use crate::format::{Family, frame, mvcc2, redis};
use crate::report::Pile;
use crate::source::crc::{self, Footer};
use crate::source::{Source, Unpacked};

/// Which version of a key is visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct View {
    /// Versions above this commit timestamp do not exist (`--as-of`); `u64::MAX` = no bound.
    pub as_of: u64,
    /// Read timestamp for the expiry of value headers (`container.md` §3.5, `rules.md` §8).
    pub read_ts: u64,
    /// Rows whose header cannot be read are skipped, and their keys are absent, instead of failing the run.
    pub lenient: bool,
}

impl View {
    /// The same without a bound on commit timestamps: for node-local rows, whose timestamps have no meaning.
    pub fn of_any_time(self) -> View {
        View { as_of: u64::MAX, ..self }
    }
}

/// Sizes of the units of work. No output depends on them: tests make them tiny, so that small inputs have many seams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granularity {
    /// Bytes between checkpoints as long as there are not too many: a look-up reads half of it on average.
    pub checkpoint_interval: usize,
    /// Bytes of one input that a range reads at once.
    pub read_size: usize,
    /// Maximum bytes of all inputs in a task.
    pub task_size: usize,
}

impl Default for Granularity {
    fn default() -> Self {
        Granularity { checkpoint_interval: 16 << 10, read_size: 256 << 10, task_size: 4 << 20 }
    }
}

impl View {
    /// Whether a version with this expiry is not expired at the read timestamp.
    #[inline]
    pub fn serves(self, expire_at: u64) -> bool {
        expire_at == 0 || expire_at > self.read_ts
    }
}

/// The kind of store stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// No stream at all: an empty store.
    Empty,
    /// `EKVPBBL1`.
    Pebble,
    /// `EKVMVCC2`.
    Mvcc2,
    /// No stream: the state of the timestamp group.
    Timestamps,
}

/// A run of rows of one family and, if keys have one, one length of the user key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The family.
    pub family: Family,
    /// Length of the Redis user key; [`MALFORMED`] if the key is too short to have one; 0 for other families.
    pub len: u32,
    /// Bytes of the file.
    pub bytes: Range<usize>,
}

/// The length for a key that has none.
pub const MALFORMED: u32 = u32::MAX;

/// Family of a key, and the length of the Redis user key in the form of a [`Segment`].
pub fn family_and_len(user_key: &[u8]) -> (Family, u32) {
    let family = Family::of(user_key);
    (family, len_in(family, user_key))
}

#[inline]
fn len_in(family: Family, user_key: &[u8]) -> u32 {
    if family.is_len_prefixed() { redis::key::user_key_len(family.suffix(user_key)).unwrap_or(MALFORMED) } else { 0 }
}

/// The result of the index.
#[derive(Debug, Clone)]
pub struct Index {
    /// The FSM header.
    pub header: FsmHeader,
    /// The kind of store stream.
    pub layout: Layout,
    /// The range of the entries.
    pub rows: Range<usize>,
    /// Newest commit timestamp according to the store.
    pub last_commit_ts: u64,
    /// History below this timestamp may be compacted away; 0 = complete.
    pub min_retained_ts: u64,
    /// Raft index that the store has applied, if the file has it.
    pub applied_index: Option<u64>,
    /// Largest commit timestamp of any row.
    pub max_commit_ts: u64,
    /// Rows above `last_commit_ts`.
    pub above_last_commit: u64,
    /// The verified footer; `None` if the file has none.
    pub crc32c: Option<u32>,
    /// Whether all rows of the file can be read.
    pub is_whole: bool,
    /// Parts of `rows` that are not read.
    pub holes: Holes,
    /// Runs of rows, in file order.
    pub segments: Vec<Segment>,
    /// Positions from which reading can start.
    pub checkpoints: Checkpoints,
    /// The counts.
    pub counts: Counts,
    /// The read timestamps for which the counts are valid.
    pub moments: Moments,
    /// Encrypted rows by key.
    pub sealed: SealedRows,
}

/// The index of a file, and the skipped parts if skipping was requested.
pub type Indexed = (Index, Pile);

/// The fixed part at the start of a file.
struct Front {
    header: FsmHeader,
    layout: Layout,
    last_commit_ts: u64,
    min_retained_ts: u64,
    rows_start: usize,
    /// Parts before the rows that are not rows of a key.
    operational: u64,
}

/// Reads headers only: the commit timestamp of the store (0 if there is no stream). A bundle must be unpacked.
pub fn last_commit_ts(source: &Source) -> Result<u64> {
    front(source.bytes()).map(|f| f.last_commit_ts).map_err(|e| e.input(source.path()))
}

/// The kind of a file's store stream, and where its rows begin.
///
/// # Errors
/// What is wrong with the headers.
pub fn stream(file: &[u8]) -> Result<(Layout, usize)> {
    front(file).map(|front| (front.layout, front.rows_start))
}

/// Checks the inner checksum of an `EKVMVCC2` stream whose rows end at `end`.
///
/// # Errors
/// A checksum that does not match.
pub fn check_inner_crc(file: &[u8], end: usize) -> Result<()> {
    front(file).and_then(|front| check_mvcc2(file, front.header.len, end))
}

/// Indexes a file.
///
/// # Errors
/// The first fault. With a lenient view, only unknown headers, and an `EKVMVCC2` stream that is broken in another way than by a frame or
/// by the order.
pub fn index(source: &Source, view: View, granularity: Granularity) -> Result<Indexed> {
    if let Some(index) = saved::known(source, view, granularity) {
        return Ok((index, Pile::default()));
    }
    source.unpack(view.lenient)?;
    let result = match source.unpacked() {
        // Missing rows cannot be detected in the stream.
        Some(unpacked) if unpacked.has_missing() => {
            front(source.bytes()).and_then(|f| recovered(source, &f, view, granularity))
        }
        _ => of_stream(source, view, granularity),
    };
    let (mut index, mut lost) = result.map_err(|error| source.locate(error))?;
    for loss in source.unpacked().iter().flat_map(|unpacked| unpacked.lost()) {
        index.is_whole = false;
        lost.push(loss?);
    }
    Ok((index, lost))
}

fn of_stream(source: &Source, view: View, granularity: Granularity) -> Result<Indexed> {
    match one_pass(source, source.bytes(), view, granularity) {
        Ok((passed, footer)) => check_footer(source, passed, footer, view.lenient),
        Err(error) if view.lenient => salvage(source, error, view, granularity),
        Err(error) => Err(with_footer(error, source)),
    }
}

/// Indexes what can be read of a damaged file.
fn salvage(source: &Source, error: Error, view: View, granularity: Granularity) -> Result<Indexed> {
    // If the headers of a file are unknown, there is nothing to skip to.
    let front = front(source.bytes())?;
    match front.layout {
        Layout::Pebble => recovered(source, &front, view, granularity),
        _ => before_break(source, error, view, granularity),
    }
}

/// Indexes a stream without its damaged parts.
fn recovered(source: &Source, front: &Front, view: View, granularity: Granularity) -> Result<Indexed> {
    let (file, mut lost) = (source.bytes(), Pile::default());
    let mut missing = source.unpacked().into_iter().flat_map(Unpacked::missing);
    let ground =
        recover::Ground { file: source.stored(), start: front.rows_start, as_of: view.as_of, missing: &mut missing };
    let recovered = recover::recover(ground, &mut |error| lost.add(source.locate(error)))?;
    let recover::Recovered { holes, end, footer } = recovered;
    let mut crc32c = None;
    if let Some(footer) = source.footer(|| Footer::of(source.stored()).filter(|_| footer)) {
        match footer.matches() {
            true => crc32c = Some(footer.stored),
            false => lost.add(source.locate(footer.mismatch().at(file.len().saturating_sub(FOOTER)))),
        }
    }
    let last_commit_ts = front.last_commit_ts;
    let ground = parts::Ground { source, file: &file[..end], view, granularity, last_commit_ts, holes: &holes };
    let (pass, ..) = parts::run(ground, front.rows_start, b"")?;
    let (index, passed_over) = pass.finish();
    lost.append(passed_over);
    let index = of_front(index, front, front.rows_start..end);
    Ok((Index { crc32c, is_whole: false, holes, ..index }, lost))
}

/// Indexes the part before a broken entry of an `EKVMVCC2` stream: nothing is searched for after it.
fn before_break(source: &Source, mut error: Error, view: View, granularity: Granularity) -> Result<Indexed> {
    let file = source.bytes();
    let mut end = file.len();
    loop {
        match break_of(&error).filter(|at| *at < end) {
            Some(at) => end = at,
            None => return Err(with_footer(error, source)),
        }
        match one_pass(source, &file[..end], view, granularity) {
            Ok(((mut index, mut lost), _)) => {
                index.is_whole = false;
                let (why, bytes) = (error.reason(), (file.len() - end) as u64);
                let rest = Error::new(ErrorKind::RestLost { why, bytes }).at(end).row_of(&error);
                lost.add(rest.input(source.path()));
                return Ok((index, lost));
            }
            Err(earlier) => error = earlier,
        }
    }
}

/// The position at which the chain of entries breaks, if the error is about that.
fn break_of(error: &Error) -> Option<usize> {
    use ErrorKind::{KeyOrder, KeyTooLarge, Truncated, ValueTooLarge};
    let breaks = matches!(error.kind(), KeyOrder | KeyTooLarge(_) | ValueTooLarge(_) | Truncated("an entry"));
    breaks.then(|| error.offset()).flatten().and_then(|at| usize::try_from(at).ok())
}

/// An index with its losses.
type Passed = (Index, Pile);

/// Indexes a file, or the part before a break. Returns the footer too, if one follows the rows.
fn one_pass(source: &Source, file: &[u8], view: View, granularity: Granularity) -> Result<(Passed, Option<Footer>)> {
    let front = front(file)?;
    let (start, last_commit_ts) = (front.rows_start, front.last_commit_ts);
    let (none, mut torn) = (Holes::default(), None);
    let (pass, end, footer) = match front.layout {
        Layout::Pebble => {
            let (pass, end, crc) = parts::run(
                parts::Ground { source, file, view, granularity, last_commit_ts, holes: &none },
                start,
                &file[..start],
            )?;
            (pass, end, Footer::known(file, crc))
        }
        Layout::Mvcc2 => {
            let mut pass = pass::Pass::new(source, file, view, last_commit_ts).whole();
            let end = pass.mvcc2(start, granularity)?;
            match check_mvcc2(file, front.header.len, end.at) {
                Err(error) if view.lenient => torn = Some(error),
                checked => checked?,
            }
            (pass, end, Footer::of(file))
        }
        Layout::Empty | Layout::Timestamps => {
            let pass = pass::Pass::new(source, file, view, last_commit_ts);
            (pass, pass::End { at: start, footer: file.len() > start }, Footer::of(file))
        }
    };
    let (index, mut lost) = pass.finish();
    torn.into_iter().for_each(|error: Error| lost.add(error.input(source.path())));
    let footer = source.footer(|| footer.filter(|_| end.footer));
    Ok(((of_front(index, &front, start..end.at), lost), footer))
}

/// Adds the information from the start of the file.
fn of_front(mut index: Index, front: &Front, rows: Range<usize>) -> Index {
    let (header, layout, last_commit_ts) = (front.header, front.layout, front.last_commit_ts);
    let min_retained_ts = index.min_retained_ts.max(front.min_retained_ts);
    index.counts.operational += front.operational;
    Index { header, layout, last_commit_ts, min_retained_ts, rows, ..index }
}

fn check_footer(
    source: &Source,
    (mut index, mut lost): Passed,
    footer: Option<Footer>,
    lenient: bool,
) -> Result<Indexed> {
    if let Some(footer) = footer {
        let error = || footer.mismatch().at(index.rows.end);
        match footer.matches() {
            true => index.crc32c = Some(footer.stored),
            false if lenient => lost.add(source.locate(error())),
            false => return Err(error()),
        }
    }
    Ok((index, lost))
}

/// Only a file that begins like a server's own must end in a footer: then a mismatch is added to the error.
fn with_footer(error: Error, source: &Source) -> Error {
    let is_servers = source.bytes().starts_with(b"EKVTHLC");
    match source.footer(|| Footer::of(source.stored())).filter(|footer| is_servers && !footer.matches()) {
        Some(footer) => error.also(footer.mismatch()),
        None => error,
    }
}

fn front(file: &[u8]) -> Result<Front> {
    if file.is_empty() {
        return Err(Error::new(ErrorKind::EmptyFile));
    }
    let mut front = Front {
        header: FsmHeader::default(),
        layout: Layout::Empty,
        last_commit_ts: 0,
        min_retained_ts: 0,
        rows_start: 0,
        operational: 0,
    };
    if is_timestamps(file) {
        // Everything is before the rows, and there are no rows.
        (front.layout, front.rows_start) = (Layout::Timestamps, file.len() - FOOTER);
        return Ok(front);
    }
    front.header = header::parse(file).map_err(|fault| Error::from(fault).at(0))?;
    front.rows_start = front.header.len;
    let stream = &file[front.rows_start..];
    if stream.is_empty() || stream.len() == FOOTER {
        return Ok(front);
    }
    stream_front(stream, &mut front).map_err(|e| e.at(front.header.len))?;
    Ok(front)
}

/// Whether a file is the snapshot of the timestamp group.
fn is_timestamps(file: &[u8]) -> bool {
    Timestamps::parse(file).is_some() && Footer::of(file).is_some_and(Footer::matches)
}

fn stream_front(stream: &[u8], front: &mut Front) -> Result<()> {
    let truncated = || Error::new(ErrorKind::Truncated("the header of the store stream"));
    let Some(magic) = stream.first_chunk::<8>() else { return Err(truncated()) };
    match magic {
        frame::MAGIC => {
            let ts = stream.get(8..16).and_then(crate::format::cursor::u64_le).ok_or_else(truncated)?;
            (front.layout, front.last_commit_ts) = (Layout::Pebble, ts);
            front.rows_start += frame::STREAM_HEADER;
        }
        mvcc2::MAGIC => {
            let header = mvcc2::stream_header(stream).ok_or_else(truncated)?;
            let state = match header.version {
                1 => Migration { end: mvcc2::STREAM_HEADER, parts: 0 },
                2 => mvcc2::migration(stream)?,
                other => return Err(Error::new(ErrorKind::Mvcc2Version(other))),
            };
            (front.layout, front.last_commit_ts) = (Layout::Mvcc2, header.last_commit_ts);
            front.min_retained_ts = header.min_retained_ts;
            front.rows_start += state.end;
            front.operational = state.parts;
        }
        // The caller must unpack a bundle first.
        bundle::MAGIC => return Err(Error::internal("a bundle was not unpacked")),
        magic if magic == saved::MAGIC => return Err(Error::new(ErrorKind::PlanGiven)),
        _ => return Err(Error::new(ErrorKind::BadMagic(*magic))),
    }
    Ok(())
}

fn check_mvcc2(file: &[u8], stream_start: usize, end: usize) -> Result<()> {
    let stream = &file[stream_start..end];
    let stored = mvcc2::stream_header(stream).map_or(0, |h| h.crc);
    let computed = crc::crc32_ieee(&stream[mvcc2::CRC_FROM..]);
    if stored == computed {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Mvcc2Crc { stored, computed }).at(stream_start))
}
