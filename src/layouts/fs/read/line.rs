//! A line of `metadata.jsonl`.

use std::str::FromStr;

use base64::Engine as _;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::format::b64::STANDARD;
use crate::format::fs::{Inode, Kind};
use crate::format::hex;
use crate::model::fs::Node;
use crate::output::checksums::Digest;

/// What is wrong with a line.
type Why = &'static str;

/// A line, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    path: Option<String>,
    path_b64: Option<String>,
    parent_ino: Option<String>,
    name: Option<String>,
    name_b64: Option<String>,
    tree: Option<String>,
    tree_b64: Option<String>,
    ino: String,
    #[serde(rename = "type")]
    kind: Type,
    mode: String,
    uid: u32,
    gid: u32,
    size: String,
    atime_ns: String,
    mtime_ns: String,
    ctime_ns: String,
    nlink: u32,
    generation: String,
    chunk_size: String,
    home_slot: String,
    epoch: String,
    sha256: Option<String>,
    sha256_extents: Option<String>,
    /// This and the holes can be seen in the file too.
    #[serde(rename = "stored_bytes")]
    _stored_bytes: Option<u64>,
    #[serde(rename = "holes")]
    _holes: Option<IgnoredAny>,
    hardlink_to: Option<String>,
    hardlink_to_b64: Option<String>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Type {
    File,
    Directory,
}

/// How something is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// By all names from the root. For a restore also the directory, and the name if the path does not show it.
    Path(Vec<u8>, Option<u64>, Option<Vec<u8>>),
    /// By a directory and a name in it; no path leads to it, or a long one.
    Within(u64, Vec<u8>),
    /// No name is given.
    Nowhere,
}

/// What a line says about the content of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// There is none: it is a directory, or another name of a file whose place is given.
    None(Option<Vec<u8>>),
    /// CHECKSUMS has its digest.
    Listed,
    /// The digest of its extents.
    Extents(Digest),
    /// The decode could not read it.
    Unread,
}

/// The content of a line.
#[derive(Debug)]
pub(super) struct Told {
    pub node: Node,
    pub named: Named,
    /// Its place in the output.
    pub tree: Option<Vec<u8>>,
    pub content: Content,
    /// Whether the server never creates such a name: then a path may not show it.
    pub has_bad_name: bool,
}

impl Line {
    /// The content of the line; its directory is not known yet.
    pub fn told(self) -> Result<Told, Why> {
        let inode = self.inode()?;
        let parent = self.parent_ino.as_deref().map(number).transpose()?;
        let path = bytes(self.path, self.path_b64)?;
        let name = bytes(self.name, self.name_b64)?;
        let named = match (path, parent, name) {
            (Some(path), parent, name) => Named::Path(path, parent, name),
            (None, Some(parent), Some(name)) => Named::Within(parent, name),
            (None, None, None) => Named::Nowhere,
            (None, ..) => return Err("it has only one of parent_ino and name"),
        };
        let link = bytes(self.hardlink_to, self.hardlink_to_b64)?;
        let content = match (self.kind, link, self.sha256, self.sha256_extents) {
            (Type::Directory, None, None, None) => Content::None(None),
            (Type::File, Some(link), None, None) => Content::None(Some(link)),
            (Type::File, None, Some(_), None) => Content::Listed,
            (Type::File, None, None, Some(digest)) => {
                Content::Extents(hex::parse(&digest).ok_or("its sha256_extents is not a digest")?)
            }
            (Type::File, None, None, None) => Content::Unread,
            _ => return Err("it has more than one kind of content"),
        };
        let node = Node { number: inode.number, inode };
        let has_bad_name = self.notes.iter().any(|note| note == "bad_name");
        Ok(Told { node, named, tree: bytes(self.tree, self.tree_b64)?, content, has_bad_name })
    }

    fn inode(&self) -> Result<Inode, Why> {
        let kind = match self.kind {
            Type::File => Kind::File,
            Type::Directory => Kind::Directory,
        };
        let mode = u32::from_str_radix(&self.mode, 8).ok().filter(|mode| *mode <= 0o7777);
        Ok(Inode {
            number: number(&self.ino)?,
            parent: 0,
            kind,
            mode: mode.ok_or("its mode is not valid")?,
            uid: self.uid,
            gid: self.gid,
            size: number(&self.size)?,
            atime: number(&self.atime_ns)?,
            mtime: number(&self.mtime_ns)?,
            ctime: number(&self.ctime_ns)?,
            chunk_size: number(&self.chunk_size)?,
            home_slot: number(&self.home_slot)?,
            epoch: number(&self.epoch)?,
            nlink: self.nlink,
            generation: number(&self.generation)?,
            orphaned: false,
        })
    }
}

/// A number in the form of text.
fn number<N: FromStr>(text: &str) -> Result<N, Why> {
    text.parse().map_err(|_| "a number in it is not valid")
}

/// A path or name: text, or base64 under another name.
fn bytes(text: Option<String>, base64: Option<String>) -> Result<Option<Vec<u8>>, Why> {
    match (text, base64) {
        (Some(_), Some(_)) => Err("it has a path or name twice"),
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, None) => Ok(None),
        (None, Some(base64)) => STANDARD.decode(base64).map(Some).map_err(|_| "a path or name in it is not base64"),
    }
}
