//! Hostile keys in every adapter: nothing leaves the output, nothing is lost, and every key can be recovered from names and key maps alone.

use std::collections::BTreeSet;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ekvsnap::format::Family;
use ekvsnap::output::names::{raw_of_segment, segment};
use serde_json::{Value, json};

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{V, table};
use crate::kit::fs as files;
use crate::kit::{Tree, read_tree, s3};
use crate::sqs::rows::{Rows as _, msg, queue_key, record};

/// Possible hostile keys.
fn keys() -> Vec<Vec<u8>> {
    let texts = [
        "../../etc/passwd",
        "..",
        ".",
        "/etc/passwd",
        "a/../../b",
        "./x",
        "x/.",
        "x/..",
        "//",
        "/",
        "a//b",
        "dir/",
        "~",
        "~root/x",
        "C:\\Windows\\x",
        "..\\x",
        "CON",
        "NUL.txt",
        "aux",
        "COM1",
        "a:b",
        "case",
        "CASE",
        "Case",
        "tab\tnl\ncr\r",
        "\u{7f}\u{1b}[31m",
        "nul\0nul",
        "\0",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{202e}gpj.exe",
        "\u{feff}x",
        " ",
        " x ",
        "x.",
        "-rf",
        "--help",
        "*",
        "?",
        "$(id)",
        "`id`",
        "%",
        "%2F",
        "%2e%2e",
        "%%",
        "MANIFEST.json",
        "CHECKSUMS",
        "KEYMAP.jsonl",
        "ERRORS.jsonl",
        "_bucket.json",
        "_schema.json",
        "_queue.json",
        "_index.jsonl",
        "_orphans",
        "_encoded",
        "_encoded/x",
        "_internals/x",
        "_incomplete_uploads/x",
        "items",
        "metadata.jsonl",
        "tree",
        "lost+found",
        "x.elastickv-meta.json",
        "x.elastickv-leaf-data",
        "x.elastickv-leaf-data/y",
        "x",
        "x/y",
        "b64.AA",
        "b64.",
        "0123456789abcdef0123456789abcdef__x",
        "strings_ttl.jsonl",
        "<script>",
        "\"quoted\"",
        "\\u0000",
        "\u{1f389}",
    ];
    let mut keys: BTreeSet<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    keys.extend([&b"\xff\xfe"[..], b"a\xffb/c", b"\xc0\xaf", b"\xed\xa0\x80"].map(<[u8]>::to_vec));
    for len in [200, 235, 236, 240, 241, 255, 256, 1024, 1025, 4096] {
        keys.insert(vec![b'k'; len]);
        keys.insert(vec![b'/'; len]);
        keys.insert([&b"dir/"[..], &vec![0xee; len]].concat());
    }
    keys.insert(vec![b'm'; (1 << 20) - 20]);
    keys.insert(vec![0; (1 << 20) - 20]);
    keys.into_iter().collect()
}

/// Decodes below a directory in which nothing else may change.
fn decoded(snapshot: &Snapshot) -> Tree {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("in/ner");
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("x.fsm"), snapshot.build()).unwrap();
    let out = ekvsnap(&inner, &["decode", "x.fsm", "-o", "out"]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    let around: Vec<Vec<u8>> =
        read_tree(dir.path()).into_keys().filter(|path| !path.starts_with(b"in/ner/out/")).collect();
    assert_eq!(around, [b"in/ner/x.fsm"], "something left the output");
    let whole = ekvsnap(&inner, &["verify", "out"]);
    assert_eq!(code(&whole), 0, "{}", String::from_utf8_lossy(&whole.stdout));
    read_tree(&inner.join("out"))
}

/// Encoded names and their originals.
fn keymap(tree: &Tree, path: &str) -> Vec<(String, Vec<u8>)> {
    let text = tree.get(path.as_bytes()).map_or("", |text| std::str::from_utf8(text).unwrap());
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let original = URL_SAFE_NO_PAD.decode(line["original"].as_str().unwrap()).unwrap();
        (line["encoded"].as_str().unwrap().to_owned(), original)
    };
    text.lines().map(line).collect()
}

fn check(what: &str, want: &[Vec<u8>], got: &BTreeSet<Vec<u8>>) {
    for key in want {
        let start = &key[..key.len().min(60)];
        assert!(got.contains(key), "{what}: {} ({} bytes) is lost", start.escape_ascii(), key.len());
    }
    assert_eq!(got.len(), want.len(), "{what}: more came out than went in");
}

#[test]
fn redis_keys() {
    let keys = keys();
    let tree =
        decoded(&keys.iter().fold(Snapshot::new(), |s, key| s.put([b"!redis|str|", key.as_slice()].concat(), key)));
    let map = keymap(&tree, "redis/db_0/KEYMAP.jsonl");
    let names = tree.iter().filter_map(|(path, body)| {
        let name = std::str::from_utf8(path).ok()?.strip_prefix("redis/db_0/strings/")?.strip_suffix(".bin")?;
        let original = map.iter().find(|(encoded, _)| encoded == name).map(|(_, original)| original.clone());
        let key = original.unwrap_or_else(|| raw_of_segment(name));
        assert!(key == *body, "{name} holds another key's value");
        Some(key)
    });
    check("redis", &keys, &names.collect());
}

#[test]
fn dynamodb_keys() {
    let keys: Vec<Vec<u8>> = keys().into_iter().filter(|key| key.len() <= 4096).collect();
    let of_text = table(b"text").types("S", Some("S"));
    let of_bytes = table(b"..").types("B", None);
    let mut s = Snapshot::new().table(&of_text).table(&of_bytes);
    let texts: Vec<&str> = keys.iter().filter_map(|key| std::str::from_utf8(key).ok()).collect();
    for text in &texts {
        s = s.item(&of_text, &[V::S(text), V::S(text)], "x");
    }
    for key in &keys {
        s = s.item(&of_bytes, &[V::B(key)], "x");
    }
    let tree = decoded(&s);
    let of = |folder: &str, kind: &str| -> BTreeSet<Vec<u8>> {
        let items = tree.iter().filter(|(path, _)| path.starts_with(folder.as_bytes()));
        let values = items.map(|(_, body)| {
            let item: Value = serde_json::from_slice(body).unwrap();
            item["pk"][kind].as_str().unwrap().as_bytes().to_vec()
        });
        values.collect()
    };
    check(
        "dynamodb",
        &texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>(),
        &of("dynamodb/text/items/", "S"),
    );
    let standard = base64::engine::general_purpose::STANDARD;
    let bytes = of("dynamodb/%2E%2E/items/", "B").iter().map(|text| standard.decode(text).unwrap()).collect();
    check("dynamodb, binary", &keys, &bytes);
}

#[test]
fn s3_keys() {
    let keys: Vec<Vec<u8>> = keys().into_iter().filter(|key| key.len() <= 4096).collect();
    let tree = decoded(&keys.iter().fold(s3::base(), |s, key| s3::put(s, key, key)));
    let map = keymap(&tree, "s3/bkt/KEYMAP.jsonl");
    let names = tree.iter().filter_map(|(path, body)| {
        let name = path.strip_prefix(b"s3/bkt/")?;
        let control = matches!(name, b"_bucket.json" | b"KEYMAP.jsonl");
        let beside = path.strip_suffix(b".elastickv-meta.json").is_some_and(|body| tree.contains_key(body));
        if control || beside {
            return None;
        }
        let original = map.iter().find(|(encoded, _)| encoded.as_bytes() == name).map(|(_, original)| original.clone());
        let key = original.unwrap_or_else(|| name.to_vec());
        assert!(key == *body, "{} holds another object's body", name.escape_ascii());
        Some(key)
    });
    check("s3", &keys, &names.collect());
}

/// Queues that only a foreign writer can name so. Each has a message with its name.
#[test]
fn queue_names() {
    // A long name that is no text is in its document as far as it is one: there is no such name for a queue.
    let can_be = |name: &Vec<u8>| std::str::from_utf8(name).is_ok() || raw_of_segment(&segment(name)) == *name;
    let names: Vec<Vec<u8>> = keys().into_iter().filter(|name| name.len() <= 4096 && can_be(name)).collect();
    let mut s = Snapshot::new();
    for name in &names {
        let mut message = msg("", 1, "id").body(name);
        message.queue.clone_from(name);
        s = s.row(queue_key(Family::SqsQueue, name), &record(1, json!({}))).msg(&message);
    }
    let tree = decoded(&s);
    let found = tree.iter().filter_map(|(path, body)| {
        let folder = std::str::from_utf8(path).ok()?.strip_prefix("sqs/")?.strip_suffix("/_queue.json")?;
        assert!(!folder.contains('/'), "{folder}");
        let document: Value = serde_json::from_slice(body).unwrap();
        let told = document["name"].as_str().unwrap();
        let name = if told.contains('\u{fffd}') { raw_of_segment(folder) } else { told.as_bytes().to_vec() };
        let lines = &tree[format!("sqs/{folder}/messages.jsonl").as_bytes()];
        let line: Value = serde_json::from_slice(lines).unwrap();
        let body = match &line["body"] {
            Value::String(text) => text.as_bytes().to_vec(),
            binary => URL_SAFE_NO_PAD.decode(binary["base64"].as_str().unwrap()).unwrap(),
        };
        assert!(name == body, "{folder} holds another queue's message");
        Some(name)
    });
    check("sqs", &names, &found.collect());
}

#[test]
fn file_names() {
    // A name has no slash; but a foreign writer may think otherwise.
    let names: Vec<Vec<u8>> = keys().into_iter().filter(|key| key.len() <= 4096).collect();
    let mut s = files::base(0);
    for (n, name) in names.iter().enumerate() {
        s = files::file(s, name, 100 + n as u64, format!("body of {n}").as_bytes());
    }
    let tree = decoded(&s);
    let text = std::str::from_utf8(&tree[&b"fs/metadata.jsonl"[..]]).unwrap();
    let standard = base64::engine::general_purpose::STANDARD;
    let mut got = BTreeSet::new();
    for line in
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|line| line["type"] == "file")
    {
        let path = match line["path"].as_str() {
            Some(path) => path.as_bytes().to_vec(),
            None => standard.decode(line["path_b64"].as_str().unwrap()).unwrap(),
        };
        let n = names.iter().position(|name| *name == path).unwrap_or_else(|| panic!("{line}: not a name"));
        let body = &tree[line["tree"].as_str().unwrap().as_bytes()];
        assert_eq!(String::from_utf8_lossy(body), format!("body of {n}"));
        got.insert(path);
    }
    check("fs", &names, &got);
}
