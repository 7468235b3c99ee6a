//! Encrypted bodies (`future.md` F8, `encryption.md` §2, §8).
//!
//! | offset | field |
//! |---|---|
//! | 0 | envelope version: 1 or 2 |
//! | 1 | flag; version 2: bit 0 = the plaintext is a raw Snappy block |
//! | 2 | `u32be` key id, never 0 |
//! | 6 | nonce, 12 bytes |
//! | 18 | ciphertext of AES-256-GCM |
//! | end | tag, 16 bytes |
//!
//! Authenticated together with the ciphertext: the first six bytes, the nine bytes of the value header, the whole raw key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::limits::VALUE_HEADER;
use super::snappy::{self, SnappyFault};

/// Bytes that authenticate with the row: version, flag and key id.
pub const HEAD: usize = 6;
/// Bytes of the nonce.
pub const NONCE: usize = 12;
/// Bytes of the tag.
pub const TAG: usize = 16;
/// The shortest envelope: that of an empty body.
pub const SHORTEST: usize = HEAD + NONCE + TAG;
/// The longest body that a compressed plaintext may expand to.
pub const MAX_PLAINTEXT: usize = 256 << 20;

/// Why a body is not an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// It is too short for its fields.
    #[error("envelope of {0} bytes, shorter than 34")]
    Short(usize),
    /// A version of a newer server.
    #[error("envelope version {0} is not known (only 1 and 2): the row was written by a newer server; update ekvsnap")]
    Version(u8),
    /// A key id that no key can have.
    #[error("envelope with the reserved key id 0")]
    KeyId,
    /// A flag that the version does not have.
    #[error("envelope version {version} with flag {flag:#04x}")]
    Flag {
        /// The envelope's version.
        version: u8,
        /// Its flag byte.
        flag: u8,
    },
}

/// Why an envelope cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    /// The tag does not match: another key, or the row was changed.
    #[error("the row does not match its tag: the row was changed, or it was encrypted with another key")]
    Integrity,
    /// The plaintext is not a Snappy block.
    #[error("the decrypted body is not a Snappy block")]
    Snappy,
    /// The plaintext expands to more than the maximum size of a body.
    #[error("the decrypted body would have {0} bytes")]
    TooLong(usize),
}

/// Which key an envelope needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// The envelope's version.
    pub version: u8,
    /// The key's id.
    pub key_id: u32,
}

/// An encrypted body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Version and key.
    pub sealed: Sealed,
    /// Whether the plaintext is a Snappy block.
    pub snappy: bool,
    /// The nonce.
    pub nonce: &'a [u8; NONCE],
    /// The encrypted bytes.
    pub ciphertext: &'a [u8],
    /// The authentication tag.
    pub tag: &'a [u8; TAG],
    head: &'a [u8; HEAD],
}

/// A key of AES-256-GCM, ready for use; the library overwrites it when it is dropped.
pub struct DataKey(LessSafeKey);

impl DataKey {
    /// From its bytes; `None`: the library cannot allocate memory for it.
    pub fn new(key: &[u8; 32]) -> Option<DataKey> {
        UnboundKey::new(&AES_256_GCM, key).ok().map(|key| DataKey(LessSafeKey::new(key)))
    }

    /// Appends the plaintext; nothing if the tag does not match.
    pub(super) fn open(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        text: &[u8],
        tag: &[u8; TAG],
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        out.resize(start.saturating_add(text.len()), 0);
        let opened = self.open_to(nonce, aad, text, tag, out.get_mut(start..).unwrap_or_default());
        if !opened {
            out.truncate(start);
        }
        opened
    }

    /// Writes the plain text to `out`, which has the length of the encrypted one. If this fails, `out` has any content.
    fn open_to(&self, nonce: &[u8; NONCE], aad: &[u8], text: &[u8], tag: &[u8; TAG], out: &mut [u8]) -> bool {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0.open_separate_gather(nonce, Aad::from(aad), text, tag, out).is_ok()
    }

    /// Encrypts in place and returns the tag. `None`: the text is too long.
    pub(super) fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG]> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), text).ok()?;
        tag.as_ref().try_into().ok()
    }
}

impl<'a> Envelope<'a> {
    /// Parses a body.
    pub fn parse(body: &'a [u8]) -> Result<Envelope<'a>, EnvelopeFault> {
        let short = EnvelopeFault::Short(body.len());
        let (head, rest) = body.split_first_chunk::<HEAD>().ok_or(short)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or(short)?;
        let (ciphertext, tag) = rest.split_last_chunk().ok_or(short)?;
        let [version, flag, id @ ..] = *head;
        let sealed = Sealed { version, key_id: u32::from_be_bytes(id) };
        match (version, flag) {
            (1 | 2, _) if sealed.key_id == 0 => Err(EnvelopeFault::KeyId),
            (1, 0) | (2, 0 | 1) => Ok(Envelope { sealed, snappy: flag == 1, nonce, ciphertext, tag, head }),
            (1 | 2, _) => Err(EnvelopeFault::Flag { version, flag }),
            _ => Err(EnvelopeFault::Version(version)),
        }
    }

    /// Appends the data that is authenticated together with the ciphertext: `header` is the first bytes of the raw value.
    pub fn aad_into(&self, header: &[u8; VALUE_HEADER], raw_key: &[u8], out: &mut Vec<u8>) {
        out.extend(self.head);
        out.extend(header);
        out.extend(raw_key);
    }

    /// Appends the plain body; nothing if the envelope cannot be opened. Compressed data is authenticated before it is inflated, and its
    /// length is checked before memory is reserved.
    pub fn open(&self, key: &DataKey, aad: &[u8], out: &mut Vec<u8>) -> Result<(), OpenFault> {
        let start = out.len();
        if !key.open(self.nonce, aad, self.ciphertext, self.tag, out) {
            return Err(OpenFault::Integrity);
        }
        if self.snappy {
            let inflated = inflate(out.get(start..).unwrap_or_default());
            out.truncate(start);
            out.extend(inflated?);
        }
        Ok(())
    }

    /// Writes the plain body to the first bytes of `room`, and returns its length. After an error `room` has any content. `None`: the body
    /// must be inflated, or has no room.
    pub fn open_to(&self, key: &DataKey, aad: &[u8], room: &mut [u8]) -> Option<Result<usize, OpenFault>> {
        let out = room.get_mut(..self.ciphertext.len()).filter(|_| !self.snappy)?;
        let opened = key.open_to(self.nonce, aad, self.ciphertext, self.tag, out);
        Some(if opened { Ok(self.ciphertext.len()) } else { Err(OpenFault::Integrity) })
    }
}

fn inflate(block: &[u8]) -> Result<Vec<u8>, OpenFault> {
    let mut plain = Vec::new();
    let inflated = snappy::inflate(block, MAX_PLAINTEXT, &mut plain);
    inflated.map(|_| plain).map_err(|fault| match fault {
        SnappyFault::Broken => OpenFault::Snappy,
        SnappyFault::TooLong(len) => OpenFault::TooLong(len),
    })
}

/// How a body is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal<'a> {
    /// Version and key id.
    pub sealed: Sealed,
    /// Whether to compress it.
    pub snappy: bool,
    /// The nonce, never used twice with a key.
    pub nonce: &'a [u8; NONCE],
    /// The first bytes of the raw value.
    pub header: &'a [u8; VALUE_HEADER],
    /// The whole raw key.
    pub raw_key: &'a [u8],
}

impl Seal<'_> {
    /// Appends the envelope of a body; `None` for a body too long to be encrypted or compressed.
    pub fn encode(&self, key: &DataKey, body: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let [a, b, c, d] = self.sealed.key_id.to_be_bytes();
        let head = [self.sealed.version, u8::from(self.snappy), a, b, c, d];
        let aad = [&head, &self.header[..], self.raw_key].concat();
        let start = out.len();
        out.extend_from_slice(&head);
        out.extend_from_slice(self.nonce);
        let text = out.len();
        let tag = self.text_into(body, out).and_then(|()| key.seal(self.nonce, &aad, out.get_mut(text..)?));
        match tag {
            Some(tag) => out.extend_from_slice(&tag),
            None => out.truncate(start),
        }
        tag.map(drop)
    }

    /// Appends the text to encrypt.
    fn text_into(&self, body: &[u8], out: &mut Vec<u8>) -> Option<()> {
        if self.snappy {
            out.extend(snap::raw::Encoder::new().compress_vec(body).ok()?);
        } else {
            out.extend_from_slice(body);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect::<Vec<_>>().try_into().unwrap()
    }

    const DEK: &str = "906ab75b3c761db5cbaf48177dd56877d88b503e02eb138c2490a03f5d45efdb";
    const HEADER: &str = "02 0000000000000000";
    const RAW_KEY: &str = "2172656469737c7374727c7a7a3a666f726365 fe5ddc9ba5e4ff30";
    const BODY: &str = "01 00 00000003 d4c0 0000 0000000000000a10 61184706 87242374ca1435509f169f43ff677ca6";

    fn opened(dek: &[u8; 32], header: &[u8; 9], raw_key: &[u8], body: &[u8]) -> Result<Vec<u8>, OpenFault> {
        let (envelope, mut aad, mut out) = (Envelope::parse(body).unwrap(), Vec::new(), b"before".to_vec());
        envelope.aad_into(header, raw_key, &mut aad);
        let opened = envelope.open(&DataKey::new(dek).unwrap(), &aad, &mut out);
        assert_eq!(&out[..6], b"before");
        assert!(opened.is_ok() || out.len() == 6, "nothing is left of what does not open");
        opened.map(|()| out.split_off(6))
    }

    /// A row that a server wrote (`encryption.md` §6).
    #[test]
    fn the_worked_example() {
        let (dek, header, raw_key, body) = (hex(DEK), hex(HEADER), hex::<27>(RAW_KEY), hex::<38>(BODY));
        assert_eq!(opened(&dek, &header, &raw_key, &body).unwrap(), b"\xff\x01\x00v");
        for at in 0..header.len() {
            let mut other = header;
            other[at] ^= 1;
            assert_eq!(opened(&dek, &other, &raw_key, &body), Err(OpenFault::Integrity), "header {at}");
        }
        for at in 0..raw_key.len() {
            let mut other = raw_key;
            other[at] ^= 0x80;
            assert_eq!(opened(&dek, &header, &other, &body), Err(OpenFault::Integrity), "key {at}");
        }
        // Version and flag are authenticated too, as are key id, nonce, text and tag.
        for at in (0..body.len()).filter(|at| *at != 1) {
            let mut other = body;
            other[at] ^= if at == 0 { 3 } else { 4 };
            assert_eq!(opened(&dek, &header, &raw_key, &other), Err(OpenFault::Integrity), "body {at}");
        }
    }

    #[test]
    fn what_is_no_envelope() {
        let body: [u8; 38] = hex(BODY);
        let with = |at: usize, byte: u8| {
            let mut body = body;
            body[at] = byte;
            Envelope::parse(&body).map(|envelope| envelope.sealed)
        };
        (0..SHORTEST).for_each(|len| assert_eq!(Envelope::parse(&body[..len]), Err(EnvelopeFault::Short(len))));
        assert!(Envelope::parse(&body[..SHORTEST]).unwrap().ciphertext.is_empty());
        assert_eq!(with(0, 2), Ok(Sealed { version: 2, key_id: 3 }));
        assert_eq!(with(0, 0), Err(EnvelopeFault::Version(0)));
        assert_eq!(with(0, 3), Err(EnvelopeFault::Version(3)));
        assert_eq!(with(5, 0), Err(EnvelopeFault::KeyId));
        assert_eq!(with(1, 1), Err(EnvelopeFault::Flag { version: 1, flag: 1 }));
    }

    fn seal(snappy: bool, body: &[u8]) -> Vec<u8> {
        let sealed = Sealed { version: 2, key_id: 9 };
        let seal = Seal { sealed, snappy, nonce: &[7; 12], header: &[2; 9], raw_key: b"k" };
        let mut out = Vec::new();
        seal.encode(&DataKey::new(&[5; 32]).unwrap(), body, &mut out).unwrap();
        out
    }

    #[test]
    fn flags_of_version_2() {
        let mut body = seal(true, &[b'x'; 1000]);
        assert!(body.len() < 200, "{}", body.len());
        assert_eq!(opened(&[5; 32], &[2; 9], b"k", &body).unwrap(), [b'x'; 1000]);
        body[1] = 2;
        assert_eq!(Envelope::parse(&body), Err(EnvelopeFault::Flag { version: 2, flag: 2 }));
    }

    /// Seals bytes that claim to be compressed.
    fn claimed(block: &[u8]) -> Vec<u8> {
        let (key, nonce) = (DataKey::new(&[5; 32]).unwrap(), [7; 12]);
        let head = [2, 1, 0, 0, 0, 9];
        let aad = [&head[..], &[2; 9], b"k"].concat();
        let mut text = block.to_vec();
        let tag = key.seal(&nonce, &aad, &mut text).unwrap();
        [&head[..], &nonce, &text, &tag].concat()
    }

    #[test]
    fn blocks_that_do_not_inflate() {
        let open = |block: &[u8]| opened(&[5; 32], &[2; 9], b"k", &claimed(block));
        assert_eq!(open(b""), Err(OpenFault::Snappy));
        assert_eq!(open(b"\x05\x10ab"), Err(OpenFault::Snappy));
        // 2^28 + 1 bytes, and as many as are allowed, in a block of a few bytes.
        assert_eq!(open(b"\x81\x80\x80\x80\x01"), Err(OpenFault::TooLong(MAX_PLAINTEXT + 1)));
        assert_eq!(open(b"\x80\x80\x80\x80\x01\0a"), Err(OpenFault::Snappy));
    }

    proptest::proptest! {
        #[test]
        fn what_is_sealed_opens(
            dek: [u8; 32], version in 1..=2u8, snappy: bool, key_id in 1..=u32::MAX, nonce: [u8; 12], header: [u8; 9],
            raw_key: Vec<u8>, body in proptest::collection::vec(0..4u8, 0..3000),
        ) {
            let sealed = Sealed { version, key_id };
            let snappy = snappy && version == 2;
            let seal = Seal { sealed, snappy, nonce: &nonce, header: &header, raw_key: &raw_key };
            let mut out = Vec::new();
            seal.encode(&DataKey::new(&dek).unwrap(), &body, &mut out).unwrap();
            let envelope = Envelope::parse(&out).unwrap();
            proptest::prop_assert_eq!((envelope.sealed, envelope.snappy), (sealed, snappy));
            proptest::prop_assert_eq!(opened(&dek, &header, &raw_key, &out), Ok(body));
            let mut other = dek;
            other[31] ^= 1;
            proptest::prop_assert_eq!(opened(&other, &header, &raw_key, &out), Err(OpenFault::Integrity));
        }
    }
}
