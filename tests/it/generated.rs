//! The output of `examples/gen_snapshot` is valid: benches measure real work, and the bare form has the same data.

#[path = "../../examples/gen_snapshot/generator/mod.rs"]
mod generator;

use ekvsnap::decode::{Options, Silent, estimate};
use ekvsnap::source::Source;
use generator::{Form, Spec, WORKLOADS, Written};

use crate::kit::{Decoded, Tree, decoded};

/// Small, but with several collections, and objects of more than one chunk.
fn spec(workload: &str) -> Spec<'_> {
    let (scale, object_size) = match workload {
        "s3-large" => (3, Some((2 << 20) + 1)),
        "s3-both" => (24, Some((1 << 20) + 1)),
        "streams" | "mixed" => (1234, None),
        _ => (234, Some(100)),
    };
    Spec { workload, scale, seed: 7, form: Form::Stream, object_size }
}

fn made(spec: Spec<'_>) -> (Vec<u8>, Written) {
    let mut bytes = Vec::new();
    let written = generator::write(spec, &mut bytes).unwrap();
    assert_eq!(written.bytes, bytes.len() as u64);
    (bytes, written)
}

fn data(decoded: &Decoded) -> Tree {
    let mut tree = decoded.tree.clone();
    tree.retain(|path, _| path != b"MANIFEST.json" && path != b"CHECKSUMS");
    tree
}

#[test]
fn every_workload_is_sound() {
    for workload in WORKLOADS {
        let (bytes, written) = made(spec(workload));
        let counted = written.rows;
        let full = decoded(bytes);
        let counters = &full.outcome.manifest.counters;
        assert_eq!((counters.entries, counters.unknown), (written.rows, 0), "{workload}");
        let orphans = ("redis_orphan_ttl", 234 - 3);
        assert_eq!(full.warnings(), if workload == "ttl" { vec![orphans] } else { vec![] }, "{workload}");

        let (bytes, written) = made(Spec { form: Form::Bare, ..spec(workload) });
        assert!(bytes.starts_with(b"EKVPBBL1"), "{workload}");
        let bare = decoded(bytes);
        let counters = &bare.outcome.manifest.counters;
        assert_eq!((counters.entries, counters.live, counters.internal), (written.rows, written.rows, 0), "{workload}");
        assert!(data(&full) == data(&bare), "{workload}: the bare form is other data");

        let (bytes, of_bundle) =
            made(Spec { form: Form::Bundle { snappy: workload.len() % 2 == 0 }, ..spec(workload) });
        assert_eq!(of_bundle.rows, counted, "{workload}");
        assert!(data(&full) == data(&decoded(bytes)), "{workload}: the bundle is other data");
    }
}

#[test]
fn the_seed_decides() {
    for workload in WORKLOADS.into_iter().filter(|workload| !workload.starts_with("s3-")) {
        let first = made(spec(workload)).0;
        assert!(first == made(spec(workload)).0, "{workload}: the same seed, other bytes");
        assert!(first != made(Spec { seed: 8, ..spec(workload) }).0, "{workload}: another seed, the same bytes");
    }
}

/// Hostile snapshots are expensive, but all of them are intact, except those whose names say otherwise.
#[test]
fn hostile_kinds_are_sound() {
    for (kind, _) in generator::hostile::kinds() {
        let workload = format!("{}{kind}", generator::HOSTILE);
        // Of the damaged ones, not every row is.
        let scale = if kind.starts_with("damaged") { 600 } else { 5 };
        let (bytes, written) = made(Spec { scale, ..spec(&workload) });
        assert!(written.largest > 16 && written.largest < written.bytes, "{kind}");
        let source = Source::from_bytes(kind, bytes);
        let damaged = estimate(&[source], &Options::default(), &Silent).err().map(|error| error.to_string());
        assert_eq!(damaged.is_some(), kind.starts_with("damaged"), "{kind}: {damaged:?}");
    }
}
