//! A member of an archive in GNU's sparse format 1.0, read as the file it represents (`output/pax.rs` writes such members).
//!
//! The content begins with a map: the number of stretches, then offset and length of each, decimal, a line feed after
//! every number, filled up with zeros to a block of 512 bytes. The stretches follow without the holes between them.

use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};

use tempfile::SpooledTempFile;

/// Block size of an archive.
const BLOCK: u64 = 512;
/// Digits of a number, at most.
const MOST_DIGITS: usize = 20;
/// Bytes of stretches that are held in memory; more go to a temporary file, because their number has no bound.
const HELD: usize = 1 << 20;
static ZEROS: [u8; 4096] = [0; 4096];

/// The member, from its first byte on.
pub struct Sparse<'r> {
    bytes: &'r mut (dyn Read + Send),
    /// Offset and length of the stretches after the next one.
    later: BufReader<SpooledTempFile>,
    next: Option<(u64, u64)>,
    at: u64,
    size: u64,
    /// Bytes of all stretches.
    data: u64,
}

/// The next piece of a file.
pub enum Piece<'p> {
    /// Bytes.
    Data(&'p [u8]),
    /// This many zeros.
    Hole(u64),
}

impl<'r> Sparse<'r> {
    /// Reads the map of a file of `size` bytes, whose member has `content` bytes.
    pub(super) fn open(bytes: &'r mut (dyn Read + Send), content: u64, size: u64) -> io::Result<Sparse<'r>> {
        let mut map = Map { bytes, read: 0 };
        let many = map.number()?;
        let mut stretches = BufWriter::new(SpooledTempFile::new(HELD));
        let (mut end, mut data) = (0, 0);
        for _ in 0..many {
            let (offset, len) = (map.number()?, map.number()?);
            let next = offset.checked_add(len).filter(|next| offset >= end && *next <= size);
            end = next.ok_or_else(|| broken("its parts with data are not in order"))?;
            if len > 0 {
                [offset, len].iter().try_for_each(|n| stretches.write_all(&n.to_le_bytes()))?;
            }
            data += len;
        }
        map.pad()?;
        if content.checked_sub(map.read) != Some(data) {
            return Err(broken("its map does not list all data of the member"));
        }
        let mut later = stretches.into_inner()?;
        later.rewind()?;
        let mut sparse = Sparse { bytes: map.bytes, later: BufReader::new(later), next: None, at: 0, size, data };
        sparse.step()?;
        Ok(sparse)
    }

    fn step(&mut self) -> io::Result<()> {
        let mut numbers = [0; 16];
        self.next = match self.later.read_exact(&mut numbers) {
            Ok(()) => {
                let (offset, len) = numbers.split_at(8);
                let number = |bytes: &[u8]| u64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default());
                Some((number(offset), number(len)))
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(e) => return Err(e),
        };
        Ok(())
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of its holes.
    pub fn holes(&self) -> u64 {
        self.size.saturating_sub(self.data)
    }

    /// Gives the whole file, piece by piece, through `buffer`.
    ///
    /// # Errors
    /// A failed read, or an archive that ends too soon.
    pub fn each(mut self, buffer: &mut [u8], mut each: impl FnMut(Piece<'_>)) -> io::Result<()> {
        while let Some(piece) = self.next(buffer)? {
            each(piece);
        }
        Ok(())
    }

    /// The next piece, through `buffer`.
    ///
    /// # Errors
    /// A failed read, or an archive that ends too soon.
    pub fn next<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<Piece<'b>>> {
        Ok(match self.hole() {
            0 if self.at == self.size => None,
            0 => {
                let n = self.data(buffer)?;
                Some(Piece::Data(&buffer[..n]))
            }
            zeros => {
                self.at += zeros;
                Some(Piece::Hole(zeros))
            }
        })
    }

    /// The number of zeros that come next.
    fn hole(&self) -> u64 {
        self.next.map_or(self.size, |(offset, _)| offset) - self.at
    }

    /// Reads more of the next stretch.
    fn data(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((offset, len)) = self.next else { return Ok(0) };
        let most = buffer.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        let n = self.bytes.read(&mut buffer[..most])?;
        if n == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += n as u64;
        match len - n as u64 {
            0 => self.step()?,
            left => self.next = Some((offset + n as u64, left)),
        }
        Ok(n)
    }
}

impl Read for Sparse<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.hole() {
            0 => self.data(buffer),
            zeros => {
                let n = buffer.len().min(ZEROS.len()).min(usize::try_from(zeros).unwrap_or(usize::MAX));
                buffer[..n].copy_from_slice(&ZEROS[..n]);
                self.at += n as u64;
                Ok(n)
            }
        }
    }
}

/// The map, number by number.
struct Map<'r> {
    bytes: &'r mut (dyn Read + Send),
    read: u64,
}

impl Map<'_> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.bytes.read_exact(&mut byte)?;
        self.read += 1;
        Ok(byte[0])
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut digits = String::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                digit if digit.is_ascii_digit() && digits.len() < MOST_DIGITS => digits.push(char::from(digit)),
                _ => return Err(broken("its map has something other than numbers")),
            }
        }
        digits.parse().map_err(|_| broken("a number in its map is not valid"))
    }

    fn pad(&mut self) -> io::Result<()> {
        while !self.read.is_multiple_of(BLOCK) {
            self.byte()?;
        }
        Ok(())
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a file with holes: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(map: &str, data: &str) -> Vec<u8> {
        let mut bytes = map.as_bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(BLOCK as usize), 0);
        bytes.extend_from_slice(data.as_bytes());
        bytes
    }

    fn read(map: &str, data: &str, size: u64) -> io::Result<String> {
        let bytes = member(map, data);
        let len = bytes.len() as u64;
        let (mut as_file, mut in_pieces) = (Vec::new(), Vec::new());
        Sparse::open(&mut bytes.as_slice(), len, size)?.read_to_end(&mut as_file)?;
        Sparse::open(&mut bytes.as_slice(), len, size)?.each(&mut [0; 2], |piece| match piece {
            Piece::Data(data) => in_pieces.extend_from_slice(data),
            Piece::Hole(zeros) => in_pieces.resize(in_pieces.len() + zeros as usize, 0),
        })?;
        assert_eq!(as_file, in_pieces);
        Ok(String::from_utf8(as_file).unwrap())
    }

    #[test]
    fn files_with_holes() {
        assert_eq!(read("3\n2\n3\n7\n1\n9\n0\n", "abcd", 9).unwrap(), "\0\0abc\0\0d\0");
        assert_eq!(read("1\n3\n0\n", "", 3).unwrap(), "\0\0\0");
        assert_eq!(read("0\n", "", 2).unwrap(), "\0\0");
        assert_eq!(read("1\n0\n2\n", "ab", 2).unwrap(), "ab");
    }

    #[test]
    fn broken_ones() {
        for (map, data, size) in [
            ("2\n0\n2\n1\n1\n", "abc", 9),
            ("1\n0\n5\n", "ab", 5),
            ("1\n0\n5\n", "abcde", 4),
            ("x\n", "", 1),
            ("1\n", "", 1),
            ("1\n0\n2\n", "abc", 5),
        ] {
            assert!(read(map, data, size).is_err(), "{map:?}");
        }
        assert!(read("99999999999999999999\n", "", 1).is_err());
    }
}
