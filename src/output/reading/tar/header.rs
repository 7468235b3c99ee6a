//! The header of a member: one block of 512 bytes.

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;
/// A header.
pub(super) type Block = [u8; BLOCK];

/// The magic of POSIX, and that of GNU tar. Both formats have more kinds of headers, but no decode writes them.
const POSIX: &[u8] = b"ustar\0";
const GNU: &[u8] = b"ustar  \0";

/// A header whose checksum holds.
pub(super) struct Header<'b> {
    block: &'b Block,
    posix: bool,
}

impl<'b> Header<'b> {
    /// Checks a block.
    ///
    /// # Errors
    /// A message that says what is wrong with it.
    pub fn of(block: &'b Block) -> Result<Header<'b>, &'static str> {
        let sum: u64 = block[..148].iter().chain(&block[156..]).map(|byte| u64::from(*byte)).sum();
        if number(&block[148..156]) != Some(sum + 8 * u64::from(b' ')) {
            return Err("the checksum of a tar header does not match");
        }
        let (posix, gnu) = (block[257..].starts_with(POSIX), block[257..].starts_with(GNU));
        if posix || gnu { Ok(Header { block, posix }) } else { Err("a tar header is not in the ustar format") }
    }

    /// The type flag.
    pub fn kind(&self) -> u8 {
        self.block[156]
    }

    /// The name, with the directory that POSIX has in another field.
    pub fn path(&self) -> Vec<u8> {
        let name = text(&self.block[..100]);
        match text(&self.block[345..500]) {
            prefix if self.posix && !prefix.is_empty() => [prefix, b"/", name].concat(),
            _ => name.to_vec(),
        }
    }

    /// The target path of a link.
    pub fn link(&self) -> &[u8] {
        text(&self.block[157..257])
    }

    /// Bytes of content; `None`: the field is not a number.
    pub fn size(&self) -> Option<u64> {
        number(&self.block[124..136])
    }

    /// Permission bits.
    pub fn mode(&self) -> Option<u64> {
        number(&self.block[100..108])
    }

    /// Owner and group.
    pub fn owners(&self) -> [Option<u64>; 2] {
        [number(&self.block[108..116]), number(&self.block[116..124])]
    }

    /// Whether the owner or group has a name: an extractor prefers the name to the number.
    pub fn names_owner(&self) -> bool {
        self.block[265] != 0 || self.block[297] != 0
    }

    /// Last change, Unix seconds.
    pub fn mtime(&self) -> Option<u64> {
        number(&self.block[136..148])
    }

    /// For a file in GNU's old sparse format: whether more blocks of its map follow.
    pub fn is_extended(&self) -> bool {
        self.block[482] != 0
    }
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    &field[..memchr::memchr(0, field).unwrap_or(field.len())]
}

/// Octal digits, or GNU's form for large numbers: a byte with its high bit set, then the number.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if *first == 0x80 {
        let (zeros, low) = rest.split_at(rest.len().saturating_sub(8));
        let fits = zeros.iter().all(|byte| *byte == 0);
        return fits.then(|| low.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)));
    }
    let digits = text(field).trim_ascii();
    // GNU tar refuses a field without digits.
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, digit| match digit {
        b'0'..=b'7' => n.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (field, want) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"     17 ", Some(15)),
            (b"\0\0\0\0", None),
            (b"    \0", None),
            (b"0000648\0", None),
            (b"\x80\0\0\0\0\0\0\x01\0\0\0\0", Some(1 << 32)),
            (b"\x80\0\0\x01\0\0\0\x01\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"777777777777777777777777", None),
        ] {
            assert_eq!(number(field), want, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn a_block_of_zeros_is_no_header() {
        assert!(Header::of(&[0; BLOCK]).is_err());
    }
}
