//! Assigns names to the objects of a bucket.

use super::{ENCODED_DIR, LEAF_SUFFIX, MAX_KEY, MAX_LAST, META_SUFFIX, Name, USER_SUFFIX, encoded_path};

/// Longest directory name.
const MAX_DIR: usize = 255;
/// The bucket's own files.
const OWN_FILES: [&[u8]; 3] = [b"_bucket.json", b"KEYMAP.jsonl", b"_index.jsonl"];
/// The bucket's own directories.
const OWN_DIRS: [&[u8]; 3] = [b"_orphans", b"_incomplete_uploads", ENCODED_DIR.as_bytes()];

/// What the names depend on besides the keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// The flag of that name.
    pub rename_collisions: bool,
    /// Every path is UTF-8: lines contain it as a string, and readers of tables require one type.
    pub utf8_only: bool,
}

/// Names every live object of one bucket; `keys` are all of their keys, ascending, and the names are in the same order. For a key that is
/// longer than any path, its start is enough.
pub fn assign<K: AsRef<[u8]>>(keys: &[K], rules: Rules) -> Vec<Name> {
    debug_assert!(keys.is_sorted_by(|a, b| a.as_ref() < b.as_ref() || a.as_ref().len() > MAX_KEY), "keys must ascend");
    let mut namer = Namer { keys, names: Vec::new() };
    namer.names = keys.iter().map(|key| namer.by_key_alone(key.as_ref(), rules)).collect();
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

    /// Rules 1 to 3, and 4 for keys that end like a sidecar: the rules that do not depend on which keys are directories.
    fn by_key_alone(&self, key: &[u8], rules: Rules) -> Name {
        if !can_be_path(key) || (rules.utf8_only && std::str::from_utf8(key).is_err()) {
            Name::Encoded
        } else if !key.ends_with(META_SUFFIX.as_bytes()) {
            Name::Verbatim
        } else if rules.rename_collisions && self.can_rename(key, USER_SUFFIX) {
            Name::UserData
        } else {
            Name::Encoded
        }
    }

    /// Rule 4: the target fits, is UTF-8 (KEYMAP contains it as a string) and is not another key.
    fn can_rename(&self, key: &[u8], suffix: &str) -> bool {
        let target = [key, suffix.as_bytes()].concat();
        last_segment(&target).len() <= MAX_LAST && std::str::from_utf8(key).is_ok() && self.find(&target).is_none()
    }

    /// The leaf rule: a key that is a strict directory prefix of another one. Between `a` and `a/b` there are keys such as `a-b`, so the
    /// keys that begin the current one are kept on a stack.
    ///
    /// Keys that are encoded for other reasons make no directories. If rule 4 encodes a leaf later, nothing changes: the longest key below
    /// it makes the same directories.
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

    /// Rule 5: names that need a directory where there is a file. One pass over the names in their previous state.
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

    /// Whether a directory of some name is a file or a sidecar. A verbatim body cannot be: its key would have been marked as a leaf.
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

    /// Two encoded keys `k` and `k.elastickv-meta.json`: the body of the second would have the name of the sidecar of the first.
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
mod tests;
