//! Changes every byte of small real snapshots, and cuts them at every length: the result is the same tree, or an error.
//!
//! With a footer every change is detected. Without one a changed value cannot be distinguished from another value; then the run only has to
//! end with a tree or with a message.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use ekvsnap::Error;
use ekvsnap::decode::{Options, Silent, fill_nowhere, on_threads};
use ekvsnap::format::sst::writer::Shape;
use ekvsnap::source::Source;

use crate::kit::bundle::{TINY, bundle_of};
use crate::kit::fs;
use crate::kit::thin::thinned;

/// Digests of all files except the manifest, which has the checksum of the input; and whether there is a footer.
type Tree = (Vec<(Vec<u8>, [u8; 32])>, bool);

fn decoded(bytes: Vec<u8>) -> Result<Tree, Error> {
    let mut filled = fill_nowhere(&[Source::from_bytes("x.fsm", bytes)], &Options::default(), &Silent)?;
    let mut files = Vec::new();
    filled
        .checksums
        .merge(|path, entry| {
            files.extend((path != b"MANIFEST.json").then(|| (path.to_vec(), entry.digest)));
            Ok(())
        })
        .unwrap();
    Ok((files, filled.manifest.inputs[0].fsm_crc32c.is_some()))
}

/// Runs `check` for every number of a range, on all cores.
fn each(range: Range<usize>, check: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(range.start);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                on_threads(1, || {
                    loop {
                        match next.fetch_add(1, Ordering::Relaxed) {
                            at if at < range.end => check(at),
                            _ => break,
                        }
                    }
                })
                .unwrap();
            });
        }
    });
}

fn named(error: &Error, what: &str) {
    assert!(error.is_damage(), "{what}: {error}: not called damage");
    let empty = error.to_string().contains("0 bytes");
    assert!(empty || error.offset().is_some(), "{what}: {error}: no offset");
}

fn check(corpus: &str, whole: &[u8]) {
    let (tree, footer) = decoded(whole.to_vec()).unwrap();
    assert!(footer && tree.len() > 2, "{corpus}: {} files", tree.len());
    let bare = &whole[..whole.len() - 4];
    each(0..whole.len(), |at| {
        for mask in [0x01, 0x80, 0xff] {
            let mut flipped = whole.to_vec();
            flipped[at] ^= mask;
            match decoded(flipped) {
                Ok(_) => panic!("{corpus}: byte {at} ^ {mask:#x}: nobody noticed"),
                Err(error) => named(&error, &format!("{corpus}: byte {at} ^ {mask:#x}")),
            }
        }
        if at < bare.len() {
            let mut flipped = bare.to_vec();
            flipped[at] ^= 0x01;
            if let Err(error) = decoded(flipped) {
                named(&error, &format!("{corpus}: byte {at} without a footer"));
            }
        }
        // A file that was cut at the boundary of an entry is one without a footer, and says so.
        match decoded(whole[..at].to_vec()) {
            Ok((_, footer)) => assert!(!footer, "{corpus}: cut to {at} bytes"),
            Err(error) => named(&error, &format!("{corpus}: cut to {at} bytes")),
        }
    });
}

#[test]
fn redis() {
    check("redis-small", &thinned("redis-small"));
}

#[test]
fn dynamodb() {
    check("dynamodb-small", &thinned("dynamodb-small"));
}

#[test]
fn s3() {
    check("s3-small", &thinned("s3-small"));
}

#[test]
fn sqs() {
    check("sqs-small", &thinned("sqs-small"));
}

/// As a bundle: several files, blocks and levels of indexes.
#[test]
fn bundles() {
    check("redis-small as a bundle", &bundle_of(&thinned("redis-small"), Shape { file: 1500, ..TINY }));
}

#[test]
fn file_system() {
    check("a built file system", &fs::file(fs::base(1), "name", 7, b"body").build());
}
