//! A digest for files with large holes. It hashes only what is stored, not the zeros of the holes.
//!
//! `sha256_extents` is SHA-256 over each run of blocks that hold anything but zeros — its bytes, its offset and its length,
//! both `u64be` — and at the end over the size of the file, `u64be`. A block has 4,096 bytes, counted from the start of the file; the last
//! one may be shorter. The digest depends on the content alone, however the file is stored. A program that can skip the holes of a file
//! computes it without reading them.
//!
//! Mutual dependency with `reading`: content read from an archive and from a disk comes as the same pieces.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::checksums::Digest;
use super::reading::Piece;

/// Bytes of a block.
const BLOCK: usize = 4096;
/// Bytes of a file on disk that are read at once.
const READ: usize = 256 << 10;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Takes the digest of a file from front to end.
#[derive(Default)]
pub struct ExtentsHash {
    hash: Sha256,
    /// Bytes before the current block.
    at: u64,
    /// The current block: never a complete one.
    block: Vec<u8>,
    /// Where the current run began.
    run: Option<u64>,
}

impl ExtentsHash {
    /// Adds bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        if !self.block.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            self.end_block();
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        blocks.iter().for_each(|block| self.block(block));
        if self.block.is_empty() {
            self.block.extend_from_slice(rest);
        }
    }

    /// Adds zeros.
    pub fn skip(&mut self, mut zeros: u64) {
        if !self.block.is_empty() {
            let now = zeros.min((BLOCK - self.block.len()) as u64);
            self.block.resize(self.block.len() + now as usize, 0);
            zeros -= now;
            self.end_block();
        }
        let whole = zeros / BLOCK as u64 * BLOCK as u64;
        if whole > 0 {
            self.end_run();
            self.at += whole;
        }
        if zeros > whole {
            self.block.resize((zeros - whole) as usize, 0);
        }
    }

    fn end_block(&mut self) {
        if self.block.len() == BLOCK {
            let block = std::mem::take(&mut self.block);
            self.block(&block);
            self.block = block;
            self.block.clear();
        }
    }

    fn block(&mut self, block: &[u8]) {
        if *block == ZEROS[..block.len()] {
            self.end_run();
        } else {
            self.run.get_or_insert(self.at);
            self.hash.update(block);
        }
        self.at += block.len() as u64;
    }

    fn end_run(&mut self) {
        if let Some(from) = self.run.take() {
            self.hash.update(from.to_be_bytes());
            self.hash.update((self.at - from).to_be_bytes());
        }
    }

    /// Returns the digest, at the end of the file.
    pub fn finish(mut self) -> Digest {
        let last = std::mem::take(&mut self.block);
        if !last.is_empty() {
            self.block(&last);
        }
        self.end_run();
        self.hash.update(self.at.to_be_bytes());
        self.hash.finalize().into()
    }
}

/// A file on disk, piece by piece. What the file system reports as a hole is not read.
pub struct OnDisk<'f> {
    file: &'f File,
    size: u64,
    at: u64,
    /// Where the current stretch ends.
    hole: u64,
}

impl<'f> OnDisk<'f> {
    /// The whole file.
    ///
    /// # Errors
    /// The file system does not give its size.
    pub fn new(file: &'f File) -> io::Result<OnDisk<'f>> {
        Ok(OnDisk { file, size: file.metadata()?.len(), at: 0, hole: 0 })
    }

    /// The next piece, through `buffer`.
    ///
    /// # Errors
    /// A failed read; a file that got shorter.
    pub fn next<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<Piece<'b>>> {
        if self.at == self.size {
            return Ok(None);
        }
        if self.at == self.hole {
            let data = match seek(self.file, SeekFrom::Data(self.at)) {
                Ok(data) => data.clamp(self.at, self.size),
                Err(Errno::NXIO) => self.size,
                Err(e) => return Err(e.into()),
            };
            if data > self.at {
                let zeros = data - self.at;
                (self.at, self.hole) = (data, data);
                return Ok(Some(Piece::Hole(zeros)));
            }
            self.hole = seek(self.file, SeekFrom::Hole(self.at))?.clamp(self.at + 1, self.size);
        }
        let most = buffer.len().min(usize::try_from(self.hole - self.at).unwrap_or(usize::MAX));
        let n = self.file.read_at(&mut buffer[..most], self.at)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += n as u64;
        Ok(Some(Piece::Data(&buffer[..n])))
    }
}

/// The digest of a file on disk.
///
/// # Errors
/// A failed read.
pub fn of_file(file: &File) -> io::Result<Digest> {
    let (mut pieces, mut hash, mut buffer) = (OnDisk::new(file)?, ExtentsHash::default(), vec![0; READ]);
    while let Some(piece) = pieces.next(&mut buffer)? {
        match piece {
            Piece::Data(bytes) => hash.add(bytes),
            Piece::Hole(zeros) => hash.skip(zeros),
        }
    }
    Ok(hash.finish())
}

/// The digest of what can be read.
///
/// # Errors
/// A failed read.
pub fn of_stream(bytes: &mut dyn Read) -> io::Result<Digest> {
    let (mut hash, mut buffer) = (ExtentsHash::default(), vec![0; READ]);
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(hash.finish()),
            Ok(n) => hash.add(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, block by block.
    fn slowly(file: &[u8]) -> Digest {
        let (mut text, mut run) = (Vec::new(), None);
        let end = |run: &mut Option<usize>, at: usize, text: &mut Vec<u8>| {
            if let Some(from) = run.take() {
                text.extend((from as u64).to_be_bytes());
                text.extend(((at - from) as u64).to_be_bytes());
            }
        };
        for (n, block) in file.chunks(BLOCK).enumerate() {
            if block.iter().all(|b| *b == 0) {
                end(&mut run, n * BLOCK, &mut text);
            } else {
                run.get_or_insert(n * BLOCK);
                text.extend(block);
            }
        }
        end(&mut run, file.len(), &mut text);
        text.extend((file.len() as u64).to_be_bytes());
        Sha256::digest(&text).into()
    }

    #[test]
    fn holes_cost_nothing() {
        let mut hash = ExtentsHash::default();
        hash.skip(1 << 60);
        hash.add(b"x");
        hash.skip((1 << 60) - 1);
        let block = [b"x", &ZEROS[1..]].concat();
        let want =
            [&block[..], &(1u64 << 60).to_be_bytes(), &(BLOCK as u64).to_be_bytes(), &(1u64 << 61).to_be_bytes()];
        assert_eq!(hash.finish(), Digest::from(Sha256::digest(want.concat())));
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_same(pieces in prop::collection::vec((0usize..9000, 0usize..9000, 0u8..3), 0..8)) {
            let (mut file, mut hash) = (Vec::new(), ExtentsHash::default());
            for (data, hole, letter) in pieces {
                let bytes = vec![letter.saturating_sub(1); data];
                hash.add(&bytes);
                hash.skip(hole as u64);
                file.extend(bytes);
                file.resize(file.len() + hole, 0);
            }
            prop_assert_eq!(hash.finish(), slowly(&file));
        }
    }
}
