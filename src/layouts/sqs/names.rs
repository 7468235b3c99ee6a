//! Names of queues in the output (`rules.md` §2 and §6).

use crate::output::names;

/// Place of messages that belong to no live queue (`--include-orphans`).
pub const ORPHANS: &str = "_orphans";

/// Maximum length of a Q that is used as a name unchanged; a Q of the server has at most 107 bytes.
const MAX_VERBATIM: usize = names::MAX_SEGMENT;

/// The directory of a queue, from the name in its key.
pub fn queue_directory(name: &[u8]) -> String {
    match name {
        b"" => "%".into(),
        b"." => "%2E".into(),
        b".." => "%2E%2E".into(),
        _ => names::segment(name),
    }
}

/// The path of a queue's directory, or of one of its files in the packed layout.
pub fn queue_path(name: &str) -> String {
    format!("sqs/{name}")
}

/// The base name of a queue's files in the packed layout: its directory's name. In a name that ends in `.side` the dot is escaped, so that
/// its messages do not go to the file of another queue's side records.
pub fn queue_stem(name: &[u8]) -> String {
    let directory = queue_directory(name);
    match directory.strip_suffix(".side") {
        Some(front) => format!("{front}%2Eside"),
        None => directory,
    }
}

/// The suffix of the file of a queue's record, in the packed layout.
pub(super) const PACKED_DOCUMENT: &str = ".queue.json";

/// The file of a queue's record in the packed layout.
pub fn packed_document(stem: &str) -> String {
    format!("{stem}{PACKED_DOCUMENT}")
}

/// The file of a queue's messages in the packed layout.
pub fn packed_messages(stem: &str) -> String {
    format!("{stem}.jsonl")
}

/// The file of a queue's side records in the packed layout.
pub fn packed_side(stem: &str) -> String {
    format!("{stem}.side.jsonl")
}

/// The path of the directory of messages left over from a deleted queue, or from former lives of one. Every name in it ends in `.orphan`,
/// so that a queue named `_orphans` can have its files in the same directory.
pub fn stale_path(name: &[u8]) -> String {
    format!("sqs/{ORPHANS}/{}.orphan", queue_directory(name))
}

/// The directory of the side records of a queue without its record: Q and `.orphan`. A Q that is too long, or has bytes outside of
/// base64url, is encoded with `seg()`.
pub fn orphan_directory(queue: &[u8]) -> String {
    let safe = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let mut out = match std::str::from_utf8(queue) {
        Ok(text) if text.len() <= MAX_VERBATIM && queue.iter().all(safe) => text.to_owned(),
        _ => names::segment(queue),
    };
    out.push_str(".orphan");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues() {
        for (name, want) in [
            (&b"orders.fifo"[..], "orders.fifo"),
            (b"", "%"),
            (b".", "%2E"),
            (b"..", "%2E%2E"),
            (b"...", "..."),
            (b"a/b", "a%2Fb"),
            (b"%", "%25"),
            (b"b64.foo", "72ef1a090c013093607ce5a62f598cf4__b64.foo"),
        ] {
            assert_eq!(queue_directory(name), want, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn stems_are_no_names_of_side_files() {
        for (name, want) in
            [("a", "a"), ("a.side", "a%2Eside"), (".side", "%2Eside"), ("a%2Eside", "a%252Eside"), ("aside", "aside")]
        {
            assert_eq!(queue_stem(name.as_bytes()), want);
        }
        let longest = format!("{}.queue.json", queue_stem(format!("{}.side", "a".repeat(235)).as_bytes()));
        assert!(longest.len() <= 255, "{longest}");
    }

    #[test]
    fn orphans() {
        let like_fallback = "0123456789abcdef0123456789abcdef__x";
        let long = "a".repeat(241);
        for (queue, want) in [
            ("cQ", "cQ.orphan".to_string()),
            (like_fallback, format!("{like_fallback}.orphan")),
            ("../x", "..%2Fx.orphan".into()),
            (&long, format!("ec6e326ef29fe322b62111584194c54e__{}.orphan", "a".repeat(64))),
        ] {
            assert_eq!(orphan_directory(queue.as_bytes()), want);
        }
    }
}
