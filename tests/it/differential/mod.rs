//! Compares the engine with the reference decoder, on generated histories.
//!
//! proptest makes operations; [`history`] makes snapshots of one or more groups of them; both decoders give a tree, and the trees must be
//! the same, byte for byte, in every layout, for any number of threads and any size of cut. Failing cases are reduced and kept in
//! `tests/proptest-regressions`. `DIFFERENTIAL_CASES=10000 cargo test differential` runs this number of cases for each adapter.

mod changes;
mod dynamodb;
mod fs;
mod history;
mod redis;
mod s3;
mod sqs;

use std::fmt::Debug;

use ekvsnap::decode::{Layout, Options, Silent, decode};
use ekvsnap::encode;
use ekvsnap::format::adapter::{self, Adapter};
use ekvsnap::format::sst::writer::Shape;
use ekvsnap::index::{self, Granularity, decrypt};
use ekvsnap::output::archive::Packing;
use ekvsnap::plan::{self, MergeOptions, Planned};
use ekvsnap::run::shards::Which;
use ekvsnap::source::{Access, Source};
use proptest::prelude::*;

use crate::kit::bundle::bundle_of;
use crate::kit::sealed::{ring, sealed_from};
use crate::kit::{read_archive, read_tree};
use crate::reference::{self, Ask, Tree};
use history::{History, NOW};

/// How the engine runs: none of this may change the output.
#[derive(Debug, Clone)]
struct Manner {
    threads: usize,
    granularity: Granularity,
    archive: bool,
    /// As bundles with this shape.
    bundle: Option<Shape>,
    /// With encrypted rows, chosen by this seed.
    sealed: Option<u64>,
    /// In this number of shards, if it is not an archive.
    shards: Option<u32>,
}

/// Cases of each adapter: enough for a few seconds, unless more are requested.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("DIFFERENTIAL_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(asked.unwrap_or(cases)) }
}

fn manner() -> impl Strategy<Value = Manner> {
    let spacing = prop::sample::select(vec![1, 60, 500, 16 << 10]);
    let piece = prop::sample::select(vec![1, 100, 2000, 256 << 10]);
    let task = prop::sample::select(vec![1, 300, 4 << 20]);
    let granularity = (spacing, piece, task).prop_map(|(spacing, piece, task)| Granularity {
        checkpoint_interval: spacing,
        read_size: piece,
        task_size: task,
    });
    let shape = (1..600usize, 1..300usize, 1..5000u64, any::<bool>());
    let shape = shape.prop_map(|(block, index, file, snappy)| Shape { block, index, file, snappy });
    let bundle = prop::option::weighted(0.3, shape);
    let sealed = prop::option::weighted(0.3, any::<u64>());
    let shards = prop::option::weighted(0.4, 1..=6u32);
    (1..=8usize, granularity, any::<bool>(), bundle, sealed, shards).prop_map(
        |(threads, granularity, archive, bundle, sealed, shards)| Manner {
            threads,
            granularity,
            archive,
            bundle,
            sealed,
            shards,
        },
    )
}

/// The switches that change the output, except the layout.
fn ask() -> impl Strategy<Value = Ask> {
    let expired = prop::option::weighted(0.2, (0..4u64).prop_map(|n| n * 1000));
    let as_of = prop::option::weighted(0.2, (0..60u64).prop_map(|n| NOW + n));
    (as_of, expired, any::<[bool; 4]>()).prop_map(
        |(as_of, drop_expired, [orphans, side_records, preserve_visibility, incomplete_uploads])| Ask {
            as_of,
            orphans,
            drop_expired,
            side_records,
            preserve_visibility,
            incomplete_uploads,
            packed: false,
        },
    )
}

/// Decodes with both in both layouts, and compares.
fn compare<Op: Debug>(adapter: Adapter, history: &History<Op>, ask: Ask, manner: &Manner) -> Result<(), TestCaseError> {
    for packed in [false, true] {
        let ask = Ask { packed, ..ask };
        let want = reference::decode(&history.files, adapter, &ask);
        let alone = Manner {
            threads: 1,
            granularity: Granularity::default(),
            archive: false,
            bundle: None,
            sealed: None,
            shards: None,
        };
        for manner in [&alone, manner] {
            let all = match (&want, engine(adapter, &history.files, &ask, manner)) {
                (Ok(want), Ok(got)) => differences(want, &got),
                // Rows of an object can be committed one after the other: an earlier state of S3 need not be whole.
                (Err(_), Err(error)) if adapter == adapter::S3 && ask.as_of.is_some() && error.is_damage() => continue,
                (Err(damage), Err(error)) => vec![damage.clone(), error.to_string()],
                (Err(damage), Ok(_)) => vec![format!("only the reference finds: {damage}")],
                (Ok(_), Err(error)) => vec![format!("only the engine finds: {error}")],
            };
            prop_assert!(all.is_empty(), "packed: {packed}, {manner:?}\n{}", all.join("\n"));
        }
    }
    Ok(())
}

fn engine(adapter: Adapter, files: &[Vec<u8>], ask: &Ask, manner: &Manner) -> ekvsnap::error::Result<Tree> {
    // Archives of the file system have names as they are: `tests/it/fs/archive.rs` compares them.
    let is_archive = manner.archive && adapter != adapter::FS;
    let form = |file: &Vec<u8>| {
        if !matches!(index::stream(file), Ok((index::Layout::Pebble, _))) {
            return file.clone();
        }
        let file = manner.sealed.map_or_else(|| file.clone(), |seed| sealed_from(file, seed));
        manner.bundle.map_or(file.clone(), |shape| bundle_of(&file, shape))
    };
    let keys = ring(&[1, 2, 3]);
    let source = |(i, file): (usize, &Vec<u8>)| {
        let source = Source::from_bytes(format!("{i}.fsm"), form(file));
        if manner.sealed.is_some() { decrypt(source, &keys, Access::Map, manner.granularity).unwrap() } else { source }
    };
    let mut sources: Vec<Source> = files.iter().enumerate().map(source).collect();
    let options = Options {
        adapters: vec![adapter],
        as_of: ask.as_of,
        include_orphans: ask.orphans,
        drop_expired: ask.drop_expired,
        include_sqs_side_records: ask.side_records,
        preserve_sqs_visibility: ask.preserve_visibility,
        include_incomplete_uploads: ask.incomplete_uploads,
        layout: if ask.packed { Layout::JSONL } else { Layout::TREE },
        archive: is_archive.then_some(Packing::Tar),
        threads: manner.threads,
        fsync: Some(false),
        granularity: manner.granularity,
        ..Options::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    let done = decode(&sources, &target, &options, &Silent);
    let is_empty = |error: &ekvsnap::Error| error.reason() == format!("nothing matches adapter {}", adapter.name());
    let of_all = done.as_ref().is_err_and(is_empty);
    if of_all {
        // Of a store without an object that is refused where one adapter is asked for, but not of all of them.
        let options = Options { adapters: adapter::BUILT_IN.to_vec(), ..options };
        decode(&sources, &target, &options, &Silent)?;
    } else {
        done?;
        if let Some(count) = manner.shards.filter(|_| !is_archive) {
            let merged = in_shards(&mut sources, count, dir.path(), &options)?;
            let all = differences(&read_tree(&target), &read_tree(&merged));
            assert!(all.is_empty(), "{count} shards differ from one machine:\n{}", all.join("\n"));
        }
    }
    let mut tree = match is_archive {
        true => read_archive(std::fs::File::open(&target).unwrap()).0,
        false => read_tree(&target),
    };
    tree.retain(|path, _| path != b"MANIFEST.json" && path != b"CHECKSUMS" && path != reference::fs::REPORT);
    // A stray row can be one of another adapter.
    let folder = format!("{}/", adapter.name());
    tree.retain(|path, _| !of_all || path.starts_with(folder.as_bytes()));
    Ok(tree)
}

/// Decodes in shards, the last one first, and merges them.
fn in_shards(
    sources: &mut [Source],
    count: u32,
    dir: &std::path::Path,
    options: &Options,
) -> ekvsnap::error::Result<std::path::PathBuf> {
    let (path, all, merged) = (dir.join("PLAN"), dir.join("shards"), dir.join("merged"));
    plan::write(&plan::plan(sources, options, &Silent)?, &path, false, sources)?;
    let mut planned = Planned::read(&path)?;
    planned.options.fsync = Some(false);
    for index in (0..count).rev() {
        plan::run(&planned, sources, Which { index, count }, &all, options.threads, &Silent)?;
    }
    let how = MergeOptions { threads: options.threads, ..MergeOptions::default() };
    plan::merge(&planned, sources, std::slice::from_ref(&all), &merged, how, &Silent)?;
    Ok(merged)
}

/// Data that rows cannot represent: two messages with one ID, an expiry of a string beyond 2^63, a name that is neither in the path nor in
/// the record.
const REFUSED: [&str; 3] = ["occurs twice", "has no row", "its path is not that of its queue"];

/// Decodes for a restore, encodes and decodes again: the files are the same. Data without a row is rejected with its name.
fn comes_back<Op: Debug>(adapter: Adapter, history: &History<Op>, manner: &Manner) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let (before, after, target) = (dir.path().join("before"), dir.path().join("after"), dir.path().join("x.fsm"));
    for layout in [Layout::TREE, Layout::JSONL] {
        let options =
            Options { adapters: vec![adapter], layout, granularity: manner.granularity, ..Options::default() };
        let options = Options { threads: manner.threads, fsync: Some(false), force: true, ..options.for_restore() };
        let source = |(i, file): (usize, &Vec<u8>)| Source::from_bytes(format!("{i}.fsm"), file.clone());
        let sources: Vec<Source> = history.files.iter().enumerate().map(source).collect();
        if decode(&sources, &before, &options, &Silent).is_err() {
            // Damaged, or without an object.
            return Ok(());
        }
        let asked = encode::Options { threads: manner.threads, fsync: Some(false), ..encode::Options::default() };
        match encode::encode(std::slice::from_ref(&before), &target, &asked, &Silent) {
            Err(error) if REFUSED.iter().any(|why| error.reason().contains(why)) => continue,
            encoded => drop(encoded?),
        }
        decode(&[Source::from_bytes("x.fsm", std::fs::read(&target).unwrap())], &after, &options, &Silent)?;
        let files = |path| {
            let mut tree = read_tree(path);
            crate::kit::fs::normalize(&mut tree);
            tree
        };
        let all = differences(&files(&before), &files(&after));
        prop_assert!(all.is_empty(), "{layout:?} {manner:?}\n{}", all.join("\n"));
        std::fs::remove_file(&target).unwrap();
    }
    Ok(())
}

/// Every difference, in words.
fn differences(want: &Tree, got: &Tree) -> Vec<String> {
    let show = |bytes: Option<&Vec<u8>>| bytes.map_or("no file".to_owned(), |bytes| bytes.escape_ascii().to_string());
    let paths: std::collections::BTreeSet<_> = want.keys().chain(got.keys()).collect();
    let differs = paths.into_iter().filter(|path| want.get(*path) != got.get(*path));
    let line = |path: &Vec<u8>| {
        format!("{}\n  want {}\n  got  {}", path.escape_ascii(), show(want.get(path)), show(got.get(path)))
    };
    differs.map(line).collect()
}
