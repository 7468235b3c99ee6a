//! CRC32C of the whole file, in parallel pieces (`container.md` §4).

use std::path::Path;

use crc_fast::{CrcAlgorithm, Digest, checksum, checksum_combine};
use rayon::prelude::*;

use super::{Access, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::format::limits::FOOTER;

/// Bytes of one piece: large enough to hide the cost of combining, small enough to share among threads.
const PIECE: usize = 8 << 20;

/// CRC32C of a run of bytes, to which the next run's can be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crc {
    value: u64,
    len: u64,
}

impl Crc {
    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Crc {
        Crc { value: checksum(CrcAlgorithm::Crc32Iscsi, bytes), len: bytes.len() as u64 }
    }

    /// The checksum of all these runs of bytes, one after the other. Adding bytes is cheaper than appending a run.
    pub fn of_all<'b>(runs: impl Iterator<Item = &'b [u8]>) -> Crc {
        let (mut digest, mut len) = (Digest::new(CrcAlgorithm::Crc32Iscsi), 0);
        for run in runs {
            digest.update(run);
            len += run.len() as u64;
        }
        Crc { value: digest.finalize(), len }
    }

    /// The checksum.
    pub fn value(self) -> u32 {
        self.value as u32
    }

    /// Adds the bytes that follow.
    pub fn append(&mut self, next: Crc) {
        // Combining costs as much as the checksum of a hundred kilobytes.
        if self.len == 0 || next.len == 0 {
            if self.len == 0 {
                *self = next;
            }
            return;
        }
        self.value = checksum_combine(CrcAlgorithm::Crc32Iscsi, self.value, next.value, next.len);
        self.len += next.len;
    }
}

/// CRC32C (Castagnoli) of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    parallel(CrcAlgorithm::Crc32Iscsi, bytes)
}

/// CRC32 (IEEE) of `bytes`.
pub fn crc32_ieee(bytes: &[u8]) -> u32 {
    parallel(CrcAlgorithm::Crc32IsoHdlc, bytes)
}

fn parallel(algorithm: CrcAlgorithm, bytes: &[u8]) -> u32 {
    let pieces: Vec<(u64, u64)> =
        bytes.par_chunks(PIECE).map(|piece| (checksum(algorithm, piece), piece.len() as u64)).collect();
    let combined = pieces.into_iter().reduce(|(a, n), (b, m)| (checksum_combine(algorithm, a, b, m), n + m));
    combined.map_or_else(|| checksum(algorithm, b""), |(crc, _)| crc) as u32
}

/// The last four bytes as a footer, with the checksum of the bytes before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// The stored value.
    pub stored: u32,
    /// The value computed from the bytes.
    pub computed: u32,
}

impl Footer {
    /// Takes the last four bytes as a footer; `None` if there are fewer.
    pub fn of(file: &[u8]) -> Option<Footer> {
        let (body, stored) = file.split_last_chunk::<FOOTER>()?;
        Some(Footer { stored: u32::from_be_bytes(*stored), computed: crc32c(body) })
    }

    /// The last four bytes of `file` as a footer, if the checksum of everything before them is known.
    pub(crate) fn known(file: &[u8], crc: Crc) -> Option<Footer> {
        let (body, stored) = file.split_last_chunk::<FOOTER>()?;
        let known = body.len() as u64 == crc.len;
        known.then(|| Footer { stored: u32::from_be_bytes(*stored), computed: crc.value as u32 })
    }

    /// Whether the two values are equal.
    pub fn matches(self) -> bool {
        self.stored == self.computed
    }

    /// The error of a footer that does not match.
    #[cold]
    pub fn mismatch(self) -> Error {
        Error::new(ErrorKind::FooterCrc { stored: self.stored, computed: self.computed })
    }
}

/// Why a file is not one that a server completed: all of those end in the CRC32C of their bytes.
///
/// # Errors
/// A file that cannot be read, or that changes at the same time.
pub fn damage_of(path: &Path) -> Result<Option<Error>> {
    let source = Source::open(path, Access::Map)?;
    let damage = match Footer::of(source.file()) {
        Some(footer) => (!footer.matches()).then(|| footer.mismatch()),
        None if source.file().is_empty() => Some(Error::new(ErrorKind::EmptyFile)),
        None => Some(Error::new(ErrorKind::Truncated("its footer"))),
    };
    source.check_unchanged()?;
    Ok(damage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32_ieee(b"123456789"), 0xCBF4_3926);
        assert_eq!(Crc::of_all([&b"123"[..], b"", b"456789"].into_iter()), Crc::of(b"123456789"));
        let footer = Footer::of(&[0, 0, 0, 0]).unwrap();
        assert!(footer.matches());
    }

    #[test]
    fn pieces_combine() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 12345).map(|i| ((i * 31) >> 3) as u8).collect();
        assert_eq!(u64::from(crc32c(&bytes)), checksum(CrcAlgorithm::Crc32Iscsi, &bytes));
    }
}
