//! Names of objects (`rules.md` §1), with sets of all names; without `--rename-collisions`.

use std::collections::BTreeSet;

use super::super::names::{directory, fallback};

const META: &[u8] = b".elastickv-meta.json";
const LEAF: &[u8] = b".elastickv-leaf-data";

/// A path below the bucket, and the kind of its KEYMAP line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub path: Vec<u8>,
    pub kind: Option<&'static str>,
}

impl Name {
    fn encoded(key: &[u8]) -> Name {
        Name { path: format!("_encoded/{}", safe(key, 235)).into(), kind: Some("s3-encoded") }
    }

    fn is_encoded(&self) -> bool {
        self.kind == Some("s3-encoded")
    }
}

/// `segx()`: never empty or dots, hashed if it is longer than `limit` bytes.
pub fn safe(key: &[u8], limit: usize) -> String {
    Some(directory(key)).filter(|name| name.len() <= limit).unwrap_or_else(|| fallback(key))
}

/// Strict directory prefixes of a path.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| &path[..at])
}

/// Names of the live objects of a bucket, by their keys. Paths of lines are UTF-8.
pub fn of(keys: &[&[u8]], packed: bool) -> Vec<Name> {
    let can_be_path = |key: &[u8]| can_be_path(key) && !(packed && std::str::from_utf8(key).is_err());
    let plain = |key: &&[u8]| Name { path: key.to_vec(), kind: None };
    let mut names: Vec<Name> =
        keys.iter().map(|key| if can_be_path(key) { plain(key) } else { Name::encoded(key) }).collect();
    let directories: BTreeSet<&[u8]> =
        keys.iter().zip(&names).filter(|(_, name)| !name.is_encoded()).flat_map(|(key, _)| above(key)).collect();
    for (key, name) in keys.iter().zip(&mut names) {
        if !name.is_encoded() && directories.contains(key) {
            *name = leaf(key, keys);
        }
    }
    let files: BTreeSet<Vec<u8>> =
        names.iter().filter(|name| !name.is_encoded()).map(|name| name.path.clone()).collect();
    let is_file =
        |path: &[u8]| files.contains(path) || path.strip_suffix(META).is_some_and(|body| files.contains(body));
    for (key, name) in keys.iter().zip(&mut names) {
        if !name.is_encoded() && above(&name.path).any(is_file) {
            *name = Name::encoded(key);
        }
    }
    // One encoded body would be the sidecar of another.
    let encoded: BTreeSet<Vec<u8>> =
        names.iter().filter(|name| name.is_encoded()).map(|name| name.path.clone()).collect();
    for (key, name) in keys.iter().zip(&mut names) {
        let owner = key.strip_suffix(META).map(|owner| Name::encoded(owner).path);
        if name.is_encoded()
            && owner.is_some_and(|owner| encoded.contains(&owner) && [&owner[..], META].concat() == name.path)
        {
            name.path = format!("_encoded/{}", fallback(key)).into();
        }
    }
    names
}

/// The name of a key that is a directory of others.
fn leaf(key: &[u8], keys: &[&[u8]]) -> Name {
    let path = [key, LEAF].concat();
    let fits = path.rsplit(|b| *b == b'/').next().is_some_and(|last| last.len() <= 235);
    if keys.contains(&path.as_slice()) || !fits || std::str::from_utf8(key).is_err() {
        return Name::encoded(key);
    }
    Name { path, kind: Some("s3-leaf-data") }
}

fn can_be_path(key: &[u8]) -> bool {
    let segments: Vec<&[u8]> = key.split(|b| *b == b'/').collect();
    let (first, last) = (segments[0], segments[segments.len() - 1]);
    let own = |name: &[u8]| matches!(name, b"_bucket.json" | b"KEYMAP.jsonl" | b"_index.jsonl");
    let odd = |segment: &&[u8]| matches!(*segment, b"" | b"." | b"..") || segment.len() > 255;
    key.len() <= 1024
        && !key.contains(&0)
        && !key.contains(&b'\\')
        && !segments.iter().any(odd)
        && last.len() <= 235
        && !matches!(first, b"_orphans" | b"_incomplete_uploads" | b"_encoded")
        && !own(first)
        && !first.strip_suffix(META).is_some_and(own)
        && !key.ends_with(META)
}
