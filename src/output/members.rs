//! Members of an archive that have names, owners, modes and times of their own: collected in the order of the archive
//! while the output is made, in a temporary file.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, Write as _};

use super::checksums::Place;
use crate::error::{Error, Result};

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A directory.
    Directory,
    /// A file whose content is at a place of the spool.
    File(Place),
    /// Another name of a file that comes before.
    Link,
}

/// Owner, mode and times, as an extractor sets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last access, Unix nanoseconds.
    pub atime: i64,
    /// Last change of the content.
    pub mtime: i64,
    /// Last change of the inode.
    pub ctime: i64,
}

impl Attributes {
    /// The attributes of members that have none of their own: all files and directories outside of a file system. `time`: Unix nanoseconds.
    pub fn plain(is_directory: bool, time: i64) -> Attributes {
        let mode = if is_directory { 0o755 } else { 0o600 };
        Attributes { mode, uid: 0, gid: 0, atime: time, mtime: time, ctime: time }
    }
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path: any bytes but NUL.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Owner, mode and times.
    pub attributes: Attributes,
    /// Target path of a link; empty for other members.
    pub link: Vec<u8>,
    /// Whether it comes after all members that are not late. It is not in the directory of its neighbours, and an
    /// extractor sets the time of a directory when it leaves it.
    pub late: bool,
}

/// Members of a task in stored form: those in order, and the late ones.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    lists: [Vec<u8>; 2],
}

impl Stored {
    /// Bytes in memory.
    pub fn held(&self) -> usize {
        self.lists.iter().map(Vec::capacity).sum()
    }

    /// Adds a member.
    pub fn add(&mut self, member: &Member) {
        let [first, late] = &mut self.lists;
        member.write(if member.late { late } else { first });
    }
}

impl Member {
    /// Appends the member to a list.
    fn write(&self, list: &mut Vec<u8>) {
        let (tag, place) = match self.kind {
            MemberKind::Directory => (0u64, Place::default()),
            MemberKind::File(place) => (1, place),
            MemberKind::Link => (2, Place::default()),
        };
        let Attributes { mode, uid, gid, atime, mtime, ctime } = self.attributes;
        let times = [atime, mtime, ctime].map(i64::cast_unsigned);
        let tag = tag | u64::from(self.late) << 8;
        let small = [tag, mode.into(), uid.into(), gid.into()];
        let numbers = small.into_iter().chain(times).chain([place.at, place.len, place.pieces]);
        numbers.for_each(|n| list.extend_from_slice(&n.to_le_bytes()));
        for bytes in [&self.path, &self.link] {
            list.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            list.extend_from_slice(bytes);
        }
    }

    fn read(list: &mut impl Read) -> io::Result<Option<Member>> {
        let mut first = [0; 8];
        match list.read_exact(&mut first) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let mut number = || read_number(list);
        let (mode, uid, gid) = (number()? as u32, number()? as u32, number()? as u32);
        let (atime, mtime, ctime) = (number()?, number()?, number()?);
        let place = Place { at: number()?, len: number()?, pieces: number()? };
        let tag = u64::from_le_bytes(first);
        let kind = match tag & 0xff {
            0 => MemberKind::Directory,
            1 => MemberKind::File(place),
            _ => MemberKind::Link,
        };
        let [atime, mtime, ctime] = [atime, mtime, ctime].map(u64::cast_signed);
        let attributes = Attributes { mode, uid, gid, atime, mtime, ctime };
        Ok(Some(Member { kind, attributes, path: read_bytes(list)?, link: read_bytes(list)?, late: tag > 0xff }))
    }
}

fn read_number(list: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    list.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
}

fn read_bytes(list: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; read_number(list)? as usize];
    list.read_exact(&mut bytes).map(|()| bytes)
}

/// All members, in their order.
#[derive(Default)]
pub struct MemberList {
    files: [Option<File>; 2],
}

impl MemberList {
    /// Appends the members of a task; `scratch` makes a temporary file.
    pub fn append(&mut self, members: &Stored, scratch: impl Fn() -> Result<File>) -> Result<()> {
        for (slot, list) in self.files.iter_mut().zip(&members.lists) {
            if list.is_empty() {
                continue;
            }
            let file = match slot {
                Some(file) => file,
                none => none.insert(scratch()?),
            };
            file.write_all(list).map_err(|e| Error::io("write members to", "a temporary file", e))?;
        }
        Ok(())
    }

    /// Gives every member, the late ones last.
    pub fn each(self, mut each: impl FnMut(&Member) -> io::Result<()>) -> io::Result<()> {
        for mut file in self.files.into_iter().flatten() {
            file.rewind()?;
            let mut list = BufReader::new(file);
            while let Some(member) = Member::read(&mut list)? {
                each(&member)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_back() {
        let attributes =
            Attributes { mode: 0o6755, uid: u32::MAX, gid: 7, atime: i64::MIN, mtime: -1, ctime: i64::MAX };
        let place = Place { at: 1, len: u64::MAX, pieces: 3 };
        let member = |kind, path: &[u8], link: &[u8], late| {
            let (path, link) = (path.to_vec(), link.to_vec());
            Member { path, kind, attributes, link, late }
        };
        let mut all = [
            member(MemberKind::Directory, b"d\xff", b"", false),
            member(MemberKind::File(place), b"", b"", true),
            member(MemberKind::Link, b"l\n", b"d/f", false),
            member(MemberKind::File(place), b"last", b"", true),
        ];
        let mut list = MemberList::default();
        for members in all.chunks(2) {
            let mut stored = Stored::default();
            members.iter().for_each(|member| stored.add(member));
            list.append(&stored, || Ok(tempfile::tempfile().unwrap())).unwrap();
        }
        all.sort_by_key(|member| member.late);
        let mut got = Vec::new();
        list.each(|member| {
            got.push(member.clone());
            Ok(())
        })
        .unwrap();
        assert_eq!(got, all);
    }
}
