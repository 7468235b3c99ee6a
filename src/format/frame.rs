//! L2, `EKVPBBL1`: length-prefixed entries in ascending order of raw keys (`container.md` §3).
//!
//! ```text
//! "EKVPBBL1" · u64le lastCommitTS · { u64le klen · key · u64le vlen · value }*
//! ```

use super::limits::{FOOTER, MAX_RAW_KEY, MAX_RAW_VALUE};

/// Magic of the native Pebble stream.
pub const MAGIC: &[u8; 8] = b"EKVPBBL1";
/// Bytes before the first entry: magic and `lastCommitTS`.
pub const STREAM_HEADER: usize = 16;

/// One entry, as stored in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Position of the entry's first byte.
    pub start: usize,
    /// Position just after the entry.
    pub end: usize,
    /// User key and inverted commit timestamp.
    pub raw_key: &'a [u8],
    /// Value header and body.
    pub raw_value: &'a [u8],
}

/// Why the framing breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFault {
    /// The bytes end inside an entry.
    Truncated,
    /// The key length is over the limit.
    KeyTooLarge(u64),
    /// The value length is over the limit.
    ValueTooLarge(u64),
    /// A number or length in the state of migrations (`EKVMVCC2`, version 2) is over the limit.
    StateTooLarge(u64),
}

/// The content at a position of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// An entry.
    Entry(Entry<'a>),
    /// The end of the bytes, at an entry boundary.
    End,
    /// Exactly the four bytes of a footer.
    Footer,
}

/// Reads what is at `at`.
#[inline]
pub fn step(file: &[u8], at: usize) -> Result<Step<'_>, FrameFault> {
    let rest = file.get(at..).unwrap_or_default();
    let Some((klen, rest)) = rest.split_first_chunk::<8>() else {
        return match rest.len() {
            0 => Ok(Step::End),
            FOOTER => Ok(Step::Footer),
            _ => Err(FrameFault::Truncated),
        };
    };
    let klen = u64::from_le_bytes(*klen);
    if klen > MAX_RAW_KEY {
        return Err(FrameFault::KeyTooLarge(klen));
    }
    let (raw_key, rest) = split(rest, klen)?;
    let (vlen, rest) = rest.split_first_chunk::<8>().ok_or(FrameFault::Truncated)?;
    let vlen = u64::from_le_bytes(*vlen);
    if vlen > MAX_RAW_VALUE {
        return Err(FrameFault::ValueTooLarge(vlen));
    }
    let (raw_value, rest) = split(rest, vlen)?;
    let end = file.len().saturating_sub(rest.len());
    Ok(Step::Entry(Entry { start: at, end, raw_key, raw_value }))
}

#[inline]
fn split(bytes: &[u8], n: u64) -> Result<(&[u8], &[u8]), FrameFault> {
    let n = usize::try_from(n).map_err(|_| FrameFault::Truncated)?;
    bytes.split_at_checked(n).ok_or(FrameFault::Truncated)
}

/// Appends the header of a stream.
pub fn stream_header_into(last_commit_ts: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&last_commit_ts.to_le_bytes());
}

/// Appends an entry. The caller ensures the limits and the order of raw keys.
pub fn entry_into(raw_key: &[u8], raw_value: &[u8], out: &mut Vec<u8>) {
    for part in [raw_key, raw_value] {
        out.extend_from_slice(&(part.len() as u64).to_le_bytes());
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        entry_into(key, value, &mut out);
        out
    }

    #[test]
    fn entry_end_and_footer() {
        let mut file = entry(b"kk", b"vvv");
        let n = file.len();
        let got = step(&file, 0).unwrap();
        assert_eq!(got, Step::Entry(Entry { start: 0, end: n, raw_key: b"kk", raw_value: b"vvv" }));
        assert_eq!(step(&file, n), Ok(Step::End));
        file.extend([1, 2, 3, 4]);
        assert_eq!(step(&file, n), Ok(Step::Footer));
        file.push(5);
        assert_eq!(step(&file, n), Err(FrameFault::Truncated));
    }

    #[test]
    fn every_cut_is_truncated_and_no_length_is_trusted() {
        let file = entry(b"key", b"value");
        for cut in 1..file.len() {
            if cut != FOOTER {
                assert_eq!(step(&file[..cut], 0), Err(FrameFault::Truncated), "cut at {cut}");
            }
        }
        let mut huge = u64::MAX.to_le_bytes().to_vec();
        assert_eq!(step(&huge, 0), Err(FrameFault::KeyTooLarge(u64::MAX)));
        huge = entry(b"key", b"");
        let at = huge.len() - 8;
        huge[at..].copy_from_slice(&(1u64 << 63).to_le_bytes());
        assert_eq!(step(&huge, 0), Err(FrameFault::ValueTooLarge(1 << 63)));
    }

    proptest::proptest! {
        #[test]
        fn encoded_entries_are_read(entries: Vec<(Vec<u8>, Vec<u8>)>) {
            let mut file = Vec::new();
            entries.iter().for_each(|(key, value)| entry_into(key, value, &mut file));
            let (mut at, mut read) = (0, Vec::new());
            while let Step::Entry(entry) = step(&file, at).unwrap() {
                read.push((entry.raw_key.to_vec(), entry.raw_value.to_vec()));
                at = entry.end;
            }
            proptest::prop_assert_eq!((read, at), (entries, file.len()));
        }
    }
}
