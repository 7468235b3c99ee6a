//! `snap/<term %016x>-<index %016x>.snap`: where the log of a group begins, and the state of the store at that point.
//!
//! protobuf {1: CRC32C of data, 2: data}, data = {1: [token](super::token), 2: {1: ConfState, 2: index, 3: term}}

use prost::Message as _;

use super::{ConfState, Result, What, fault};
use crate::format::container::crc32c;

/// A Raft snapshot.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Snapshot {
    /// A token, or in files of old servers the store itself.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub data: Option<Vec<u8>>,
    /// Where it was taken.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<Metadata>,
}

/// Where a snapshot was taken.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Metadata {
    /// The members at that moment.
    #[prost(message, optional, tag = "1")]
    pub conf_state: Option<ConfState>,
    /// The last index that is in it.
    #[prost(uint64, optional, tag = "2")]
    pub index: Option<u64>,
    /// The term of that index.
    #[prost(uint64, optional, tag = "3")]
    pub term: Option<u64>,
}

/// The file around it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct File {
    #[prost(uint32, optional, tag = "1")]
    crc: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    data: Option<Vec<u8>>,
}

impl Snapshot {
    /// Reads a file.
    ///
    /// # Errors
    /// A file without data, messages that cannot be decoded, a checksum that does not match.
    pub fn parse(file: &[u8]) -> Result<Snapshot> {
        let Ok(read) = File::decode(file) else { return fault(0, What::Message) };
        let Some(data) = read.data.filter(|data| !data.is_empty()) else { return fault(file.len(), What::Truncated) };
        let (stored, computed) = (read.crc.unwrap_or_default(), crc32c(&data));
        if stored != computed {
            return fault(0, What::Crc { stored, computed });
        }
        Snapshot::decode(&data[..]).or_else(|_| fault(0, What::Message))
    }

    /// Appends the file.
    pub fn encode_file(&self, out: &mut Vec<u8>) {
        let data = self.encode_to_vec();
        let file = File { crc: Some(crc32c(&data)), data: Some(data) };
        out.extend(file.encode_to_vec());
    }

    /// The index, the term, and the members.
    pub fn position(&self) -> (u64, u64, Option<&ConfState>) {
        let metadata = self.metadata.as_ref();
        let number = |of: fn(&Metadata) -> Option<u64>| metadata.and_then(of).unwrap_or_default();
        (number(|m| m.index), number(|m| m.term), metadata.and_then(|m| m.conf_state.as_ref()))
    }
}

/// The name of the file.
pub fn name(term: u64, index: u64) -> String {
    format!("{term:016x}-{index:016x}.snap")
}

/// Term and index in the name of a file.
pub fn of_name(name: &str) -> Option<(u64, u64)> {
    let (term, index) = name.strip_suffix(".snap")?.split_once('-')?;
    Some((hex16(term)?, hex16(index)?))
}

/// A number of exactly 16 hexadecimal digits, as in the names of these files.
pub(super) fn hex16(digits: &str) -> Option<u64> {
    let hex = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    hex.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::encoded;

    #[test]
    fn names() {
        assert_eq!(name(1, 0x309), "0000000000000001-0000000000000309.snap");
        for (name, want) in [
            ("0000000000000001-0000000000000309.snap", Some((1, 0x309))),
            ("0000000000000001-0000000000000309.snap.broken", None),
            ("1-309.snap", None),
            ("00000000000000010000000000000309.snap", None),
        ] {
            assert_eq!(of_name(name), want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn encoded_files_are_parsed(data: Option<Vec<u8>>, index: Option<u64>, term: Option<u64>, voters: Vec<u64>, flip: usize) {
            let conf_state = Some(ConfState { voters, ..ConfState::default() });
            let snapshot = Snapshot { data, metadata: Some(Metadata { conf_state, index, term }) };
            let mut file = encoded(|out| snapshot.encode_file(out));
            prop_assert_eq!(Snapshot::parse(&file), Ok(snapshot.clone()));
            let at = flip % file.len();
            file[at] ^= 1;
            // An unknown field, which readers skip, is the only change that is not detected.
            prop_assert!(Snapshot::parse(&file).map_or(true, |read| read == snapshot));
            prop_assert!(Snapshot::parse(&file[..file.len() - 1]).is_err());
        }
    }
}
