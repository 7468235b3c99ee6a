//! The results of a split as bytes, so that another process can merge them (`plan.md` §5).
//!
//! The files of a split are in the tree of its process. Lines of shared files are in one file of lines, in the order of splits. The rest
//! (digests, findings, counts, positions of the lines) is bytes that the caller stores.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3Default;

use super::checksums::{Checksums, Place, Sums};
use super::split::{SplitOutput, Tally};
use super::stored::{PIECE, StoredLines};
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::format::adapter;
use crate::format::wire::{self, Reader};
use crate::report::{Findings, lasting};

/// Takes the lines of shared files, split after split.
pub struct Lines {
    file: File,
    at: u64,
}

impl Lines {
    /// Writes to an empty file.
    pub fn new(file: File) -> Lines {
        Lines { file, at: 0 }
    }

    /// Appends lines: first the spilled ones, then the buffered ones. Returns their size and their hash.
    pub(super) fn append(&mut self, spilled: Option<&File>, buffer: &[u8]) -> std::io::Result<(u64, u64)> {
        let (start, mut hash) = (self.at, Xxh3Default::new());
        if let Some(spilled) = spilled {
            let (len, mut piece, mut read) = (spilled.metadata()?.len(), vec![0; PIECE], 0);
            while read < len {
                let n = piece.len().min((len - read) as usize);
                spilled.read_exact_at(&mut piece[..n], read)?;
                self.put(&piece[..n], &mut hash)?;
                read += n as u64;
            }
        }
        self.put(buffer, &mut hash)?;
        Ok((self.at - start, hash.digest()))
    }

    fn put(&mut self, bytes: &[u8], hash: &mut Xxh3Default) -> std::io::Result<()> {
        hash.update(bytes);
        self.file.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// Appends digests; see [`sums`].
pub fn encode_sums(sums: &Sums, out: &mut Vec<u8>) -> Result<()> {
    wire::number(sums.len() as u64, out);
    for (path, entry) in sums.iter() {
        if entry.place.pieces != 0 {
            return Err(Error::internal("a file of a shard stands in no directory"));
        }
        wire::bytes(path, out);
        out.extend_from_slice(&entry.digest);
        wire::number(entry.place.len, out);
    }
    Ok(())
}

/// Reads digests.
pub fn sums(reader: &mut Reader<'_>) -> Option<Sums> {
    let mut sums = Sums::default();
    for _ in 0..reader.count()? {
        let (path, digest) = (reader.bytes()?, *reader.array()?);
        let place = Place { at: 0, len: reader.number()?, pieces: 0 };
        sums.add(b"", path, digest, place);
    }
    Some(sums)
}

impl Tally {
    /// Appends the tally.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let scopes: Vec<_> =
            adapter::all().flat_map(|adapter| self.of(adapter).map(move |scope| (adapter, scope))).collect();
        wire::number(scopes.len() as u64, out);
        for (adapter, (scope, kinds)) in scopes {
            wire::bytes(adapter.name().as_bytes(), out);
            wire::bytes(scope.as_bytes(), out);
            wire::number(kinds.len() as u64, out);
            for (kind, objects, bytes) in kinds {
                wire::bytes(kind.as_bytes(), out);
                wire::number(*objects, out);
                wire::number(*bytes, out);
            }
        }
    }

    /// Reads a tally.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Tally> {
        let mut tally = Tally::default();
        for _ in 0..reader.count()? {
            let adapter = adapter::named(reader.bytes()?)?;
            let scope = std::str::from_utf8(reader.bytes()?).ok()?;
            tally.scope(adapter, scope);
            for _ in 0..reader.count()? {
                let kind = lasting(reader.bytes()?)?;
                tally.add(adapter, scope, kind, reader.number()?, reader.number()?);
            }
        }
        Some(tally)
    }
}

impl<'t> SplitOutput<'t> {
    /// Appends everything that a collector would take of it; its lines go to `lines`.
    ///
    /// # Errors
    /// An error that was kept for the collector; a failed write.
    pub fn record(self, lines: &mut Lines, out: &mut Vec<u8>) -> Result<()> {
        let (sums, logs, findings, tally) = self.into_recorded()?;
        encode_sums(&sums, out)?;
        wire::number(logs.len() as u64, out);
        let mut told = Vec::new();
        for log in &logs {
            let (at, appended) = (lines.at, lines.append(log.spilled.as_ref(), &log.buffer));
            let (len, hash) = appended.map_err(|e| Error::io("write lines of a shard to", "its directory", e))?;
            wire::bytes(log.path.as_bytes(), out);
            [at, len, hash].iter().for_each(|n| wire::number(*n, out));
            out.extend([log.complete, log.in_parts, log.piece.is_some()].map(u8::from));
            if let Some(piece) = &log.piece {
                told.clear();
                piece.told.encode(&mut told)?;
                wire::bytes(&told, out);
            }
        }
        findings.encode(out);
        tally.encode(out);
        Ok(())
    }

    /// Reads what was appended; its files are in `tree` by now. `None`: the bytes are not valid.
    pub fn replay(reader: &mut Reader<'_>, lines: &Arc<File>, tree: &'t Tree) -> Option<SplitOutput<'t>> {
        let mut out = SplitOutput::new(tree);
        out.adopt(sums(reader)?);
        for _ in 0..reader.count()? {
            let path = std::str::from_utf8(reader.bytes()?).ok()?;
            let [at, len, hash] = [reader.number()?, reader.number()?, reader.number()?];
            let stored = StoredLines::recorded(Arc::clone(lines), at, len, hash);
            let (complete, in_parts, is_piece) = (reader.flag()?, reader.flag()?, reader.flag()?);
            match is_piece {
                true => out.adopt_piece(path, stored, reader.bytes()?),
                false => out.adopt_lines(path, stored, (complete, in_parts)),
            }
        }
        out.findings = Findings::decode(reader)?;
        out.tally = Tally::decode(reader)?;
        Some(out)
    }
}

/// Gives the digests of many files in batches.
pub fn batches(mut all: Checksums, mut each: impl FnMut(&Sums) -> Result<()>) -> Result<()> {
    let (mut batch, mut failed) = (Sums::default(), None);
    all.each(|path, entry| {
        batch.add(b"", path, entry.digest, entry.place);
        if batch.are_many() && failed.is_none() {
            failed = each(&std::mem::take(&mut batch)).err();
        }
        Ok(())
    })?;
    failed.map_or(Ok(()), Err)?;
    each(&batch)
}
