//! L1, the FSM header that a server writes before the store stream (`container.md` §2).
//!
//! | version | bytes |
//! |---|---|
//! | 1 | `EKVTHLC1` · `u64be` ceiling in Unix milliseconds |
//! | 2 | `EKVTHLC2` · `u16be` length · `u64be` ceiling · `u64be` cutover index · extension bytes |
//! | none | the store stream starts at once |

use super::cursor::Cursor;
use super::limits::{MAX_HEADER_PAYLOAD, MIN_HEADER_PAYLOAD};

const FAMILY: &[u8; 7] = b"EKVTHLC";

/// The decoded FSM header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FsmHeader {
    /// 0 when the file has no header, else 1 or 2.
    pub version: u8,
    /// Physical ceiling of the hybrid logical clock, Unix milliseconds; 0 if none was agreed.
    pub ceiling_ms: u64,
    /// Raft index from which log entries are envelope-encrypted (version 2; does not change the stream).
    pub cutover_index: u64,
    /// Bytes that the header takes at the start of the file.
    pub len: usize,
}

/// Why a header cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderFault {
    /// The family of magics is right but the version byte is not known.
    UnknownVersion(u8),
    /// The payload length of version 2 is out of its bounds.
    BadLength(u16),
    /// The file ends inside the header.
    Truncated,
}

/// Reads the header of `file`. A file without one gives version 0 and length 0.
pub fn parse(file: &[u8]) -> Result<FsmHeader, HeaderFault> {
    let mut c = Cursor::new(file);
    if c.strip(FAMILY).is_none() {
        return Ok(FsmHeader::default());
    }
    match c.u8() {
        None => Ok(FsmHeader::default()),
        Some(b'1') => v1(c).ok_or(HeaderFault::Truncated),
        Some(b'2') => v2(c),
        Some(other) => Err(HeaderFault::UnknownVersion(other)),
    }
}

fn v1(mut c: Cursor<'_>) -> Option<FsmHeader> {
    let ceiling_ms = c.u64_be()?;
    Some(FsmHeader { version: 1, ceiling_ms, cutover_index: 0, len: 16 })
}

fn v2(mut c: Cursor<'_>) -> Result<FsmHeader, HeaderFault> {
    let len = c.u16_be().ok_or(HeaderFault::Truncated)?;
    if !(MIN_HEADER_PAYLOAD..=MAX_HEADER_PAYLOAD).contains(&len) {
        return Err(HeaderFault::BadLength(len));
    }
    let mut payload = Cursor::new(c.take(usize::from(len)).ok_or(HeaderFault::Truncated)?);
    let ceiling_ms = payload.u64_be().ok_or(HeaderFault::Truncated)?;
    let cutover_index = payload.u64_be().ok_or(HeaderFault::Truncated)?;
    let len = usize::from(len).saturating_add(10);
    Ok(FsmHeader { version: 2, ceiling_ms, cutover_index, len })
}

impl FsmHeader {
    /// Appends the header in its version; nothing for version 0. The length that [`parse`] gives is `len`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Some(digit) = [b'1', b'2'].get(usize::from(self.version).wrapping_sub(1)) else { return };
        out.extend_from_slice(FAMILY);
        out.push(*digit);
        if self.version == 2 {
            out.extend_from_slice(&MIN_HEADER_PAYLOAD.to_be_bytes());
        }
        out.extend_from_slice(&self.ceiling_ms.to_be_bytes());
        if self.version == 2 {
            out.extend_from_slice(&self.cutover_index.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(parse(b""), Ok(FsmHeader::default()));
        assert_eq!(parse(b"EKVPBBL1........"), Ok(FsmHeader::default()));
        assert_eq!(parse(b"EKVTHLC"), Ok(FsmHeader::default()));
        assert_eq!(parse(b"EKVTHLC3........"), Err(HeaderFault::UnknownVersion(b'3')));
        assert_eq!(parse(b"EKVTHLC1\0\0\0"), Err(HeaderFault::Truncated));
        let v1 = parse(b"EKVTHLC1\0\0\0\0\0\0\0\x05").unwrap();
        assert_eq!((v1.version, v1.ceiling_ms, v1.len), (1, 5, 16));
    }

    #[test]
    fn version_2_skips_its_extension_and_is_bounded() {
        let mut file = b"EKVTHLC2\0\x12\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09xx".to_vec();
        let v2 = parse(&file).unwrap();
        assert_eq!((v2.version, v2.ceiling_ms, v2.cutover_index, v2.len), (2, 7, 9, 28));
        file.pop();
        assert_eq!(parse(&file), Err(HeaderFault::Truncated));
        assert_eq!(parse(b"EKVTHLC2\0\x0f"), Err(HeaderFault::BadLength(15)));
        assert_eq!(parse(b"EKVTHLC2\x04\x01"), Err(HeaderFault::BadLength(1025)));
    }

    proptest::proptest! {
        #[test]
        fn encoded_headers_are_parsed(version in 0u8..3, ceiling_ms: u64, cutover_index: u64) {
            let header = match version {
                0 => FsmHeader::default(),
                1 => FsmHeader { version, ceiling_ms, cutover_index: 0, len: 16 },
                _ => FsmHeader { version, ceiling_ms, cutover_index, len: 26 },
            };
            let mut file = Vec::new();
            header.encode(&mut file);
            proptest::prop_assert_eq!((parse(&file), file.len()), (Ok(header), header.len));
        }
    }
}
