//! The snapshot of a group that only hands out timestamps ("TSO", group 0; `future.md` F7).
//!
//! It has neither header nor magic: it is recognised by its length and its footer.
//!
//! | payload | fields |
//! |---|---|
//! | 8 bytes | `u64be` HLC ceiling, Unix milliseconds |
//! | 16 bytes | · `u64be` allocation floor |
//! | 17 bytes | · cutover flag |
//! | 26 bytes | · phase flag · `u64be` floor of the phase |

use super::cursor::Cursor;
use super::limits::FOOTER;
use super::{frame, mvcc2};

/// Lengths of the payload, one for each version of the format.
const LENGTHS: [usize; 4] = [8, 16, 17, 26];
/// The first bytes of files with user data: a header and a footer alone have one of these lengths too.
const MAGICS: [&[u8]; 4] = [b"EKVTHLC", frame::MAGIC, mvcc2::MAGIC, b"EKVSSTI1"];

/// State of the timestamp group: no user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// Timestamps may be handed out up to this moment (Unix milliseconds).
    pub ceiling_ms: u64,
    /// All timestamps up to this one are handed out.
    pub allocation_floor: Option<u64>,
}

impl Timestamps {
    /// Reads a file of the right length; the caller checks that its footer matches.
    pub fn parse(file: &[u8]) -> Option<Timestamps> {
        let payload = file.len().checked_sub(FOOTER).filter(|len| LENGTHS.contains(len))?;
        if MAGICS.iter().any(|magic| file.starts_with(magic)) {
            return None;
        }
        let mut c = Cursor::new(file.get(..payload)?);
        Some(Timestamps { ceiling_ms: c.u64_be()?, allocation_floor: c.u64_be() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_magics() {
        for len in 0..64 {
            let file = vec![1; len];
            assert_eq!(Timestamps::parse(&file).is_some(), [12, 20, 21, 30].contains(&len), "{len}");
        }
        let floor = |len| Timestamps::parse(&vec![0; len]).unwrap().allocation_floor;
        assert_eq!((floor(12), floor(20)), (None, Some(0)));
        // Empty stores: a header of either version and a footer, a stream without rows and a footer.
        for (magic, len) in [("EKVTHLC1", 20), ("EKVTHLC2", 30), ("EKVPBBL1", 20)] {
            let mut file = magic.as_bytes().to_vec();
            file.resize(len, 0);
            assert_eq!(Timestamps::parse(&file), None, "{magic}");
        }
    }
}
