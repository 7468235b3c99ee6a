//! Compares an output with a golden tree, byte for byte, except for the extensions that `rules.md` lists.

use std::collections::{BTreeMap, BTreeSet};

use super::Tree;
use super::fixtures::Files;

/// Files that may have further members after the golden ones.
pub const EXTENDED: [&str; 4] = ["/_queue.json", "/_bucket.json", "/_schema.json", ".elastickv-meta.json"];

/// Every difference below `adapter`, in words.
pub fn differences(files: &Files, folder: &str, adapter: &str, tree: &Tree) -> Vec<String> {
    let prefix = format!("{folder}/{adapter}/");
    let golden: Vec<(&str, &Vec<u8>)> =
        files.iter().filter_map(|(name, body)| Some((name.strip_prefix(&prefix)?, body))).collect();
    assert!(!golden.is_empty(), "no golden files below {prefix}");
    // Names in the archives were read as text, so ours are compared as text.
    let tree: BTreeMap<_, _> = tree.iter().map(|(path, body)| (String::from_utf8_lossy(path), body)).collect();
    let mut all = Vec::new();
    for (name, want) in &golden {
        let path = format!("{adapter}/{name}");
        match tree.get(path.as_str()) {
            None => all.push(format!("missing {path}")),
            Some(got) if !equal(&path, want, got) => all.push(format!("differs {path}")),
            Some(_) => {}
        }
    }
    let known: BTreeSet<String> = golden.iter().map(|(name, _)| format!("{adapter}/{name}")).collect();
    for (path, body) in tree {
        if path.starts_with(&format!("{adapter}/")) && !known.contains(&*path) && !is_empty_collection(&path, body) {
            all.push(format!("only ours {path}"));
        }
    }
    all
}

/// A collection that only has live deltas: the server answers with no elements, the public decoder writes no file.
fn is_empty_collection(path: &str, body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    path.starts_with("redis/") && ["fields", "items", "members"].iter().any(|m| text.contains(&format!("\"{m}\": []")))
}

fn equal(path: &str, want: &[u8], got: &[u8]) -> bool {
    if want == got {
        return true;
    }
    if path.ends_with("/KEYMAP.jsonl") || path.ends_with("_ttl.jsonl") {
        let lines = |bytes: &[u8]| bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let (want, got) = (lines(want), lines(got));
        let unique: BTreeSet<_> = got.iter().cloned().collect();
        return unique.len() == got.len() && unique == want.into_iter().collect();
    }
    if EXTENDED.iter().any(|end| path.ends_with(end)) {
        let head = want.trim_ascii_end().strip_suffix(b"}").unwrap_or(want).trim_ascii_end();
        return got.strip_prefix(head).is_some_and(|rest| rest.starts_with(b","));
    }
    false
}
