//! A checked reader over borrowed bytes.

/// Reads from the front of a slice. Every method returns `None` instead of reading past the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

macro_rules! integers {
    ($($(#[$doc:meta])* $name:ident, $type:ty, $from:ident;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name(&mut self) -> Option<$type> {
            let (head, rest) = self.rest.split_first_chunk()?;
            self.rest = rest;
            Some(<$type>::$from(*head))
        })*
    };
}

impl<'a> Cursor<'a> {
    /// A reader at the start of `bytes`.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    /// What has not been read yet.
    #[inline]
    pub const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes have not been read yet.
    #[inline]
    pub const fn len(self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been read.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }

    /// The next `n` bytes, `n` compared in 64 bits so that no length can wrap on a small machine.
    #[inline]
    pub fn take_u64(&mut self, n: u64) -> Option<&'a [u8]> {
        self.take(usize::try_from(n).ok()?)
    }

    /// Steps over `prefix`; `None` when the bytes do not start with it.
    #[inline]
    pub fn strip(&mut self, prefix: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(prefix)?;
        Some(())
    }

    integers! {
        /// One byte.
        u8, u8, from_be_bytes;
        /// Two bytes, big endian.
        u16_be, u16, from_be_bytes;
        /// Four bytes, big endian.
        u32_be, u32, from_be_bytes;
        /// Four bytes, little endian.
        u32_le, u32, from_le_bytes;
        /// Eight bytes, big endian.
        u64_be, u64, from_be_bytes;
        /// Eight bytes, little endian.
        u64_le, u64, from_le_bytes;
        /// Eight bytes, big endian, signed.
        i64_be, i64, from_be_bytes;
    }
}

/// The whole slice as one big-endian `u64`; `None` unless it has eight bytes.
#[inline]
pub fn u64_be(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The whole slice as one little-endian `u64`; `None` unless it has eight bytes.
#[inline]
pub fn u64_le(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_never_runs_over() {
        let mut c = Cursor::new(&[1, 0, 2, 0, 0, 0, 3, 9]);
        assert_eq!(c.u8(), Some(1));
        assert_eq!(c.u16_be(), Some(2));
        assert_eq!(c.u32_be(), Some(3));
        assert_eq!(c.u16_be(), None);
        assert_eq!(c.take(2), None);
        assert_eq!(c.take_u64(u64::MAX), None);
        assert_eq!(c.take(1), Some(&[9][..]));
        assert!(c.is_empty());
    }
}
