//! `etcd-raft-peers.bin`: the members of a group and their addresses (`restore.md` §1).
//!
//! `EKVP` · `u32be` version · `u64be` index · members · with version 3: `u8` seed active · members of the seed. Members are a `u32be`
//! count and for each: `u64be` node id · with version 2: `u8` learner · id and address, each with its `u32be` length.

use super::{Result, What, fault};
use crate::format::cursor::Cursor;

/// The name of the file.
pub const NAME: &str = "etcd-raft-peers.bin";

const MAGIC: &[u8; 4] = b"EKVP";
const VERSION: u32 = 3;
const MAX_PEERS: u32 = 1 << 10;
const MAX_TEXT: u32 = 1 << 20;

/// The members of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peers {
    /// The Raft index of the last change.
    pub index: u64,
    /// The members, by node id.
    pub members: Vec<Peer>,
    /// Whether the group still has its initial members.
    pub seed_active: bool,
    /// The initial members, if the group was started with a list.
    pub seed: Vec<Peer>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The number of its Raft id.
    pub node_id: u64,
    /// Whether it is a learner, which does not vote.
    pub learner: bool,
    /// Its Raft id.
    pub id: String,
    /// Host and port.
    pub address: String,
}

impl Peers {
    /// Reads a file of any version.
    ///
    /// # Errors
    /// Other bytes, numbers over their limits, a file that is too short or too long.
    pub fn parse(file: &[u8]) -> Result<Peers> {
        let mut reader = Reader { c: Cursor::new(file), len: file.len() };
        if reader.c.strip(MAGIC).is_none() {
            return fault(0, What::Magic);
        }
        let version = reader.u32()?;
        if !(1..=VERSION).contains(&version) {
            return fault(MAGIC.len(), What::Version(version));
        }
        let index = reader.u64()?;
        let mut peers = Peers { index, members: reader.members(version)?, ..Peers::default() };
        if version >= 3 {
            peers.seed_active = reader.flag()?;
            peers.seed = reader.members(version)?;
        }
        if reader.c.is_empty() { Ok(peers) } else { fault(reader.at(), What::Surplus) }
    }

    /// Appends the file, in the newest version.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(MAGIC);
        out.extend(VERSION.to_be_bytes());
        out.extend(self.index.to_be_bytes());
        members_into(&self.members, out);
        out.push(self.seed_active.into());
        members_into(&self.seed, out);
    }
}

fn members_into(members: &[Peer], out: &mut Vec<u8>) {
    out.extend((members.len() as u32).to_be_bytes());
    for peer in members {
        out.extend(peer.node_id.to_be_bytes());
        out.push(peer.learner.into());
        for text in [&peer.id, &peer.address] {
            out.extend((text.len() as u32).to_be_bytes());
            out.extend(text.as_bytes());
        }
    }
}

struct Reader<'a> {
    c: Cursor<'a>,
    len: usize,
}

impl Reader<'_> {
    fn at(&self) -> usize {
        self.len.saturating_sub(self.c.len())
    }

    fn read<T>(&mut self, read: Option<T>) -> Result<T> {
        read.map_or_else(|| fault(self.len, What::Truncated), Ok)
    }

    fn u32(&mut self) -> Result<u32> {
        let read = self.c.u32_be();
        self.read(read)
    }

    fn u64(&mut self) -> Result<u64> {
        let read = self.c.u64_be();
        self.read(read)
    }

    fn flag(&mut self) -> Result<bool> {
        let at = self.at();
        let read = self.c.u8();
        match self.read(read)? {
            other @ 2.. => fault(at, What::Kind(other.into())),
            flag => Ok(flag == 1),
        }
    }

    /// A count or length.
    fn limited(&mut self, most: u32) -> Result<u32> {
        let at = self.at();
        let n = self.u32()?;
        if n > most { fault(at, What::TooLarge(n.into())) } else { Ok(n) }
    }

    fn text(&mut self) -> Result<String> {
        let len = self.limited(MAX_TEXT)?;
        let at = self.at();
        let bytes = self.c.take_u64(len.into());
        let text = self.read(bytes)?;
        std::str::from_utf8(text).map(str::to_owned).or_else(|_| fault(at, What::Text))
    }

    fn members(&mut self, version: u32) -> Result<Vec<Peer>> {
        let count = self.limited(MAX_PEERS)?;
        let mut members = Vec::new();
        for _ in 0..count {
            let node_id = self.u64()?;
            let learner = version >= 2 && self.flag()?;
            members.push(Peer { node_id, learner, id: self.text()?, address: self.text()? });
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::encoded;

    fn members() -> impl Strategy<Value = Vec<Peer>> {
        let peer = (any::<u64>(), any::<bool>(), ".{0,5}", ".{0,5}");
        prop::collection::vec(
            peer.prop_map(|(node_id, learner, id, address)| Peer { node_id, learner, id, address }),
            0..4,
        )
    }

    proptest! {
        #[test]
        fn encoded_files_are_parsed(index: u64, members in members(), seed_active: bool, seed in members()) {
            let peers = Peers { index, members, seed_active, seed };
            let mut file = encoded(|out| peers.encode(out));
            prop_assert_eq!(Peers::parse(&file), Ok(peers));
            for len in 0..file.len() {
                prop_assert!(Peers::parse(&file[..len]).is_err());
            }
            file.push(0);
            prop_assert_eq!(Peers::parse(&file), fault(file.len() - 1, What::Surplus));
        }

        #[test]
        fn nothing_panics(file: Vec<u8>) {
            let _ = Peers::parse(&[&b"EKVP\0\0\0\x03"[..], &file].concat());
        }
    }

    #[test]
    fn older_versions_and_limits() {
        let head = |version: u8, rest: &[u8]| [b"EKVP\0\0\0", &[version][..], &7_u64.to_be_bytes(), rest].concat();
        let peer = |learner| vec![Peer { node_id: 9, learner, id: "n".into(), address: "h:1".into() }];
        let (id, text) = (9_u64.to_be_bytes(), b"\0\0\0\x01n\0\0\0\x03h:1");
        let members = |file: &[u8]| Peers::parse(file).map(|peers| peers.members);
        assert_eq!(members(&head(1, &[&[0, 0, 0, 1][..], &id, text].concat())), Ok(peer(false)));
        assert_eq!(members(&head(2, &[&[0, 0, 0, 1][..], &id, &[1], text].concat())), Ok(peer(true)));
        assert_eq!(members(&head(2, &[&[0, 0, 0, 1][..], &id, &[2], text].concat())), fault(28, What::Kind(2)));
        assert_eq!(members(&head(4, b"")), fault(4, What::Version(4)));
        assert_eq!(members(&head(1, &[0, 0, 4, 1])), fault(16, What::TooLarge(1025)));
        assert_eq!(members(b"EKVT"), fault(0, What::Magic));
    }
}
