//! Compressed files: recognised by their first bytes, and unpacked as a stream.

use std::io::{self, BufRead, Read};

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip: one member or several, as `gunzip` has it.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// gzip, with its only method of compression.
const GZIP: &[u8] = b"\x1f\x8b\x08";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// Most bytes, as a power of two, that unpacking may hold of what is behind it: level 19 has 8 MiB.
#[cfg(feature = "archive")]
const MOST_WINDOW: u32 = 25;

impl Compression {
    /// How a file with these first bytes is compressed; `None`: it is not.
    pub fn of(head: &[u8]) -> Option<Compression> {
        let is = |magic: &[u8]| head.starts_with(magic);
        is(GZIP).then_some(Compression::Gzip).or_else(|| is(ZSTD).then_some(Compression::Zstd))
    }

    /// What is in a compressed stream.
    ///
    /// # Errors
    /// A stream that cannot be begun; of a build without the feature `archive`: always.
    #[cfg(feature = "archive")]
    pub fn unpack<'s>(self, stream: impl BufRead + 's) -> io::Result<Box<dyn Read + 's>> {
        Ok(match self {
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
            Compression::Zstd => {
                let mut unpacked = zstd::Decoder::with_buffer(stream)?;
                unpacked.window_log_max(MOST_WINDOW)?;
                Box::new(unpacked)
            }
        })
    }

    /// What is in a compressed stream.
    ///
    /// # Errors
    /// Always: this build unpacks nothing.
    #[cfg(not(feature = "archive"))]
    pub fn unpack<'s>(self, _: impl BufRead + 's) -> io::Result<Box<dyn Read + 's>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this build unpacks nothing: it lacks the feature `archive`"))
    }
}
