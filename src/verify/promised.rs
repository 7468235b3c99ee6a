//! What `fs/metadata.jsonl` lists: the digest of the extents of files with large holes, for which CHECKSUMS has no row; directories that
//! must exist; in an archive also owner, mode and time of every member, and which members are links.
//!
//! Most of it goes into the sorter. Only paths and digests of rare files are kept in memory: files with large holes and, if an archive was
//! extracted, further names of a file.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::attributes::{Is, packed};
use super::join::Tag;
use crate::output::checksums::Digest;
use crate::output::fs_metadata::{METADATA, each_line, path};
use crate::output::reading::Attributes;

/// The content of the metadata.
#[derive(Debug, Default)]
pub struct Promised {
    extents: HashMap<Vec<u8>, Digest>,
    /// Further names of files, and the first name, if links are files on disk.
    copies: HashMap<Vec<u8>, Vec<u8>>,
    /// Objects and bytes by kind.
    pub counts: BTreeMap<&'static str, (u64, u64)>,
}

/// Adds a row to the sorter.
pub type Sink<'s> = &'s mut dyn FnMut(Tag, &[u8], Digest);

impl Promised {
    /// Reads all lines. An invalid line is ignored: the file's own digest shows whether it is complete.
    ///
    /// # Errors
    /// A failed read.
    pub fn read(bytes: impl Read, in_archive: bool, sink: Sink<'_>) -> io::Result<Promised> {
        let mut promised = Promised::default();
        each_line(bytes, &mut |line| promised.line(line, in_archive, sink))?;
        Ok(promised)
    }

    fn line(&mut self, line: &Value, in_archive: bool, sink: Sink<'_>) {
        if !line.is_object() {
            return;
        }
        let target = path(line, "hardlink_to");
        let (is, kind) = match line["type"].as_str() {
            Some("directory") => (Is::Directory, "directories"),
            _ if target.is_some() => (Is::Link, "links"),
            _ => (Is::File, "files"),
        };
        let count = self.counts.entry(kind).or_default();
        *count = (count.0 + 1, count.1 + line["stored_bytes"].as_u64().unwrap_or_default());
        let Some(path) = path(line, "tree") else { return };
        let digest = line["sha256_extents"].as_str().and_then(digest);
        match (is, target) {
            (Is::Directory, _) => sink(Tag::ToldDir, &path, Digest::default()),
            (Is::Link, Some(target)) if in_archive => sink(Tag::ToldLink, &path, of_target(&target)),
            (Is::Link, Some(target)) => drop(self.copies.insert(path.clone(), target)),
            _ => drop(digest.and_then(|digest| self.extents.insert(path.clone(), digest))),
        }
        // A file that could not be read has only its line.
        let is_there = is != Is::File || digest.is_some() || line["sha256"].is_string();
        if is_there {
            sink(Tag::ToldAttributes, &path, packed(is, &attributes(line)));
        }
    }

    /// The digest that the extents of a file must have.
    pub fn extents(&self, path: &[u8]) -> Option<Digest> {
        self.extents.get(path).copied()
    }

    /// The file of which a path on disk is a further name.
    pub fn copy_of(&self, path: &[u8]) -> Option<&[u8]> {
        self.copies.get(path).map(Vec::as_slice)
    }

    /// All further names on disk.
    pub fn copies(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.copies.iter().map(|(path, target)| (path.as_slice(), target.as_slice()))
    }

    /// All files with a digest of their extents.
    pub fn with_extents(&self) -> impl Iterator<Item = (&[u8], Digest)> {
        self.extents.iter().map(|(path, digest)| (path.as_slice(), *digest))
    }
}

/// Whether a path is one of those that `fs/metadata.jsonl` lists.
pub fn is_of_file_system(path: &[u8]) -> bool {
    const OTHERS: [&[u8]; 3] = [METADATA.as_bytes(), b"fs/report.json", b"fs/KEYMAP.jsonl"];
    path.starts_with(b"fs/") && !OTHERS.contains(&path)
}

/// A digest that represents the target of a link.
pub fn of_target(path: &[u8]) -> Digest {
    Sha256::digest(path).into()
}

fn attributes(line: &Value) -> Attributes {
    let small = |name: &str| line[name].as_u64().and_then(|n| u32::try_from(n).ok());
    Attributes {
        mode: line["mode"].as_str().and_then(|mode| u32::from_str_radix(mode, 8).ok()).map(|mode| mode & 0o7777),
        uid: small("uid"),
        gid: small("gid"),
        mtime: line["mtime_ns"].as_str().and_then(|nanos| nanos.parse().ok()),
        named: false,
    }
}

fn digest(hex: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if hex.len() != 2 * digest.len() || !hex.is_ascii() {
        return None;
    }
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let long = "[0,1],".repeat(3 << 20);
        let digest = "0a".repeat(32);
        let text = format!(
            "{{\"tree\":\"fs/tree/a\",\"sha256_extents\":\"{digest}\",\"holes\":[{long}[0,1]]}}\n\
             {{\"tree\":\"fs/tree/b\",\"sha256\":\"{digest}\",\"stored_bytes\":7}}\nno line\n\
             {{\"tree_b64\":\"/w==\",\"hardlink_to\":\"fs/tree/b\"}}\n\
             {{\"path\":\"on disk\",\"hardlink_to\":\"fs/tree/b\"}}\n\
             {{\"tree\":\"fs/tree/d\",\"type\":\"directory\",\"mode\":\"0755\"}}\n"
        );
        let mut rows = Vec::new();
        let mut sink = |tag, path: &[u8], digest: Digest| rows.push((tag, path.to_vec(), digest));
        let promised = Promised::read(text.as_bytes(), true, &mut sink).unwrap();
        assert_eq!(promised.with_extents().collect::<Vec<_>>(), [(&b"fs/tree/a"[..], [10; 32])]);
        assert!(promised.extents(b"fs/tree/b").is_none());
        assert_eq!(promised.counts, BTreeMap::from([("directories", (1, 0)), ("files", (2, 7)), ("links", (2, 0))]));
        let told: Vec<_> = rows.iter().filter(|(tag, ..)| *tag != Tag::ToldAttributes).cloned().collect();
        let link = (Tag::ToldLink, b"\xff".to_vec(), of_target(b"fs/tree/b"));
        assert_eq!(told, [link, (Tag::ToldDir, b"fs/tree/d".to_vec(), [0; 32])]);
        assert_eq!(rows.len() - told.len(), 4);
        let on_disk = Promised::read(text.as_bytes(), false, &mut |_, _, _| ()).unwrap();
        assert_eq!(on_disk.copy_of(b"\xff"), Some(&b"fs/tree/b"[..]));
    }
}
