//! Rows in, a snapshot file out.

use std::io::{self, BufWriter, Write};

use crc_fast::{CrcAlgorithm, Digest};

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

/// What was written: rows of keys, and bytes of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
}

/// A snapshot being written.
pub struct Rows<'w> {
    out: BufWriter<&'w mut dyn Write>,
    crc: Digest,
    bare: bool,
    written: Written,
    /// The last raw key, to prove the order; and the one being made.
    last: Vec<u8>,
    key: Vec<u8>,
}

impl<'w> Rows<'w> {
    pub fn begin(out: &'w mut dyn Write, bare: bool) -> io::Result<Self> {
        let mut rows = Rows {
            out: BufWriter::with_capacity(1 << 20, out),
            crc: Digest::new(CrcAlgorithm::Crc32Iscsi),
            bare,
            written: Written { rows: 0, bytes: 0 },
            last: Vec::new(),
            key: Vec::new(),
        };
        if !bare {
            rows.bytes(b"EKVTHLC1\0\0\0\0\0\0\0\0")?;
        }
        rows.bytes(b"EKVPBBL1")?;
        rows.bytes(&LAST_COMMIT.to_le_bytes())?;
        Ok(rows)
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

    fn version(&mut self, key: &[u8], ts: u64, body: Option<&[u8]>) -> io::Result<()> {
        std::mem::swap(&mut self.last, &mut self.key);
        self.key.clear();
        self.key.extend_from_slice(key);
        self.key.extend_from_slice(&(!ts).to_be_bytes());
        assert!(self.last < self.key, "{:?} is out of order", String::from_utf8_lossy(key));
        let mut front = [0; 8 + 9];
        front[..8].copy_from_slice(&(9 + body.map_or(0, <[u8]>::len) as u64).to_le_bytes());
        front[8] = u8::from(body.is_none());
        let raw_key = std::mem::take(&mut self.key);
        self.bytes(&(raw_key.len() as u64).to_le_bytes())?;
        self.bytes(&raw_key)?;
        self.key = raw_key;
        self.bytes(&front)?;
        self.bytes(body.unwrap_or_default())?;
        self.written.rows += 1;
        Ok(())
    }

    /// Store metadata and footer, where they belong.
    pub fn finish(mut self) -> io::Result<Written> {
        if !self.bare {
            let name = b"_meta_last_commit_ts";
            self.bytes(&(name.len() as u64).to_le_bytes())?;
            self.bytes(name)?;
            self.bytes(&8u64.to_le_bytes())?;
            self.bytes(&LAST_COMMIT.to_le_bytes())?;
            let crc = self.crc.finalize() as u32;
            self.bytes(&crc.to_be_bytes())?;
        }
        self.out.flush()?;
        Ok(self.written)
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.written.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}
