//! Streams.

use super::findings;
use super::key::{Found, parse};
use super::merge::{Head, KeyStream, Merge};
use super::pieces::{self, Elements};
use super::task::Task;
use crate::dataset::{DataSet, Row};
use crate::error::Result;
use crate::format::Family;
use crate::format::proto::Fields;
use crate::format::redis::stream::{IdText, StreamEntry, StreamId, StreamMeta};
use crate::format::{Fault, fault};
use crate::model::redis::{Key, StreamEnd, Visitor};
use crate::report::Finding;

/// The meta, checked.
pub(super) fn base(set: &DataSet<'_>, found: &Found<'_>) -> Result<Option<StreamMeta>> {
    found.stream_meta.map(|row| parse(set, Family::StreamMeta, &row, StreamMeta::parse)).transpose()
}

pub(super) fn id_of(set: &DataSet<'_>, head: &Head<'_>) -> Result<StreamId> {
    StreamId::from_key(head.rest).map_err(|fault| set.locate(head.row.fault(Family::StreamEntry, fault)))
}

/// What was read of a stream.
#[derive(Clone, Copy, Default)]
struct Read {
    entries: u64,
    /// Number of entries whose value states another ID.
    mismatched: u64,
    last: StreamId,
}

/// Gives the stream and returns the number of entries. Without a meta (for an orphan) the entries determine length and last ID.
pub(super) fn give<'a, V: Visitor>(
    task: &mut Task<'_, 'a, '_, V>,
    merge: &mut Merge<'_, 'a>,
    entries: Option<usize>,
    meta: Option<StreamMeta>,
    key: &Key<'a>,
) -> Result<u64> {
    let read = task.give(key, |task| {
        let mut read = Read::default();
        if let Some(entries) = entries {
            pieces::give(task, merge.stream(entries), &Entries { key, meta }, &mut read)?;
        }
        let end = meta.map(|meta| StreamEnd { length: meta.len, last: meta.last });
        Ok((read, end.unwrap_or(StreamEnd { length: read.entries.cast_signed(), last: read.last })))
    })?;
    if let Some(meta) = meta {
        task.compare_length(&findings::STREAM_LENGTH, "observed_entries", key.name, meta.len.into(), read.entries);
    }
    if read.mismatched > 0 {
        let finding = Finding::new(&findings::STREAM_ID).with("user_key_len", key.name.len());
        task.report.findings.add(finding.with("entries", read.mismatched).with("key", key.name));
    }
    Ok(read.entries)
}

/// The entries, without those that are trimmed according to the meta.
struct Entries<'k, 'a> {
    key: &'k Key<'a>,
    meta: Option<StreamMeta>,
}

impl<'a> Elements<'a> for Entries<'_, 'a> {
    type Told = Read;

    fn key(&self) -> &Key<'a> {
        self.key
    }

    #[inline]
    fn each<V: Visitor + ?Sized>(
        &self,
        task: &mut Task<'_, 'a, '_, V>,
        stream: &mut KeyStream<'_, 'a>,
        read: &mut Read,
    ) -> Result<()> {
        let Entries { key, meta } = *self;
        while let Some(head) = stream.take(key.name)? {
            let id = id_of(task.set, &head)?;
            if meta.is_some_and(|meta| !meta.serves(id)) {
                continue;
            }
            let entry = parse(task.set, Family::StreamEntry, &head.row, StreamEntry::parse)?;
            // Formatting and comparing costs less than parsing the text, and the visitor need not format the ID again.
            let text = IdText::of(id);
            if entry.id_text != text.as_bytes() {
                read.mismatched += u64::from(StreamId::from_text(entry.id_text) != Some(id));
            }
            task.visitor.committed(head.row.commit_ts);
            task.visitor.entry(key, id, &entry.with_id(&text))?;
            (read.entries, read.last) = (read.entries + 1, id);
        }
        Ok(())
    }

    fn add(read: &mut Read, more: Read) {
        let last = if more.entries > 0 { more.last } else { read.last };
        let (entries, mismatched) = (read.entries + more.entries, read.mismatched + more.mismatched);
        *read = Read { entries, mismatched, last };
    }
}

/// Counts entries that are not given. Their keys are checked like all others.
pub(super) fn pass_over<'a>(
    set: &DataSet<'a>,
    merge: &mut Merge<'_, 'a>,
    entries: Option<usize>,
    key: &[u8],
) -> Result<u64> {
    let mut count = 0;
    let Some(entries) = entries else { return Ok(count) };
    while let Some(head) = merge.stream(entries).take(key)? {
        id_of(set, &head)?;
        count += 1;
    }
    Ok(count)
}

/// Magic of a stream blob: the old form, which has the whole stream.
const BLOB: &[u8; 4] = b"\0RX\x01";

/// Gives the content of an old stream blob, as a stream without meta.
pub(super) fn give_blob<'a, V: Visitor>(task: &mut Task<'_, 'a, '_, V>, blob: &Row<'a>, key: &Key<'a>) -> Result<()> {
    let Ok(mut entries) = blob_entries(blob.body) else { return Ok(()) };
    task.visitor.committed(blob.commit_ts);
    entries.sort_by_key(|(id, _)| *id);
    let last = entries.last().map(|(id, _)| *id).unwrap_or_default();
    let end = StreamEnd { length: entries.len() as i64, last };
    task.give(key, |task| {
        for (id, entry) in &entries {
            task.visitor.entry(key, *id, &entry.with_id(&IdText::of(*id)))?;
        }
        Ok(((), end))
    })
}

/// The server never reads these blobs. So a blob that cannot be parsed is not damage, and is only reported.
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
