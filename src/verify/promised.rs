//! What `fs/metadata.jsonl` tells of files that CHECKSUMS has no row of: those with large holes, which have a digest of
//! their extents, and in an archive further names of a file, which are links.
//!
//! All of them are held: paths and digests of what is rare.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::output::checksums::Digest;

/// Where the metadata of the file system stands.
pub const METADATA: &str = "fs/metadata.jsonl";
/// Longest line that is read, without its holes: paths have bounds, and an escape has six bytes for one.
const MOST_LINE: u64 = 8 << 20;
/// The member that may be of any length. It is the last but for a few short ones that mean nothing here.
const HOLES: &[u8] = b",\"holes\":[";

/// Files without a row in CHECKSUMS, by path.
#[derive(Debug, Default)]
pub struct Promised {
    extents: HashMap<Vec<u8>, Digest>,
    links: HashMap<Vec<u8>, Vec<u8>>,
}

impl Promised {
    /// Reads all lines. One that makes no sense promises nothing: the file's own digest tells whether it is whole.
    ///
    /// # Errors
    /// A failed read.
    pub fn read(bytes: impl Read) -> io::Result<Promised> {
        let mut bytes = BufReader::with_capacity(1 << 16, bytes);
        let (mut promised, mut line) = (Promised::default(), Vec::new());
        while next_line(&mut bytes, &mut line)? {
            if let Some(at) = memchr::memmem::find(&line, HOLES) {
                line.truncate(at);
                line.push(b'}');
            }
            promised.line(&serde_json::from_slice(&line).unwrap_or_default());
        }
        Ok(promised)
    }

    fn line(&mut self, line: &Value) {
        let Some(path) = path(line, "tree") else { return };
        if let Some(digest) = line["sha256_extents"].as_str().and_then(digest) {
            self.extents.insert(path, digest);
        } else if let Some(target) = path_of_link(line) {
            self.links.insert(path, target);
        }
    }

    /// The digest that the extents of a file must have.
    pub fn extents(&self, path: &[u8]) -> Option<Digest> {
        self.extents.get(path).copied()
    }

    /// Whether a path is to be another name of `target`.
    pub fn is_link(&self, path: &[u8], target: &[u8]) -> bool {
        self.links.get(path).is_some_and(|have| have == target)
    }

    /// All files with a digest of their extents.
    pub fn with_extents(&self) -> impl Iterator<Item = (&[u8], Digest)> {
        self.extents.iter().map(|(path, digest)| (path.as_slice(), *digest))
    }

    /// How many links there are to be.
    pub fn links(&self) -> u64 {
        self.links.len() as u64
    }
}

/// Reads a line, of a long one only the start.
fn next_line(bytes: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    bytes.by_ref().take(MOST_LINE).read_until(b'\n', line)?;
    if line.len() as u64 == MOST_LINE && line.last() != Some(&b'\n') {
        bytes.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}

fn path_of_link(line: &Value) -> Option<Vec<u8>> {
    path(line, "hardlink_to")
}

/// A path as text, or under another name in base64.
fn path(line: &Value, name: &str) -> Option<Vec<u8>> {
    match line[name].as_str() {
        Some(path) => Some(path.as_bytes().to_vec()),
        None => STANDARD.decode(line[&format!("{name}_b64")].as_str()?).ok(),
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
             {{\"tree\":\"fs/tree/b\",\"sha256\":\"{digest}\"}}\nno line\n\
             {{\"tree_b64\":\"/w==\",\"hardlink_to\":\"fs/tree/b\"}}\n\
             {{\"path\":\"on disk\",\"hardlink_to\":\"fs/tree/b\"}}\n"
        );
        let promised = Promised::read(text.as_bytes()).unwrap();
        assert_eq!(promised.with_extents().collect::<Vec<_>>(), [(&b"fs/tree/a"[..], [10; 32])]);
        assert_eq!((promised.links(), promised.is_link(b"\xff", b"fs/tree/b")), (1, true));
        assert!(!promised.is_link(b"\xff", b"fs/tree/a") && promised.extents(b"fs/tree/b").is_none());
    }
}
