//! Index and checksum.

use criterion::{Criterion, Throughput};
use ekvsnap::index::{self, Granularity, View};
use ekvsnap::source::crc::Footer;

use crate::input::Input;

/// Framing, order, value headers, counts and checksum. The checksum is computed in parallel, here also on one thread.
pub fn index(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let view = View { as_of: u64::MAX, read_ts: u64::MAX, lenient: false };
    let mut group = c.benchmark_group("index");
    for (workload, scale) in
        [("mixed", 200_000), ("strings", 200_000), ("hashes", 200_000), ("sqs", 50_000), ("s3", 8_000)]
    {
        let input = Input::new(workload, scale);
        group.throughput(Throughput::Bytes(input.bytes));
        group.bench_function(workload, |b| {
            b.iter(|| {
                let indexed = pool.install(|| index::index(&input.sources[0], view, Granularity::default()));
                let (index, _) = indexed.expect("a sound snapshot");
                assert_eq!(index.counts.summary().entries, input.rows);
                assert!(index.crc32c.is_some());
            });
        });
    }
}

/// Only the checksum.
pub fn checksum(c: &mut Criterion) {
    let input = Input::new("strings", 200_000);
    let mut group = c.benchmark_group("crc32c");
    group.throughput(Throughput::Bytes(input.bytes));
    group.bench_function("all threads", |b| {
        b.iter(|| assert!(Footer::of(input.sources[0].bytes()).is_some_and(Footer::matches)));
    });
}
