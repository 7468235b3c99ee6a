//! Builds snapshot files row by row.

use ekvsnap::format::header::FsmHeader;
use ekvsnap::format::{self, container, frame, mvcc};
use ekvsnap::source::crc::crc32_ieee;

/// A snapshot that is being built: rows in any order, sorted at the end.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    last_commit_ts: Option<u64>,
    newest: u64,
}

/// The default timestamp of rows: 2026 in HLC form, so that inverted timestamps begin with FE.
pub const NOW: u64 = 1_767_225_600_000 << 16;

impl Snapshot {
    pub fn new() -> Snapshot {
        Snapshot::default()
    }

    /// A row at [`NOW`].
    pub fn put(self, key: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Self {
        self.put_at(NOW, key, body)
    }

    /// A row at a timestamp.
    pub fn put_at(self, ts: u64, key: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Self {
        self.version(ts, key, 0, 0, body)
    }

    /// A tombstone.
    pub fn delete_at(self, ts: u64, key: impl AsRef<[u8]>) -> Self {
        self.version(ts, key, 1, 0, b"")
    }

    /// A row with every part of its header.
    pub fn version(
        mut self,
        ts: u64,
        key: impl AsRef<[u8]>,
        flags: u8,
        expire_at: u64,
        body: impl AsRef<[u8]>,
    ) -> Self {
        let mut raw = Vec::new();
        mvcc::raw_key_into(key.as_ref(), ts, &mut raw);
        // Written by hand, because tests need flags that no encoder writes.
        let mut value = vec![flags];
        value.extend(expire_at.to_le_bytes());
        value.extend(body.as_ref());
        self.newest = self.newest.max(ts);
        self.raw(raw, value)
    }

    /// An entry in the form of the file.
    pub fn raw(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.rows.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Sets `lastCommitTS`; otherwise it is that of the newest row.
    pub fn last_commit(mut self, ts: u64) -> Self {
        self.last_commit_ts = Some(ts);
        self
    }

    /// Only the store stream: no header, no footer.
    pub fn bare(&self) -> Vec<u8> {
        let mut rows = self.rows.clone();
        rows.sort();
        let mut out = Vec::new();
        frame::stream_header_into(self.last_commit_ts.unwrap_or(self.newest), &mut out);
        rows.iter().for_each(|(key, value)| frame::entry_into(key, value, &mut out));
        out
    }

    /// As a server writes it: header, stream, footer.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::new();
        FsmHeader { version: 1, ..FsmHeader::default() }.encode(&mut out);
        out.extend(self.bare());
        with_footer(out)
    }
}

/// Appends the CRC32C of `bytes`.
pub fn with_footer(mut bytes: Vec<u8>) -> Vec<u8> {
    container::footer_into(&mut bytes);
    bytes
}

/// A version of a key in an `EKVMVCC2` stream: timestamp, tombstone, expiry, body.
pub type Version<'a> = (u64, bool, u64, &'a [u8]);

/// An `EKVMVCC2` stream of keys with their versions, oldest first.
pub fn mvcc2(last_commit_ts: u64, keys: &[(&[u8], &[Version<'_>])]) -> Vec<u8> {
    mvcc2_with(1, b"", last_commit_ts, keys)
}

/// An `EKVMVCC2` stream of some version, with the state between its header and the keys.
pub fn mvcc2_with(version: u8, state: &[u8], last_commit_ts: u64, keys: &[(&[u8], &[Version<'_>])]) -> Vec<u8> {
    let mut rest = last_commit_ts.to_le_bytes().to_vec();
    rest.extend(0u64.to_le_bytes());
    rest.extend(state);
    for (key, versions) in keys {
        let versions: Vec<_> = versions
            .iter()
            .map(|&(commit_ts, tombstone, expire_at, body)| format::mvcc2::Version {
                commit_ts,
                tombstone,
                expire_at,
                body,
            })
            .collect();
        format::mvcc2::key_into(key, &versions, &mut rest);
    }
    let mut out = [b"EKVMVCC2", &[version, 0, 0, 0][..]].concat();
    out.extend(crc32_ieee(&rest).to_le_bytes());
    out.extend(rest);
    out
}

/// A key with the user key after its length.
pub fn sized(prefix: &str, key: impl AsRef<[u8]>, rest: impl AsRef<[u8]>) -> Vec<u8> {
    let key = key.as_ref();
    [prefix.as_bytes(), &(key.len() as u32).to_be_bytes(), key, rest.as_ref()].concat()
}

/// A plain key: prefix and user key.
pub fn plain(prefix: &str, key: impl AsRef<[u8]>) -> Vec<u8> {
    [prefix.as_bytes(), key.as_ref()].concat()
}

/// Numbers as big-endian bytes.
pub fn be(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// A delta key: timestamp and sequence after the user key.
pub fn delta(prefix: &str, key: impl AsRef<[u8]>, ts: u64, seq: u32) -> Vec<u8> {
    sized(prefix, key, [&ts.to_be_bytes()[..], &seq.to_be_bytes()].concat())
}

/// A success marker's key.
pub fn marker(locked: impl AsRef<[u8]>, start: u64, commit: u64, primary: impl AsRef<[u8]>) -> Vec<u8> {
    let (locked, primary) = (locked.as_ref(), primary.as_ref());
    let [of_locked, of_primary] = [locked, primary].map(|bytes| uvarint(bytes.len()));
    [b"!txn|ok|\x01", &of_locked[..], locked, &be(&[start, commit]), &of_primary, primary].concat()
}

/// A number in groups of seven bits, the lowest first.
fn uvarint(n: usize) -> Vec<u8> {
    let low = (n & 0x7f) as u8;
    if n < 0x80 { vec![low] } else { [vec![low | 0x80], uvarint(n >> 7)].concat() }
}

/// The key of a row that a migration has staged.
pub fn staged(job: u64, key: impl AsRef<[u8]>) -> Vec<u8> {
    [b"!dist|migstage|", &job.to_be_bytes()[..], b"|", key.as_ref()].concat()
}

/// A list item's key.
pub fn item(key: impl AsRef<[u8]>, seq: i64) -> Vec<u8> {
    let sortable = (seq.cast_unsigned() ^ (1 << 63)).to_be_bytes();
    [b"!lst|itm|", key.as_ref(), &sortable].concat()
}

/// The magic and protobuf of a stream entry.
pub fn entry(id: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut out = b"\0RXE\x01".to_vec();
    out.extend(message(1, id.as_bytes()));
    for field in fields {
        out.extend(message(2, field));
    }
    out
}

/// A length-delimited protobuf field of less than 128 bytes.
pub fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    assert!(bytes.len() < 128);
    out.extend(bytes);
    out
}
