//! The token that a Raft snapshot has instead of the store: it names a file of `fsm-snap/` and has its checksum.
//!
//! `EKVT` · `01` · `u64be` index · `u32be` CRC32C of the file before its footer (`container.md` §1.1)

use super::{Result, What, fault};
use crate::format::cursor::Cursor;

const MAGIC: &[u8; 4] = b"EKVT";
const VERSION: u8 = 1;
/// Length of a token. Data of another kind is the store itself, as old servers wrote it.
pub const LEN: usize = 17;

/// The token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The Raft index, which is also in the name of the file.
    pub index: u64,
    /// The footer of the file.
    pub crc32c: u32,
}

impl Token {
    /// Reads the data of a snapshot.
    ///
    /// # Errors
    /// Data of another length, magic or version.
    pub fn parse(data: &[u8]) -> Result<Token> {
        if data.len() != LEN {
            return fault(data.len(), if data.len() < LEN { What::Truncated } else { What::Surplus });
        }
        let mut c = Cursor::new(data);
        if c.strip(MAGIC).is_none() {
            return fault(0, What::Magic);
        }
        match (c.u8(), c.u64_be(), c.u32_be()) {
            (Some(VERSION), Some(index), Some(crc32c)) => Ok(Token { index, crc32c }),
            (version, ..) => fault(MAGIC.len(), What::Version(version.unwrap_or_default().into())),
        }
    }

    /// Appends the token.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(MAGIC);
        out.push(VERSION);
        out.extend(self.index.to_be_bytes());
        out.extend(self.crc32c.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::encoded;

    proptest::proptest! {
        #[test]
        fn encoded_tokens_are_parsed(index: u64, crc32c: u32, at in 0..5_usize) {
            let token = Token { index, crc32c };
            let mut data = encoded(|out| token.encode(out));
            proptest::prop_assert_eq!(Token::parse(&data), Ok(token));
            proptest::prop_assert!(Token::parse(&data[1..]).is_err());
            data[at] ^= 1;
            proptest::prop_assert!(Token::parse(&data).is_err());
        }
    }
}
