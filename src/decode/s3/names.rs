//! Which file a live object goes to (`rules.md` §1).
//!
//! | name | file, below the bucket's directory | kind in KEYMAP |
//! |---|---|---|
//! | [`Verbatim`](Name::Verbatim) | the key | none |
//! | [`LeafData`](Name::LeafData) | key + `.elastickv-leaf-data` | `s3-leaf-data` |
//! | [`UserData`](Name::UserData) | key + `.user-data` | `meta-suffix-rename` |
//! | [`Encoded`](Name::Encoded), [`Hashed`](Name::Hashed) | `_encoded/` + one segment | `s3-encoded` |
//!
//! The keys come sorted, so every set that the rules speak of is either a stack over one pass or a binary search:
//! one byte per key is all that is kept.

use crate::output::names::{NameKind, fallback_into, segment_into};

/// Ends the name of a sidecar.
pub const META_SUFFIX: &str = ".elastickv-meta.json";
/// Ends the name of an object whose key is a directory of other objects.
pub const LEAF_SUFFIX: &str = ".elastickv-leaf-data";
/// Ends the name of an object whose key looks like a sidecar.
pub const USER_SUFFIX: &str = ".user-data";
/// Directory of the objects whose keys cannot be paths.
pub const ENCODED_DIR: &str = "_encoded";

/// Longest key that can be a path, in bytes.
pub const MAX_KEY: usize = 1024;
/// Longest file name of a body: its sidecar adds 20 bytes, and a name may have 255.
const MAX_LAST: usize = 235;
/// Longest directory name.
const MAX_DIR: usize = 255;
/// Files of the bucket's own.
const OWN_FILES: [&[u8]; 3] = [b"_bucket.json", b"KEYMAP.jsonl", b"_index.jsonl"];
/// Directories of the bucket's own.
const OWN_DIRS: [&[u8]; 3] = [b"_orphans", b"_incomplete_uploads", ENCODED_DIR.as_bytes()];

/// How an object is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Name {
    /// Its key is its path.
    Verbatim,
    /// Its key is also a directory.
    LeafData,
    /// Its key ends like a sidecar.
    UserData,
    /// Its key cannot be a path: one percent-encoded segment.
    Encoded,
    /// As `Encoded`, in the hashed form because the plain one is the sidecar of another encoded object.
    Hashed,
}

impl Name {
    /// The kind of its KEYMAP record; `None` when the path is the key.
    pub const fn keymap_kind(self) -> Option<&'static str> {
        match self {
            Name::Verbatim => None,
            Name::LeafData => Some("s3-leaf-data"),
            Name::UserData => Some("meta-suffix-rename"),
            Name::Encoded | Name::Hashed => Some("s3-encoded"),
        }
    }

    /// Appends the path of the object with this `key`, relative to the bucket's directory.
    pub fn path_into(self, key: &[u8], out: &mut Vec<u8>) {
        match self {
            Name::Encoded | Name::Hashed => out.extend_from_slice(encoded_path(self, key).as_bytes()),
            _ => {
                out.extend_from_slice(key);
                out.extend_from_slice(self.suffix().as_bytes());
            }
        }
    }

    /// The path as bytes of its own.
    pub fn path(self, key: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.path_into(key, &mut out);
        out
    }

    const fn suffix(self) -> &'static str {
        match self {
            Name::LeafData => LEAF_SUFFIX,
            Name::UserData => USER_SUFFIX,
            _ => "",
        }
    }
}

fn encoded_path(name: Name, key: &[u8]) -> String {
    let mut path = format!("{ENCODED_DIR}/");
    match name {
        Name::Hashed => fallback_into(key, key, &mut path),
        _ => safe_segment_into(key, MAX_LAST, &mut path),
    }
    path
}

/// `seg()` with its SHA fallback already above `limit` bytes, and never empty or a dot segment. (`segx()`: 235.)
pub fn safe_segment_into(raw: &[u8], limit: usize, out: &mut String) {
    match raw {
        b"" => return out.push('%'),
        b"." => return out.push_str("%2E"),
        b".." => return out.push_str("%2E%2E"),
        _ => {}
    }
    let start = out.len();
    if segment_into(raw, out) == NameKind::Plain && out.len() - start > limit {
        out.truncate(start);
        fallback_into(raw, raw, out);
    }
}

/// Names every live object of one bucket; `keys` are the keys of all of them, ascending, and the names come in the same
/// order. Of a key that is longer than a path can be, the start will do. `rename_collisions` is the flag of that name.
pub fn assign<K: AsRef<[u8]>>(keys: &[K], rename_collisions: bool) -> Vec<Name> {
    debug_assert!(keys.is_sorted_by(|a, b| a.as_ref() < b.as_ref() || a.as_ref().len() > MAX_KEY), "keys must ascend");
    let mut namer = Namer { keys, names: Vec::new() };
    namer.names = keys.iter().map(|key| namer.by_key_alone(key.as_ref(), rename_collisions)).collect();
    namer.mark_leaves();
    namer.check_leaves();
    namer.encode_blocked();
    namer.part_from_sidecars();
    namer.names
}

struct Namer<'k, K> {
    keys: &'k [K],
    names: Vec<Name>,
}

impl<'k, K: AsRef<[u8]>> Namer<'k, K> {
    fn key(&self, at: usize) -> &'k [u8] {
        self.keys[at].as_ref()
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        self.keys.binary_search_by(|have| have.as_ref().cmp(key)).ok()
    }

    fn is_named(&self, key: &[u8], name: Name) -> bool {
        self.find(key).is_some_and(|at| self.names[at] == name)
    }

    /// Rules 1 to 3, and 4 for keys that end like a sidecar: what does not depend on which keys are directories.
    fn by_key_alone(&self, key: &[u8], rename_collisions: bool) -> Name {
        if !can_be_path(key) {
            Name::Encoded
        } else if !key.ends_with(META_SUFFIX.as_bytes()) {
            Name::Verbatim
        } else if rename_collisions && self.can_rename(key, USER_SUFFIX) {
            Name::UserData
        } else {
            Name::Encoded
        }
    }

    /// Rule 4: the target fits, is UTF-8 (KEYMAP holds it as a string) and is no other key.
    fn can_rename(&self, key: &[u8], suffix: &str) -> bool {
        let target = [key, suffix.as_bytes()].concat();
        last_segment(&target).len() <= MAX_LAST && std::str::from_utf8(key).is_ok() && self.find(&target).is_none()
    }

    /// The leaf rule: a key that is a strict directory prefix of another one. Between `a` and `a/b` stand keys such as
    /// `a-b`, so the keys that begin the current one are kept on a stack.
    ///
    /// Keys encoded for their own sake make no directories. A leaf that rule 4 encodes later changes nothing: the
    /// longest key below it makes the same directories.
    fn mark_leaves(&mut self) {
        let mut open: Vec<usize> = Vec::new();
        for at in 0..self.keys.len() {
            if self.names[at] == Name::Encoded {
                continue;
            }
            let key = self.key(at);
            while open.last().is_some_and(|&top| !key.starts_with(self.key(top))) {
                open.pop();
            }
            for &begin in &open {
                if key.get(self.key(begin).len()) == Some(&b'/') && self.names[begin] == Name::Verbatim {
                    self.names[begin] = Name::LeafData;
                }
            }
            open.push(at);
        }
    }

    /// Rules 1 and 4 for the leaves.
    fn check_leaves(&mut self) {
        for at in 0..self.keys.len() {
            if self.names[at] == Name::LeafData && !self.can_rename(self.key(at), LEAF_SUFFIX) {
                self.names[at] = Name::Encoded;
            }
        }
    }

    /// Rule 5: names that need as a directory what is a file. One pass over the names as they stand before it.
    fn encode_blocked(&mut self) {
        let paths = (0..self.keys.len()).filter(|&at| self.names[at] != Name::Encoded);
        let blocked: Vec<usize> = paths.filter(|&at| self.is_blocked(self.key(at))).collect();
        for at in blocked {
            self.names[at] = Name::Encoded;
        }
    }

    fn is_blocked(&self, key: &[u8]) -> bool {
        memchr::memchr_iter(b'/', key).any(|slash| self.is_file(&key[..slash]))
    }

    /// Whether a directory of some name is a file or a sidecar. A verbatim body is never in question: its key would
    /// have been marked as a leaf.
    fn is_file(&self, path: &[u8]) -> bool {
        self.is_renamed(path)
            || path
                .strip_suffix(META_SUFFIX.as_bytes())
                .is_some_and(|body| self.is_named(body, Name::Verbatim) || self.is_renamed(body))
    }

    fn is_renamed(&self, path: &[u8]) -> bool {
        [Name::LeafData, Name::UserData]
            .into_iter()
            .any(|name| path.strip_suffix(name.suffix().as_bytes()).is_some_and(|key| self.is_named(key, name)))
    }

    /// Two encoded keys `k` and `k.elastickv-meta.json`: the body of the second would be the sidecar of the first.
    fn part_from_sidecars(&mut self) {
        for at in 0..self.keys.len() {
            let owner = self.key(at).strip_suffix(META_SUFFIX.as_bytes());
            if let Some(owner) = owner
                && self.names[at] == Name::Encoded
                && self.is_named(owner, Name::Encoded)
                && encoded_path(Name::Encoded, self.key(at)) == encoded_path(Name::Encoded, owner) + META_SUFFIX
            {
                self.names[at] = Name::Hashed;
            }
        }
    }
}

/// Rules 1 and 2: whether a key can be a path below the bucket's directory.
fn can_be_path(key: &[u8]) -> bool {
    key.len() <= MAX_KEY
        && !key.iter().any(|b| matches!(b, 0 | b'\\'))
        && key.split(|&b| b == b'/').all(|segment| !matches!(segment, b"" | b"." | b"..") && segment.len() <= MAX_DIR)
        && last_segment(key).len() <= MAX_LAST
        && !is_own(key.split(|&b| b == b'/').next().unwrap_or_default())
}

fn last_segment(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or_default()
}

/// Whether the first segment of a key belongs to the bucket's own files.
fn is_own(first: &[u8]) -> bool {
    let body = first.strip_suffix(META_SUFFIX.as_bytes()).unwrap_or(first);
    OWN_DIRS.contains(&first) || OWN_FILES.contains(&body)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn named(keys: &[&[u8]], rename: bool) -> Vec<(Vec<u8>, Vec<u8>, Name)> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        let names = assign(&keys, rename);
        keys.iter().zip(names).map(|(key, name)| (key.to_vec(), name.path(key), name)).collect()
    }

    /// Checks the path of the first of `keys`.
    fn check(keys: &[&[u8]], rename: bool, want: &str) {
        let (_, path, _) = named(keys, rename).into_iter().find(|(key, ..)| key == keys[0]).unwrap();
        assert_eq!(path.escape_ascii().to_string(), want, "{:?}", keys[0].escape_ascii().to_string());
    }

    #[test]
    fn vectors_of_the_spec() {
        check(&[b"dir/"], false, "_encoded/dir%2F");
        check(&[b"a//b"], false, "_encoded/a%2F%2Fb");
        check(&[b"../x"], false, "_encoded/..%2Fx");
        check(&[b"."], false, "_encoded/%2E");
        check(&[b"j", b"j/x", b"j.elastickv-leaf-data"], false, "_encoded/j");
        check(&[b"_bucket.json"], false, "_encoded/_bucket.json");
        check(&[b"_bucket.json/x"], false, "_encoded/_bucket.json%2Fx");
        check(&[b"_encoded/dir%2F"], false, "_encoded/_encoded%2Fdir%252F");
        let hashed = format!("_encoded/17b16d8ef494060fefa36a6a41567b8c__{}", "k".repeat(64));
        check(&[&[b'k'; 300]], false, &hashed);
        check(&[b"b\xff", b"b\xff/x"], false, "_encoded/b%FF");
    }

    #[test]
    fn rule_1_what_is_no_path() {
        for (key, want) in [
            (&b""[..], "_encoded/%"),
            (b"..", "_encoded/%2E%2E"),
            (b"a\0", "_encoded/a%00"),
            (b"a\\b", "_encoded/a%5Cb"),
            (b"/a", "_encoded/%2Fa"),
            (b"a/./b", "_encoded/a%2F.%2Fb"),
            (b"a/..", "_encoded/a%2F.."),
            (b"...", "..."),
            (b"a\xff", "a\\xff"),
            (b"a\nb", "a\\nb"),
        ] {
            check(&[key], false, want);
        }
    }

    #[test]
    fn rule_1_lengths() {
        let encodes = |key: String, others: &[&[u8]]| {
            let keys: Vec<&[u8]> = std::iter::once(key.as_bytes()).chain(others.iter().copied()).collect();
            named(&keys, true).into_iter().find(|(k, ..)| k == key.as_bytes()).unwrap().2 == Name::Encoded
        };
        let x = |n| "x".repeat(n);
        assert!(!encodes(x(235), &[]) && encodes(x(236), &[]));
        assert!(!encodes(x(255) + "/y", &[]) && encodes(x(256) + "/y", &[]));
        let deep = |last: usize| format!("{}/{}/{}/{}/{}", x(200), x(200), x(200), x(200), x(last));
        assert!(!encodes(deep(220), &[]) && encodes(deep(221), &[]));
        let (fits, over) = (x(215), x(216));
        assert!(!encodes(fits.clone(), &[(fits + "/y").as_bytes()]));
        assert!(encodes(over.clone(), &[(over + "/y").as_bytes()]));
        assert!(!encodes(x(205) + META_SUFFIX, &[]) && encodes(x(206) + META_SUFFIX, &[]));
    }

    #[test]
    fn rule_2_names_of_the_bucket() {
        for own in ["_bucket.json", "KEYMAP.jsonl", "_index.jsonl", "_orphans", "_incomplete_uploads", "_encoded"] {
            check(&[own.as_bytes()], false, &format!("_encoded/{own}"));
            check(&[format!("{own}/x").as_bytes()], false, &format!("_encoded/{own}%2Fx"));
            check(&[format!("x/{own}").as_bytes()], false, &format!("x/{own}"));
            check(&[format!("{own}2").as_bytes()], false, &format!("{own}2"));
        }
        check(&[b"KEYMAP.jsonl.elastickv-meta.json/x"], true, "_encoded/KEYMAP.jsonl.elastickv-meta.json%2Fx");
        check(&[b"_orphans.elastickv-meta.json/x"], true, "_orphans.elastickv-meta.json/x");
    }

    #[test]
    fn rules_3_and_4_keys_like_sidecars() {
        let key = b"a.elastickv-meta.json";
        check(&[key], false, "_encoded/a.elastickv-meta.json");
        check(&[key], true, "a.elastickv-meta.json.user-data");
        check(&[key, b"a.elastickv-meta.json/x"], true, "a.elastickv-meta.json.user-data");
        check(&[key, b"a.elastickv-meta.json.user-data"], true, "_encoded/a.elastickv-meta.json");
        check(&[b"a\xff.elastickv-meta.json"], true, "_encoded/a%FF.elastickv-meta.json");
    }

    #[test]
    fn leaves() {
        let keys: [&[u8]; 7] = [b"a", b"a!", b"a-b", b"a-b/c", b"a/b", b"a/b/c", b"ab"];
        let got: Vec<_> = named(&keys, false).into_iter().map(|(.., name)| name).collect();
        use Name::*;
        assert_eq!(got, [LeafData, Verbatim, LeafData, Verbatim, LeafData, Verbatim, Verbatim]);
        check(&[b"a/b", b"a/b/c"], false, "a/b.elastickv-leaf-data");
        check(&[b"dir", b"dir/"], false, "dir");
        check(&[b"dir", b"dir//x"], false, "dir");
        check(&[b"dir", b"dir/x.elastickv-meta.json"], false, "dir");
        check(&[b"dir", b"dir/x.elastickv-meta.json"], true, "dir.elastickv-leaf-data");
    }

    #[test]
    fn rule_5_files_that_are_directories() {
        check(&[b"k.elastickv-leaf-data/y", b"k", b"k/x"], false, "_encoded/k.elastickv-leaf-data%2Fy");
        check(&[b"k.elastickv-leaf-data/y", b"k"], false, "k.elastickv-leaf-data/y");
        check(&[b"k.elastickv-meta.json/z", b"k"], false, "_encoded/k.elastickv-meta.json%2Fz");
        check(&[b"k.elastickv-meta.json/z"], false, "k.elastickv-meta.json/z");
        check(&[b"k", b"k.elastickv-meta.json/z"], false, "k");
        let side_of_leaf = b"k.elastickv-leaf-data.elastickv-meta.json/z/z";
        check(&[side_of_leaf, b"k", b"k/x"], false, "_encoded/k.elastickv-leaf-data.elastickv-meta.json%2Fz%2Fz");
        let user = b"k.elastickv-meta.json.user-data/z";
        check(&[user, b"k.elastickv-meta.json"], true, "_encoded/k.elastickv-meta.json.user-data%2Fz");
        check(&[user, b"k.elastickv-meta.json"], false, "k.elastickv-meta.json.user-data/z");
        // A leaf only because of what rule 5 moves away stays a leaf: one pass.
        let keys: [&[u8]; 3] = [b"k.elastickv-meta.json/z", b"k.elastickv-meta.json/z/y", b"k"];
        check(&keys, false, "_encoded/k.elastickv-meta.json%2Fz");
    }

    #[test]
    fn encoded_bodies_and_encoded_sidecars() {
        let hashed = named(&[b"d/", b"d/.elastickv-meta.json"], false);
        assert_eq!((hashed[0].2, hashed[1].2), (Name::Encoded, Name::Hashed));
        let path = String::from_utf8(hashed[1].1.clone()).unwrap();
        assert!(path.starts_with("_encoded/") && path.ends_with("__d%2F.elastickv-meta.json"), "{path}");
        check(&[b"..elastickv-meta.json", b"."], false, "_encoded/..elastickv-meta.json");
        check(&[b"d.elastickv-meta.json", b"d"], false, "_encoded/d.elastickv-meta.json");
    }

    #[test]
    fn keymap_kinds() {
        let kinds =
            [Name::Verbatim, Name::LeafData, Name::UserData, Name::Encoded, Name::Hashed].map(Name::keymap_kind);
        let want = [None, Some("s3-leaf-data"), Some("meta-suffix-rename"), Some("s3-encoded"), Some("s3-encoded")];
        assert_eq!(kinds, want);
    }

    fn segment() -> impl Strategy<Value = Vec<u8>> {
        let word = prop::sample::select(vec![
            &b"a"[..],
            b"b",
            b"",
            b".",
            b"..",
            b"_encoded",
            b"_bucket.json",
            b"KEYMAP.jsonl",
            b"_orphans",
            b"\0",
            b"\\",
            b"\xff",
            b"a%2Fa",
        ]);
        let suffix = prop::sample::select(vec!["", "", META_SUFFIX, LEAF_SUFFIX, USER_SUFFIX]);
        (word, suffix.clone(), suffix).prop_map(|(word, s, t)| [word, s.as_bytes(), t.as_bytes()].concat())
    }

    fn keys() -> impl Strategy<Value = BTreeSet<Vec<u8>>> {
        let key = prop::collection::vec(segment(), 1..4).prop_map(|segments| segments.join(&b'/'));
        prop::collection::btree_set(key, 0..24)
    }

    fn strict_dirs(path: &[u8]) -> impl Iterator<Item = &[u8]> {
        memchr::memchr_iter(b'/', path).map(|at| &path[..at])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn names_never_clash_or_escape(keys in keys(), rename: bool) {
            let keys: Vec<Vec<u8>> = keys.into_iter().collect();
            let paths: Vec<_> = assign(&keys, rename).iter().zip(&keys).map(|(name, key)| name.path(key)).collect();
            let mut files: BTreeSet<Vec<u8>> = OWN_FILES.map(<[u8]>::to_vec).into();
            for path in &paths {
                prop_assert!(path.split(|&b| b == b'/').all(|s| !matches!(s, b"" | b"." | b"..") && s.len() <= 255));
                prop_assert!(!path.contains(&0));
                prop_assert!(files.insert(path.clone()));
                prop_assert!(files.insert([path, META_SUFFIX.as_bytes()].concat()));
            }
            for path in &paths {
                prop_assert!(strict_dirs(path).all(|dir| !files.contains(dir)), "{}", path.escape_ascii());
            }
        }

        #[test]
        fn leaves_match_the_definition(keys in keys(), rename: bool) {
            let keys: Vec<Vec<u8>> = keys.into_iter().collect();
            let names = assign(&keys, rename);
            let mut namer = Namer { keys: &keys[..], names: Vec::new() };
            namer.names = keys.iter().map(|key| namer.by_key_alone(key, rename)).collect();
            let makers = keys.iter().zip(&namer.names).filter(|(_, name)| **name != Name::Encoded);
            let dirs: BTreeSet<&[u8]> = makers.flat_map(|(key, _)| strict_dirs(key)).collect();
            for (key, name) in keys.iter().zip(&names) {
                prop_assert!(*name != Name::LeafData || dirs.contains(&key[..]));
                prop_assert!(*name != Name::Verbatim || !dirs.contains(&key[..]));
            }
        }
    }
}
