//! Encodes parts of an RDB file.

use std::io::{self, BufWriter, Write};

use crc_fast::{CrcAlgorithm, Digest};

use crate::error::{Error, Result};
use crate::model::redis::Type;

/// Opcodes.
const AUX: u8 = 0xfa;
pub(super) const EXPIRY_MS: u8 = 0xfc;
const DATABASE: u8 = 0xfe;
const END: u8 = 0xff;

pub(super) const STRING: u8 = 0;
/// Types of values in their plain forms, which servers of all versions read and convert to their preferred forms.
const LIST: u8 = 1;
const SET: u8 = 2;
const HASH: u8 = 4;
/// Sorted sets with binary scores.
const ZSET: u8 = 5;
/// Streams of Redis 7.0: with the first ID, the greatest deleted ID, and the number of entries that were ever added.
const STREAM: u8 = 19;

/// The start of the file: magic and version. Redis 7.0 is the oldest that reads version 10.
const MAGIC: &[u8] = b"REDIS0010";
const WROTE: [(&[u8], &[u8]); 2] = [(b"redis-ver", b"7.0.0"), (b"redis-bits", b"64")];

/// The type of a collection.
pub(super) fn kind(of: Type) -> Result<u8> {
    Ok(match of {
        Type::List => LIST,
        Type::Set => SET,
        Type::Hash => HASH,
        Type::Zset => ZSET,
        Type::Stream => STREAM,
        Type::String | Type::Hll => return Err(Error::internal("a string is no collection")),
    })
}

/// Appends a length: 6 or 14 bits after two bits that select the form, or 32 or 64 bits after a byte.
pub(super) fn length_into(len: u64, out: &mut Vec<u8>) {
    match len {
        0..=0x3f => out.push(len as u8),
        0x40..=0x3fff => out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
        _ => match u32::try_from(len) {
            Ok(len) => {
                out.push(0x80);
                out.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&len.to_be_bytes());
            }
        },
    }
}

/// Appends a string after its length.
#[inline]
pub(super) fn string_into(text: &[u8], out: &mut Vec<u8>) {
    length_into(text.len() as u64, out);
    out.extend_from_slice(text);
}

/// A file that is being written, with the checksum of its content.
pub(super) struct Rdb<W: Write> {
    out: BufWriter<W>,
    crc: Digest,
}

impl<W: Write> Rdb<W> {
    /// Writes the start of the file.
    pub fn begin(out: W) -> io::Result<Rdb<W>> {
        let mut rdb = Rdb { out: BufWriter::with_capacity(1 << 20, out), crc: Digest::new(CrcAlgorithm::Crc64Redis) };
        let mut head = MAGIC.to_vec();
        for (name, value) in WROTE {
            head.push(AUX);
            string_into(name, &mut head);
            string_into(value, &mut head);
        }
        head.extend_from_slice(&[DATABASE, 0]);
        rdb.write_all(&head)?;
        Ok(rdb)
    }

    /// Writes bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    /// Writes the end.
    pub fn finish(mut self) -> io::Result<()> {
        self.write_all(&[END])?;
        let crc = self.crc.finalize();
        self.out.write_all(&crc.to_le_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Write for Rdb<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.crc.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
