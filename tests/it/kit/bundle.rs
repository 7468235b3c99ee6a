//! Bundles (`EKVSSTI1`) of the rows of other snapshots, and bundles that are split into parts and built again.

use ekvsnap::format::frame::{self, Step};
use ekvsnap::format::header::{self, FsmHeader};
use ekvsnap::format::sst::block::{self, Handle};
use ekvsnap::format::sst::bundle::{Front, Manifest, front_into};
use ekvsnap::format::sst::table::{Index, Table, payload_of};
use ekvsnap::format::sst::writer::{self, Encoder, Finished, Shape};
use sha2::{Digest as _, Sha256};

use super::build::with_footer;

/// A shape in which few rows make several files of several blocks, with an index of two levels.
pub const TINY: Shape = Shape { block: 200, index: 150, file: 3000, snappy: true };

/// The rows of a snapshot (`EKVPBBL1`).
pub fn rows_of(snapshot: &[u8]) -> Vec<(&[u8], &[u8])> {
    let (_, mut at) = ekvsnap::index::stream(snapshot).unwrap();
    let mut rows = Vec::new();
    while let Step::Entry(entry) = frame::step(snapshot, at).unwrap() {
        rows.push((entry.raw_key, entry.raw_value));
        at = entry.end;
    }
    rows
}

/// A bundle of the rows of a snapshot, with its header and its last commit timestamp.
pub fn bundle_of(snapshot: &[u8], shape: Shape) -> Vec<u8> {
    let header = header::parse(snapshot).unwrap();
    let mut parts = Parts::of(rows_of(snapshot), shape, header);
    parts.manifest.last_commit_ts = u64::from_le_bytes(snapshot[header.len + 8..][..8].try_into().unwrap());
    parts.build()
}

/// A bundle in parts.
#[derive(Clone)]
pub struct Parts {
    pub header: FsmHeader,
    pub manifest: Manifest,
    pub tables: Vec<Vec<u8>>,
}

impl Parts {
    pub fn of<'r>(rows: impl IntoIterator<Item = (&'r [u8], &'r [u8])>, shape: Shape, header: FsmHeader) -> Parts {
        let (mut encoder, mut tables) = (Encoder::new(shape), Vec::new());
        for (key, value) in rows {
            tables.extend(encoder.raw(key, value).unwrap());
        }
        let (last, manifest) = encoder.finish();
        tables.extend(last);
        Parts { header, manifest, tables: tables.into_iter().map(|table| table.bytes).collect() }
    }

    /// Splits a bundle into its parts.
    pub fn parse(file: &[u8]) -> Parts {
        let header = header::parse(file).unwrap();
        let front = Front::parse(&file[header.len..]).unwrap();
        let mut at = header.len + front.end();
        let mut tables = Vec::new();
        for listed in &front.manifest.files {
            tables.push(file[at..at + listed.size as usize].to_vec());
            at += listed.size as usize;
        }
        Parts { header, manifest: front.manifest, tables }
    }

    /// Updates sizes and digests in the manifest to the current tables.
    pub fn told(mut self) -> Parts {
        for (file, table) in self.manifest.files.iter_mut().zip(&self.tables) {
            (file.size, file.sha256) = (table.len() as u64, Sha256::digest(table).into());
        }
        self
    }

    pub fn build(&self) -> Vec<u8> {
        let table = |(bytes, file): (&Vec<u8>, _)| Finished { bytes: bytes.clone(), file: Clone::clone(file) };
        let tables: Vec<Finished> = self.tables.iter().zip(&self.manifest.files).map(table).collect();
        writer::bundle(&self.header, &self.manifest, &tables)
    }

    /// With changed JSON of the manifest, and the matching length and digest.
    pub fn with_json(&self, change: impl FnOnce(String) -> String) -> Vec<u8> {
        let (mut front, mut json, mut out) = (Vec::new(), Vec::new(), Vec::new());
        self.manifest.encode(&mut json);
        front_into(&self.manifest, &mut front);
        let json = change(String::from_utf8(json).unwrap());
        self.header.encode(&mut out);
        out.extend(&front[..8]);
        out.extend((json.len() as u64).to_be_bytes());
        out.extend(Sha256::digest(&json));
        out.extend(json.bytes());
        self.tables.iter().for_each(|table| out.extend(table));
        with_footer(out)
    }

    /// Where the tables begin in the file.
    pub fn start_of(&self, file: usize) -> usize {
        let mut front = Vec::new();
        self.header.encode(&mut front);
        front_into(&self.manifest, &mut front);
        front.len() + self.tables[..file].iter().map(Vec::len).sum::<usize>()
    }
}

/// The data blocks of a table, and its lower index blocks.
pub fn blocks_of(table: &[u8]) -> (Vec<Handle>, Vec<Handle>) {
    let all = |mut index: Index| {
        let mut handles = Vec::new();
        while let Some((_, handle)) = index.next().unwrap() {
            handles.push(handle);
        }
        handles
    };
    let parsed = Table::parse(table).unwrap();
    let first = all(parsed.index);
    if parsed.properties.partitions.is_none() {
        return (first, Vec::new());
    }
    let below = |handle: &Handle| all(Index::parse(payload_of(table, *handle).unwrap()).unwrap());
    (first.iter().flat_map(below).collect(), first)
}

/// Changes the payload of an uncompressed block, and corrects its checksum.
pub fn rewrite(table: &mut [u8], handle: Handle, change: impl FnOnce(&mut [u8])) {
    let range = handle.offset as usize..handle.end() as usize;
    let payload = &mut table[range.start..range.start + handle.len as usize];
    change(payload);
    let mut again = Vec::new();
    block::encode(payload, false, &mut again);
    table[range].copy_from_slice(&again);
}
