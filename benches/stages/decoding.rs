//! Complete decodes of one family at a time, on one thread, in both layouts.

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput};
use ekvsnap::decode::{Layout, Options, Outcome, Silent, decode as run};
use sha2::{Digest as _, Sha256};

use crate::input::{Input, scratch};

/// Enough rows for a few milliseconds.
const WORKLOADS: [(&str, u64); 13] = [
    ("strings", 100_000),
    ("hashes", 100_000),
    ("one-hash", 100_000),
    ("lists", 100_000),
    ("sets", 100_000),
    ("zsets", 100_000),
    ("streams", 100_000),
    ("versions", 40_000),
    ("dynamodb", 60_000),
    ("sqs", 30_000),
    ("s3", 2_000),
    ("fs", 2_000),
    ("fs-large", 20),
];

/// Fewer if each is a file: they must fit into a small machine's memory.
const MOST_FILES: u64 = 5_000;

pub fn decode(c: &mut Criterion) {
    for (layout, name) in [(Layout::TREE, "tree"), (Layout::JSONL, "jsonl")] {
        let mut group = c.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat);
        for (workload, scale) in WORKLOADS {
            let files = layout == Layout::TREE && ["strings", "versions", "dynamodb"].contains(&workload);
            let input = Input::new(workload, if files { scale.min(MOST_FILES) } else { scale });
            let options = Options { threads: 1, layout, ..Options::default() };
            let digest = answer(&input, &options);
            group.throughput(Throughput::Bytes(input.bytes));
            group.bench_function(workload, |b| b.iter_custom(|times| timed(times, &input, &options, digest)));
        }
    }
}

/// The digest that every run must give, computed with another number of threads.
fn answer(input: &Input, options: &Options) -> [u8; 32] {
    let folder = scratch();
    let target = folder.path().join("out");
    checked(input, &Options { threads: 2, ..options.clone() }, &target);
    digest(&target)
}

/// Outputs are removed while the clock is stopped.
fn timed(times: u64, input: &Input, options: &Options, want: [u8; 32]) -> Duration {
    let folder = scratch();
    let one = |n: u64| {
        let target = folder.path().join(n.to_string());
        let outcome = checked(input, options, &target);
        assert_eq!(digest(&target), want, "another output");
        outcome.elapsed
    };
    (0..times).map(one).sum()
}

fn checked(input: &Input, options: &Options, target: &Path) -> Outcome {
    let outcome = run(&input.sources, target, options, &Silent).expect("a sound snapshot");
    assert_eq!(outcome.manifest.counters.entries, input.rows);
    outcome
}

/// A digest of all files' digests.
fn digest(target: &Path) -> [u8; 32] {
    Sha256::digest(std::fs::read(target.join("CHECKSUMS")).expect("checksums")).into()
}
