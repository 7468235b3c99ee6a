//! Mode, owner and time of a file, directory or link, according to `fs/metadata.jsonl` or to an archive.
//!
//! They are packed into the size of a digest, so that both go through one sorter. The times of the last access and of the last change of
//! the inode are left out: reading a file changes the first, and nobody can set the second.

use crate::output::checksums::Digest;
use crate::output::members;
use crate::output::reading::Attributes;

/// Mode bits that give a program the rights of another user or group.
pub const SPECIAL: u32 = 0o6000;

/// The kind of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Is {
    /// A file.
    File = 1,
    /// A directory.
    Directory,
    /// A further name of a file.
    Link,
}

impl Is {
    const fn words(self) -> &'static str {
        match self {
            Is::File => "a file",
            Is::Directory => "a directory",
            Is::Link => "a link",
        }
    }
}

/// Packs the attributes of a member.
pub fn packed(is: Is, attributes: &Attributes) -> Digest {
    let Attributes { mode, uid, gid, mtime, named } = *attributes;
    let mut digest = Digest::default();
    let known = [mode.is_some(), uid.is_some(), gid.is_some(), mtime.is_some(), named];
    let known = known.iter().rev().fold(0, |bits, known| bits << 1 | u8::from(*known));
    (digest[0], digest[1]) = (is as u8, known);
    for (n, small) in [mode, uid, gid].into_iter().enumerate() {
        digest[4 + 4 * n..8 + 4 * n].copy_from_slice(&small.unwrap_or_default().to_le_bytes());
    }
    digest[16..24].copy_from_slice(&mtime.unwrap_or_default().to_le_bytes());
    digest
}

/// The attributes that a decode gives to a member of an archive that has none of its own.
pub fn plain(is: Is, mtime: Option<i64>) -> Attributes {
    let members::Attributes { mode, uid, gid, .. } = members::Attributes::plain(is == Is::Directory, 0);
    Attributes { mode: Some(mode), uid: Some(uid), gid: Some(gid), mtime, named: false }
}

/// The same, packed, for a member of the same kind as a packed one.
pub fn plain_as(packed_one: &Digest, mtime: i64) -> Digest {
    let (is, _) = unpacked(packed_one);
    packed(is, &plain(is, Some(mtime)))
}

fn unpacked(digest: &Digest) -> (Is, Attributes) {
    let is = [Is::File, Is::Directory, Is::Link].into_iter().find(|is| *is as u8 == digest[0]).unwrap_or(Is::File);
    let known = |bit: u8| digest[1] & 1 << bit != 0;
    let small = |n: u8| {
        let bytes = digest.get(4 + 4 * usize::from(n)..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        known(n).then(|| u32::from_le_bytes(bytes))
    };
    let bytes = digest[16..].first_chunk().copied().unwrap_or_default();
    let mtime = known(3).then(|| i64::from_le_bytes(bytes));
    (is, Attributes { mode: small(0), uid: small(1), gid: small(2), mtime, named: known(4) })
}

/// The mode, if it has a bit that gives a program the rights of another user or group, and the member is not a directory.
pub fn special(digest: &Digest) -> Option<u32> {
    let (is, attributes) = unpacked(digest);
    attributes.mode.filter(|mode| mode & SPECIAL != 0 && is != Is::Directory)
}

/// The differences, in words.
pub fn differences(have: &Digest, told: &Digest) -> Option<String> {
    let ((is, have), (should, told)) = (unpacked(have), unpacked(told));
    if is != should {
        return Some(format!("it is {}, and should be {}", is.words(), should.words()));
    }
    let octal = |mode: Option<u32>| mode.map_or("none".to_owned(), |mode| format!("{mode:04o}"));
    let number = |n: Option<i64>| n.map_or("none".to_owned(), |n| n.to_string());
    let small = |n: Option<u32>| number(n.map(i64::from));
    let mut words = Vec::new();
    for (name, have, told) in [
        ("mode", octal(have.mode), octal(told.mode)),
        ("uid", small(have.uid), small(told.uid)),
        ("gid", small(have.gid), small(told.gid)),
        ("mtime_ns", number(have.mtime), number(told.mtime)),
    ] {
        words.extend((have != told).then(|| format!("{name} is {have}, and should be {told}")));
    }
    words.extend(have.named.then(|| "its owner is named, which an extractor prefers to the number".to_owned()));
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let whole =
            Attributes { mode: Some(0o4755), uid: Some(u32::MAX), gid: Some(7), mtime: Some(i64::MIN), named: true };
        for attributes in [whole, Attributes::default(), Attributes { gid: None, mtime: Some(-1), ..whole }] {
            for is in [Is::File, Is::Directory, Is::Link] {
                assert_eq!(unpacked(&packed(is, &attributes)), (is, attributes));
            }
        }
        assert_eq!(special(&packed(Is::File, &whole)), Some(0o4755));
        assert_eq!(special(&packed(Is::Directory, &whole)), None);
    }

    #[test]
    fn words() {
        let told = Attributes { mode: Some(0o644), uid: Some(0), gid: Some(0), mtime: Some(1), named: false };
        let of = |have: Attributes| differences(&packed(Is::File, &have), &packed(Is::File, &told));
        assert_eq!(of(told), None);
        assert_eq!(of(Attributes { mode: Some(0o4644), ..told }).unwrap(), "mode is 4644, and should be 0644");
        assert!(
            of(Attributes { uid: None, named: true, ..told }).unwrap().contains("uid is none, and should be 0; its")
        );
        let link = differences(&packed(Is::Link, &told), &packed(Is::File, &told));
        assert_eq!(link.unwrap(), "it is a link, and should be a file");
    }
}
