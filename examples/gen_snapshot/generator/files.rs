//! A file system: many small files, or one large one.
//!
//! Inode numbers are assigned in another order than names, as on a live server, where they are random.

use std::io;

use super::rows::{Family, Rows};
use super::{Amount, random};

const CHUNK: usize = 4 << 20;
const SMALL: usize = 4 << 10;
const FOLDERS: u64 = 200;
const ROOT: u64 = 1;
/// Distance between the inodes of neighbours: a prime.
const STEP: u64 = 1_000_003;

/// The parameters of a file system.
#[derive(Clone, Copy)]
struct Shape {
    n: Amount,
    files: u64,
    folders: u64,
    /// Bytes of a file, and of its chunks.
    size: u64,
    chunk: usize,
}

/// This number of small files, in up to 200 directories.
pub fn small(n: Amount, size: Option<usize>) -> Vec<Family> {
    let size = size.unwrap_or(SMALL) as u64;
    families(Shape { n, files: n.scale, folders: FOLDERS.min(n.scale), size, chunk: CHUNK })
}

/// One file with this number of chunks.
pub fn large(n: Amount, chunk: Option<usize>) -> Vec<Family> {
    let chunk = chunk.unwrap_or(CHUNK);
    families(Shape { n, files: 1, folders: 1, size: n.scale * chunk as u64, chunk })
}

fn families(shape: Shape) -> Vec<Family> {
    let each = |prefix: &'static str, emit: fn(Shape, &mut Rows<'_>) -> io::Result<()>| {
        Family::new(prefix, move |rows| emit(shape, rows))
    };
    vec![
        each("!fs|chk|", Shape::chunks),
        each("!fs|dir|", Shape::names),
        each("!fs|home|", Shape::homes),
        each("!fs|ino|", Shape::inodes),
        each("!fs|usage|", Shape::usage),
    ]
}

fn key(prefix: &str, numbers: &[u64], rest: &[u8]) -> Vec<u8> {
    let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
    [prefix.as_bytes(), &numbers, rest].concat()
}

impl Shape {
    /// The first inode of a file; those of directories are below it.
    fn first(self) -> u64 {
        ROOT + 1 + self.folders
    }

    fn step(self) -> u64 {
        if self.files.is_multiple_of(STEP) { 1 } else { STEP % self.files }
    }

    /// Inode of the file of this number.
    fn inode_of(self, file: u64) -> u64 {
        self.first() + (u128::from(file) * u128::from(self.step()) % u128::from(self.files)) as u64
    }

    fn names(self, rows: &mut Rows<'_>) -> io::Result<()> {
        for folder in 0..self.folders {
            let name = format!("dir{folder:03}\0\0");
            let value = format!("{{\"inode\":{},\"type\":\"directory\"}}", ROOT + 1 + folder);
            rows.put(&key("!fs|dir|", &[ROOT], name.as_bytes()), value.as_bytes())?;
        }
        (0..self.files).try_for_each(|file| {
            let folder = ROOT + 1 + file * self.folders / self.files;
            let name = format!("file-{file:09}-{:04x}\0\0", self.n.hash(file, 0) & 0xffff);
            let value = format!("{{\"inode\":{},\"type\":\"file\"}}", self.inode_of(file));
            rows.put(&key("!fs|dir|", &[folder], name.as_bytes()), value.as_bytes())
        })
    }

    fn inodes(self, rows: &mut Rows<'_>) -> io::Result<()> {
        let mut put = |number: u64, kind: &str, mode: u32, size: u64, links: u64| {
            let (time, chunk) = (1_767_225_600_000_000_000 + self.n.hash(number, 3) % 1_000_000_000, self.chunk);
            let value = format!(
                "{{\"inode\":{number},\"parent\":1,\"type\":\"{kind}\",\"mode\":{mode},\"uid\":0,\"gid\":0,\"size\":{size},\
                 \"atime_nsec\":{time},\"mtime_nsec\":{time},\"ctime_nsec\":{time},\"chunk_size\":{chunk},\
                 \"home_slot\":{number},\"epoch\":1,\"nlink\":{links},\"generation\":1}}"
            );
            rows.put(&key("!fs|ino|", &[number], b""), value.as_bytes())
        };
        put(ROOT, "directory", 0o755, 0, 2 + self.folders)?;
        (ROOT + 1..self.first()).try_for_each(|number| put(number, "directory", 0o755, 0, 2))?;
        (0..self.files).try_for_each(|file| put(self.first() + file, "file", 0o600, self.size, 1))
    }

    fn homes(self, rows: &mut Rows<'_>) -> io::Result<()> {
        (ROOT..self.first() + self.files).try_for_each(|number| {
            let value = format!("{{\"home_slot\":{number},\"state\":\"active\",\"epoch\":1}}");
            rows.put(&key("!fs|home|", &[number], b""), value.as_bytes())
        })
    }

    fn chunks(self, rows: &mut Rows<'_>) -> io::Result<()> {
        for number in self.first()..self.first() + self.files {
            for index in 0..self.size.div_ceil(self.chunk as u64) {
                let len = (self.size - index * self.chunk as u64).min(self.chunk as u64) as usize;
                let data = random::text(self.n.hash(number, 4 + index), len);
                rows.put(&key("!fs|chk|", &[number, number, index], b""), &data)?;
            }
        }
        Ok(())
    }

    fn usage(self, rows: &mut Rows<'_>) -> io::Result<()> {
        let (files, bytes) = (self.files + self.folders + 1, self.files * self.size);
        let value = format!("{{\"files_add\":{files},\"files_sub\":0,\"bytes_add\":{bytes},\"bytes_sub\":0}}");
        rows.put(b"!fs|usage|route|bench\0\0", value.as_bytes())
    }
}
