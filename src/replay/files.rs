//! Whole files: headers, frames, order, counts.

use crate::dataset::{DataSet, SkipLog};
use crate::format::{Family, frame, header, mvcc, mvcc2};
use crate::index::Granularity;
use crate::source::Source;

/// Steps through frames of both kinds: every entry is after the previous one and inside the file.
pub fn container(data: &[u8]) {
    if let Ok(found) = header::parse(data) {
        assert!(found.len <= data.len(), "a header ends in its file");
    }
    let mut at = 0;
    while let Ok(frame::Step::Entry(entry)) = frame::step(data, at) {
        assert!(entry.start == at && entry.end > at && entry.end <= data.len(), "entries follow each other");
        let _ = (mvcc::split_key(entry.raw_key), mvcc::split_value(entry.raw_value));
        at = entry.end;
    }
    let mut at = 0;
    while let Ok(mvcc2::Step::Entry(entry)) = mvcc2::step(data, at) {
        assert!(entry.start == at && entry.end > at && entry.end <= data.len(), "entries follow each other");
        assert_eq!(entry.versions().count() as u64, entry.count, "all versions are there");
        at = entry.end;
    }
}

/// Indexes `data` as a file, and again after a stream header. Reads and looks up every live row of intact files, and of the intact parts of
/// damaged ones.
pub fn index(data: &[u8]) {
    for granularity in [Granularity::default(), Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 }] {
        walk(data.to_vec(), granularity);
        walk([b"EKVPBBL1\0\0\0\0\0\0\0\0", data].concat(), granularity);
    }
}

fn walk(file: Vec<u8>, granularity: Granularity) {
    let sources = [Source::from_bytes("fuzz", file)];
    let index = |lenient| DataSet::index_with(&sources, None, granularity, SkipLog::new(lenient));
    let Ok(mut set) = index(false).or_else(|_| index(true)) else { return };
    if set.resolve_transactions().is_err() {
        return;
    }
    let (mut rows, mut live) = (0, 0);
    for &family in Family::ALL.iter().filter(|family| **family != Family::Unknown) {
        let mut previous: Option<&[u8]> = None;
        let mut range = set.family(family);
        while let Ok(Some(row)) = range.next() {
            assert!(previous < Some(row.user_key), "rows of a range ascend");
            previous = Some(row.user_key);
            if Family::of(row.user_key) == family {
                rows += 1;
                let found = set.get(row.user_key);
                assert!(found.is_ok_and(|found| found.is_some_and(|found| found.body == row.body)), "look-up agrees");
            }
        }
        live += set.counts().family(family).live;
    }
    assert!(set.is_merged() || rows == live, "{rows} rows walked, {live} counted");
}
