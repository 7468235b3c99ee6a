use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn rules(rename_collisions: bool) -> Rules {
    Rules { rename_collisions, utf8_only: false }
}

fn named(keys: &[&[u8]], rename: bool) -> Vec<(Vec<u8>, Vec<u8>, Name)> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    let names = assign(&keys, rules(rename));
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
    // It was a leaf only because of a key that rule 5 moves away, and it stays a leaf: there is one pass.
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
    let kinds = [Name::Verbatim, Name::LeafData, Name::UserData, Name::Encoded, Name::Hashed].map(Name::keymap_kind);
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
    fn names_never_clash_or_escape(keys in keys(), rename_collisions: bool, utf8_only: bool) {
        let keys: Vec<Vec<u8>> = keys.into_iter().collect();
        let paths: Vec<_> = assign(&keys, Rules { rename_collisions, utf8_only }).iter().zip(&keys).map(|(name, key)| name.path(key)).collect();
        let mut files: BTreeSet<Vec<u8>> = OWN_FILES.map(<[u8]>::to_vec).into();
        for path in &paths {
            prop_assert!(path.split(|&b| b == b'/').all(|s| !matches!(s, b"" | b"." | b"..") && s.len() <= 255));
            prop_assert!(!path.contains(&0));
            prop_assert!(!utf8_only || std::str::from_utf8(path).is_ok());
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
        let names = assign(&keys, rules(rename));
        let mut namer = Namer { keys: &keys[..], names: Vec::new() };
        namer.names = keys.iter().map(|key| namer.by_key_alone(key, rules(rename))).collect();
        let makers = keys.iter().zip(&namer.names).filter(|(_, name)| **name != Name::Encoded);
        let dirs: BTreeSet<&[u8]> = makers.flat_map(|(key, _)| strict_dirs(key)).collect();
        for (key, name) in keys.iter().zip(&names) {
            prop_assert!(*name != Name::LeafData || dirs.contains(&key[..]));
            prop_assert!(*name != Name::Verbatim || !dirs.contains(&key[..]));
        }
    }
}
