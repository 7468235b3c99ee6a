//! Numbers and strings of ekvsnap's own files (`plan.md` §2).

use super::cursor::Cursor;

/// Bits of a number per byte.
const BITS: u32 = 7;

/// Appends a number with seven bits per byte, the low ones first (LEB128).
pub fn number(mut n: u64, out: &mut Vec<u8>) {
    while n >= 1 << BITS {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= BITS;
    }
    out.push(n as u8);
}

/// Appends bytes after their length.
pub fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Reads from the start of bytes; `None` if they are not what was written.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'b>(Cursor<'b>);

impl<'b> Reader<'b> {
    /// A reader of these bytes.
    pub fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader(Cursor::new(bytes))
    }

    /// A number.
    #[inline]
    pub fn number(&mut self) -> Option<u64> {
        let (mut n, mut shift) = (0, 0);
        loop {
            let byte = self.0.u8()?;
            let bits = u64::from(byte & 0x7f);
            // Bits that do not fit, and a last byte that adds nothing: each number has only one form.
            if shift >= u64::BITS || bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return None;
            }
            n |= bits << shift;
            if byte < 0x80 {
                return Some(n);
            }
            shift = shift.saturating_add(BITS);
        }
    }

    /// A number that is a size in memory.
    #[inline]
    pub fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// Bytes after their length.
    pub fn bytes(&mut self) -> Option<&'b [u8]> {
        let n = self.number()?;
        self.0.take_u64(n)
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        self.0.take(n)
    }

    /// As many bytes as the array has.
    pub fn array<const N: usize>(&mut self) -> Option<&'b [u8; N]> {
        self.take(N)?.first_chunk()
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.0.u8()
    }

    /// Yes or no.
    pub fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Number of things that follow, each of at least one byte: never more than there are bytes.
    pub fn count(&mut self) -> Option<usize> {
        self.size().filter(|n| *n <= self.0.len())
    }

    /// Bytes that are left.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether all was read.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_was_written_is_read(n: u64, text: Vec<u8>, behind: Vec<u8>) {
            let mut out = Vec::new();
            number(n, &mut out);
            bytes(&text, &mut out);
            out.extend(&behind);
            let mut reader = Reader::new(&out);
            proptest::prop_assert_eq!((reader.number(), reader.bytes()), (Some(n), Some(text.as_slice())));
            proptest::prop_assert_eq!(reader.0.rest(), behind.as_slice());
        }

        #[test]
        fn a_number_has_one_form(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            if let Some(n) = reader.number() {
                let mut again = Vec::new();
                number(n, &mut again);
                proptest::prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.0.len()]);
            }
        }
    }

    #[test]
    fn no_length_is_trusted() {
        let mut out = Vec::new();
        number(u64::MAX, &mut out);
        assert_eq!(Reader::new(&out).bytes(), None);
        assert_eq!(Reader::new(&out).count(), None);
        assert_eq!(Reader::new(&[0xff; 11]).number(), None);
        assert_eq!(Reader::new(&[0x80, 0]).number(), None);
    }
}
