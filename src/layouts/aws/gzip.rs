//! Gzip files assembled from pieces. Each piece is compressed separately, on any thread; together they are one gzip member.
//!
//! A piece ends at a byte boundary (a *sync flush* of RFC 1951), so any piece can follow it. The checksum of the file is combined from
//! those of the pieces.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::error::{Error, Result};

/// The first bytes of a file: deflate, no name, no time, unknown system.
pub(super) const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty last block.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// The same level as for `tar.gz`.
const LEVEL: u32 = 6;
/// Bytes by which the output buffer grows.
const ROOM: usize = 32 << 10;

/// A piece.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Compressed.
    pub bytes: Vec<u8>,
    /// Checksum of the bytes before compression.
    pub crc: Crc,
}

/// Compresses pieces; reuses its memory.
#[derive(Debug)]
pub(super) struct Compressor(Compress);

impl Default for Compressor {
    fn default() -> Self {
        Compressor(Compress::new(Compression::new(LEVEL), false))
    }
}

impl Compressor {
    /// Compresses a piece.
    ///
    /// # Errors
    /// The library fails, which is a bug of this program.
    pub fn piece(&mut self, plain: &[u8]) -> Result<Piece> {
        let Compressor(compress) = self;
        compress.reset();
        let mut piece = Piece::default();
        piece.crc.update(plain);
        loop {
            piece.bytes.reserve(ROOM);
            let rest = usize::try_from(compress.total_in()).ok().and_then(|done| plain.get(done..)).unwrap_or_default();
            let status = compress.compress_vec(rest, &mut piece.bytes, FlushCompress::Sync);
            let done = compress.total_in() == plain.len() as u64 && piece.bytes.len() < piece.bytes.capacity();
            match status {
                Ok(Status::Ok | Status::BufError) if done => return Ok(piece),
                Ok(Status::Ok | Status::BufError) => {}
                other => return Err(Error::internal(format!("a piece cannot be compressed: {other:?}"))),
            }
        }
    }
}

/// The last bytes of a file whose pieces have this checksum.
pub(super) fn end(crc: &Crc) -> Vec<u8> {
    [&LAST_BLOCK[..], &crc.sum().to_le_bytes(), &crc.amount().to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    /// A reader that accepts one member only.
    fn unpacked(pieces: &[Vec<u8>]) -> Vec<u8> {
        let (mut compressor, mut file, mut crc) = (Compressor::default(), HEAD.to_vec(), Crc::new());
        for plain in pieces {
            let piece = compressor.piece(plain).unwrap();
            assert_eq!(piece.bytes, Compressor::default().piece(plain).unwrap().bytes, "nothing of the one before");
            file.extend_from_slice(&piece.bytes);
            crc.combine(&piece.crc);
        }
        file.extend_from_slice(&end(&crc));
        let (mut reader, mut all) = (flate2::bufread::GzDecoder::new(&file[..]), Vec::new());
        reader.read_to_end(&mut all).unwrap();
        assert!(reader.into_inner().is_empty());
        all
    }

    #[test]
    fn large_pieces() {
        let noise: Vec<u8> = (0u64..300_000).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let pieces = [vec![b'a'; 200_000], noise, Vec::new(), b"{}\n".to_vec()];
        assert_eq!(unpacked(&pieces), pieces.concat());
    }

    proptest! {
        #[test]
        fn pieces_are_one_file(pieces in prop::collection::vec(prop::collection::vec(0u8..5, 0..400), 0..6)) {
            prop_assert_eq!(unpacked(&pieces), pieces.concat());
        }
    }
}
