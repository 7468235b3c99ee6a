//! `encode`: a decode, an encode and a decode again give the same files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ekvsnap::Snapshot;
use ekvsnap::decode::{Layout, Options, Silent};
use ekvsnap::encode::{self, encode};
use ekvsnap::format::adapter;
use ekvsnap::layouts::reading::BlockSize;
use ekvsnap::output::archive::Packing;

use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, raw, snapshots};
use crate::kit::golden::EXTENDED;
use crate::kit::{Tree, build, fs, read_members};

const CORPORA: [&str; 17] = [
    "dynamodb-nasty",
    "dynamodb-small",
    "empty",
    "expired-retype",
    "fs-small",
    "incr-poison",
    "mvcc-interleave",
    "prefix-lock",
    "redis-nasty",
    "redis-small",
    "s3-nasty",
    "s3-small",
    "sqs-nasty",
    "sqs-small",
    "stale-ttl",
    "two-groups",
    "two-groups-pending",
];

/// The files of an output, except those about its inputs. For files with large holes `metadata.jsonl` has the digest.
fn files(path: &Path) -> Tree {
    let mut files = match path.is_dir() {
        true => fs::read_files(path),
        false => read_members(path),
    };
    files.remove(&b"fs/report.json"[..]);
    assert!(files.remove(&b"MANIFEST.json"[..]).is_some() && files.remove(&b"CHECKSUMS"[..]).is_some());
    files
}

fn encoded(outputs: &[&Path], target: &Path, threads: usize) -> ekvsnap::Result<encode::Outcome> {
    encoded_in(BlockSize::default(), outputs, target, threads)
}

fn encoded_in(blocks: BlockSize, outputs: &[&Path], target: &Path, threads: usize) -> ekvsnap::Result<encode::Outcome> {
    let outputs: Vec<_> = outputs.iter().map(|path| path.to_path_buf()).collect();
    let options = encode::Options { threads, blocks, fsync: Some(false), ..encode::Options::default() };
    encode(&outputs, target, &options, &Silent)
}

/// Blocks of one line each, of some lines, and lines that are longer than a block may become.
const BLOCKS: [(BlockSize, usize); 3] = [
    (BlockSize { bytes: 1, longest: 1 << 20, small: 0 }, 3),
    (BlockSize { bytes: 400, longest: 1 << 20, small: 0 }, 8),
    (BlockSize { bytes: 30, longest: 90, small: 0 }, 2),
];

/// The first path at which two outputs differ.
fn difference(a: &Tree, b: &Tree) -> Option<String> {
    let paths = a.keys().chain(b.keys()).filter(|path| a.get(*path) != b.get(*path));
    let text = |tree: &Tree, path: &Vec<u8>| tree.get(path).map(|bytes| bytes.escape_ascii().to_string());
    paths.map(|path| format!("{}: {:?} and {:?}", path.escape_ascii(), text(a, path), text(b, path))).next()
}

#[test]
fn a_snapshot_comes_back() {
    let (mut rows, mut made) = (0, 0);
    for corpus in CORPORA {
        for (n, bytes) in snapshots(&load(corpus)).into_iter().enumerate() {
            let snapshot = Snapshot::from_bytes("input.fsm", bytes);
            let dir = tempfile::tempdir().unwrap();
            let mut first: Option<Vec<u8>> = None;
            for (name, layout, part_size, archive) in [
                ("tree", Layout::TREE, None, None),
                ("lines", Layout::JSONL, None, None),
                ("parts", Layout::JSONL, Some(1), None),
                ("parts.tar", Layout::JSONL, Some(300), Some(Packing::Tar)),
                ("x.tar", Layout::TREE, None, Some(Packing::Tar)),
            ] {
                let adapters = adapter::BUILT_IN.to_vec();
                let options = Options { adapters, layout, part_size, archive, ..Options::default() }.for_restore();
                let (before, after) = (dir.path().join(name), dir.path().join(format!("again-{name}")));
                match snapshot.decode(&before, &options, &Silent) {
                    Err(error) if error.to_string().contains("nothing matches") => continue,
                    decoded => drop(decoded.unwrap()),
                }
                let target = dir.path().join(format!("{name}.fsm"));
                let outcome = encoded(&[&before], &target, 2).unwrap_or_else(|e| panic!("{corpus} {n} {name}: {e}"));
                let written = std::fs::read(&target).unwrap();
                let again = Snapshot::from_bytes("again.fsm", written.clone());
                again.decode(&after, &options, &Silent).unwrap();
                let differs = difference(&files(&before), &files(&after));
                assert!(differs.is_none(), "{corpus} {n} {name}: {}", differs.unwrap());
                // Neither the layout nor the number of threads shows in it.
                assert!(first.get_or_insert(written.clone()) == &written, "{corpus} {n} {name}");
                let again = dir.path().join(format!("{name}-again.fsm"));
                let blocks = ["parts.tar", "lines", "parts"].iter().position(|form| *form == name).map(|n| BLOCKS[n]);
                for (blocks, threads) in blocks.into_iter().chain([(BlockSize::default(), 1)]) {
                    encoded_in(blocks, &[&before], &again, threads).unwrap();
                    assert!(std::fs::read(&again).unwrap() == written, "{corpus} {n} {name} {blocks:?}");
                    std::fs::remove_file(&again).unwrap();
                }
                (rows, made) = (rows + outcome.rows, made + 1);
            }
        }
    }
    assert!(made > 30 && rows > 9000, "{made} snapshots, {rows} rows");
}

/// Without `--for-restore` a client still sees the same.
#[test]
fn an_output_of_any_flags() {
    for corpus in ["redis-small", "redis-nasty", "sqs-small", "sqs-nasty"] {
        let snapshot = Snapshot::from_bytes("input.fsm", snapshots(&load(corpus)).remove(0));
        let dir = tempfile::tempdir().unwrap();
        for all in [false, true] {
            let options = Options {
                adapters: adapter::BUILT_IN.to_vec(),
                layout: Layout::JSONL,
                preserve_sqs_visibility: all,
                include_sqs_side_records: all,
                include_orphans: all,
                ..Options::default()
            };
            let [before, after, target] =
                ["before", "after", "x.fsm"].map(|name| dir.path().join(format!("{all}-{name}")));
            snapshot.decode(&before, &options, &Silent).unwrap();
            encoded(&[&before], &target, 0).unwrap();
            let (again, (blocks, threads)) = (dir.path().join(format!("{all}-again.fsm")), BLOCKS[1]);
            encoded_in(blocks, &[&before], &again, threads).unwrap();
            assert!(std::fs::read(&again).unwrap() == std::fs::read(&target).unwrap(), "{corpus} {all}");
            let plain = Options { include_sqs_side_records: false, include_orphans: false, ..options };
            Snapshot::open(&[&target]).unwrap().decode(&after, &plain, &Silent).unwrap();
            let mut before = files(&before);
            before
                .retain(|path, _| !path.ends_with(b".side.jsonl") && !path.windows(9).any(|part| part == b"/_orphans"));
            // Queues without `generation`, and FIFO queues without their last number, have been given one.
            let told =
                |tree: Tree| -> Tree { tree.into_iter().filter(|(path, _)| !path.ends_with(b".queue.json")).collect() };
            let differs = difference(&told(before), &told(files(&after)));
            assert!(differs.is_none(), "{corpus} {all}: {}", differs.unwrap());
        }
    }
}

/// The first damaged line is named by its number in the file, whatever the blocks.
#[test]
fn a_damaged_line() {
    let dir = tempfile::tempdir().unwrap();
    let (out, target) = (dir.path().join("out"), dir.path().join("x.fsm"));
    let rows = (0..40).fold(build::Snapshot::new(), |rows, n| {
        rows.put(format!("!redis|str|key-{n:02}").as_bytes(), format!("\u{1}\0value {n}").as_bytes())
    });
    let options = Options { layout: Layout::JSONL, ..Options::default() };
    Snapshot::from_bytes("x.fsm", rows.build()).decode(&out, &options, &Silent).unwrap();
    let file = out.join("redis/db_0/strings.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 40, "{text}");
    let with = |damaged: &[(usize, &str)]| {
        let mut lines = lines.clone();
        damaged.iter().for_each(|(n, line)| lines[n - 1] = line);
        lines.join("\n")
    };
    let long = format!("{{\"key\":\"{}\",\"valu\":1}}", "x".repeat(300));
    for (text, words) in [
        (with(&[(17, "{}"), (18, "["), (40, "{")]) + "\n", "line 17: missing field"),
        (with(&[(23, &long), (31, "{}")]) + "\n", "line 23: unknown field"),
        (with(&[]), "line 40: it has no line feed"),
        (with(&[(1, "")]) + "\n", "line 1: EOF"),
    ] {
        std::fs::write(&file, text).unwrap();
        for (blocks, threads) in BLOCKS.into_iter().chain([(BlockSize::default(), 2)]) {
            let error = encoded_in(blocks, &[&out], &target, threads).unwrap_err().to_string();
            assert!(error.contains(words), "{blocks:?}: {error}");
        }
    }
}

/// What the store keeps for itself, byte by byte.
#[test]
fn the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (out, target) = (dir.path().join("out"), dir.path().join("00000000000000ff.fsm"));
    let rows = build::Snapshot::new().put_at(7 << 16, b"!redis|str|k", b"\xff\x01\0v");
    Snapshot::from_bytes("x.fsm", rows.build()).decode(&out, &Options::default(), &Silent).unwrap();
    let outcome = encoded(&[&out], &target, 0).unwrap();
    assert_eq!((outcome.rows, outcome.index, outcome.last_commit_ts), (1, Some(255), 7 << 16));
    let entry = |key: &[u8], value: &[u8]| {
        let len = |bytes: &[u8]| (bytes.len() as u64).to_le_bytes();
        [&len(key), key, &len(value), value].concat()
    };
    let ts = (7u64 << 16).to_le_bytes();
    let want = [
        &b"EKVTHLC1\0\0\0\0\0\0\0\x08EKVPBBL1"[..],
        &ts,
        &entry(b"!redis|str|k\xff\xff\xff\xff\xff\xf8\xff\xff", b"\0\0\0\0\0\0\0\0\0\xff\x01\0v"),
        &entry(b"_meta_applied_index", &255u64.to_le_bytes()),
        &entry(b"_meta_last_commit_ts", &ts),
        &entry(b"_meta_min_retained_ts", &ts),
    ];
    assert_eq!(
        std::fs::read(&target).unwrap().escape_ascii().to_string(),
        build::with_footer(want.concat()).escape_ascii().to_string()
    );
}

/// Several outputs become one snapshot; what cannot be one is refused, and leaves nothing.
#[test]
fn several_outputs() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let decoded = |name: &str, ts: u64, key: &[u8], value: &[u8]| {
        let rows = build::Snapshot::new().put_at(ts << 16, key, value);
        Snapshot::from_bytes("x.fsm", rows.build()).decode(&path(name), &Options::default(), &Silent).unwrap();
    };
    decoded("a", 7, b"!redis|str|a", b"\xff\x01\0v");
    decoded("b", 9, b"!redis|str|b", b"\xff\x01\0v");
    decoded("same", 9, b"!redis|str|a", b"\xff\x01\0w");
    decoded("other", 9, b"!st|mem|\0\0\0\x01amember", b"");
    let outcome = encoded(&[&path("a"), &path("b")], &path("ab.fsm"), 0).unwrap();
    assert_eq!((outcome.rows, outcome.last_commit_ts), (2, 9 << 16));
    for (other, is_damage, words) in [("same", true, "occurs twice"), ("other", false, "key \"a\" differs")] {
        let error = encoded(&[&path("a"), &path(other)], &path("x.fsm"), 0).unwrap_err();
        assert!(error.is_damage() == is_damage && error.to_string().contains(words), "{error}");
    }
    let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a", "ab.fsm", "b", "other", "same"]);
}

#[test]
fn the_command() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    assert_eq!(code(&run(&["decode", "in.fsm", "-o", "out", "--for-restore"])), 0);
    assert_eq!(code(&run(&["encode", "out", "-o", "again.fsm", "--strict"])), 0);
    assert_eq!(code(&run(&["verify", "again.fsm"])), 0);
    assert_eq!(code(&run(&["diff", "in.fsm", "again.fsm"])), 0);
    let there = run(&["encode", "out", "-o", "again.fsm"]);
    assert!(code(&there) == 1 && stderr(&there).contains("exists"), "{}", stderr(&there));
    assert_eq!(code(&run(&["decode", "in.fsm", "-o", "plain"])), 0);
    let plain = run(&["encode", "plain", "-o", "plain.fsm", "--strict"]);
    assert!(code(&plain) == 4 && stderr(&plain).contains("--for-restore"), "{}", stderr(&plain));
    assert_eq!(code(&run(&["encode", "in.fsm", "-o", "x.fsm"])), 2);
    assert_eq!(code(&run(&["encode", "-", "-o", "x.fsm"])), 64);
    let twice = run(&["encode", "out", "./out", "-o", "x.fsm"]);
    assert!(code(&twice) == 1 && stderr(&twice).contains("are the same directory"), "{}", stderr(&twice));
    // A file that was changed.
    std::fs::write(dir.path().join("out/redis/db_0/strings/new.bin"), "x").unwrap();
    let changed = run(&["encode", "out", "-o", "x.fsm"]);
    assert!(code(&changed) == 2 && stderr(&changed).contains("new.bin"), "{}", stderr(&changed));
    assert!(!dir.path().join("x.fsm").exists());
}

/// A tree of the public decoder, which has neither generations nor counts.
#[test]
fn trees_of_the_public_decoder() {
    let manifest = serde_json::json!({
        "format_version": 1, "phase": "phase0-snapshot-decode", "elastickv_version": "dev", "last_commit_ts": 7 << 16,
        "wall_time_iso": "2026-01-02T03:04:05.6Z", "source": { "fsm_path": "x" },
        "adapters": { "redis": {}, "sqs": {}, "dynamodb": {}, "s3": {} },
        "exclusions": {
            "include_incomplete_uploads": false, "include_orphans": false, "preserve_sqs_visibility": false,
            "include_sqs_side_records": false,
        },
        "checksum_algorithm": "sha256", "checksum_format": "sha256sum", "encoded_filename_charset": "r",
        "key_segment_max_bytes": 240, "s3_meta_suffix": "m", "s3_collision_strategy": "s", "dynamodb_layout": "per-item",
    });
    for corpus in ["redis-small", "sqs-small", "dynamodb-small", "s3-small"] {
        let dir = tempfile::tempdir().unwrap();
        let [out, again, target] = ["out", "again", "x.fsm"].map(|name| dir.path().join(name));
        let golden =
            raw(corpus).into_iter().filter_map(|(name, bytes)| Some((name.strip_prefix(b"golden/")?.to_vec(), bytes)));
        let mut golden: Tree = golden.collect();
        golden.insert(b"MANIFEST.json".to_vec(), manifest.to_string().into_bytes());
        let mut sums = Vec::new();
        for (name, bytes) in &golden {
            let path = out.join(OsStr::from_bytes(name));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
            let digest = <sha2::Sha256 as sha2::Digest>::digest(bytes);
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let escaped = |byte: &u8| match byte {
                b'\n' => b"\\n".to_vec(),
                b'\r' => b"\\r".to_vec(),
                b'\\' => b"\\\\".to_vec(),
                byte => vec![*byte],
            };
            let shown: Vec<u8> = name.iter().flat_map(escaped).collect();
            let mark = if shown == *name { "" } else { "\\" };
            sums.extend([mark.as_bytes(), digest.as_bytes(), b"  ", &shown, b"\n"].concat());
        }
        std::fs::write(out.join("CHECKSUMS"), sums).unwrap();
        encoded(&[&out], &target, 0).unwrap();
        Snapshot::open(&[&target]).unwrap().decode(&again, &Options::default(), &Silent).unwrap();
        let again = files(&again);
        let mut same = 0;
        for (name, bytes) in &golden {
            // A key map has a line for each use of a name there.
            let own = name.ends_with(b"KEYMAP.jsonl") || *name == b"MANIFEST.json";
            let got = again.get(name);
            // The order of expiries there is that of the rows.
            let lines = |bytes: &Vec<u8>| {
                let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                lines[..].sort_by_key(|line| name.ends_with(b"_ttl.jsonl").then(|| line.clone()));
                lines
            };
            // To some documents we add members.
            let is_extended = EXTENDED.iter().any(|end| name.ends_with(end.as_bytes()));
            let has_members = |got: &Vec<u8>| {
                let parsed = |bytes| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes).ok();
                let (Some(want), Some(got)) = (parsed(bytes), parsed(got)) else { return false };
                want.iter().all(|(member, value)| got.get(member) == Some(value))
            };
            assert!(
                own || got.map(lines) == Some(lines(bytes)) || (is_extended && got.is_some_and(has_members)),
                "{corpus} {}: {:?}",
                name.escape_ascii(),
                got.map(|got| got.escape_ascii().to_string())
            );
            same += usize::from(!own);
        }
        assert!(same >= 10, "{corpus}: {same}");
    }
}
