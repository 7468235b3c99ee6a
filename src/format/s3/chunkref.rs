//! References to content-addressed chunks (`docs/format/s3.md` §2.3).

use crate::format::cursor::Cursor;
use crate::format::fault::{Fault, OrFault, Result};

/// Value of a `chunkref` row.
///
/// `u8` version · 32 bytes SHA-256 · `u64be` size · peer (`u16be` length, bytes) and, in version 2 only,
/// `u16be` count · per replica: node ID and address (`u16be` length, bytes each). Nothing may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef<'a> {
    /// SHA-256 of the payload.
    pub digest: [u8; 32],
    /// Length of the payload in bytes.
    pub size: u64,
    /// ID of the node that received the upload.
    pub peer: &'a [u8],
    /// Number of replicas that it names.
    pub replicas: u16,
}

impl<'a> ChunkRef<'a> {
    /// Parses and checks the whole value.
    pub fn parse(value: &'a [u8]) -> Result<ChunkRef<'a>> {
        const SHORT: &str = "the chunk reference is cut short";
        let mut c = Cursor::new(value);
        let version = c.u8().or_value(SHORT)?;
        if !matches!(version, 1 | 2) {
            return Err(Fault::Value("the chunk reference has an unknown version"));
        }
        let parsed = Self::read(&mut c, version).or_value(SHORT)?;
        if c.is_empty() { Ok(parsed) } else { Err(Fault::Value("bytes follow the chunk reference")) }
    }

    fn read(c: &mut Cursor<'a>, version: u8) -> Option<ChunkRef<'a>> {
        let digest = c.take(32)?.try_into().ok()?;
        let size = c.u64_be()?;
        let peer = text(c)?;
        let replicas = if version == 2 { c.u16_be()? } else { 0 };
        for _ in 0..replicas {
            text(c)?;
            text(c)?;
        }
        Some(ChunkRef { digest, size, peer, replicas })
    }
}

fn text<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = c.u16_be()?;
    c.take(usize::from(len))
}

impl ChunkRef<'_> {
    /// Appends a reference of version 1, which names no replicas.
    ///
    /// # Errors
    /// A peer of more than 65,535 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let len = u16::try_from(self.peer.len()).ok().or_value("its peer is longer than 65,535 bytes")?;
        out.push(1);
        out.extend_from_slice(&self.digest);
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(self.peer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(version: u8, tail: &[u8]) -> Vec<u8> {
        let mut v = vec![version];
        v.extend([0xab; 32]);
        v.extend(9u64.to_be_bytes());
        v.extend(b"\0\x02n1");
        v.extend(tail);
        v
    }

    #[test]
    fn both_versions() {
        let want = ChunkRef { digest: [0xab; 32], size: 9, peer: b"n1", replicas: 0 };
        assert_eq!(ChunkRef::parse(&sample(1, b"")), Ok(want));
        assert_eq!(ChunkRef::parse(&sample(2, b"\0\0")), Ok(want));
        let two = sample(2, b"\0\x02\0\x01a\0\x02hp\0\0\0\0");
        assert_eq!(ChunkRef::parse(&two), Ok(ChunkRef { replicas: 2, ..want }));
    }

    #[test]
    fn what_is_rejected() {
        let two = sample(2, b"\0\x01\0\x01a\0\x02hp");
        for len in 0..two.len() {
            assert!(ChunkRef::parse(&two[..len]).is_err(), "{len}");
        }
        for bad in [sample(0, b""), sample(3, b""), sample(1, b"\0\0"), sample(2, b"\0\0x")] {
            assert!(ChunkRef::parse(&bad).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn encoded_references_are_parsed(digest: [u8; 32], size: u64, peer: Vec<u8>) {
            let reference = ChunkRef { digest, size, peer: &peer, replicas: 0 };
            let value = crate::format::encoded(|out| reference.encode(out).unwrap());
            proptest::prop_assert_eq!(ChunkRef::parse(&value), Ok(reference));
        }
    }
}
