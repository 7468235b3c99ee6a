//! Makes a snapshot file of rows.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};

use ekvsnap::format::container::{Checksum, Encoder};
use ekvsnap::format::header::FsmHeader;
use ekvsnap::format::mvcc::{ValueHeader, raw_key_into};
use ekvsnap::format::sst::bundle::front_into;
use ekvsnap::format::sst::writer::{self, Finished, Shape};

use super::Form;

/// 2026 in HLC form: inverted timestamps begin with FE, as on a live server.
pub const NOW: u64 = 1_767_225_600_000 << 16;
/// The commit timestamp of the store.
pub const LAST_COMMIT: u64 = NOW + 4;

/// Makes the rows of a family.
type Emit = Box<dyn Fn(&mut Rows<'_>) -> io::Result<()>>;

/// Rows that are neighbours in a file, made in key order.
pub struct Family {
    pub prefix: &'static str,
    pub emit: Emit,
    /// Whether these are rows without user data.
    pub fence: bool,
}

impl Family {
    pub fn new(prefix: &'static str, emit: impl Fn(&mut Rows<'_>) -> io::Result<()> + 'static) -> Family {
        Family { prefix, emit: Box::new(emit), fence: false }
    }
}

/// The result: number of rows of keys, bytes of everything, and bytes of the largest row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
    pub largest: u64,
}

/// A bit that is flipped.
#[derive(Debug, Clone, Copy)]
pub enum Damage {
    /// In the stored key, so that it is out of order.
    Key,
    /// In the length of the key, so that its frame is broken.
    Frame,
}

/// A snapshot being written.
pub struct Rows<'w> {
    out: &'w mut dyn Write,
    encoder: Encode,
    /// Encoded bytes that are not written to `out` yet.
    buffer: Vec<u8>,
    bare: bool,
    written: Written,
}

enum Encode {
    Stream(Box<Encoder>),
    /// With the tables so far: the front of the file depends on all of them.
    Bundle(Box<writer::Encoder>, File),
}

/// Bytes of the buffer at which it is written out.
const FULL: usize = 1 << 20;

const HEADER: FsmHeader = FsmHeader { version: 1, ceiling_ms: 0, cutover_index: 0, len: 16 };

impl<'w> Rows<'w> {
    pub fn begin(out: &'w mut dyn Write, form: Form) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(FULL);
        let header = if form == Form::Bare { FsmHeader::default() } else { HEADER };
        let encoder = match form {
            Form::Stream | Form::Bare => Encode::Stream(Box::new(Encoder::begin(&header, LAST_COMMIT, &mut buffer))),
            Form::Bundle { snappy } => {
                let shape = Shape { snappy, ..Shape::default() };
                Encode::Bundle(Box::new(writer::Encoder::new(shape)), tempfile::tempfile()?)
            }
        };
        let written = Written { rows: 0, bytes: 0, largest: 0 };
        Ok(Rows { out, encoder, buffer, bare: form == Form::Bare, written })
    }

    /// A key with one version.
    pub fn put(&mut self, key: &[u8], body: &[u8]) -> io::Result<()> {
        self.version(key, NOW, Some(body))
    }

    /// A key with several versions, newest first; `None` is a tombstone.
    pub fn versions(&mut self, key: &[u8], versions: &[(u64, Option<Vec<u8>>)]) -> io::Result<()> {
        let seen = if self.bare { 1 } else { versions.len() };
        for (ts, body) in &versions[..seen] {
            if body.is_some() || !self.bare {
                self.version(key, *ts, body.as_deref())?;
            }
        }
        Ok(())
    }

    /// A version of a key.
    pub fn version(&mut self, key: &[u8], ts: u64, body: Option<&[u8]>) -> io::Result<()> {
        let value = ValueHeader { tombstone: body.is_none(), expire_at: 0, body: body.unwrap_or_default() };
        match &mut self.encoder {
            Encode::Stream(encoder) => {
                let encoded = encoder.row(key, ts, &value, &mut self.buffer);
                assert!(encoded.is_ok(), "{:?}: {encoded:?}", String::from_utf8_lossy(key));
            }
            Encode::Bundle(encoder, tables) => {
                let (mut raw_key, mut raw_value) = (Vec::new(), Vec::new());
                raw_key_into(key, ts, &mut raw_key);
                value.encode(&mut raw_value);
                table(encoder.raw(&raw_key, &raw_value).map_err(refused)?, tables)?;
            }
        }
        self.written.rows += 1;
        self.written.largest = self.written.largest.max((key.len() + 8 + 9 + value.body.len()) as u64);
        if self.buffer.len() >= FULL { self.flush() } else { Ok(()) }
    }

    /// The same with damage. The checksum is that of the intact row.
    pub fn damaged(&mut self, key: &[u8], ts: u64, body: Option<&[u8]>, damage: Damage) -> io::Result<()> {
        self.flush()?;
        self.version(key, ts, body)?;
        let key_at = self.buffer.windows(key.len()).position(|bytes| bytes == key);
        let at = match damage {
            Damage::Key => key_at,
            // The highest byte of the key's length is before it.
            Damage::Frame => key_at.and_then(|at| at.checked_sub(1)),
        };
        at.into_iter().for_each(|at| self.buffer[at] ^= 0x80);
        Ok(())
    }

    /// Adds store metadata and footer, if the form has them.
    pub fn finish(mut self) -> io::Result<Written> {
        let (key, value) = (b"_meta_last_commit_ts", LAST_COMMIT.to_le_bytes());
        match self.encoder {
            Encode::Stream(mut encoder) => {
                if !self.bare {
                    encoder.raw(key.to_vec(), &value, &mut self.buffer).map_err(refused)?;
                    encoder.finish(&mut self.buffer);
                }
                self.written.bytes += self.buffer.len() as u64;
                self.out.write_all(&self.buffer)?;
            }
            Encode::Bundle(mut encoder, mut tables) => {
                table(encoder.raw(key, &value).map_err(refused)?, &mut tables)?;
                let (last, manifest) = encoder.finish();
                table(last, &mut tables)?;
                HEADER.encode(&mut self.buffer);
                front_into(&manifest, &mut self.buffer);
                self.written.bytes += copy(&mut self.buffer, &mut tables, self.out)?;
            }
        }
        self.out.flush()?;
        Ok(self.written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.written.bytes += self.buffer.len() as u64;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

#[cold]
fn refused(fault: ekvsnap::format::Fault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{fault:?}"))
}

/// Keeps a table until all are complete.
fn table(finished: Option<Finished>, tables: &mut File) -> io::Result<()> {
    finished.map_or(Ok(()), |table| tables.write_all(&table.bytes))
}

/// Writes the front, the tables and the footer; returns the number of bytes.
fn copy(buffer: &mut Vec<u8>, tables: &mut File, out: &mut dyn Write) -> io::Result<u64> {
    let (mut crc, mut written) = (Checksum::default(), 0);
    tables.rewind()?;
    loop {
        crc.update(buffer);
        written += buffer.len() as u64;
        out.write_all(buffer)?;
        buffer.clear();
        if (&mut *tables).take(FULL as u64).read_to_end(buffer)? == 0 {
            break;
        }
    }
    crc.footer_into(buffer);
    out.write_all(buffer)?;
    Ok(written + buffer.len() as u64)
}
