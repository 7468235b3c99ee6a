//! Keys of the file system: parsers of what follows the prefix, and builders for look-ups (`fs.md` §1).
//!
//! Numbers are `u64be`; `ob(x)` is an ordered byte string that ends in `00 00`.
//!
//! | family | after the prefix |
//! |---|---|
//! | `ino`, `home`, `dirv`, `reffence` | inode |
//! | `dir` | parent · ob(name) |
//! | `chk` | home slot · inode · index |
//! | `ref` | inode · ob(client) · handle |
//! | `intent`, `job\|move` | ob(ID) |
//! | `usage` | nothing, or `\|route\|` · ob(route key) |

use std::borrow::Cow;

use crate::format::cursor::{self, Cursor};
use crate::format::family::Family;
use crate::format::fault::{Fault, OrFault, Result};
use crate::format::ordered;

/// The last byte of an ordered byte string, after a NUL.
const END: u8 = 0;
/// What the key of a counter has after `!fs|usage`.
const ROUTE: &[u8] = b"|route|";
const TRAILING: &str = "bytes follow where it should end";

/// Key of a directory entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryKey<'a> {
    /// Inode of the directory.
    pub parent: u64,
    /// The name: any bytes, though the server never creates one that is empty, `.`, `..`, or contains a slash or NUL.
    pub name: Cow<'a, [u8]>,
}

/// Key of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkKey {
    /// Where the data lives: the inode's number, until it is moved.
    pub home_slot: u64,
    /// The inode.
    pub inode: u64,
    /// Which chunk of the file, from 0.
    pub index: u64,
}

/// Key of an open handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleKey<'a> {
    /// The inode.
    pub inode: u64,
    /// Which mount has it open.
    pub client: Cow<'a, [u8]>,
    /// The mount's number for it.
    pub handle: u64,
}

/// Key of a usage row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageKey<'a> {
    /// The row of the whole file system (legacy).
    Whole,
    /// A counter, by the route key that it belongs to.
    Route(Cow<'a, [u8]>),
}

/// Parses what follows the prefix of a family whose keys are one inode number.
pub fn number(suffix: &[u8]) -> Result<u64> {
    cursor::u64_be(suffix).or_key("its inode number does not have 8 bytes")
}

/// Parses what follows `!fs|intent|` or `!fs|job|move|`.
pub fn id(suffix: &[u8]) -> Result<Cow<'_, [u8]>> {
    let mut c = Cursor::new(suffix);
    let id = ordered::read(&mut c, END).or_key("its ID has no end or a broken escape")?;
    ended(c, id)
}

fn ended<T>(c: Cursor<'_>, key: T) -> Result<T> {
    if c.is_empty() { Ok(key) } else { Err(Fault::Key(TRAILING)) }
}

impl<'a> EntryKey<'a> {
    /// Parses what follows `!fs|dir|`.
    pub fn parse(suffix: &'a [u8]) -> Result<EntryKey<'a>> {
        let mut c = Cursor::new(suffix);
        let parent = c.u64_be().or_key("it ends inside its parent")?;
        let name = ordered::read(&mut c, END).or_key("its name has no end or a broken escape")?;
        ended(c, EntryKey { parent, name })
    }

    /// Whether the server could have created an entry of this name.
    pub fn has_good_name(&self) -> bool {
        let name = self.name.as_ref();
        !matches!(name, b"" | b"." | b"..") && memchr::memchr2(0, b'/', name).is_none()
    }
}

impl ChunkKey {
    /// Parses what follows `!fs|chk|`.
    pub fn parse(suffix: &[u8]) -> Result<ChunkKey> {
        let mut c = Cursor::new(suffix);
        let mut number = || c.u64_be().or_key("it does not have 24 bytes after its prefix");
        let key = ChunkKey { home_slot: number()?, inode: number()?, index: number()? };
        ended(c, key)
    }
}

impl<'a> HandleKey<'a> {
    /// Parses what follows `!fs|ref|`.
    pub fn parse(suffix: &'a [u8]) -> Result<HandleKey<'a>> {
        let mut c = Cursor::new(suffix);
        let inode = c.u64_be().or_key("it ends inside its inode number")?;
        let client = ordered::read(&mut c, END).or_key("its client ID has no end or a broken escape")?;
        let handle = c.u64_be().or_key("it ends inside its handle")?;
        ended(c, HandleKey { inode, client, handle })
    }
}

impl<'a> UsageKey<'a> {
    /// Parses what follows `!fs|usage`.
    pub fn parse(suffix: &'a [u8]) -> Result<UsageKey<'a>> {
        if suffix.is_empty() {
            return Ok(UsageKey::Whole);
        }
        let route = suffix.strip_prefix(ROUTE).or_key("something other than |route| follows its prefix")?;
        let mut c = Cursor::new(route);
        let route = ordered::read(&mut c, END).or_key("its route key has no end or a broken escape")?;
        ended(c, UsageKey::Route(route))
    }
}

/// User key of a family whose keys are numbers, or the start of one: `ino`, `home`, all chunks of an inode.
pub fn numbers(family: Family, numbers: &[u64]) -> Vec<u8> {
    let mut key = family.prefix().as_bytes().to_vec();
    numbers.iter().for_each(|n| key.extend_from_slice(&n.to_be_bytes()));
    key
}

/// User key of a directory entry.
pub fn entry(parent: u64, name: &[u8]) -> Vec<u8> {
    let mut key = numbers(Family::FsEntry, &[parent]);
    ordered::append(name, END, &mut key);
    key
}

/// User key of an intent or a move job.
pub fn by_id(family: Family, id: &[u8]) -> Vec<u8> {
    let mut key = family.prefix().as_bytes().to_vec();
    ordered::append(id, END, &mut key);
    key
}

/// User key of an open handle.
pub fn handle(inode: u64, client: &[u8], handle: u64) -> Vec<u8> {
    let mut key = numbers(Family::FsHandle, &[inode]);
    ordered::append(client, END, &mut key);
    key.extend_from_slice(&handle.to_be_bytes());
    key
}

/// User key of a usage counter.
pub fn counter(route: &[u8]) -> Vec<u8> {
    let mut key = [Family::FsUsage.prefix().as_bytes(), ROUTE].concat();
    ordered::append(route, END, &mut key);
    key
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_by_hand() {
        let key = EntryKey::parse(b"\0\0\0\0\0\0\0\x01a\0\xffb\0\0").unwrap();
        assert_eq!((key.parent, &*key.name), (1, &b"a\0b"[..]));
        assert!(!key.has_good_name());
        let borrowed = EntryKey::parse(b"\0\0\0\0\0\0\0\x01ab\0\0").unwrap();
        assert!(matches!(borrowed.name, Cow::Borrowed(b"ab")) && borrowed.has_good_name());
        let chunk = ChunkKey::parse(&[[0xff; 8], [1; 8], [0; 8]].concat()).unwrap();
        assert_eq!(chunk, ChunkKey { home_slot: u64::MAX, inode: 0x0101_0101_0101_0101, index: 0 });
        assert_eq!(UsageKey::parse(b""), Ok(UsageKey::Whole));
        assert_eq!(number(&[0xff; 8]), Ok(u64::MAX));
    }

    #[test]
    fn names_that_the_server_refuses() {
        for (name, good) in
            [("", false), (".", false), ("..", false), ("...", true), ("a/b", false), ("\u{ff}", true), ("a\0", false)]
        {
            let key = EntryKey { parent: 1, name: Cow::Borrowed(name.as_bytes()) };
            assert_eq!(key.has_good_name(), good, "{name:?}");
        }
    }

    #[test]
    fn what_the_parsers_reject() {
        let cut = |whole: &[u8], parse: &dyn Fn(&[u8]) -> bool| {
            assert!(parse(whole));
            (0..whole.len()).for_each(|len| assert!(!parse(&whole[..len]), "{}", whole[..len].escape_ascii()));
            assert!(!parse(&[whole, b"\0"].concat()));
        };
        cut(Family::FsEntry.suffix(&entry(1, b"a\0b")), &|key| EntryKey::parse(key).is_ok());
        cut(Family::FsChunk.suffix(&numbers(Family::FsChunk, &[1, 2, 3])), &|key| ChunkKey::parse(key).is_ok());
        cut(Family::FsHandle.suffix(&handle(1, b"c", 2)), &|key| HandleKey::parse(key).is_ok());
        cut(Family::FsIntent.suffix(&by_id(Family::FsIntent, b"create\0")), &|key| id(key).is_ok());
        cut(&[7; 8], &|key| number(key).is_ok());
        let route = counter(b"!fs|dir|\0\0");
        cut(Family::FsUsage.suffix(&route), &|key| matches!(UsageKey::parse(key), Ok(UsageKey::Route(_))));
        for bad in [&b"|"[..], b"|route", b"x", b"|routes|x\0\0"] {
            assert!(UsageKey::parse(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn keys_round_trip(n: u64, name: Vec<u8>, handle_no: u64) {
            let key = entry(n, &name);
            let want = EntryKey { parent: n, name: Cow::Borrowed(&name[..]) };
            prop_assert_eq!(EntryKey::parse(Family::FsEntry.suffix(&key)), Ok(want));
            let key = handle(n, &name, handle_no);
            let want = HandleKey { inode: n, client: Cow::Borrowed(&name[..]), handle: handle_no };
            prop_assert_eq!(HandleKey::parse(Family::FsHandle.suffix(&key)), Ok(want));
            let key = counter(&name);
            let want = UsageKey::Route(Cow::Borrowed(&name[..]));
            prop_assert_eq!(UsageKey::parse(Family::FsUsage.suffix(&key)), Ok(want));
        }
    }
}
