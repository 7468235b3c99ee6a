//! Rows in, a snapshot file out.

use std::io::{self, Write};

use ekvsnap::format::container::Encoder;
use ekvsnap::format::header::FsmHeader;
use ekvsnap::format::mvcc::ValueHeader;

/// 2026 in HLC form: inverted timestamps begin with FE, as on a live server.
pub const NOW: u64 = 1_767_225_600_000 << 16;
/// The commit timestamp that the store vouches for.
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

/// What was written: rows of keys, bytes of everything, and bytes of the largest row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
    pub largest: u64,
}

/// A snapshot being written.
pub struct Rows<'w> {
    out: &'w mut dyn Write,
    encoder: Encoder,
    /// What the encoder has made and `out` has not got yet.
    buffer: Vec<u8>,
    bare: bool,
    written: Written,
}

/// Bytes of the buffer at which it is written out.
const FULL: usize = 1 << 20;

impl<'w> Rows<'w> {
    pub fn begin(out: &'w mut dyn Write, bare: bool) -> io::Result<Self> {
        let header = FsmHeader { version: u8::from(!bare), ..FsmHeader::default() };
        let mut buffer = Vec::with_capacity(FULL);
        let encoder = Encoder::begin(&header, LAST_COMMIT, &mut buffer);
        Ok(Rows { out, encoder, buffer, bare, written: Written { rows: 0, bytes: 0, largest: 0 } })
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
        let encoded = self.encoder.row(key, ts, &value, &mut self.buffer);
        assert!(encoded.is_ok(), "{:?}: {encoded:?}", String::from_utf8_lossy(key));
        self.written.rows += 1;
        self.written.largest = self.written.largest.max((key.len() + 8 + 9 + value.body.len()) as u64);
        if self.buffer.len() >= FULL { self.flush() } else { Ok(()) }
    }

    /// The same with a bit of the stored key flipped, so that it is out of order. The checksum is that of the sound row.
    pub fn damaged(&mut self, key: &[u8], ts: u64, body: Option<&[u8]>) -> io::Result<()> {
        self.flush()?;
        self.version(key, ts, body)?;
        let at = self.buffer.windows(key.len()).position(|bytes| bytes == key);
        at.into_iter().for_each(|at| self.buffer[at] ^= 0x80);
        Ok(())
    }

    /// Store metadata and footer, where they belong.
    pub fn finish(mut self) -> io::Result<Written> {
        if !self.bare {
            let last_commit =
                self.encoder.raw(b"_meta_last_commit_ts".to_vec(), &LAST_COMMIT.to_le_bytes(), &mut self.buffer);
            assert!(last_commit.is_ok(), "{last_commit:?}");
        }
        self.flush()?;
        if !self.bare {
            self.encoder.finish(&mut self.buffer);
            self.written.bytes += self.buffer.len() as u64;
            self.out.write_all(&self.buffer)?;
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
