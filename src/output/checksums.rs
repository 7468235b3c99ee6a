//! CHECKSUMS: SHA-256 of every file, sorted by path, in flat memory (`tree.md` §6).
//!
//! Digests are taken from the bytes as they pass. Rows arrive in any order; full batches are sorted and spilled to
//! unlinked temporary files, and the runs are merged at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::names::hex_into;
use crate::error::{Error, Result};

/// SHA-256.
pub type Digest = [u8; 32];

/// Digests of some files, with their paths packed into one buffer.
#[derive(Debug, Default)]
pub struct Sums {
    paths: Vec<u8>,
    rows: Vec<Sum>,
}

#[derive(Debug, Clone, Copy)]
struct Sum {
    from: usize,
    to: usize,
    digest: Digest,
}

impl Sums {
    /// Adds the file at `dir/name` (`dir` empty: at the root).
    pub fn add(&mut self, dir: &[u8], name: &[u8], digest: Digest) {
        let from = self.paths.len();
        self.paths.extend_from_slice(dir);
        if !dir.is_empty() {
            self.paths.push(b'/');
        }
        self.paths.extend_from_slice(name);
        self.rows.push(Sum { from, to: self.paths.len(), digest });
    }

    fn append(&mut self, other: &Sums) {
        let base = self.paths.len();
        self.paths.extend_from_slice(&other.paths);
        self.rows.extend(other.rows.iter().map(|s| Sum { from: base + s.from, to: base + s.to, digest: s.digest }));
    }

    fn path(&self, sum: &Sum) -> &[u8] {
        &self.paths[sum.from..sum.to]
    }

    fn sort(&mut self) {
        let Sums { paths, rows } = self;
        rows.sort_unstable_by(|a, b| paths[a.from..a.to].cmp(&paths[b.from..b.to]));
    }

    fn bytes(&self) -> usize {
        self.paths.len() + self.rows.len() * size_of::<Sum>()
    }
}

/// Collects the digests of a whole output.
pub struct Checksums {
    batch: Sums,
    runs: Vec<File>,
    batch_bytes: usize,
    scratch: PathBuf,
}

/// Bytes of a batch before it is spilled.
const BATCH: usize = 24 << 20;

impl Checksums {
    /// Nothing collected yet; runs are spilled to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Checksums {
        Checksums { batch: Sums::default(), runs: Vec::new(), batch_bytes: BATCH, scratch: scratch.to_path_buf() }
    }

    /// Adds the files of a unit.
    pub fn add(&mut self, sums: &Sums) -> Result<()> {
        self.batch.append(sums);
        if self.batch.bytes() < self.batch_bytes {
            return Ok(());
        }
        self.spill().map_err(|e| Error::io("spill checksums to", &self.scratch, e))
    }

    fn spill(&mut self) -> io::Result<()> {
        self.batch.sort();
        let mut out = BufWriter::new(tempfile::tempfile_in(&self.scratch)?);
        for sum in &self.batch.rows {
            let path = self.batch.path(sum);
            out.write_all(&(path.len() as u32).to_le_bytes())?;
            out.write_all(path)?;
            out.write_all(&sum.digest)?;
        }
        let mut file = out.into_inner()?;
        file.rewind()?;
        self.runs.push(file);
        self.batch = Sums::default();
        Ok(())
    }

    /// Gives every row in path order.
    pub fn merge(mut self, mut each: impl FnMut(&[u8], &Digest) -> io::Result<()>) -> io::Result<()> {
        self.batch.sort();
        let mut runs: Vec<_> = self.runs.into_iter().map(BufReader::new).collect();
        let mut heap = BinaryHeap::new();
        for (i, run) in runs.iter_mut().enumerate() {
            heap.extend(read_row(run)?.map(|(path, digest)| Reverse((path, i, digest))));
        }
        for sum in &self.batch.rows {
            let path = self.batch.path(sum);
            drain(&mut heap, &mut runs, Some(path), &mut each)?;
            each(path, &sum.digest)?;
        }
        drain(&mut heap, &mut runs, None, &mut each)
    }
}

type Heap = BinaryHeap<Reverse<(Vec<u8>, usize, Digest)>>;

/// Gives the spilled rows up to `limit`.
fn drain(
    heap: &mut Heap,
    runs: &mut [BufReader<File>],
    limit: Option<&[u8]>,
    each: &mut impl FnMut(&[u8], &Digest) -> io::Result<()>,
) -> io::Result<()> {
    while let Some(Reverse((path, _, _))) = heap.peek()
        && limit.is_none_or(|limit| path.as_slice() < limit)
    {
        let Some(Reverse((path, i, digest))) = heap.pop() else { break };
        each(&path, &digest)?;
        heap.extend(read_row(&mut runs[i])?.map(|(path, digest)| Reverse((path, i, digest))));
    }
    Ok(())
}

fn read_row(run: &mut impl Read) -> io::Result<Option<(Vec<u8>, Digest)>> {
    let mut len = [0; 4];
    match run.read_exact(&mut len) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut path = vec![0; u32::from_le_bytes(len) as usize];
    let mut digest = Digest::default();
    run.read_exact(&mut path)?;
    run.read_exact(&mut digest)?;
    Ok(Some((path, digest)))
}

/// Appends one row as `sha256sum` writes it: a path with a line feed, carriage return or backslash is escaped and the
/// row begins with a backslash.
pub fn row_into(path: &[u8], digest: &Digest, out: &mut Vec<u8>) {
    let mut hex = String::with_capacity(64);
    hex_into(digest, &mut hex);
    let escape = path.iter().any(|b| matches!(b, b'\n' | b'\r' | b'\\'));
    if escape {
        out.push(b'\\');
    }
    out.extend_from_slice(hex.as_bytes());
    out.extend_from_slice(b"  ");
    for &b in path {
        match b {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ => out.push(b),
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spilled_runs_merge_sorted() {
        let mut all = Checksums::new(&std::env::temp_dir());
        all.batch_bytes = 400;
        let names: Vec<String> = (0..100).map(|i| format!("f{}", i * 37 % 100)).collect();
        for name in &names {
            let mut unit = Sums::default();
            unit.add(b"d", name.as_bytes(), [name.len() as u8; 32]);
            all.add(&unit).unwrap();
        }
        assert!(all.runs.len() > 3);
        let mut got = Vec::new();
        all.merge(|path, _| {
            got.push(String::from_utf8(path.to_vec()).unwrap());
            Ok(())
        })
        .unwrap();
        let mut want: Vec<String> = names.iter().map(|n| format!("d/{n}")).collect();
        want.sort();
        assert_eq!(got, want);
    }

    #[test]
    fn awkward_paths_are_escaped() {
        let mut out = Vec::new();
        row_into(b"a\nb\\c\r", &[0xab; 32], &mut out);
        assert_eq!(out, format!("\\{}  a\\nb\\\\c\\r\n", "ab".repeat(32)).as_bytes());
    }
}
