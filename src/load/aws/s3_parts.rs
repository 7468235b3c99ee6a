//! The parts in which an object is uploaded: its original parts, unless the service refuses them.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::format::s3::Manifest;

/// Minimum size of a part, except for the last one.
const LEAST_PART: u64 = 5 << 20;
/// Maximum size of one request.
const MOST_PUT: u64 = 5 << 30;
/// Maximum number of parts, and maximum part number.
const MOST_PARTS: u64 = 10_000;
/// Size of the parts of an object that must be cut: this much of it is spooled at a time.
const CUT: u64 = 256 << 20;

/// The parts of an object, each with its number and its size in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parts {
    /// It had no parts and is put as a whole.
    None,
    /// It had parts that the service does not accept, and is put as a whole.
    Joined,
    /// Its original parts.
    Recorded(Vec<(u64, u64)>),
    /// New parts: it is too large for one request.
    Cut(Vec<(u64, u64)>),
}

impl Parts {
    /// Decides on the parts of an object.
    pub fn of(manifest: &Manifest<'_>) -> Parts {
        let size = |bytes: i64| bytes.max(0).cast_unsigned();
        let had = manifest.is_multipart().then(|| manifest.parts_in_order());
        let had = had.map(|all| all.iter().map(|part| (part.part_no, size(part.size_bytes))).collect());
        Parts::decide(had, size(manifest.size_bytes))
    }

    fn decide(had: Option<Vec<(u64, u64)>>, size: u64) -> Parts {
        let is_multipart = had.is_some();
        match had {
            Some(parts) if are_taken(&parts) => Parts::Recorded(parts),
            _ if size > MOST_PUT => Parts::Cut(cut(size)),
            _ if is_multipart => Parts::Joined,
            _ => Parts::None,
        }
    }
}

/// A multipart upload.
pub(super) struct Upload {
    pub id: String,
    /// Number and size of each part.
    parts: Vec<(u64, u64)>,
    /// How many parts are in flight or stored.
    begun: usize,
    /// Bytes of the body so far.
    pub len: u64,
    /// ETags of the stored parts.
    pub done: Vec<String>,
}

impl Upload {
    /// An upload that has begun.
    pub fn new(id: String, parts: Vec<(u64, u64)>) -> Upload {
        Upload { id, parts, begun: 0, len: 0, done: Vec::new() }
    }

    /// The size of the part that is being read; `None`: it is the last one, which takes the rest of the body, whatever its recorded size.
    pub fn size(&self) -> Option<u64> {
        let (_, others) = self.parts.split_last()?;
        others.get(self.begun).map(|(_, size)| *size)
    }

    /// The number of the part that was read; the next one begins.
    pub fn next_part(&mut self) -> Option<u64> {
        let (number, _) = self.parts.get(self.begun)?;
        self.begun += 1;
        Some(*number)
    }

    /// How the body differs from the recorded parts.
    pub fn difference(&self) -> Option<&'static str> {
        let recorded = self.parts.iter().fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
        match self.len.cmp(&recorded) {
            Ordering::Less => Some("its body is shorter than its parts say"),
            Ordering::Equal => None,
            Ordering::Greater => Some("its body is longer than its parts say: the last part has the rest"),
        }
    }

    /// The list of the stored parts that completes the upload.
    pub fn list(&self) -> String {
        let mut list = "<CompleteMultipartUpload>".to_owned();
        for ((number, _), etag) in self.parts.iter().zip(&self.done) {
            let _ = write!(list, "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>");
        }
        list.push_str("</CompleteMultipartUpload>");
        list
    }
}

fn are_taken(parts: &[(u64, u64)]) -> bool {
    let Some((_, others)) = parts.split_last() else { return false };
    let are_large = others.iter().all(|(_, size)| *size >= LEAST_PART);
    are_large && parts.iter().all(|(number, size)| *size <= MOST_PUT && (1..=MOST_PARTS).contains(number))
}

/// Parts of equal size, except for the last one.
fn cut(size: u64) -> Vec<(u64, u64)> {
    let each = CUT.max(size.div_ceil(MOST_PARTS));
    (0..size.div_ceil(each)).map(|n| (n + 1, each.min(size - n * each))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let least = LEAST_PART;
        let fine = vec![(1, least), (7, least + 1), (9, 1)];
        for (had, size, want) in [
            (None, 0, Parts::None),
            (None, MOST_PUT, Parts::None),
            (Some(fine.clone()), 2 * least + 2, Parts::Recorded(fine)),
            (Some(vec![(1, least - 1), (2, least)]), 2 * least - 1, Parts::Joined),
            (Some(vec![(1, least), (MOST_PARTS + 1, least)]), 2 * least, Parts::Joined),
            (Some(vec![(1, least), (2, 0)]), least, Parts::Recorded(vec![(1, least), (2, 0)])),
            (Some(vec![(1, 0), (2, least)]), least, Parts::Joined),
            (Some(Vec::new()), 0, Parts::Joined),
            (Some(vec![(1, 1), (2, MOST_PUT)]), MOST_PUT + 1, Parts::Cut(cut(MOST_PUT + 1))),
            (None, MOST_PUT + 1, Parts::Cut(cut(MOST_PUT + 1))),
        ] {
            assert_eq!(Parts::decide(had, size), want);
        }
    }

    #[test]
    fn cut_parts_are_taken_and_are_all() {
        for size in [MOST_PUT + 1, 20 * CUT, 20 * CUT + 1, 5 << 40, (5 << 40) + 3] {
            let all = cut(size);
            assert!(are_taken(&all), "{size}");
            assert_eq!(all.iter().map(|(_, size)| size).sum::<u64>(), size);
        }
    }
}
