//! Names of objects as they are printed: [`ObjectName`](super::ObjectName) and [`Pattern`](super::filter::Pattern) read them back.

use super::filter::is_pattern;
use super::spelling::{encoded, looks_encoded};
use crate::format::adapter::{self, Adapter};
use crate::report::visible::is_active;

/// Maximum length of a name with special characters of patterns. As a pattern it must be compiled, and a longer one might be too large.
const MOST_SPECIAL: usize = 512;

/// The name of an object: `redis:KEY`, `s3:BUCKET/KEY`, and so on. `parts` are the table, bucket or queue if the adapter has them, and the
/// values of the key.
///
/// A part is printed unchanged, or in base64 if it cannot be shown or typed, or if it would be read as something else.
pub(crate) fn typed_name(adapter: Adapter, parts: &[&[u8]]) -> String {
    if let ([path], true) = (parts, adapter.has_paths()) {
        // A path begins at the root.
        let path = plain(path, false).map_or_else(|| encoded(path), |path| format!("/{path}"));
        return format!("{}:{path}", adapter.name());
    }
    let is_scoped = adapter.scoped().is_some();
    let part = |(n, part): (usize, &&[u8])| {
        // A slash ends a table, bucket or queue, and each of two key values.
        let ends_at_slash = is_scoped && (n == 0 || parts.len() > 2);
        let is_missing = n == 0 && part.is_empty();
        if is_missing { encoded(part) } else { typed(part, ends_at_slash) }
    };
    let parts: Vec<String> = parts.iter().enumerate().map(part).collect();
    format!("{}:{}", adapter.name(), parts.join("/"))
}

/// One part of a name. `ends_at_slash`: another part follows, or could follow.
pub(crate) fn typed(part: &[u8], ends_at_slash: bool) -> String {
    plain(part, ends_at_slash).map_or_else(|| encoded(part), str::to_owned)
}

/// A part that is read back as it is; `None`: it must be encoded.
fn plain(part: &[u8], ends_at_slash: bool) -> Option<&str> {
    let text = std::str::from_utf8(part).ok()?;
    let is_special = text.contains(['*', '?', '[', ']', '{', '}', '\\']);
    // In a pattern, a backslash or a class can hide a slash.
    let is_cut = ends_at_slash && text.contains(['/', '\\', '[']);
    let is_readable = !is_special || (text.len() <= MOST_SPECIAL && is_pattern(text));
    let is_plain =
        is_readable && !is_cut && !looks_encoded(text) && !text.chars().any(is_active) && !ends_in_list(text);
    is_plain.then_some(text)
}

/// Whether a list of patterns would end inside the text: a comma ends a pattern if another one begins behind it.
fn ends_in_list(text: &str) -> bool {
    let mut rests = text.split(',').skip(1).filter_map(|rest| rest.split_once(':'));
    rests.any(|(name, _)| adapter::named(name.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::adapter::{DYNAMODB, FS, REDIS, S3, SQS};
    use crate::options::ObjectName;
    use crate::options::filter::{Filter, Pattern};

    /// Pieces of names that mean something to a shell, a terminal, a pattern, or another part of a name.
    const PIECES: [&str; 28] = [
        "a",
        "b",
        "/",
        "//",
        "\\",
        "[",
        "]",
        "[!a]",
        "{",
        "}",
        ",",
        "*",
        "?",
        "base64:",
        "base64:YQ",
        "=",
        ":",
        ",redis:",
        ",s3:b",
        "\n",
        "\u{1b}[31m",
        "\u{202e}",
        "\u{9b}",
        "\0",
        "é",
        " ",
        "%2F",
        "..",
    ];

    fn name() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..6);
        prop_oneof![
            4 => pieces.prop_map(|pieces| pieces.concat().into_bytes()),
            1 => prop::collection::vec(any::<u8>(), 0..6),
        ]
    }

    /// A name is printed in a form that `get` takes for the same name, and that is a pattern of it, also in a list.
    fn comes_back(adapter: Adapter, parts: &[&[u8]]) {
        let text = typed_name(adapter, parts);
        assert!(!text.chars().any(is_active), "{text:?}");
        let read = ObjectName::parse(text.as_bytes()).unwrap();
        let (name, keys) = parts.split_first().unwrap();
        let path = || if adapter.has_paths() { read.name.strip_prefix(b"/").unwrap_or(&read.name) } else { &read.name };
        assert_eq!(path().escape_ascii().to_string(), name.escape_ascii().to_string(), "{text}");
        match keys {
            [] => assert_eq!(read.rest, None, "{text}"),
            [key] if adapter == DYNAMODB => {
                let values = crate::options::spelled(read.rest());
                assert_eq!(values.escape_ascii().to_string(), key.escape_ascii().to_string(), "{text}");
            }
            [key] => assert_eq!(read.rest().escape_ascii().to_string(), key.escape_ascii().to_string(), "{text}"),
            _ => {
                let slash = memchr::memchr(b'/', read.rest()).unwrap();
                let values = [&read.rest()[..slash], &read.rest()[slash + 1..]].map(crate::options::spelled);
                assert_eq!(values.map(|value| value.to_vec()), [keys[0], keys[1]].map(<[u8]>::to_vec), "{text}");
            }
        }
        let pattern = text.parse::<Pattern>().unwrap_or_else(|why| panic!("{text}: {why}"));
        let filter = Filter { include: vec![pattern], ..Filter::default() };
        let takes = if adapter.has_paths() { filter.meets_path(name) } else { filter.takes(adapter, name, keys) };
        assert!(takes, "{text} does not match {}", name.escape_ascii());
        assert!(!ends_in_list(&text), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn printed_names_are_read_back(name in name(), first in name(), second in name()) {
            for adapter in [REDIS, SQS] {
                comes_back(adapter, &[&name]);
            }
            for adapter in [S3, SQS, DYNAMODB] {
                comes_back(adapter, &[&name, &first]);
            }
            comes_back(DYNAMODB, &[&name, &first, &second]);
            let is_path = !name.starts_with(b"/") && !name.ends_with(b"/");
            if is_path {
                comes_back(FS, &[&name]);
            }
        }
    }

    #[test]
    fn what_is_printed() {
        for (adapter, parts, want) in [
            (REDIS, &[&b"user:1/x"[..]][..], "redis:user:1/x"),
            (REDIS, &[b""], "redis:base64:"),
            (REDIS, &[b"cache[1]"], "redis:cache[1]"),
            (REDIS, &[b"cache[1"], "redis:base64:Y2FjaGVbMQ"),
            (REDIS, &[b"a,s3:b"], "redis:base64:YSxzMzpi"),
            (REDIS, &[b"base64:YQ"], "redis:base64:YmFzZTY0OllR"),
            (REDIS, &[b"a\nb"], "redis:base64:YQpi"),
            (S3, &[b"bucket", b"2026/a.jpg"], "s3:bucket/2026/a.jpg"),
            (S3, &[b"a/b", b"c"], "s3:base64:YS9i/c"),
            (SQS, &[b"a/b"], "sqs:base64:YS9i"),
            (DYNAMODB, &[b"t", b"a/b"], "dynamodb:t/a/b"),
            (DYNAMODB, &[b"t", b"a", b"b/c"], "dynamodb:t/a/base64:Yi9j"),
            (FS, &[b""], "fs:/"),
            (FS, &[b"a/b"], "fs:/a/b"),
            (FS, &[b"a\xff"], "fs:base64:Yf8"),
        ] {
            assert_eq!(typed_name(adapter, parts), want);
            comes_back(adapter, parts);
        }
    }
}
