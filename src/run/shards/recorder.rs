//! Writes the results of a shard.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

use super::{DIGEST, END, LINES, MAGIC, MARKS, RECORD, Recordable, SPLIT, SUMS, Share, WHOLE, Which};
use crate::error::{Error, Result};
use crate::format::Adapter;
use crate::format::wire;
use crate::options::filter::Filter;
use crate::output::checksums::Checksums;
use crate::output::record::{Lines, batches, encode_sums};
use crate::output::split::Tally;
use crate::report::Findings;
use crate::sync::{into_inner, lock};

/// Writes the record of a shard.
pub struct Recorder {
    share: Share,
    state: Mutex<Recording>,
}

struct Recording {
    lines: Lines,
    record: BufWriter<File>,
    hash: Sha256,
    entry: Vec<u8>,
}

impl Recorder {
    /// Begins a record of a share of a plan, in two new files in `dir`.
    ///
    /// # Errors
    /// The files cannot be created.
    pub fn begin(dir: &Path, plan: &[u8; DIGEST], share: Share) -> Result<Recorder> {
        let create =
            |name| File::create_new(dir.join(name)).map_err(|e| Error::io("create a file of a shard in", dir, e));
        let (lines, record) = (Lines::new(create(LINES)?), BufWriter::new(create(RECORD)?));
        let Which { index, count } = share.which;
        let recording = Recording { lines, record, hash: Sha256::new(), entry: Vec::new() };
        let recorder = Recorder { share, state: Mutex::new(recording) };
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(plan);
        [index, count].iter().for_each(|n| wire::number(u64::from(*n), &mut head));
        recorder.with(|recording| recording.put(&head))?;
        Ok(recorder)
    }

    /// The work of this shard.
    pub fn share(&self) -> &Share {
        &self.share
    }

    fn with<T>(&self, work: impl FnOnce(&mut Recording) -> Result<T>) -> Result<T> {
        work(&mut lock(&self.state))
    }

    pub(super) fn split<'t>(&self, adapter: Adapter, number: usize, done: impl Recordable<'t>) -> Result<()> {
        self.with(|recording| {
            recording.entry(SPLIT, |lines, out| {
                wire::bytes(adapter.name().as_bytes(), out);
                wire::number(number as u64, out);
                done.record(lines, out)
            })
        })
    }

    /// Adds digests of files.
    ///
    /// # Errors
    /// A failed write.
    pub fn sums(&self, all: Checksums) -> Result<()> {
        batches(all, |batch| match batch.is_empty() {
            true => Ok(()),
            false => self.with(|recording| recording.entry(SUMS, |_, out| encode_sums(batch, out))),
        })
    }

    /// Adds the result of an adapter that was written as a whole, except for its digests, which [`sums`](Self::sums) adds.
    ///
    /// # Errors
    /// A failed write.
    pub fn whole(&self, adapter: Adapter, findings: &Findings, tally: &Tally) -> Result<()> {
        self.with(|recording| {
            recording.entry(WHOLE, |_, out| {
                wire::bytes(adapter.name().as_bytes(), out);
                findings.encode(out);
                tally.encode(out);
                Ok(())
            })
        })
    }

    /// Completes the record. `filter`: marks which patterns have matched something; `written`: files and their bytes.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(self, filter: &Filter, written: (u64, u64)) -> Result<()> {
        let mut recording = into_inner(self.state);
        recording.entry(MARKS, |_, out| {
            wire::bytes(&filter.marks(), out);
            Ok(())
        })?;
        recording.entry(END, |_, out| {
            wire::number(written.0, out);
            wire::number(written.1, out);
            Ok(())
        })?;
        let digest = std::mem::take(&mut recording.hash).finalize();
        let written = recording.record.write_all(&digest).and_then(|()| recording.record.flush());
        written.map_err(failed)
    }
}

fn failed(e: std::io::Error) -> Error {
    Error::io("write the record of a shard in", "its directory", e)
}

impl Recording {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.record.write_all(bytes).map_err(failed)
    }

    fn entry(&mut self, kind: u8, fill: impl FnOnce(&mut Lines, &mut Vec<u8>) -> Result<()>) -> Result<()> {
        let mut entry = std::mem::take(&mut self.entry);
        entry.clear();
        entry.push(kind);
        fill(&mut self.lines, &mut entry)?;
        let mut len = Vec::new();
        wire::number(entry.len() as u64, &mut len);
        self.put(&len)?;
        self.put(&entry)?;
        self.entry = entry;
        Ok(())
    }
}
