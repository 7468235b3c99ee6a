//! L2, `EKVMVCC2`: the stream of the in-memory store (`container.md` §7).
//!
//! ```text
//! "EKVMVCC2" · u32le version (1 or 2) · u32le CRC32-IEEE of all that follows
//! u64le lastCommitTS · u64le minRetainedTS
//! version 2: u64le count · { u64le len · readiness state }*
//!            optional: "EKVMIG2!" · u64le len · import acknowledgements · u64le len · HLC floors
//! { u64le klen · key · u64le nver · { u64le ts · u8 tombstone · u64le expireAt · u64le vlen · value }* }*
//! ```
//!
//! User keys ascend and have no timestamp; the newest version of a key is the last one.

use super::cursor::Cursor;
use super::frame::FrameFault;
use super::limits::{FOOTER, MVCC2_MAX_KEY, MVCC2_MAX_STATE, MVCC2_MAX_VALUE, MVCC2_MAX_VERSIONS};

/// Magic of the in-memory store's stream.
pub const MAGIC: &[u8; 8] = b"EKVMVCC2";
/// Before the state of migrations, except readiness; no key length is as large.
pub const MIGRATION_MARK: &[u8; 8] = b"EKVMIG2!";
/// Bytes before the first key, without the state of migrations in version 2.
pub const STREAM_HEADER: usize = 32;
/// Position in the stream from which its own checksum is computed.
pub const CRC_FROM: usize = 16;

/// The fixed header of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamHeader {
    /// Format version; 1 and 2 are known.
    pub version: u32,
    /// CRC32-IEEE of everything after this field, up to the footer.
    pub crc: u32,
    /// Newest commit timestamp of the store.
    pub last_commit_ts: u64,
    /// Versions older than this may be compacted away.
    pub min_retained_ts: u64,
}

/// Reads the stream header; `None` when the bytes end inside it.
pub fn stream_header(stream: &[u8]) -> Option<StreamHeader> {
    let mut c = Cursor::new(stream);
    c.strip(MAGIC)?;
    Some(StreamHeader {
        version: c.u32_le()?,
        crc: c.u32_le()?,
        last_commit_ts: c.u64_le()?,
        min_retained_ts: c.u64_le()?,
    })
}

/// Where the state of migrations ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Position of the first key in the stream.
    pub end: usize,
    /// Number of skipped parts: readiness states, and what follows the mark.
    pub parts: u64,
}

/// Skips the state of migrations after the header of a stream of version 2.
pub fn migration(stream: &[u8]) -> Result<Migration, FrameFault> {
    let mut c = Cursor::new(stream);
    c.take(STREAM_HEADER).ok_or(FrameFault::Truncated)?;
    let count = c.u64_le().ok_or(FrameFault::Truncated)?;
    if count > MVCC2_MAX_STATE {
        return Err(FrameFault::StateTooLarge(count));
    }
    for _ in 0..count {
        state(&mut c)?;
    }
    let marked = c.strip(MIGRATION_MARK).is_some();
    if marked {
        state(&mut c)?;
        state(&mut c)?;
    }
    let parts = count.saturating_add(if marked { 2 } else { 0 });
    Ok(Migration { end: stream.len().saturating_sub(c.len()), parts })
}

/// Skips one part with its length.
fn state(c: &mut Cursor<'_>) -> Result<(), FrameFault> {
    let len = c.u64_le().ok_or(FrameFault::Truncated)?;
    if len > MVCC2_MAX_STATE {
        return Err(FrameFault::StateTooLarge(len));
    }
    c.take_u64(len).map(drop).ok_or(FrameFault::Truncated)
}

/// One key with its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEntry<'a> {
    /// Position of the entry's first byte.
    pub start: usize,
    /// Position just after the entry.
    pub end: usize,
    /// The user key, without a timestamp.
    pub user_key: &'a [u8],
    /// How many versions follow.
    pub count: u64,
    versions: Cursor<'a>,
}

/// One version of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a> {
    /// Commit timestamp (HLC).
    pub commit_ts: u64,
    /// Whether this version deletes the key.
    pub tombstone: bool,
    /// HLC timestamp from which the key is absent; 0 = never.
    pub expire_at: u64,
    /// The family's own value.
    pub body: &'a [u8],
}

/// The content at a position of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A key.
    Entry(KeyEntry<'a>),
    /// The end of the bytes.
    End,
    /// Exactly the four bytes of a footer.
    Footer,
}

/// Reads what is at `at`, checking the frames of all its versions.
pub fn step(file: &[u8], at: usize) -> Result<Step<'_>, FrameFault> {
    let mut c = Cursor::new(file.get(at..).unwrap_or_default());
    let left = c.len();
    let Some(klen) = c.u64_le() else {
        return match left {
            0 => Ok(Step::End),
            FOOTER => Ok(Step::Footer),
            _ => Err(FrameFault::Truncated),
        };
    };
    if klen > MVCC2_MAX_KEY {
        return Err(FrameFault::KeyTooLarge(klen));
    }
    let user_key = c.take_u64(klen).ok_or(FrameFault::Truncated)?;
    let count = c.u64_le().ok_or(FrameFault::Truncated)?;
    if count > MVCC2_MAX_VERSIONS {
        return Err(FrameFault::ValueTooLarge(count));
    }
    let versions = c;
    for _ in 0..count {
        version(&mut c)?;
    }
    let end = file.len().saturating_sub(c.len());
    Ok(Step::Entry(KeyEntry { start: at, end, user_key, count, versions }))
}

fn version<'a>(c: &mut Cursor<'a>) -> Result<Version<'a>, FrameFault> {
    let mut fixed = || Some((c.u64_le()?, c.u8()?, c.u64_le()?, c.u64_le()?));
    let (commit_ts, tombstone, expire_at, vlen) = fixed().ok_or(FrameFault::Truncated)?;
    if vlen > MVCC2_MAX_VALUE {
        return Err(FrameFault::ValueTooLarge(vlen));
    }
    let body = c.take_u64(vlen).ok_or(FrameFault::Truncated)?;
    Ok(Version { commit_ts, tombstone: tombstone != 0, expire_at, body })
}

impl<'a> KeyEntry<'a> {
    /// The versions in file order: oldest first. [`step`] has checked the framing.
    pub fn versions(&self) -> impl Iterator<Item = Version<'a>> {
        let mut c = self.versions;
        let mut left = self.count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            version(&mut c).ok()
        })
    }
}

/// Appends a key with its versions, oldest first.
pub fn key_into(user_key: &[u8], versions: &[Version<'_>], out: &mut Vec<u8>) {
    out.extend_from_slice(&(user_key.len() as u64).to_le_bytes());
    out.extend_from_slice(user_key);
    out.extend_from_slice(&(versions.len() as u64).to_le_bytes());
    for version in versions {
        out.extend_from_slice(&version.commit_ts.to_le_bytes());
        out.push(u8::from(version.tombstone));
        out.extend_from_slice(&version.expire_at.to_le_bytes());
        out.extend_from_slice(&(version.body.len() as u64).to_le_bytes());
        out.extend_from_slice(version.body);
    }
}
