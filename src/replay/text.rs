//! Written text: names, JSON, and lines that are read again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::layouts::dynamodb::name::table_into;
use crate::layouts::s3::names::{Rules, assign};
use crate::layouts::sqs::names::{queue_directory, queue_stem};
use crate::objects::feed_in_pieces;
use crate::output::json::{self, Escape};
use crate::output::names::{NameKind, raw_of_segment, segment_into};

/// Names stay in their directory, fit a file system, and can be decoded or are hashed.
pub fn names(data: &[u8]) {
    let mut name = String::new();
    if segment_into(data, &mut name) == NameKind::Plain {
        assert_eq!(raw_of_segment(&name), data);
    }
    assert!(!name.contains('/') && name.len() <= 240, "{name}");
    let mut table = String::new();
    table_into(data, &mut table);
    for name in [table, queue_directory(data), queue_stem(data)] {
        assert!(is_one_name(name.as_bytes()), "{name}");
    }
    // Lines as the keys of a bucket.
    let mut keys: Vec<&[u8]> = data.split(|byte| *byte == b'\n').filter(|key| !key.is_empty()).collect();
    keys.sort_unstable();
    keys.dedup();
    let names = assign(&keys, Rules::default());
    let mut paths: Vec<Vec<u8>> = keys.iter().zip(&names).map(|(key, name)| name.path(key)).collect();
    for path in &paths {
        assert!(path.split(|byte| *byte == b'/').all(is_one_name), "{}", path.escape_ascii());
    }
    let count = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), count, "two objects have one path");
}

fn is_one_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && name.len() <= 255 && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

/// Escaped text is JSON, and reads as the original.
pub fn json(data: &[u8]) {
    for escape in [Escape::Html, Escape::Plain] {
        let (mut line, mut spread) = (Vec::new(), Vec::new());
        json::bytes(data, escape, &mut line);
        json::bytes_indented(data, 4, &mut spread);
        for written in [line, spread] {
            let back: Value = serde_json::from_slice(&written).expect("it is JSON");
            match std::str::from_utf8(data) {
                Ok(text) => assert_eq!(back, text),
                Err(_) => assert_eq!(back["base64"], URL_SAFE_NO_PAD.encode(data)),
            }
        }
    }
    if let Some(bytes) = data.first_chunk() {
        let mut score = Vec::new();
        json::score(f64::from_bits(u64::from_le_bytes(*bytes)), &mut score);
        serde_json::from_slice::<Value>(&score).expect("a score is JSON");
    }
}

/// Lines of packed files give the same objects however they are split. The first byte chooses the file.
pub fn lines(data: &[u8]) {
    const FILES: [&str; 6] = [
        "redis/db_0/strings.jsonl",
        "redis/db_0/streams.jsonl",
        "dynamodb/t.jsonl",
        "s3/b/_index.jsonl",
        "sqs/q.jsonl",
        "fs/metadata.jsonl",
    ];
    let Some((which, lines)) = data.split_first() else { return };
    let path = FILES[usize::from(*which) % FILES.len()];
    let whole = feed_in_pieces(path, lines, lines.len().max(1));
    for size in [1, 7, 64] {
        assert_eq!(feed_in_pieces(path, lines, size), whole, "in pieces of {size}");
    }
}
