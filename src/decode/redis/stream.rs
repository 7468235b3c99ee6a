//! Streams: one line an entry, then the terminator.

use super::findings;
use super::key::{Found, parse};
use super::merge::{Head, Merge};
use super::unit::{Place, Unit};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::Family;
use crate::format::proto::Fields;
use crate::format::redis::stream::{StreamEntry, StreamId, StreamMeta};
use crate::format::{Fault, fault};
use crate::output::unit::Growing;
use crate::report::Finding;

/// The meta, checked.
pub(super) fn base(unit: &Unit<'_, '_, '_>, found: &Found<'_>) -> Result<Option<StreamMeta>> {
    found.stream_meta.map(|row| parse(unit.set, Family::StreamMeta, &row, StreamMeta::parse)).transpose()
}

pub(super) fn id_of(set: &DataSet<'_>, head: &Head<'_>) -> Result<StreamId> {
    StreamId::from_key(head.rest).map_err(|fault| set.locate(head.row.fault(Family::StreamEntry, fault)))
}

/// What was read of a stream.
#[derive(Default)]
struct Read {
    entries: u64,
    /// Entries whose value states another ID.
    mismatched: u64,
    last: StreamId,
}

/// Writes the stream's file; gives the number of entries. Without a meta (`--include-orphans`) the entries themselves
/// give length and last ID.
pub(super) fn write<'a>(
    unit: &mut Unit<'_, 'a, '_>,
    merge: &mut Merge<'_, 'a>,
    entries: Option<usize>,
    meta: Option<StreamMeta>,
    place: &Place<'a>,
) -> Result<u64> {
    let mut file = unit.begin("streams", ".jsonl", place)?;
    let read = lines(unit.set, merge, entries, meta, place, &mut file);
    let read = unit.end("streams", place, file, read)?;
    if let Some(meta) = meta {
        unit.compare_length(&findings::STREAM_LENGTH, "observed_entries", place.key, meta.len.into(), read.entries);
    }
    if read.mismatched > 0 {
        let finding = Finding::new(&findings::STREAM_ID).with("user_key_len", place.key.len());
        unit.out.findings.add(finding.with("entries", read.mismatched).with("key", place.key));
    }
    Ok(read.entries)
}

fn lines<'a>(
    set: &DataSet<'a>,
    merge: &mut Merge<'_, 'a>,
    entries: Option<usize>,
    meta: Option<StreamMeta>,
    place: &Place<'a>,
    file: &mut Growing<'_>,
) -> Result<Read> {
    let mut read = Read::default();
    while let Some(head) = take(merge, entries, place.key)? {
        let id = id_of(set, &head)?;
        if meta.is_some_and(|meta| !meta.serves(id)) {
            continue;
        }
        let entry = parse(set, Family::StreamEntry, &head.row, StreamEntry::parse)?;
        let same = place.style.entry(id, &entry, file) || StreamId::from_text(entry.id_text) == Some(id);
        read.mismatched += u64::from(!same);
        (read.entries, read.last) = (read.entries + 1, id);
        file.spill()?;
    }
    let length = meta.map_or(read.entries.cast_signed(), |meta| meta.len);
    let last = meta.map_or(read.last, |meta| meta.last);
    place.style.terminator(length, last, place.expire_ms, file);
    Ok(read)
}

/// Counts entries that are not written; their keys are checked like all others.
pub(super) fn pass_over<'a>(
    unit: &Unit<'_, 'a, '_>,
    merge: &mut Merge<'_, 'a>,
    entries: Option<usize>,
    key: &[u8],
) -> Result<u64> {
    let mut count = 0;
    while let Some(head) = take(merge, entries, key)? {
        id_of(unit.set, &head)?;
        count += 1;
    }
    Ok(count)
}

fn take<'a>(merge: &mut Merge<'_, 'a>, entries: Option<usize>, key: &[u8]) -> Result<Option<Head<'a>>> {
    match entries {
        Some(entries) => merge.stream(entries).take(key),
        None => Ok(None),
    }
}

/// Magic of a stream blob: the old form of a whole stream.
const BLOB: &[u8; 4] = b"\0RX\x01";

/// Writes an old stream blob below `_orphans`, as a stream without meta.
pub(super) fn write_blob<'a>(unit: &mut Unit<'_, 'a, '_>, value: &'a [u8], place: &Place<'a>) -> Result<()> {
    let Ok(mut entries) = blob_entries(value) else { return Ok(()) };
    entries.sort_by_key(|(id, _)| *id);
    let mut file = unit.begin("streams", ".jsonl", place)?;
    let done = entries.iter().try_for_each(|(id, entry)| {
        place.style.entry(*id, entry, &mut file);
        file.spill()
    });
    let last = entries.last().map(|(id, _)| *id).unwrap_or_default();
    place.style.terminator(entries.len() as i64, last, place.expire_ms, &mut file);
    unit.end("streams", place, file, done)
}

/// The server never reads these blobs, so one that cannot be parsed is no damage: it is only reported.
fn blob_entries(value: &[u8]) -> fault::Result<Vec<(StreamId, StreamEntry<'_>)>> {
    let mut all = Vec::new();
    let message = if value.is_empty() { value } else { value.strip_prefix(BLOB).ok_or(Fault::Value("no magic"))? };
    let mut fields = Fields::new(message);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            let entry = StreamEntry::from_message(field.bytes()?)?;
            let id = StreamId::from_text(entry.id_text).ok_or(Fault::Value("an ID is not <ms>-<seq>"))?;
            all.push((id, entry));
        }
    }
    Ok(all)
}
