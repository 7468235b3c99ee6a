//! The index of one snapshot as bytes (`plan.md` §3).
//!
//! The information at the start of the snapshot is not written: it is read from the snapshot again, and must agree.

use std::ops::Range;

use crate::format::Family;
use crate::format::wire::{self, Reader};
use crate::index::counts::{FamilyCount, MOST_PREFIXES, Unknown};
use crate::index::{Checkpoints, Counts, Granularity, Holes, Index, Layout, Moments, SealedRows, Segment};
use crate::source::crc::crc32c;

/// Maximum number of segments that are written or read. Usual snapshots have a few thousand.
const MOST_SEGMENTS: usize = 1 << 20;

/// Changes if families are added or moved, because their numbers then have another meaning.
pub(super) fn families() -> u32 {
    let names: Vec<u8> = Family::ALL.iter().flat_map(|family| [family.prefix().as_bytes(), b"\0"].concat()).collect();
    crc32c(&names)
}

/// Whether an index can be saved completely: damaged and encrypted snapshots are indexed again each time.
pub(super) fn can_be_saved(index: &Index) -> bool {
    index.is_whole && index.holes.count() == 0 && index.sealed.is_empty() && index.segments.len() <= MOST_SEGMENTS
}

/// Appends an index that was made for a moment and with a granularity; of its checkpoints only each `every`-th.
pub(super) fn encode(index: &Index, (as_of, granularity): (u64, Granularity), every: usize, out: &mut Vec<u8>) {
    let Index { layout, rows, checkpoints, counts, moments, .. } = index;
    wire::number(as_of, out);
    out.push(layout_number(*layout));
    let numbers = [
        granularity.checkpoint_interval as u64,
        rows.start as u64,
        rows.end as u64,
        index.last_commit_ts,
        index.min_retained_ts,
        index.max_commit_ts,
        index.above_last_commit,
        moments.last_absent,
        moments.first_present,
    ];
    numbers.iter().for_each(|n| wire::number(*n, out));
    optional(index.applied_index, out);
    optional(index.crc32c.map(u64::from), out);
    encode_counts(counts, out);
    encode_segments(&index.segments, out);
    let positions = checkpoints.positions().iter().step_by(every);
    wire::number((checkpoints.spacing() * every) as u64, out);
    wire::number(positions.len() as u64, out);
    let mut last = rows.start;
    for at in positions {
        wire::number((at - last) as u64, out);
        last = *at;
    }
}

fn optional(n: Option<u64>, out: &mut Vec<u8>) {
    out.push(u8::from(n.is_some()));
    n.into_iter().for_each(|n| wire::number(n, out));
}

fn encode_counts(counts: &Counts, out: &mut Vec<u8>) {
    wire::number(counts.operational, out);
    wire::number(counts.families().count() as u64, out);
    for (family, count) in counts.families() {
        out.push(family as u8);
        let FamilyCount { rows, tombstones, live, bytes, live_bytes, unordered } = count;
        [rows, tombstones, live, bytes, live_bytes].iter().for_each(|n| wire::number(*n, out));
        out.push(u8::from(unordered));
    }
    wire::number(counts.unknown.len() as u64, out);
    for (prefix, Unknown { rows, example, offset }) in &counts.unknown {
        wire::bytes(prefix, out);
        wire::number(*rows, out);
        wire::bytes(example, out);
        wire::number(*offset, out);
    }
}

fn encode_segments(segments: &[Segment], out: &mut Vec<u8>) {
    wire::number(segments.len() as u64, out);
    let mut last = 0;
    for Segment { family, len, bytes } in segments {
        out.push(*family as u8);
        // A key that is too short for a length has the largest one.
        wire::number(u64::from(len.wrapping_add(1)), out);
        wire::number((bytes.start - last) as u64, out);
        wire::number(bytes.len() as u64, out);
        last = bytes.end;
    }
}

/// An index, with the moment and the distance of checkpoints that it was made with; `None` if the bytes do not match the snapshot.
pub(super) fn decode(bytes: &[u8], file: &[u8]) -> Option<(Index, u64, usize)> {
    let mut reader = Reader::new(bytes);
    let as_of = reader.number()?;
    let layout = layout_of(reader.byte()?)?;
    let interval = reader.size()?;
    let rows = reader.size()?..reader.size()?;
    let [last_commit_ts, min_retained_ts, max_commit_ts, above_last_commit, last_absent, first_present] =
        numbers(&mut reader)?;
    let applied_index = decode_optional(&mut reader)?;
    let crc32c = decode_optional(&mut reader)?.map(u32::try_from).transpose().ok()?;
    let counts = decode_counts(&mut reader, file.len() as u64)?;
    let segments = decode_segments(&mut reader, &rows)?;
    let checkpoints = decode_checkpoints(&mut reader, &rows)?;
    let front = super::super::front(file).ok()?;
    let says = (front.layout, front.rows_start, front.last_commit_ts);
    let agrees = says == (layout, rows.start, last_commit_ts) && reader.is_empty() && ends(file, &rows, crc32c);
    let (header, moments) = (front.header, Moments { last_absent, first_present });
    let index = Index {
        header,
        layout,
        rows,
        last_commit_ts,
        min_retained_ts,
        applied_index,
        max_commit_ts,
        above_last_commit,
        crc32c,
        is_whole: true,
        holes: Holes::default(),
        segments,
        checkpoints,
        counts,
        moments,
        sealed: SealedRows::default(),
    };
    agrees.then_some((index, as_of, interval))
}

/// Whether a file ends as its index says: with its rows, or with a footer after them.
fn ends(file: &[u8], rows: &Range<usize>, crc32c: Option<u32>) -> bool {
    let Some(behind) = file.get(rows.end..).filter(|_| rows.start <= rows.end) else { return false };
    match crc32c {
        Some(stored) => behind == stored.to_be_bytes(),
        None => behind.is_empty(),
    }
}

fn numbers<const N: usize>(reader: &mut Reader<'_>) -> Option<[u64; N]> {
    let mut all = [0; N];
    for n in &mut all {
        *n = reader.number()?;
    }
    Some(all)
}

fn decode_optional(reader: &mut Reader<'_>) -> Option<Option<u64>> {
    if reader.flag()? { reader.number().map(Some) } else { Some(None) }
}

fn family(reader: &mut Reader<'_>) -> Option<Family> {
    Family::ALL.get(usize::from(reader.byte()?)).copied()
}

/// Counts of a file of `len` bytes.
fn decode_counts(reader: &mut Reader<'_>, len: u64) -> Option<Counts> {
    let mut counts = Counts::new();
    counts.operational = reader.number().filter(|n| *n <= len)?;
    for _ in 0..reader.count()? {
        let family = family(reader)?;
        let [rows, tombstones, live, bytes, live_bytes] = numbers(reader)?;
        let unordered = reader.flag()?;
        // Sums of numbers that do not exceed the file do not overflow.
        if rows > bytes || tombstones > rows || live > rows || live_bytes > bytes || bytes > len {
            return None;
        }
        *counts.family_mut(family) = FamilyCount { rows, tombstones, live, bytes, live_bytes, unordered };
    }
    for _ in 0..reader.count().filter(|n| *n <= MOST_PREFIXES + 1)? {
        let (prefix, rows) = (reader.bytes()?.to_vec(), reader.number()?);
        let (example, offset) = (reader.bytes()?.to_vec(), reader.number()?);
        if rows.max(offset) > len {
            return None;
        }
        counts.unknown.insert(prefix, Unknown { rows, example, offset });
    }
    Some(counts)
}

fn decode_segments(reader: &mut Reader<'_>, rows: &Range<usize>) -> Option<Vec<Segment>> {
    let (mut segments, mut last) = (Vec::new(), 0_usize);
    for _ in 0..reader.count().filter(|n| *n <= MOST_SEGMENTS)? {
        let (family, len) = (family(reader)?, u32::try_from(reader.number()?).ok()?.wrapping_sub(1));
        let start = last.checked_add(reader.size()?)?;
        last = start.checked_add(reader.size()?)?;
        if start < rows.start || last > rows.end {
            return None;
        }
        segments.push(Segment { family, len, bytes: start..last });
    }
    Some(segments)
}

fn decode_checkpoints(reader: &mut Reader<'_>, rows: &Range<usize>) -> Option<Checkpoints> {
    let spacing = reader.size()?.max(1);
    let n = reader.count()?;
    let (mut positions, mut last) = (Vec::with_capacity(n), rows.start);
    for i in 0..n {
        let ahead = reader.size()?;
        last = last.checked_add(ahead)?;
        if last >= rows.end || (i > 0 && ahead == 0) {
            return None;
        }
        positions.push(last);
    }
    Checkpoints::known(positions, spacing)
}

fn layout_number(layout: Layout) -> u8 {
    match layout {
        Layout::Empty => 0,
        Layout::Pebble => 1,
        Layout::Mvcc2 => 2,
        Layout::Timestamps => 3,
    }
}

fn layout_of(number: u8) -> Option<Layout> {
    [Layout::Empty, Layout::Pebble, Layout::Mvcc2, Layout::Timestamps].get(usize::from(number)).copied()
}
