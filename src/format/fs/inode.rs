//! Inodes, directory entries and homes (`fs.md` §2.1 to §2.3).

use bumpalo::Bump;
use serde::Serialize;

use crate::format::fault::Result;
use crate::format::jsonout::{self, is_zero};
use crate::format::jsonval;

/// Chunk size if an inode does not have one: 4 MiB.
const DEFAULT_CHUNK: u64 = 4 << 20;
/// The bits of a mode that count: permissions, set-ID and sticky.
const MODE: u32 = 0o7777;

/// The kind of an inode or an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `file`
    File,
    /// `directory`
    Directory,
    /// Any other word, which the server treats as a file.
    #[default]
    Other,
}

impl Kind {
    fn of(word: &str) -> Kind {
        match word {
            "file" => Kind::File,
            "directory" => Kind::Directory,
            _ => Kind::Other,
        }
    }

    /// Whether it is a directory to the server.
    pub fn is_dir(self) -> bool {
        self == Kind::Directory
    }
}

/// A file or directory. Times are Unix nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Inode {
    /// Its number in the value; the number in the key is authoritative.
    #[serde(rename = "inode")]
    pub number: u64,
    /// Directory it was created in.
    pub parent: u64,
    /// File or directory.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Permission bits, without the type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of the file.
    pub size: u64,
    /// Last access, as far as it is recorded.
    #[serde(rename = "atime_nsec")]
    pub atime: i64,
    /// Last change of the content.
    #[serde(rename = "mtime_nsec")]
    pub mtime: i64,
    /// Last change of the inode.
    #[serde(rename = "ctime_nsec")]
    pub ctime: i64,
    /// Bytes of a chunk, as stored; see [`Inode::chunk`].
    pub chunk_size: u64,
    /// Where its chunks are.
    pub home_slot: u64,
    /// Counts moves.
    pub epoch: u64,
    /// Names of a file; 2 and the number of child directories for a directory.
    pub nlink: u32,
    /// 1
    pub generation: u64,
    /// Without a name, but not freed yet.
    #[serde(skip_serializing_if = "is_zero")]
    pub orphaned: bool,
}

impl Inode {
    /// Parses the value of an `ino` row.
    pub fn parse(arena: &Bump, value: &[u8]) -> Result<Inode> {
        let o = jsonval::parse(arena, value)?;
        Ok(Inode {
            number: o.u64("inode")?,
            parent: o.u64("parent")?,
            kind: Kind::of(o.str("type")?),
            mode: o.u32("mode")? & MODE,
            uid: o.u32("uid")?,
            gid: o.u32("gid")?,
            size: o.u64("size")?,
            atime: o.i64("atime_nsec")?,
            mtime: o.i64("mtime_nsec")?,
            ctime: o.i64("ctime_nsec")?,
            chunk_size: o.u64("chunk_size")?,
            home_slot: o.u64("home_slot")?,
            epoch: o.u64("epoch")?,
            nlink: o.u32("nlink")?,
            generation: o.u64("generation")?,
            orphaned: o.bool("orphaned")?,
        })
    }

    /// Bytes of a chunk: never zero.
    pub fn chunk(&self) -> u64 {
        if self.chunk_size == 0 { DEFAULT_CHUNK } else { self.chunk_size }
    }

    /// Whether the server is about to free it.
    pub fn is_unlinked(&self) -> bool {
        self.orphaned || self.nlink == 0
    }
}

/// A name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Entry {
    /// What it names.
    pub inode: u64,
    /// The kind in listings; the inode's own kind is authoritative.
    #[serde(rename = "type")]
    pub kind: Kind,
}

impl Entry {
    /// Parses the value of a `dir` row.
    pub fn parse(arena: &Bump, value: &[u8]) -> Result<Entry> {
        let o = jsonval::parse(arena, value)?;
        Ok(Entry { inode: o.u64("inode")?, kind: Kind::of(o.str("type")?) })
    }
}

/// The state of a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HomeState {
    /// `active`
    Active,
    /// `migrating`
    Migrating,
    /// Any other word.
    #[default]
    Other,
}

/// Where an inode's data is, as writers check it; readers use the inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Home {
    /// Where the data is.
    #[serde(rename = "home_slot")]
    pub slot: u64,
    /// Where it is moved to; 0: nowhere.
    #[serde(rename = "target_home_slot", skip_serializing_if = "is_zero")]
    pub target: u64,
    /// Whether it is being moved.
    pub state: HomeState,
    /// The inode's epoch.
    pub epoch: u64,
}

impl Home {
    /// Parses the value of a `home` row.
    pub fn parse(arena: &Bump, value: &[u8]) -> Result<Home> {
        let o = jsonval::parse(arena, value)?;
        let state = match o.str("state")? {
            "active" => HomeState::Active,
            "migrating" => HomeState::Migrating,
            _ => HomeState::Other,
        };
        Ok(Home { slot: o.u64("home_slot")?, target: o.u64("target_home_slot")?, state, epoch: o.u64("epoch")? })
    }

    /// Whether it agrees with the inode.
    pub fn agrees(&self, inode: &Inode) -> bool {
        self.slot == inode.home_slot && self.epoch == inode.epoch && self.state != HomeState::Other
    }
}

impl Inode {
    /// Appends the value of an `ino` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

impl Entry {
    /// Appends the value of a `dir` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

impl Home {
    /// Appends the value of a `home` row.
    ///
    /// # Errors
    /// None; the type is that of all encoders of JSON.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        jsonout::append(self, out)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::Fault;
    use crate::format::encoded;

    fn inode(json: &str) -> Result<Inode> {
        Inode::parse(&Bump::new(), json.as_bytes())
    }

    #[test]
    fn a_full_inode() {
        let json = r#"{"inode":18446744073709551615,"parent":1,"type":"directory","mode":36845,"uid":4294967294,"gid":7,
            "size":18446744073709551614,"atime_nsec":-1500000000,"mtime_nsec":9223372036854775807,
            "ctime_nsec":-9223372036854775808,"chunk_size":16,"home_slot":9223372036854775809,"epoch":3,"nlink":2,
            "generation":1,"orphaned":true,"future":{"inode":4}}"#;
        let want = Inode {
            number: u64::MAX,
            parent: 1,
            kind: Kind::Directory,
            mode: 0o7755,
            uid: u32::MAX - 1,
            gid: 7,
            size: u64::MAX - 1,
            atime: -1_500_000_000,
            mtime: i64::MAX,
            ctime: i64::MIN,
            chunk_size: 16,
            home_slot: (1 << 63) + 1,
            epoch: 3,
            nlink: 2,
            generation: 1,
            orphaned: true,
        };
        assert_eq!(inode(json), Ok(want));
        assert_eq!((want.chunk(), want.is_unlinked(), want.kind.is_dir()), (16, true, true));
    }

    #[test]
    fn what_the_server_tolerates() {
        assert_eq!(inode("{}"), Ok(Inode::default()));
        assert_eq!(inode("null"), Ok(Inode::default()));
        assert_eq!(inode(r#" {"SIZE":3,"Type":"file","size":5,"mode":null} "#).unwrap().size, 5);
        assert_eq!(inode(r#"{"type":"socket"}"#).unwrap().kind, Kind::Other);
        assert_eq!(Inode::default().chunk(), 4_194_304);
        assert!(Inode::default().is_unlinked());
    }

    #[test]
    fn what_is_no_inode() {
        for bad in ["", "{", "[]", "7", "{}{}", r#"{"inode":"1"}"#, r#"{"size":-1}"#, r#"{"size":1e3}"#]
            .into_iter()
            .chain([
                r#"{"size":18446744073709551616}"#,
                r#"{"mode":4294967296}"#,
                r#"{"atime_nsec":9223372036854775808}"#,
            ])
            .chain([r#"{"orphaned":1}"#, r#"{"type":1}"#])
        {
            assert!(matches!(inode(bad), Err(Fault::Value(_))), "{bad}");
        }
    }

    #[test]
    fn entries_and_homes() {
        let arena = Bump::new();
        let entry = Entry::parse(&arena, br#"{"inode":18446744073709551615,"type":"file"}"#);
        assert_eq!(entry, Ok(Entry { inode: u64::MAX, kind: Kind::File }));
        let home =
            Home::parse(&arena, br#"{"home_slot":5,"target_home_slot":6,"state":"migrating","epoch":2}"#).unwrap();
        assert_eq!(home, Home { slot: 5, target: 6, state: HomeState::Migrating, epoch: 2 });
        let inode = Inode { home_slot: 5, epoch: 2, ..Inode::default() };
        assert!(home.agrees(&inode));
        for other in [
            Home { slot: 6, ..home },
            Home { epoch: 1, ..home },
            Home { state: HomeState::Other, ..home },
            Home::default(),
        ] {
            assert!(!other.agrees(&inode), "{other:?}");
        }
        assert!(Entry::parse(&arena, b"[]").is_err() && Home::parse(&arena, br#"{"epoch":-1}"#).is_err());
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::File), Just(Kind::Directory), Just(Kind::Other)]
    }

    proptest! {
        #[test]
        fn encoded_rows_are_parsed(n: [u64; 7], small: [u32; 4], times: [i64; 3], kind in kind(), orphaned: bool) {
            let arena = Bump::new();
            let inode = Inode {
                number: n[0],
                parent: n[1],
                kind,
                mode: small[0] & MODE,
                uid: small[1],
                gid: small[2],
                size: n[2],
                atime: times[0],
                mtime: times[1],
                ctime: times[2],
                chunk_size: n[3],
                home_slot: n[4],
                epoch: n[5],
                nlink: small[3],
                generation: n[6],
                orphaned,
            };
            let value = encoded(|out| inode.encode(out).unwrap());
            prop_assert_eq!(Inode::parse(&arena, &value), Ok(inode));
            let entry = Entry { inode: n[0], kind };
            let value = encoded(|out| entry.encode(out).unwrap());
            prop_assert_eq!(Entry::parse(&arena, &value), Ok(entry));
            let state = [HomeState::Active, HomeState::Migrating, HomeState::Other][(n[0] % 3) as usize];
            let home = Home { slot: n[0], target: n[1], state, epoch: n[2] };
            let value = encoded(|out| home.encode(out).unwrap());
            prop_assert_eq!(Home::parse(&arena, &value), Ok(home));
        }
    }
}
