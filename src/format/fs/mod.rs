//! Keys and values of the file system (`fs.md` §1 and §2).
//!
//! Values are JSON documents, except chunks, which are plain bytes. How the server reads the JSON is in [`jsonval`](super::jsonval).

pub mod inode;
pub mod internal;
pub mod key;
pub mod usage;

use bumpalo::Bump;

pub use inode::{Entry, Home, HomeState, Inode, Kind};
pub use internal::{Handle, Intent, MoveJob};
pub use key::{ChunkKey, EntryKey, HandleKey, UsageKey};
pub use usage::{Counter, Usage};

use super::Family;
use super::fault::{Fault, OrFault as _, Result};
use super::rawjson;

/// Number of the root directory.
pub const ROOT: u64 = 1;

/// Checks key and value of a row of any family of the file system.
pub fn check(arena: &Bump, family: Family, user_key: &[u8], body: &[u8]) -> Result<()> {
    let suffix = family.suffix(user_key);
    match family {
        Family::FsInode => key::number(suffix).and_then(|_| Inode::parse(arena, body)).map(drop),
        Family::FsEntry => EntryKey::parse(suffix).and_then(|_| Entry::parse(arena, body)).map(drop),
        Family::FsDirVersion | Family::FsHandleFence => key::number(suffix).and_then(|_| number(body)).map(drop),
        Family::FsHome => key::number(suffix).and_then(|_| Home::parse(arena, body)).map(drop),
        Family::FsChunk => ChunkKey::parse(suffix).map(drop),
        Family::FsHandle => HandleKey::parse(suffix).and_then(|_| Handle::parse(arena, body)).map(drop),
        Family::FsIntent => key::id(suffix).and_then(|_| Intent::parse(arena, body)).map(drop),
        Family::FsMoveJob => key::id(suffix).and_then(|_| MoveJob::parse(arena, body)).map(drop),
        Family::FsUsage => match UsageKey::parse(suffix)? {
            UsageKey::Whole => Usage::parse(arena, body).map(drop),
            UsageKey::Route(_) => Counter::parse(arena, body).map(drop),
        },
        _ => Err(Fault::Key("it is of no family of the file system")),
    }
}

/// A document that is one number: the value of a directory version or a handle fence, Unix nanoseconds.
pub fn number(value: &[u8]) -> Result<u64> {
    match value.trim_ascii() {
        b"null" => Ok(0),
        text => rawjson::integer(text).or_value("it is not a JSON number from 0 to 2^64-1"),
    }
}

/// Appends a document that is one number.
pub fn number_into(n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, want) in [
            ("0", Some(0)),
            (" 18446744073709551615\n", Some(u64::MAX)),
            ("null", Some(0)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.0", None),
            ("01", None),
            ("\"1\"", None),
            ("", None),
            ("1 2", None),
        ] {
            assert_eq!(number(text.as_bytes()).ok(), want, "{text}");
        }
    }

    #[test]
    fn every_family_is_checked() {
        let (n, id) = (7u64.to_be_bytes(), b"x\0\0");
        let (one, three) = (n.to_vec(), [n; 3].concat());
        let (entry, handle) = ([&n[..], id].concat(), [&n[..], id, &n].concat());
        let cases: &[(Family, &[u8], &str)] = &[
            (Family::FsInode, &one, "{}"),
            (Family::FsEntry, &entry, "{}"),
            (Family::FsDirVersion, &one, "1"),
            (Family::FsHandleFence, &one, "1"),
            (Family::FsHome, &one, "{}"),
            (Family::FsChunk, &three, "any\0bytes"),
            (Family::FsHandle, &handle, "{}"),
            (Family::FsIntent, id, "{}"),
            (Family::FsMoveJob, id, "{}"),
            (Family::FsUsage, b"", "{}"),
            (Family::FsUsage, b"|route|x\0\0", "{}"),
        ];
        for (family, suffix, body) in cases {
            let key = [family.prefix().as_bytes(), suffix].concat();
            let checked = |key: &[u8], body: &[u8]| check(&Bump::new(), *family, key, body);
            assert_eq!(checked(&key, body.as_bytes()), Ok(()), "{family:?}");
            assert!(
                matches!(checked(&[&key[..], b"\x01"].concat(), body.as_bytes()), Err(Fault::Key(_))),
                "{family:?}"
            );
            let value = checked(&key, b"[1");
            assert_eq!(value.is_err(), *family != Family::FsChunk, "{family:?}");
        }
        assert!(check(&Bump::new(), Family::Str, b"!redis|str|x", b"").is_err());
    }

    #[test]
    fn encoded_numbers_are_parsed() {
        for n in [0, 1, u64::MAX] {
            assert_eq!(number(&crate::format::encoded(|out| number_into(n, out))), Ok(n));
        }
    }
}
