//! Real snapshots with a few rows of each family.

use std::collections::BTreeMap;

use ekvsnap::format::{Family, frame, mvcc};

use super::build::with_footer;
use super::fixtures::{load, snapshots};

/// Rows of a family that are kept, and their largest size.
const KEPT: usize = 2;
const LARGEST: usize = 600;

/// A real snapshot with a few rows of each family, and with header, footer and store metadata.
pub fn thinned(corpus: &str) -> Vec<u8> {
    let whole = &snapshots(&load(corpus))[0];
    let start = whole.windows(8).position(|bytes| bytes == b"EKVPBBL1").unwrap() + 16;
    let mut small = whole[..start].to_vec();
    let (mut at, mut kept) = (start, BTreeMap::<Family, usize>::new());
    while let Ok(frame::Step::Entry(entry)) = frame::step(whole, at) {
        let family = mvcc::split_key(entry.raw_key).map_or(Family::Bare, |(key, _)| Family::of(key));
        let bytes = &whole[at..entry.end];
        let count = kept.entry(family).or_default();
        let meta = entry.raw_key.starts_with(b"_meta_");
        if meta || (*count < KEPT && bytes.len() <= LARGEST) {
            *count += usize::from(!meta);
            small.extend_from_slice(bytes);
        }
        at = entry.end;
    }
    with_footer(small)
}
