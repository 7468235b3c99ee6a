//! The rows of snapshots, sent to the groups that own them.
//!
//! Inputs are in order of raw keys, so a merge of them is too, and so are the rows of each group: no row is kept in memory.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;

use super::cluster::Cluster;
use super::files::{Sum, each_once, opened};
use super::keys::StoreKeys;
use crate::dataset::{DataSet, Group};
use crate::error::{Error, ErrorKind, Result};
use crate::format::container::Encoder;
use crate::format::frame::{Entry, Step, step};
use crate::format::header::FsmHeader;
use crate::format::mvcc::{ENCRYPTED, Operational, hlc_millis, split_key};
use crate::format::{Family, limits};
use crate::index::Layout;
use crate::output::Writer;
use crate::output::single::SingleFile;

/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

/// For each group the input that is its complete store; `None`: rows have to be sent.
///
/// # Errors
/// A row that no group owns.
pub(super) fn as_given(inputs: &[&Group<'_>], cluster: &Cluster) -> Result<Option<Vec<usize>>> {
    if inputs.len() != cluster.groups.len() {
        return Ok(None);
    }
    let mut taken = Vec::new();
    for input in inputs {
        match group_of_all(input, cluster)? {
            Owner::One(group) => taken.push(Some(group)),
            Owner::Nobody => taken.push(None),
            Owner::Several => return Ok(None),
        }
    }
    // Stores without rows go to the groups that are left.
    let mut free =
        (0..cluster.groups.len()).filter(|group| !taken.contains(&Some(*group))).collect::<Vec<_>>().into_iter();
    let placed = taken.iter().map(|group| group.or_else(|| free.next())).collect();
    Ok(each_once(placed, cluster.groups.len()))
}

/// The owner of the rows of an input.
enum Owner {
    Nobody,
    One(usize),
    Several,
}

fn group_of_all(input: &Group<'_>, cluster: &Cluster) -> Result<Owner> {
    // Nothing is checked if there is only one group, or if a file has another layout.
    if input.index.layout == Layout::Empty {
        return Ok(Owner::Nobody);
    }
    if cluster.has_all() {
        return Ok(Owner::One(0));
    }
    let (mut owner, mut scratch) = (None, Vec::new());
    let mut rows = Rows::new(input)?;
    while let Some(row) = rows.next()? {
        let Some(user_key) = user_key(&row) else { continue };
        if belongs_to_all(user_key) {
            continue;
        }
        let group =
            owner_of(&row, user_key, cluster, &mut scratch).map_err(|error| error.input(input.source.path()))?;
        if *owner.get_or_insert(group) != group {
            return Ok(Owner::Several);
        }
    }
    Ok(owner.map_or(Owner::Nobody, Owner::One))
}

fn owner_of(row: &Entry<'_>, user_key: &[u8], cluster: &Cluster, scratch: &mut Vec<u8>) -> Result<usize> {
    cluster
        .group_of(user_key, scratch)
        .ok_or_else(|| Error::new(ErrorKind::NoGroup).at(row.start).row(Family::of(user_key), user_key))
}

/// The user key of a row; `None` for one that the store keeps for itself.
fn user_key<'a>(row: &Entry<'a>) -> Option<&'a [u8]> {
    let own = Operational::of(row.raw_key, row.raw_value).is_some();
    (!own).then(|| split_key(row.raw_key).ok().map(|(user_key, _)| user_key)).flatten()
}

/// Whether rows of a key are in every group, or in none of the ranges: the catalog of routes, which a server makes again.
fn belongs_to_all(user_key: &[u8]) -> bool {
    matches!(
        Family::of(user_key),
        Family::DistDelta | Family::DistJob | Family::DistJobHistory | Family::DistMeta | Family::DistRoute
    )
}

/// Writes the store of each group.
///
/// # Errors
/// A row that no group owns, or that cannot be in another group; two inputs that contradict each other.
pub(super) fn write(
    set: &DataSet<'_>,
    cluster: &Cluster,
    index: &[u64],
    keys: Option<&StoreKeys>,
    files: &mut [SingleFile],
) -> Result<Vec<Sum>> {
    let inputs: Vec<&Group<'_>> = set.inputs().collect();
    let newest = |of: fn(&Group<'_>) -> u64| inputs.iter().map(|input| of(input)).max().unwrap_or_default();
    let ts = newest(|input| input.index.last_commit_ts);
    let retained = newest(|input| input.index.min_retained_ts);
    let cutover_index = newest(|input| input.index.header.cutover_index);
    if cutover_index > 0 && keys.is_none() {
        return Err(cannot(inputs[0], "its log is encrypted from a certain index, which other groups do not have"));
    }
    let ceiling_ms = newest(|input| input.index.header.ceiling_ms).max(hlc_millis(ts) + 1);
    let header = FsmHeader { version: 1, ceiling_ms, ..FsmHeader::default() };
    let mut outs = Vec::new();
    for (file, index) in files.iter_mut().zip(index) {
        outs.push(Out::begin(&header, ts, own_rows(*index, ts, retained, keys), file)?);
    }
    let mut cursors = inputs.iter().map(|input| Rows::new(input)).collect::<Result<Vec<_>>>()?;
    for rows in &mut cursors {
        rows.advance()?;
    }
    let (mut scratch, mut last) = (Vec::new(), Last::default());
    while let Some(first) = first_of(&cursors) {
        let Some(row) = cursors[first].head else { break };
        cursors[first].advance()?;
        let Some(user_key) = movable(inputs[first], &row, cluster, keys.is_some())? else { continue };
        if last.repeats(&row).map_err(|error| {
            error.at(row.start).row(Family::of(user_key), user_key).input(inputs[first].source.path())
        })? {
            continue;
        }
        let group = owner_of(&row, user_key, cluster, &mut scratch);
        let group = group.map_err(|error| error.input(inputs[first].source.path()))?;
        for out in &mut outs {
            out.own_rows_before(row.raw_key)?;
        }
        outs[group].row(&row)?;
        last = Last { key: row.raw_key, value: row.raw_value };
    }
    let mut sums = Vec::new();
    for mut out in outs {
        out.own_rows_before(&[u8::MAX; limits::TS_SUFFIX])?;
        sums.push(out.finish()?);
    }
    Ok(sums)
}

/// The rows that a store keeps for itself.
fn own_rows(index: u64, ts: u64, retained: u64, keys: Option<&StoreKeys>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let number = |key: &[u8], value: u64| (key.to_vec(), value.to_le_bytes().to_vec());
    let mut rows = keys.map(StoreKeys::writers).unwrap_or_default();
    rows.extend([number(b"_meta_applied_index", index), number(b"_meta_last_commit_ts", ts)]);
    rows.extend((retained > 0).then(|| number(b"_meta_min_retained_ts", retained)));
    rows
}

/// The last row that was written: inputs can have the same one, such as the record of a transaction.
#[derive(Default)]
struct Last<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl Last<'_> {
    fn repeats(&self, row: &Entry<'_>) -> Result<bool> {
        if row.raw_key != self.key {
            return Ok(false);
        }
        if row.raw_value == self.value {
            return Ok(true);
        }
        Err(Error::new(ErrorKind::Contradiction))
    }
}

/// The user key of a row that goes to a group; `None` for rows that a store makes again.
fn movable<'a>(input: &Group<'_>, row: &Entry<'a>, cluster: &Cluster, has_keys: bool) -> Result<Option<&'a [u8]>> {
    match Operational::of(row.raw_key, row.raw_value) {
        Some(Operational::EncryptionWriter) if !has_keys => {
            return Err(cannot(
                input,
                "it has registered encryption keys (give the key file and keys.json, and it can)",
            ));
        }
        Some(Operational::Migration) => return Err(cannot(input, "a migration between groups is under way in it")),
        Some(_) => return Ok(None),
        None => {}
    }
    let Some(user_key) = user_key(row) else { return Ok(None) };
    if belongs_to_all(user_key) {
        return Ok(None);
    }
    if !has_keys && row.raw_value.first().is_some_and(|flags| flags & (ENCRYPTED | ENCRYPTED << 1) != 0) {
        return Err(cannot(input, "it has encrypted rows (give the key file and keys.json, and it can)"));
    }
    match Family::of(user_key) {
        Family::Staged => Err(cannot(input, "a migration between groups is under way in it")),
        Family::S3ChunkBlob | Family::S3ChunkBlobQueue if cluster.groups.len() > 1 => {
            Err(cannot(input, "it has bodies of S3 objects that are stored by their hash, in one group"))
        }
        _ => Ok(Some(user_key)),
    }
}

fn cannot(input: &Group<'_>, why: &str) -> Error {
    Error::usage(format!(
        "{} cannot be sent to other groups, as {why}: restore it with the groups that it comes from, or decode it and restore the output",
        input.source.path().display()
    ))
}

fn first_of(cursors: &[Rows<'_>]) -> Option<usize> {
    let heads = cursors.iter().enumerate().filter_map(|(n, rows)| Some((rows.head?.raw_key, n)));
    heads.min().map(|(_, n)| n)
}

/// The rows of an input, in its order.
struct Rows<'a> {
    file: &'a [u8],
    path: &'a std::path::Path,
    at: usize,
    end: usize,
    head: Option<Entry<'a>>,
}

impl<'a> Rows<'a> {
    fn new(input: &Group<'a>) -> Result<Rows<'a>> {
        let rows = match input.index.layout {
            Layout::Empty => 0..0,
            Layout::Pebble => input.index.rows.clone(),
            Layout::Mvcc2 | Layout::Timestamps => {
                return Err(cannot(input, "it was written by a store in memory (EKVMVCC2)"));
            }
        };
        let (file, path) = (input.source.stored(), input.source.path());
        Ok(Rows { file, path, at: rows.start, end: rows.end, head: None })
    }

    fn next(&mut self) -> Result<Option<Entry<'a>>> {
        if self.at >= self.end {
            return Ok(None);
        }
        // The index has read all of it.
        let Ok(Step::Entry(entry)) = step(self.file, self.at) else {
            return Err(Error::new(ErrorKind::Changed).input(self.path));
        };
        self.at = entry.end;
        Ok(Some(entry))
    }

    fn advance(&mut self) -> Result<()> {
        self.head = self.next()?;
        Ok(())
    }
}

/// The store of a group while it is written.
struct Out<'f> {
    encoder: Encoder,
    file: Writer<&'f mut std::fs::File>,
    name: PathBuf,
    buffer: Vec<u8>,
    bytes: u64,
    rows: u64,
    /// The rows that the store keeps for itself, until they are written.
    own: VecDeque<(Vec<u8>, Vec<u8>)>,
}

impl<'f> Out<'f> {
    fn begin(header: &FsmHeader, ts: u64, own: Vec<(Vec<u8>, Vec<u8>)>, file: &'f mut SingleFile) -> Result<Out<'f>> {
        let (name, file) = opened(file)?;
        let mut buffer = Vec::with_capacity(PIECE * 2);
        let encoder = Encoder::begin(header, ts, &mut buffer);
        Ok(Out { encoder, file, name, buffer, bytes: 0, rows: 0, own: own.into() })
    }

    /// Writes those rows of the store itself that come before a key.
    fn own_rows_before(&mut self, raw_key: &[u8]) -> Result<()> {
        while self.own.front().is_some_and(|(key, _)| key.as_slice() < raw_key) {
            let Some((key, value)) = self.own.pop_front() else { break };
            self.put(&key, &value)?;
        }
        Ok(())
    }

    fn row(&mut self, row: &Entry<'_>) -> Result<()> {
        self.rows += 1;
        self.put(row.raw_key, row.raw_value)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let put = self.encoder.raw(key.to_vec(), value, &mut self.buffer);
        put.map_err(|fault| Error::internal(format!("rows that were in order are not: {fault:?}")))?;
        if self.buffer.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.buffer).map_err(|e| Error::io("write", &self.name, e))?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Sum> {
        self.flush()?;
        let crc32c = self.encoder.value();
        let Out { encoder, mut buffer, mut file, name, bytes, rows, .. } = self;
        encoder.finish(&mut buffer);
        file.write_all(&buffer).map_err(|e| Error::io("write", &name, e))?;
        Ok((crc32c, bytes + buffer.len() as u64, rows))
    }
}
