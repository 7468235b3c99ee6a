//! Raw Snappy blocks; their length is checked before memory is reserved.

/// A copy in Snappy expands to at most 64 bytes and takes at least two.
const MOST_EXPANSION: usize = 32;

/// Why a block cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnappyFault {
    /// It is not a Snappy block.
    Broken,
    /// It expands to more bytes than are allowed.
    TooLong(usize),
}

/// The length of a block when inflated.
pub fn inflated_len(block: &[u8], most: usize) -> Result<usize, SnappyFault> {
    match snap::raw::decompress_len(block) {
        Ok(len) if len > most => Err(SnappyFault::TooLong(len)),
        // A block that is too short for its stated length would fail later, but only after memory was reserved for it.
        Ok(len) if len <= block.len().saturating_mul(MOST_EXPANSION) => Ok(len),
        _ => Err(SnappyFault::Broken),
    }
}

/// Inflates a block to the start of `room`, which grows if it is too small; returns the inflated length.
pub fn inflate(block: &[u8], most: usize, room: &mut Vec<u8>) -> Result<usize, SnappyFault> {
    let len = inflated_len(block, most)?;
    if room.len() < len {
        room.resize(len, 0);
    }
    let room = room.get_mut(..len).unwrap_or_default();
    snap::raw::Decoder::new().decompress(block, room).map_err(|_| SnappyFault::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_first() {
        let block = snap::raw::Encoder::new().compress_vec(&[7; 10_000]).unwrap();
        let mut room = Vec::new();
        assert_eq!(inflate(&block, 10_000, &mut room), Ok(10_000));
        assert_eq!(room, [7; 10_000]);
        assert_eq!(inflate(&block, 9_999, &mut room), Err(SnappyFault::TooLong(10_000)));
        assert_eq!(inflate(&block[..block.len() - 1], 10_000, &mut room), Err(SnappyFault::Broken));
        // Four bytes that state a length of 256 MiB.
        let mut room = Vec::new();
        assert_eq!(inflate(&[0x80, 0x80, 0x80, 0x80, 1], 1 << 30, &mut room), Err(SnappyFault::Broken));
        assert_eq!(room.capacity(), 0);
    }
}
