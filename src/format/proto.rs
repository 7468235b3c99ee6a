//! Protobuf wire format as borrowed slices.
//!
//! The field loop is `prost::encoding`'s own key and varint code; nothing is copied into message structs.

use prost::encoding::{self, WireType};

use super::fault::{Fault, Result};

const BROKEN: Fault = Fault::Value("its protobuf cannot be decoded");

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1, as its bits.
    Fixed64(u64),
    /// Wire type 2: string, bytes, message or packed list.
    Bytes(&'a [u8]),
    /// A wire type that no message of ours uses (fixed 32-bit values and groups).
    Other,
}

impl<'a> Field<'a> {
    /// The bytes of a length-delimited field; another wire type is a broken message.
    pub fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Field::Bytes(b) => Ok(b),
            _ => Err(BROKEN),
        }
    }

    /// The number of a varint field; another wire type is a broken message.
    pub fn varint(self) -> Result<u64> {
        match self {
            Field::Varint(n) => Ok(n),
            _ => Err(BROKEN),
        }
    }

    /// The text of a string field, which must be UTF-8.
    pub fn text(self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Fault::Value("a string of its protobuf is not UTF-8"))
    }

    /// The double of a 64-bit field; another wire type is a broken message.
    pub fn double(self) -> Result<f64> {
        match self {
            Field::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(BROKEN),
        }
    }
}

/// Reads the fields of one message in wire order.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of `message`.
    pub const fn new(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    /// The next field with its number; `None` at the end.
    #[inline]
    pub fn next(&mut self) -> Result<Option<(u32, Field<'a>)>> {
        // The most frequent case: bytes of a field below 16, shorter than 128.
        if let [key @ 0x08..0x80, len @ 0..0x80, rest @ ..] = self.rest
            && key & 7 == 2
            && let Some((bytes, rest)) = rest.split_at_checked(usize::from(*len))
        {
            self.rest = rest;
            return Ok(Some((u32::from(key >> 3), Field::Bytes(bytes))));
        }
        if self.rest.is_empty() { Ok(None) } else { self.next_of_any_kind() }
    }

    fn next_of_any_kind(&mut self) -> Result<Option<(u32, Field<'a>)>> {
        let (tag, wire) = encoding::decode_key(&mut self.rest).map_err(|_| BROKEN)?;
        let field = match wire {
            WireType::Varint => Field::Varint(self.varint()?),
            WireType::SixtyFourBit => Field::Fixed64(self.fixed64()?),
            WireType::LengthDelimited => {
                let len = self.varint()?;
                Field::Bytes(self.take(len)?)
            }
            _ => {
                encoding::skip_field(wire, tag, &mut self.rest, encoding::DecodeContext::default())
                    .map_err(|_| BROKEN)?;
                Field::Other
            }
        };
        Ok(Some((tag, field)))
    }

    fn varint(&mut self) -> Result<u64> {
        encoding::decode_varint(&mut self.rest).map_err(|_| BROKEN)
    }

    fn fixed64(&mut self) -> Result<u64> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(BROKEN)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*head))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8]> {
        let len = usize::try_from(len).map_err(|_| BROKEN)?;
        let (head, rest) = self.rest.split_at_checked(len).ok_or(BROKEN)?;
        self.rest = rest;
        Ok(head)
    }
}

/// Appends a length-delimited field.
pub fn bytes_into(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encoding::encode_key(number, WireType::LengthDelimited, out);
    encoding::encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a varint field.
pub fn varint_into(number: u32, n: u64, out: &mut Vec<u8>) {
    encoding::encode_key(number, WireType::Varint, out);
    encoding::encode_varint(n, out);
}

/// Appends a length-delimited field whose content `write` appends.
pub fn message_into(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
    encoding::encode_key(number, WireType::LengthDelimited, out);
    // Nearly all lengths fit into the byte that is kept for them.
    let at = out.len();
    out.push(0);
    let from = out.len();
    write(out)?;
    let len = out.len().checked_sub(from)? as u64;
    let more = encoding::encoded_len_varint(len).saturating_sub(1);
    if more > 0 {
        let end = out.len();
        out.resize(end.checked_add(more)?, 0);
        out.copy_within(from..end, from.checked_add(more)?);
    }
    let mut length = out.get_mut(at..)?;
    encoding::encode_varint(len, &mut length);
    Some(())
}

/// A map entry: key and value of fields 1 and 2, both empty when absent, the last one when repeated.
pub fn map_entry(entry: &[u8]) -> Result<(&[u8], &[u8])> {
    let (mut key, mut value) = (&[][..], &[][..]);
    let mut fields = Fields::new(entry);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => key = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_any_length_are_read() {
        for len in [0, 1, 127, 128, 129, 16_383, 16_384, 70_000] {
            let (content, mut plain, mut nested) = (vec![7; len], Vec::new(), Vec::new());
            bytes_into(3, &content, &mut plain);
            message_into(3, &mut nested, |out| {
                out.extend_from_slice(&content);
                Some(())
            });
            assert_eq!(plain, nested);
            varint_into(5, len as u64, &mut plain);
            let mut fields = Fields::new(&plain);
            assert_eq!(fields.next(), Ok(Some((3, Field::Bytes(&content)))));
            assert_eq!(fields.next(), Ok(Some((5, Field::Varint(len as u64)))));
        }
    }

    #[test]
    fn walks_and_rejects() {
        let mut f = Fields::new(b"\x0a\x02hi\x10\x96\x01\x19\0\0\0\0\0\0\xf0\x3f\x25\0\0\0\0");
        assert_eq!(f.next(), Ok(Some((1, Field::Bytes(b"hi")))));
        assert_eq!(f.next(), Ok(Some((2, Field::Varint(150)))));
        assert_eq!(f.next().unwrap().unwrap().1.double(), Ok(1.0));
        assert_eq!(f.next(), Ok(Some((4, Field::Other))));
        assert_eq!(f.next(), Ok(None));
        for broken in [&b"\x0a\x7fx"[..], b"\x0a", b"\x00", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x09\0"]
        {
            assert!(Fields::new(broken).next().is_err(), "{broken:02x?}");
        }
        assert_eq!(map_entry(b"\x0a\x01k\x12\x01v\x12\x01w"), Ok((&b"k"[..], &b"w"[..])));
    }
}
