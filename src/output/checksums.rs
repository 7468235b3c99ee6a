//! CHECKSUMS: SHA-256 of every file, sorted by path, in flat memory (`tree.md` §6).
//!
//! Digests are taken from the bytes as they pass. Rows arrive in any order; full batches are sorted and spilled to an
//! unlinked temporary file, and the runs in it are merged at the end.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::sys;
use crate::error::{Error, Result};
use crate::format::hex;

/// SHA-256.
pub type Digest = [u8; 32];

/// A digest of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// SHA-256 of all bytes. Such a file has a row in CHECKSUMS.
    Whole(Digest),
    /// The digest of a file with large holes: see [`extents`](super::extents). It has no row, because no other program could check it.
    Extents(Digest),
}

/// Where the bytes of a file are in a spool, and how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Position of the bytes, or of the list of pieces. In a null tree: bytes that would take no space.
    pub at: u64,
    /// Bytes of the file.
    pub len: u64,
    /// Length of the list of pieces; 0: the bytes are contiguous.
    pub pieces: u64,
}

impl Place {
    /// Whether the file becomes a member of an archive some other way.
    pub fn is_elsewhere(&self) -> bool {
        self.pieces == ELSEWHERE.pieces
    }
}

/// Marks a directory in an index that becomes an archive.
pub const DIRECTORY: Place = Place { at: 0, len: 0, pieces: u64::MAX };
/// Marks a file that becomes a member of an archive some other way.
pub const ELSEWHERE: Place = Place { at: 0, len: 0, pieces: u64::MAX - 1 };

/// What is known of a file besides its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Number and place of the bytes.
    pub place: Place,
}

/// Rows that are handed over together.
const MANY: usize = 4096;
/// Bytes of their paths.
const MANY_BYTES: usize = 1 << 20;

/// Digests of some files, with their paths packed into one buffer.
#[derive(Debug, Default)]
pub struct Sums {
    paths: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    from: usize,
    to: usize,
    entry: Entry,
}

impl Sums {
    /// Adds the file at `dir/name` (`dir` empty: at the root).
    pub fn add(&mut self, dir: &[u8], name: &[u8], digest: Digest, place: Place) {
        let from = self.paths.len();
        self.paths.extend_from_slice(dir);
        if !dir.is_empty() {
            self.paths.push(b'/');
        }
        self.paths.extend_from_slice(name);
        self.rows.push(Row { from, to: self.paths.len(), entry: Entry { digest, place } });
    }

    /// The files with their digests and places.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.rows.iter().map(|row| (self.path(row), &row.entry))
    }

    /// The number of files.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are enough to hand over: paths may be long.
    pub fn are_many(&self) -> bool {
        self.rows.len() >= MANY || self.paths.len() >= MANY_BYTES
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes in memory.
    pub fn held(&self) -> usize {
        self.paths.capacity() + self.rows.capacity() * size_of::<Row>()
    }

    fn append(&mut self, other: &Sums) {
        let base = self.paths.len();
        self.paths.extend_from_slice(&other.paths);
        self.rows.extend(other.rows.iter().map(|s| Row { from: base + s.from, to: base + s.to, ..*s }));
    }

    fn path(&self, sum: &Row) -> &[u8] {
        &self.paths[sum.from..sum.to]
    }

    fn sort(&mut self) {
        let Sums { paths, rows } = self;
        let digest = |row: &Row| row.entry.digest;
        rows.sort_unstable_by(|a, b| {
            paths[a.from..a.to].cmp(&paths[b.from..b.to]).then_with(|| digest(a).cmp(&digest(b)))
        });
    }

    fn bytes(&self) -> usize {
        self.paths.len() + self.rows.len() * size_of::<Row>()
    }
}

/// Collects the digests of a whole output.
pub struct Checksums {
    batch: Sums,
    /// Temporary files: our own, and those of collections that were taken over.
    files: Vec<File>,
    runs: Vec<Run>,
    batch_bytes: usize,
    scratch: PathBuf,
}

/// A sorted batch that was spilled.
struct Run {
    /// Index of its file.
    file: usize,
    from: u64,
    to: u64,
}

/// Bytes of a batch before it is spilled.
const BATCH: usize = 2 << 20;

impl Checksums {
    /// An empty collection; runs are spilled to the file system of `scratch`.
    pub fn new(scratch: &Path) -> Checksums {
        let (files, runs, scratch) = (Vec::new(), Vec::new(), scratch.to_path_buf());
        Checksums { batch: Sums::default(), files, runs, batch_bytes: BATCH, scratch }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.runs.is_empty()
    }

    /// Adds the files of a task.
    pub fn add(&mut self, sums: &Sums) -> Result<()> {
        self.batch.append(sums);
        self.spill_if_full()
    }

    /// Adds a directory; the same one may come any number of times.
    pub fn add_directory(&mut self, path: &[u8]) -> Result<()> {
        if self.batch.rows.last().is_none_or(|last| self.batch.path(last) != path) {
            self.batch.add(b"", path, Digest::default(), DIRECTORY);
        }
        self.spill_if_full()
    }

    fn spill_if_full(&mut self) -> Result<()> {
        if self.batch.bytes() < self.batch_bytes {
            return Ok(());
        }
        self.spill().map_err(|e| Error::io("spill checksums to", &self.scratch, e))
    }

    /// Takes over all rows of another collection.
    pub fn absorb(&mut self, other: Checksums) -> Result<()> {
        let before = self.files.len();
        self.files.extend(other.files);
        self.runs.extend(other.runs.into_iter().map(|run| Run { file: before + run.file, ..run }));
        self.add(&other.batch)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.batch.sort();
        if self.files.is_empty() {
            self.files.push(sys::temporary(&self.scratch)?);
        }
        let from = self.files[0].seek(io::SeekFrom::End(0))?;
        let mut out = BufWriter::new(&self.files[0]);
        for sum in &self.batch.rows {
            let path = self.batch.path(sum);
            let Place { at, len, pieces } = sum.entry.place;
            out.write_all(&(path.len() as u32).to_le_bytes())?;
            out.write_all(path)?;
            out.write_all(&sum.entry.digest)?;
            [at, len, pieces].iter().try_for_each(|n| out.write_all(&n.to_le_bytes()))?;
        }
        out.flush()?;
        drop(out);
        let to = self.files[0].stream_position()?;
        self.runs.push(Run { file: 0, from, to });
        self.batch = Sums::default();
        Ok(())
    }

    /// An empty collection that spills to the same place.
    pub fn beside(&self) -> Checksums {
        Checksums::new(&self.scratch)
    }

    /// As [`merge`](Checksums::merge), with an error that names the place of the spilled rows.
    pub fn each(&mut self, each: impl FnMut(&[u8], &Entry) -> io::Result<()>) -> Result<()> {
        let merged = self.merge(each);
        merged.map_err(|e| Error::io("merge checksums in", &self.scratch, e))
    }

    /// Gives every row in the order of paths, and rows of one path in the order of their digests. It can be called more than once.
    pub fn merge(&mut self, mut each: impl FnMut(&[u8], &Entry) -> io::Result<()>) -> io::Result<()> {
        self.batch.sort();
        let mut runs = Vec::new();
        for Run { file, from, to } in &self.runs {
            runs.push(BufReader::new(Stretch { file: &self.files[*file], at: *from, end: *to }));
        }
        let mut heap = BinaryHeap::new();
        for (i, run) in runs.iter_mut().enumerate() {
            heap.extend(read_row(run)?.map(|row| Reverse((row, i))));
        }
        for sum in &self.batch.rows {
            let path = self.batch.path(sum);
            drain(&mut heap, &mut runs, Some((path, &sum.entry.digest)), &mut each)?;
            each(path, &sum.entry)?;
        }
        drain(&mut heap, &mut runs, None, &mut each)
    }
}

/// Reads a part of a file.
struct Stretch<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// A spilled row, in order of paths and digests.
#[derive(PartialEq, Eq)]
struct Spilled {
    path: Vec<u8>,
    entry: Entry,
}

impl Ord for Spilled {
    fn cmp(&self, other: &Self) -> Ordering {
        self.path.cmp(&other.path).then_with(|| self.entry.digest.cmp(&other.entry.digest))
    }
}

impl PartialOrd for Spilled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

type Heap = BinaryHeap<Reverse<(Spilled, usize)>>;

/// Gives the spilled rows up to `limit`.
fn drain(
    heap: &mut Heap,
    runs: &mut [BufReader<Stretch<'_>>],
    limit: Option<(&[u8], &Digest)>,
    each: &mut impl FnMut(&[u8], &Entry) -> io::Result<()>,
) -> io::Result<()> {
    while let Some(Reverse((row, _))) = heap.peek()
        && limit.is_none_or(|limit| (row.path.as_slice(), &row.entry.digest) < limit)
    {
        let Some(Reverse((row, i))) = heap.pop() else { break };
        each(&row.path, &row.entry)?;
        heap.extend(read_row(&mut runs[i])?.map(|row| Reverse((row, i))));
    }
    Ok(())
}

fn read_row(run: &mut impl Read) -> io::Result<Option<Spilled>> {
    let mut len = [0; 4];
    match run.read_exact(&mut len) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut path = vec![0; u32::from_le_bytes(len) as usize];
    let mut digest = Digest::default();
    run.read_exact(&mut path)?;
    run.read_exact(&mut digest)?;
    let mut number = || {
        let mut bytes = [0; 8];
        run.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    };
    let place = Place { at: number()?, len: number()?, pieces: number()? };
    Ok(Some(Spilled { path, entry: Entry { digest, place } }))
}

/// Appends one row as `sha256sum` writes it: a path with a line feed, carriage return or backslash is escaped and the
/// row begins with a backslash.
pub fn row_into(path: &[u8], digest: &Digest, out: &mut Vec<u8>) {
    let mut hex = String::with_capacity(64);
    hex::push(digest, &mut hex);
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
            let mut task = Sums::default();
            task.add(b"d", name.as_bytes(), [name.len() as u8; 32], Place::default());
            all.add(&task).unwrap();
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
    fn rows_of_one_path_are_sorted_by_digest() {
        let mut all = Checksums::new(&std::env::temp_dir());
        all.batch_bytes = 400;
        for n in 0..100u8 {
            let mut task = Sums::default();
            task.add(b"", if n % 3 == 0 { b"a" } else { b"b" }, [n.wrapping_mul(37); 32], Place::default());
            all.add(&task).unwrap();
        }
        assert!(all.runs.len() > 3);
        let mut got = Vec::new();
        all.merge(|path, entry| {
            got.push((path.to_vec(), entry.digest));
            Ok(())
        })
        .unwrap();
        assert!(got.len() == 100 && got.is_sorted());
    }

    #[test]
    fn awkward_paths_are_escaped() {
        let mut out = Vec::new();
        row_into(b"a\nb\\c\r", &[0xab; 32], &mut out);
        assert_eq!(out, format!("\\{}  a\\nb\\\\c\\r\n", "ab".repeat(32)).as_bytes());
    }
}
