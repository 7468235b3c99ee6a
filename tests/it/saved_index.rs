//! Saved indexes: they change no output, and one that does not match is not used.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ekvsnap::dataset::{DataSet, SkipLog};
use ekvsnap::decode::{Options, Silent, fill_nowhere};
use ekvsnap::format::frame;
use ekvsnap::index::Granularity;
use ekvsnap::index::saved::{MAGIC, Plan, beside};
use ekvsnap::output::checksums::Entry;
use ekvsnap::plan;
use ekvsnap::source::{Access, Source, settle};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};

/// Small corpora of all adapters: several groups, the `EKVMVCC2` stream, staged rows, transactions, expiries.
const CORPORA: [&str; 11] = [
    "redis-small",
    "redis-nasty",
    "dynamodb-small",
    "dynamodb-nasty",
    "s3-small",
    "sqs-small",
    "fs-small",
    "mvcc-interleave",
    "two-groups",
    "two-groups-pending",
    "expired-retype",
];
/// Two sizes of cuts.
const GRAINS: [Granularity; 2] = [
    Granularity { checkpoint_interval: 60, read_size: 100, task_size: 1000 },
    Granularity { checkpoint_interval: 500, read_size: 2000, task_size: 4000 },
];

/// Snapshots of a corpus as files.
fn files_of(corpus: &str, dir: &Path) -> Vec<PathBuf> {
    let write = |(i, bytes): (usize, Vec<u8>)| {
        let path = dir.join(format!("{i}.fsm"));
        fs::write(&path, bytes).unwrap();
        path
    };
    let files = snapshots(&load(corpus)).into_iter().enumerate().map(write).collect::<Vec<_>>();
    settle(&files);
    files
}

fn open(files: &[PathBuf]) -> Vec<Source> {
    files.iter().map(|file| Source::open(file, Access::Map).unwrap()).collect()
}

/// Every file with its digest, and the manifest.
fn output_of(sources: &[Source], options: &Options) -> Result<Vec<String>, String> {
    let mut filled = fill_nowhere(sources, options, &Silent).map_err(|e| e.to_string())?;
    let mut files = vec![serde_json::to_string(&filled.manifest).unwrap()];
    let each = |path: &[u8], entry: &Entry| {
        files.push(format!("{} {:?}", path.escape_ascii(), entry.digest));
        Ok(())
    };
    filled.checksums.merge(each).unwrap();
    Ok(files)
}

fn described(sources: &[Source], options: &Options) -> String {
    let set =
        DataSet::index_with(sources, options.as_of, options.granularity, SkipLog::new(options.skip_damage)).unwrap();
    set.inputs().map(|group| format!("{:#?}\n", group.index)).collect()
}

/// Every index that was read again is the one that was written, and so is every output, also for moments at which other rows are there.
#[test]
fn saved_indexes_change_no_output() {
    let mut used = 0;
    for corpus in CORPORA {
        let dir = tempfile::tempdir().unwrap();
        let files = files_of(corpus, dir.path());
        for granularity in GRAINS {
            let options = Options { granularity, ..Options::default() };
            let plan = plan::index(&open(&files), &options, &Silent).unwrap();
            let plan = Plan::decode(&plan.encode().unwrap()).unwrap();
            let (mut with, without) = (open(&files), open(&files));
            assert_eq!(plan.attach(&mut with), files.len(), "{corpus}");
            assert!(described(&with, &options) == described(&without, &options), "{corpus}");
            let newest = with.iter().map(|source| ekvsnap::index::last_commit_ts(source).unwrap()).max().unwrap();
            for as_of in [None, Some(newest), Some(newest.saturating_sub(1 << 20)), Some(newest + (1 << 50))] {
                let options = Options { as_of, skip_damage: as_of.is_none(), ..options.clone() };
                assert!(output_of(&with, &options) == output_of(&without, &options), "{corpus} {as_of:?}");
                used += 1;
            }
        }
    }
    assert_eq!(used, CORPORA.len() * GRAINS.len() * 4);
}

/// An index with other counts changes the reported counts, so that a test can see whether it is used.
#[test]
fn an_index_that_fits_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let files = files_of("expired-retype", dir.path());
    let options = Options::default();
    let mut plan = plan::index(&open(&files), &options, &Silent).unwrap();
    let honest = described(&open(&files), &options);
    let bytes = plan.inputs[0].index.clone().unwrap();
    let mut lies = 0;
    for at in (0..bytes.len()).step_by(5) {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        plan.inputs[0].index = Some(other);
        let mut sources = open(&files);
        assert_eq!(plan.attach(&mut sources), 1);
        // Whatever it says: no panic, in a run of all adapters.
        let _ = output_of(&sources, &options);
        lies += usize::from(described(&sources, &options) != honest);
    }
    assert!(lies > 10, "{lies} of {} bytes show", bytes.len());
}

/// One flipped bit, a truncation, a byte added at the end, another version: not read.
#[test]
fn damaged_files_are_no_plans() {
    let dir = tempfile::tempdir().unwrap();
    let files = files_of("two-groups", dir.path());
    let whole = plan::index(&open(&files), &Options::default(), &Silent).unwrap().encode().unwrap();
    assert!(Plan::decode(&whole).is_some());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        assert_eq!(Plan::decode(&bytes), None, "a bit at {at}");
        assert_eq!(Plan::decode(&whole[..at]), None, "cut at {at}");
    }
    assert_eq!(Plan::decode(&[&whole[..], b"\0"].concat()), None);
    let body = &whole[..whole.len() - 32];
    let version = body.windows(5).position(|word| word == &env!("CARGO_PKG_VERSION").as_bytes()[..5]).unwrap();
    let mut other = body.to_vec();
    other[version] += 1;
    assert_eq!(Plan::decode(&signed(other)), None);
    assert!(Plan::decode(&signed(body.to_vec())).is_some());
}

/// Bytes followed by a correct digest.
fn signed(mut body: Vec<u8>) -> Vec<u8> {
    let digest = Sha256::digest(&body);
    body.extend_from_slice(&digest);
    body
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    /// Bytes that somebody has put together with a right digest.
    #[test]
    fn no_bytes_make_it_panic(cut in 0..200usize, rest: Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let files = files_of("expired-retype", dir.path());
        let whole = plan::index(&open(&files), &Options::default(), &Silent).unwrap().encode().unwrap();
        let body = &whole[..whole.len() - 32];
        let forged = [&body[..cut.clamp(MAGIC.len(), body.len())], &rest[..]].concat();
        if let Some(plan) = Plan::decode(&signed(forged)) {
            let mut sources = open(&files);
            plan.attach(&mut sources);
            let _ = output_of(&sources, &Options::default());
        }
    }
}

/// The messages of a command about a damaged snapshot with an index next to it.
fn get(dir: &TempDir, flags: &[&str]) -> (i32, String) {
    let done = ekvsnap(dir.path(), &[&["get", "x.fsm", "redis:lua:x"], flags].concat());
    (code(&done), stderr(&done))
}

/// Changes a byte of the snapshot that `get` does not read, so that only the index pass detects it. The time of the last change of the
/// content stays, as after a careful forgery.
fn damage(snapshot: &Path) {
    let mut bytes = fs::read(snapshot).unwrap();
    let modified = fs::metadata(snapshot).unwrap().modified().unwrap();
    let mut at = bytes.len();
    let mut next = ekvsnap::index::stream(&bytes).unwrap().1;
    while let Ok(frame::Step::Entry(entry)) = frame::step(&bytes, next) {
        next = entry.end;
        at = if entry.raw_key.starts_with(b"!zs|mem|") { next - 1 } else { at };
    }
    bytes[at] ^= 1;
    fs::write(snapshot, bytes).unwrap();
    set_time(snapshot, modified);
}

fn set_time(file: &Path, time: SystemTime) {
    fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
}

fn with_side_car() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = dir.path().join("x.fsm");
    fs::write(&snapshot, &snapshots(&load("redis-small"))[0]).unwrap();
    let made = ekvsnap(dir.path(), &["plan", "x.fsm"]);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    (dir, snapshot)
}

#[test]
fn a_stale_side_car_is_not_used() {
    let (dir, snapshot) = with_side_car();
    assert_eq!(get(&dir, &[]).0, 0);
    damage(&snapshot);
    for flags in [&[][..], &["--index", "x.fsm.ekvindex"], &["--index", "none"]] {
        let (code, words) = get(&dir, flags);
        assert!(code == 2 && words.contains("CRC32C mismatch"), "{flags:?}: {code} {words}");
        assert_eq!(words.contains("warning: the index"), flags.contains(&"x.fsm.ekvindex"), "{words}");
    }
}

/// The footer stays in its place when another snapshot of the same length takes the name.
#[test]
fn a_foreign_side_car_is_not_used() {
    let (dir, snapshot) = with_side_car();
    let modified = fs::metadata(&snapshot).unwrap().modified().unwrap();
    let other = dir.path().join("other.fsm");
    fs::copy(&snapshot, &other).unwrap();
    damage(&other);
    set_time(&other, modified);
    fs::rename(&other, &snapshot).unwrap();
    let (code, words) = get(&dir, &[]);
    assert!(code == 2 && words.contains("CRC32C mismatch"), "{words}");
}

#[test]
fn a_damaged_side_car_is_not_used() {
    let (dir, snapshot) = with_side_car();
    let side_car = beside(&snapshot);
    let whole = fs::read(&side_car).unwrap();
    for bytes in [&b""[..], b"EKVPLAN1", &whole[..whole.len() / 2], &[&whole[..], b"x"].concat()] {
        fs::write(&side_car, bytes).unwrap();
        assert_eq!(get(&dir, &[]), (0, String::new()));
        let (code, words) = get(&dir, &["--index", "x.fsm.ekvindex"]);
        assert!(code == 0 && words.contains("is damaged, or of another version"), "{words}");
    }
    let (code, words) = get(&dir, &["--index", "missing"]);
    assert!(code == 1 && words.contains("cannot read missing"), "{code} {words}");
}

/// With the index a command does not see damage that it does not meet; `verify` reads everything.
#[test]
fn verify_reads_everything() {
    let (dir, snapshot) = with_side_car();
    let side_car = beside(&snapshot);
    damage(&snapshot);
    // An index whose file claims to be of the damaged snapshot.
    settle(std::slice::from_ref(&snapshot));
    let mut plan = Plan::read(&side_car).unwrap().unwrap().0;
    plan.inputs[0].identity = open(std::slice::from_ref(&snapshot))[0].identity();
    fs::write(&side_car, plan.encode().unwrap()).unwrap();
    assert_eq!(get(&dir, &[]), (0, String::new()));
    let (code_of_get, words) = get(&dir, &["--index", "none"]);
    assert!(code_of_get == 2 && words.contains("CRC32C mismatch"), "{words}");
    let verified = ekvsnap(dir.path(), &["verify", "x.fsm"]);
    assert_ne!(code(&verified), 0);
}

/// A plan replaces nothing but a plan.
#[test]
fn what_a_plan_replaces() {
    let (dir, _) = with_side_car();
    fs::write(dir.path().join("notes"), "mine").unwrap();
    for (args, want) in [
        (&["plan", "x.fsm"][..], 1),
        (&["plan", "x.fsm", "--force"], 0),
        (&["plan", "x.fsm", "-o", "notes", "--force"], 1),
        (&["plan", "x.fsm", "-o", "x.fsm", "--force"], 1),
        (&["plan", "-"], 2),
    ] {
        let done = ekvsnap(dir.path(), args);
        assert_eq!(code(&done), want, "{args:?}: {}", stderr(&done));
    }
    assert_eq!(fs::read(dir.path().join("notes")).unwrap(), b"mine");
}
