//! Compressed files: recognised by their first bytes, and unpacked as a stream.

use std::io::{self, BufRead, Read};

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip: one or several members, as in `gunzip`.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// gzip, with its only method of compression.
const GZIP: &[u8] = b"\x1f\x8b\x08";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// Maximum window of the decompressor, as a power of two: level 19 has 8 MiB.
#[cfg(feature = "archive")]
const MOST_WINDOW: u32 = 25;

impl Compression {
    /// The compression of a file with these first bytes; `None`: it is not compressed.
    pub fn of(head: &[u8]) -> Option<Compression> {
        let is = |magic: &[u8]| head.starts_with(magic);
        is(GZIP).then_some(Compression::Gzip).or_else(|| is(ZSTD).then_some(Compression::Zstd))
    }

    /// The content of a compressed stream.
    ///
    /// # Errors
    /// A stream that cannot be started; in a build without the feature `archive`: always.
    #[cfg(feature = "archive")]
    pub fn unpack<'s>(self, stream: impl BufRead + Send + 's) -> io::Result<Box<dyn Read + Send + 's>> {
        Ok(match self {
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
            Compression::Zstd => {
                let mut unpacked = zstd::Decoder::with_buffer(stream)?;
                unpacked.window_log_max(MOST_WINDOW)?;
                Box::new(unpacked)
            }
        })
    }

    /// The content of a compressed stream.
    ///
    /// # Errors
    /// Always: this build does not support compression.
    #[cfg(not(feature = "archive"))]
    pub fn unpack<'s>(self, _: impl BufRead + Send + 's) -> io::Result<Box<dyn Read + Send + 's>> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this program was built without the feature `archive`, which unpacks files",
        ))
    }
}
