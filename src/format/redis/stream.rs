//! Streams: metas, entry keys and entries.

use std::fmt;

use super::meta::length;
use crate::format::cursor::Cursor;
use crate::format::fault::{Fault, OrFault, Result};
use crate::format::messages;
use crate::format::proto::{Field, Fields};

/// Magic of an entry.
pub const ENTRY_MAGIC: &[u8; 5] = b"\0RXE\x01";

/// A stream ID; orders by milliseconds, then sequence, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct StreamId {
    /// Unix milliseconds.
    pub ms: u64,
    /// Sequence number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// Parses the rest of an entry key: `u64be` ms · `u64be` seq.
    pub fn from_key(rest: &[u8]) -> Result<StreamId> {
        let mut c = Cursor::new(rest);
        let mut id = || Some(StreamId { ms: c.u64_be()?, seq: c.u64_be()? });
        let parsed = id().filter(|_| c.is_empty());
        parsed.or_key("the user key is not followed by 16 bytes of ID")
    }

    /// Parses `<ms>-<seq>` in decimal.
    #[inline]
    pub fn from_text(text: &[u8]) -> Option<StreamId> {
        // Current times have 13 digits of milliseconds.
        let dash = match text.get(13) {
            Some(b'-') => 13,
            _ => text.iter().position(|b| *b == b'-')?,
        };
        Some(StreamId { ms: decimal(text.get(..dash)?)?, seq: decimal(text.get(dash..)?.strip_prefix(b"-")?)? })
    }
}

/// Only digits, up to `u64::MAX`. Every entry has two such numbers, and `str::parse` takes ten times the instructions.
#[inline]
fn decimal(digits: &[u8]) -> Option<u64> {
    // Up to 19 digits cannot overflow.
    if digits.len() > 19 || digits.is_empty() {
        return long_decimal(digits);
    }
    let (mut n, rest) = match digits.split_first_chunk() {
        Some((first, rest)) => (eight_digits(*first)?, rest),
        None => (0, digits),
    };
    let mut most = 0u8;
    for digit in rest {
        let value = digit.wrapping_sub(b'0');
        most = most.max(value);
        n = n.wrapping_mul(10).wrapping_add(u64::from(value));
    }
    (most <= 9).then_some(n)
}

/// Eight digits at once: digits are joined to pairs, pairs to fours, fours to the number.
#[inline]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(text) ^ 0x3030_3030_3030_3030;
    // The high bit of a byte shows that it is over 9: in the byte itself, or after the addition.
    if (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

#[cold]
fn long_decimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    text.parse().ok()
}

/// The record of a stream: `i64be` length · `u64be` lastMs · lastSeq [· expiry [· trimmedMs · trimmedSeq]].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamMeta {
    /// Number of entries.
    pub len: i64,
    /// Largest ID ever used.
    pub last: StreamId,
    /// Expiry in Unix milliseconds, 0 = none; `None` in the 24-byte form, whose TTL is in the index.
    pub expire_ms: Option<u64>,
    /// Entries up to this one are trimmed away; (0, 0) = none.
    pub trimmed: StreamId,
}

impl StreamMeta {
    /// Parses 24, 32 or 48 bytes.
    pub fn parse(value: &[u8]) -> Result<StreamMeta> {
        if !matches!(value.len(), 24 | 32 | 48) {
            return Err(Fault::ValueLen { got: value.len(), want: "24, 32 or 48" });
        }
        let mut c = Cursor::new(value);
        let len = length(&mut c)?;
        let id = |c: &mut Cursor<'_>| Some(StreamId { ms: c.u64_be()?, seq: c.u64_be()? });
        let last = id(&mut c).or_value("it ends inside its last ID")?;
        let expire_ms = c.u64_be();
        Ok(StreamMeta { len, last, expire_ms, trimmed: id(&mut c).unwrap_or_default() })
    }

    /// Whether the server still serves an entry with this ID.
    pub fn serves(&self, id: StreamId) -> bool {
        self.trimmed == StreamId::default() || id > self.trimmed
    }
}

/// A stream entry, checked: `00 52 58 45 01` · protobuf { 1: id, 2: name, value, name, value, … }.
#[derive(Debug, Clone, Copy)]
pub struct StreamEntry<'a> {
    /// The ID as text inside the protobuf; the ID in the key is authoritative.
    pub id_text: &'a [u8],
    message: &'a [u8],
}

impl<'a> StreamEntry<'a> {
    /// The same entry with another text of its ID.
    #[inline]
    pub fn with_id<'t>(&'t self, text: &'t IdText) -> StreamEntry<'t> {
        StreamEntry { id_text: text.as_bytes(), message: self.message }
    }

    /// Checks magic, protobuf and that names and values come in pairs.
    pub fn parse(value: &'a [u8]) -> Result<StreamEntry<'a>> {
        let message = value.strip_prefix(ENTRY_MAGIC).or_value("it lacks its magic 00 52 58 45 01")?;
        StreamEntry::from_message(message)
    }

    /// Checks a message without magic, as in an old stream blob.
    pub fn from_message(message: &'a [u8]) -> Result<StreamEntry<'a>> {
        let (mut id_text, mut odd) = (&b""[..], false);
        let mut fields = Fields::new(message);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => id_text = field.bytes()?,
                2 => {
                    field.bytes()?;
                    odd = !odd;
                }
                _ => {}
            }
        }
        if odd {
            return Err(Fault::Value("it has an odd number of names and values"));
        }
        Ok(StreamEntry { id_text, message })
    }

    /// Names and values in their order, duplicates kept.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut wire = Fields::new(self.message);
        let mut next = move || {
            while let Ok(Some((number, field))) = wire.next() {
                if let (2, Field::Bytes(bytes)) = (number, field) {
                    return Some(bytes);
                }
            }
            None
        };
        std::iter::from_fn(move || Some((next()?, next()?)))
    }
}

impl StreamId {
    /// Appends the rest of an entry key.
    pub fn encode(self, out: &mut Vec<u8>) {
        [self.ms, self.seq].iter().for_each(|n| out.extend_from_slice(&n.to_be_bytes()));
    }
}

/// The text of an ID: `<ms>-<seq>` in decimal, without leading zeros.
#[derive(Debug, Clone, Copy)]
pub struct IdText {
    bytes: [u8; IdText::MOST],
    len: usize,
}

impl IdText {
    /// Two numbers of 20 digits, and the character between them.
    const MOST: usize = 41;

    /// The text of an ID.
    #[inline]
    pub fn of(id: StreamId) -> IdText {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(id.ms).as_bytes(), seq.format(id.seq).as_bytes());
        let mut text =
            IdText { bytes: [b'-'; IdText::MOST], len: ms.len().saturating_add(seq.len()).saturating_add(1) };
        if let Some((head, tail)) = text.bytes.split_at_mut_checked(ms.len()) {
            head.copy_from_slice(ms);
            if let Some(tail) = tail.get_mut(1..).and_then(|tail| tail.get_mut(..seq.len())) {
                tail.copy_from_slice(seq);
            }
        }
        text
    }

    /// Its bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Display for StreamId {
    /// `<ms>-<seq>` in decimal, as [`from_text`](StreamId::from_text) reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl StreamMeta {
    /// Appends the 48-byte form, or 24 bytes if there is no expiry field.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.len.to_be_bytes());
        self.last.encode(out);
        if let Some(expire_ms) = self.expire_ms {
            out.extend_from_slice(&expire_ms.to_be_bytes());
            self.trimmed.encode(out);
        }
    }
}

/// Appends the value of an entry row: magic, and the ID and fields as protobuf.
pub fn entry_into<'f>(id: StreamId, fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>, out: &mut Vec<u8>) {
    let fields = fields.into_iter().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]).collect();
    out.extend_from_slice(ENTRY_MAGIC);
    messages::append(&messages::RedisStreamEntry { id: id.to_string().into_bytes(), fields }, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_order_as_numbers() {
        let a = StreamId::from_text(b"9-0").unwrap();
        assert!(a < StreamId::from_text(b"10-0").unwrap());
        assert_eq!(StreamId::from_text(b"1-x"), None);
        for (ms, seq) in [(0, 0), (1, 20), (1_767_225_600_000, 7), (u64::MAX, u64::MAX)] {
            let id = StreamId { ms, seq };
            assert_eq!(IdText::of(id).as_bytes(), id.to_string().as_bytes());
        }
        assert_eq!(StreamId::from_text(b"1"), None);
        let text = |text: &str| StreamId::from_text(text.as_bytes()).map(|id| (id.ms, id.seq));
        assert_eq!(text("18446744073709551615-018446744073709551615"), Some((u64::MAX, u64::MAX)));
        for bad in [
            "18446744073709551616-0",
            "99999999999999999999999999-0",
            "-1",
            "1-",
            "+1-2",
            "1-2-3",
            "1-2 ",
            "/-0",
            "0-:",
        ] {
            assert_eq!(text(bad), None, "{bad}");
        }
        assert!(StreamId::from_key(&[0; 15]).is_err());
        assert!(StreamId::from_key(&[0; 17]).is_err());
        assert_eq!(StreamId::from_key(&[0; 16]), Ok(StreamId::default()));
    }

    /// Numbers of every length, and every byte at the position of every digit.
    #[test]
    fn decimals_are_digits_alone() {
        for len in 1..=20 {
            let sound = &b"12345678901234567890"[..len];
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut text = sound.to_vec();
                    text[at] = byte;
                    let digits = text.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(&text).unwrap());
                    assert_eq!(decimal(&text), digits.and_then(|d| d.parse().ok()), "{}", text.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn metas() {
        let v: Vec<u8> = [3u64, 5, 6, 7, 8, 9].iter().flat_map(|n| n.to_be_bytes()).collect();
        let m = StreamMeta::parse(&v).unwrap();
        assert_eq!((m.len, m.last, m.expire_ms), (3, StreamId { ms: 5, seq: 6 }, Some(7)));
        assert!(!m.serves(StreamId { ms: 8, seq: 9 }));
        assert!(m.serves(StreamId { ms: 8, seq: 10 }));
        assert_eq!(StreamMeta::parse(&v[..24]).unwrap().expire_ms, None);
        assert_eq!(StreamMeta::parse(&v[..32]).unwrap().trimmed, StreamId::default());
        for len in [0, 23, 25, 39, 40, 47, 56] {
            assert!(StreamMeta::parse(&vec![0; len]).is_err());
        }
        assert!(StreamMeta::parse(&[0xff; 24]).is_err());
    }

    #[test]
    fn entries() {
        let e = StreamEntry::parse(b"\0RXE\x01\x0a\x031-2\x12\x01f\x12\x01v\x1a\x00\x12\x01f\x12\x00").unwrap();
        assert_eq!(e.id_text, b"1-2");
        let got: Vec<_> = e.fields().collect();
        assert_eq!(got, [(&b"f"[..], &b"v"[..]), (b"f", b"")]);
        assert!(StreamEntry::parse(b"\0RXE\x01\x12\x01f").is_err());
        assert!(StreamEntry::parse(b"\0RXE\x02").is_err());
        assert!(StreamEntry::parse(b"").is_err());
        assert_eq!(StreamEntry::parse(b"\0RXE\x01").unwrap().fields().count(), 0);
    }

    proptest::proptest! {
        #[test]
        fn encoded_rows_are_parsed(
            len in 0..=i64::MAX, numbers: [u64; 6], expires: bool, fields: Vec<(Vec<u8>, Vec<u8>)>,
        ) {
            let [ms, seq, expire_ms, trimmed_ms, trimmed_seq, _] = numbers;
            let id = StreamId { ms, seq };
            let trimmed = if expires { StreamId { ms: trimmed_ms, seq: trimmed_seq } } else { StreamId::default() };
            let meta = StreamMeta { len, last: id, expire_ms: expires.then_some(expire_ms), trimmed };
            let mut out = Vec::new();
            meta.encode(&mut out);
            proptest::prop_assert_eq!(StreamMeta::parse(&out), Ok(meta));
            out.clear();
            id.encode(&mut out);
            proptest::prop_assert_eq!(StreamId::from_key(&out), Ok(id));
            out.clear();
            entry_into(id, fields.iter().map(|(n, v)| (&n[..], &v[..])), &mut out);
            let entry = StreamEntry::parse(&out).unwrap();
            proptest::prop_assert_eq!(StreamId::from_text(entry.id_text), Some(id));
            let read: Vec<_> = entry.fields().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            proptest::prop_assert_eq!(read, fields);
        }
    }
}
