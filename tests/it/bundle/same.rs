//! The same rows as a bundle and as a plain stream decode to the same bytes.

use ekvsnap::decode::{Layout, Options};
use ekvsnap::error::Result;
use ekvsnap::format::sst::block::Payload;
use ekvsnap::format::sst::writer::Shape;
use serde_json::Value;

use crate::kit::bundle::{Parts, TINY, blocks_of, bundle_of, rows_of};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Decoded, Tree, run_with};

/// All files; of the manifest only the data, not the input file.
fn data(decoded: Decoded) -> (Tree, Value) {
    let mut tree = decoded.tree;
    let mut manifest: Value = serde_json::from_slice(&tree.remove(&b"MANIFEST.json"[..]).unwrap()).unwrap();
    tree.remove(&b"CHECKSUMS"[..]);
    for input in manifest["inputs"].as_array_mut().unwrap() {
        assert!(input["fsm_crc32c"].take().is_string() && input["bytes"].take().as_u64() > Some(200));
    }
    manifest["source"]["fsm_crc32c"].take();
    (tree, manifest)
}

fn check(corpus: &str, shape: Shape, layout: Layout, threads: usize) {
    let files = load(corpus);
    let plain = snapshots(&files);
    let bundles: Vec<Vec<u8>> = plain.iter().map(|file| bundle_of(file, shape)).collect();
    let options = Options { layout, threads, ..Options::default() };
    let run = |inputs: &[Vec<u8>]| run_with(inputs, &options).map(data).unwrap();
    let (want, got) = (run(&plain), run(&bundles));
    assert!(want.0 == got.0, "{corpus}: {shape:?}: other files");
    assert_eq!(want.1, got.1, "{corpus}: {shape:?}");
}

#[test]
fn corpora_in_both_forms() {
    for (n, corpus) in
        ["redis-small", "redis-nasty", "dynamodb-nasty", "sqs-nasty", "two-groups-pending"].iter().enumerate()
    {
        let layout = [Layout::TREE, Layout::JSONL][n % 2];
        check(corpus, Shape::default(), layout, 2);
        check(corpus, Shape { snappy: n % 2 == 0, file: 40_000, ..TINY }, layout, 1 + n);
    }
}

/// Large bodies: blocks of one row, stored and compressed side by side.
#[test]
fn objects_in_both_forms() {
    check("s3-small", Shape { file: 1 << 20, ..Shape::default() }, Layout::TREE, 3);
}

/// The number of threads makes no difference.
#[test]
fn any_number_of_threads() -> Result<()> {
    let bundle = bundle_of(&snapshots(&load("redis-small"))[0], TINY);
    let run = |threads| run_with(std::slice::from_ref(&bundle), &Options { threads, ..Options::default() });
    let want = run(1)?.tree;
    for threads in 2..=8 {
        assert!(run(threads)?.tree == want, "{threads} threads");
    }
    Ok(())
}

/// A bundle of a server, split into parts and written again: the data blocks are the same bytes.
#[test]
fn blocks_as_the_server_writes_them() {
    for corpus in ["sst-tiny", "sst-plain"] {
        let file = &snapshots(&load(corpus))[0];
        let theirs = Parts::parse(file);
        assert!(theirs.build() == *file, "{corpus}: front and footer");
        let source = ekvsnap::source::Source::from_bytes("x", file.clone());
        source.unpack(false).unwrap();
        let ours = Parts::of(rows_of(source.bytes()), Shape::default(), theirs.header);
        assert_eq!((ours.manifest.entry_count, ours.tables.len()), (theirs.manifest.entry_count, theirs.tables.len()));
        for (ours, theirs) in ours.tables.iter().zip(&theirs.tables) {
            let ((our_blocks, _), (their_blocks, _)) = (blocks_of(ours), blocks_of(theirs));
            let inflated = |table: &[u8], blocks: &[_]| -> Vec<Vec<u8>> {
                let inflate = |handle: &ekvsnap::format::sst::block::Handle| {
                    Payload::parse(handle.of(table).unwrap()).unwrap().inflate(&mut Vec::new()).unwrap().to_vec()
                };
                blocks.iter().map(inflate).collect()
            };
            assert!(inflated(ours, &our_blocks) == inflated(theirs, &their_blocks), "{corpus}: blocks");
        }
    }
}

/// A server without rows writes a bundle without files.
#[test]
fn an_empty_bundle_is_an_empty_store() -> Result<()> {
    let file = &snapshots(&load("sst-empty"))[0];
    let decoded = run_with(std::slice::from_ref(file), &Options::default())?;
    assert_eq!(decoded.tree.keys().collect::<Vec<_>>(), [&b"CHECKSUMS"[..], b"MANIFEST.json"]);
    let parts = Parts::parse(file);
    assert!(parts.tables.is_empty() && parts.build() == *file);
    Ok(())
}
