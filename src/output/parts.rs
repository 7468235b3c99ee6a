//! Packed lines in parts (`docs/format/tree.md` §8): where lines would be one file, a folder with its name has numbered files.
//!
//! No name can clash: no path of an output is a folder of another one, so the folder of a file holds only its parts.

/// Maximum number of parts: numbers have five digits, so that names sort. The last part takes all remaining lines.
pub const MOST: u32 = 99_999;

/// Beginning and end of the names of parts.
const HEAD: &[u8] = b"part-";
const TAIL: &[u8] = b".jsonl";

/// The path of a part.
pub fn path(file: &str, number: u32) -> String {
    format!("{file}/{}", name(number))
}

/// The name of a part in the folder of its file.
pub fn name(number: u32) -> String {
    format!("part-{number:05}.jsonl")
}

/// The file that is cut and the number of the part, by the path of the part; `None`: it is not a part of packed lines.
pub fn of(path: &[u8]) -> Option<(&[u8], u32)> {
    let (file, name) = path.split_at_checked(memchr::memrchr(b'/', path)?)?;
    let number = number(name.get(1..)?)?;
    is_cut(file).then_some((file, number))
}

/// The file that this is a part of, or the path itself.
pub fn joined(path: &[u8]) -> &[u8] {
    of(path).map_or(path, |(file, _)| file)
}

/// The number in the name of a part.
pub fn number(name: &[u8]) -> Option<u32> {
    let digits = name.strip_prefix(HEAD)?.strip_suffix(TAIL)?;
    let is_number = digits.len() == 5 && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()?;
    (number > 0).then_some(number)
}

/// Whether a file can be cut. Users choose the names in buckets and file systems: only the index of a bucket is ours.
fn is_cut(file: &[u8]) -> bool {
    if !file.ends_with(TAIL) {
        return false;
    }
    let mut names = file.split(|byte| *byte == b'/');
    match names.next() {
        Some(b"dynamodb" | b"redis" | b"sqs") => true,
        Some(b"s3") => names.next().is_some() && names.next() == Some(b"_index.jsonl") && names.next().is_none(),
        _ => false,
    }
}

/// A file that is cut while it grows. A part ends with the line that brings it to its size. So the cuts depend neither on threads nor on
/// the pieces in which lines arrive, and no line is held in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growing {
    /// The number of the current part.
    pub number: u32,
    bytes: u64,
    /// Whether it ends with the end of a line.
    is_at_line_end: bool,
}

impl Default for Growing {
    fn default() -> Growing {
        Growing { number: 1, bytes: 0, is_at_line_end: true }
    }
}

impl Growing {
    /// Whether the next bytes go to another part.
    pub fn is_full(self, size: u64) -> bool {
        self.is_at_line_end && self.bytes >= size && self.bytes > 0 && self.number < MOST
    }

    /// The part after a full one.
    pub fn next(self) -> Growing {
        Growing { number: self.number + 1, ..Growing::default() }
    }

    /// How many of the next bytes this part takes.
    pub fn takes(self, size: u64, bytes: &[u8]) -> usize {
        // The last byte that fits can be the end of a line.
        let before = usize::try_from(size.saturating_sub(self.bytes).max(1) - 1).unwrap_or(usize::MAX);
        match bytes.get(before..) {
            Some(rest) if self.number < MOST => memchr::memchr(b'\n', rest).map_or(bytes.len(), |at| before + at + 1),
            _ => bytes.len(),
        }
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.bytes += bytes.len() as u64;
        self.is_at_line_end = *last == b'\n';
    }
}

/// Checks that the parts of each file come in order.
#[derive(Debug, Default)]
pub struct Order {
    last: std::collections::BTreeMap<Vec<u8>, u32>,
}

impl Order {
    /// Takes the path of the next file.
    ///
    /// # Errors
    /// It is a part, but not the one after the last part of its file. The message says what is wrong.
    pub fn take(&mut self, path: &[u8]) -> Result<(), String> {
        let Some((file, number)) = of(path) else { return Ok(()) };
        let last = self.last.get(file).copied().unwrap_or(0);
        self.last.insert(file.to_vec(), number);
        if number == last + 1 {
            return Ok(());
        }
        Err(match last {
            0 => format!("it is part {number}, but part 1 is missing or comes later: parts must be in order"),
            _ => format!(
                "it is part {number}, but it follows part {last}: parts must be in order, and none may be missing"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        for file in [
            "redis/db_0/strings.jsonl",
            "dynamodb/t.jsonl",
            "dynamodb/_orphans/t/gen-1.jsonl",
            "sqs/q.jsonl",
            "s3/b/_index.jsonl",
        ] {
            for number in [1, 7, 99_999] {
                assert_eq!(of(path(file, number).as_bytes()), Some((file.as_bytes(), number)));
            }
            assert_eq!(joined(file.as_bytes()), file.as_bytes());
            for name in [
                "part-0001.jsonl",
                "part-00000.jsonl",
                "part-000001.jsonl",
                "part-0000a.jsonl",
                "part-00001.json",
                "apart-00001.jsonl",
            ] {
                assert_eq!(of(format!("{file}/{name}").as_bytes()), None, "{name}");
            }
        }
        // Keys and files that users can name so.
        for file in [
            "s3/b/logs.jsonl",
            "s3/b/x/_index.jsonl",
            "fs/tree/x.jsonl",
            "fs/metadata.jsonl",
            "redis/db_0/streams",
            "dynamodb/x",
        ] {
            assert_eq!(of(path(file, 1).as_bytes()), None, "{file}");
        }
    }

    /// However the bytes come, the same parts.
    #[test]
    fn cuts_do_not_depend_on_pieces() {
        let text = b"a\nbcd\n\n\nefghijkl\nm\nno\n";
        for size in 1..=text.len() as u64 + 1 {
            let cut = |piece: usize| {
                let (mut parts, mut growing) = (vec![Vec::new()], Growing::default());
                for mut bytes in text.chunks(piece) {
                    while !bytes.is_empty() {
                        if growing.is_full(size) {
                            growing = growing.next();
                            parts.push(Vec::new());
                        }
                        let (now, rest) = bytes.split_at(growing.takes(size, bytes));
                        growing.add(now);
                        parts.last_mut().unwrap().extend_from_slice(now);
                        bytes = rest;
                    }
                }
                parts
            };
            let whole = cut(text.len());
            assert_eq!(whole.concat(), text);
            for (at, part) in whole.iter().enumerate() {
                assert!(part.ends_with(b"\n"), "{size}");
                let without_last =
                    part[..part.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                assert!((without_last as u64) < size, "{size}: no line too many");
                assert!(at + 1 == whole.len() || part.len() as u64 >= size, "{size}: no line too few");
            }
            (1..text.len()).for_each(|piece| assert_eq!(cut(piece), whole, "{size} {piece}"));
        }
    }

    #[test]
    fn a_gap_is_seen() {
        let told = |numbers: &[u32]| {
            let mut order = Order::default();
            numbers.iter().find_map(|n| order.take(path("sqs/q.jsonl", *n).as_bytes()).err())
        };
        assert_eq!(told(&[1, 2, 3]), None);
        for wrong in [&[2][..], &[1, 3], &[1, 1], &[1, 2, 1]] {
            assert!(told(wrong).is_some(), "{wrong:?}");
        }
    }
}
