//! `--on-error skip`: a row that cannot be read costs itself, and is listed.

use ekvsnap::decode::Options;
use ekvsnap::format::Family;

use crate::kit::build::{NOW, Snapshot, be, delta, entry, plain, sized};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::golden::differences;
use crate::kit::{Decoded, fs, run, run_with, s3};

fn lenient(inputs: &[Vec<u8>]) -> Decoded {
    let options = Options { skip_damage: true, ..Options::default() };
    run_with(inputs, &options).unwrap_or_else(|e| panic!("{e}"))
}

/// The losses, in the order of the file.
fn lost(decoded: &Decoded) -> Vec<serde_json::Value> {
    if !decoded.has("ERRORS.jsonl") {
        return Vec::new();
    }
    decoded.text("ERRORS.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Rows that their families cannot accept, of every adapter and of transactions.
pub fn damaged_rows() -> Vec<(Vec<u8>, Vec<u8>)> {
    let bucket = b"zzz\0\x01".to_vec();
    let object = [&bucket[..], &be(&[1]), b"k\0\x01"].concat();
    let rows: Vec<(Vec<u8>, &[u8])> = vec![
        (plain("!ddb|meta|table|", "enp6"), b"garbage"),
        (plain("!ddb|meta|table|", "***"), b"garbage"),
        (plain("!ddb|item|", "no generation"), b"garbage"),
        (plain("!ddb|item|enp6|1|", "key"), b"garbage"),
        (plain("!s3|bucket|meta|", &bucket), b"garbage"),
        (plain("!s3|bucket|meta|", "no end"), b"{}"),
        (plain("!s3|bucket|gen|", &bucket), b"garbage"),
        (plain("!s3|obj|head|", "short"), b"{}"),
        (plain("!s3|blob|", "short"), b"x"),
        (plain("!s3|chunkref|", &object), b"x"),
        (plain("!s3|chunkblob|", "not a digest"), b"x"),
        (plain("!s3|upload|meta|", "short"), b"x"),
        (plain("!sqs|queue|meta|", "enp6"), b"garbage"),
        (plain("!sqs|queue|gen|", "enp6"), b"garbage"),
        (plain("!sqs|queue|seq|", "enp6"), b"garbage"),
        (plain("!sqs|msg|data|", "short"), b"garbage"),
        (plain("!sqs|msg|data|enp6", [&be(&[1])[..], b"aWQ"].concat()), b"garbage"),
        (plain("!redis|str|", "bad"), b"\xff\x01"),
        (plain("!redis|hll|", "bad hll"), b"\xff\x02"),
        (plain("!redis|hash|", "bad hash"), b"garbage"),
        (sized("!hs|meta|", "bad meta", ""), b"short"),
        (plain("!hs|fld|", "x"), b"v"),
        (sized("!zs|mem|", "bad score", "m"), b"short"),
        (sized("!stream|meta|", "bad stream", ""), b"short"),
        (sized("!stream|entry|", "bad id", "short"), b"x"),
        (plain("!lst|meta|", "bad list"), b"short"),
        (plain("!lst|itm|", "short"), b"v"),
        (plain("!txn|lock|", "k"), b"garbage"),
        (plain("!txn|int|", "k"), b"garbage"),
        (plain("!txn|cmt|", "p"), b"garbage"),
    ];
    rows.into_iter().map(|(key, value)| (key, value.to_vec())).collect()
}

/// Every corpus as an input of one data set, and one input more with damage of every kind: the golden trees come out
/// whole.
#[test]
fn no_row_can_end_the_run_of_another_adapter() {
    let corpora = ["dynamodb-small", "s3-small", "redis-small", "sqs-small"].map(load);
    let mut inputs: Vec<Vec<u8>> = corpora.iter().flat_map(snapshots).collect();
    let rows = damaged_rows();
    let damaged = rows.iter().fold(Snapshot::new(), |snapshot, (key, value)| snapshot.put(key, value));
    let damaged = damaged.version(NOW, "!redis|str|encrypted", 2, 0, "x").version(NOW, "!s3|flags|", 8, 0, "x");
    inputs.push(damaged.build());
    let decoded = lenient(&inputs);
    for (files, adapter) in corpora.iter().zip(["dynamodb", "s3", "redis", "sqs"]) {
        assert_eq!(differences(files, "golden", adapter, &decoded.tree), [""; 0]);
    }
    let lost = lost(&decoded);
    assert_eq!(decoded.outcome.manifest.skipped, lost.len() as u64);
    for (key, _) in &rows {
        let is_it = |loss: &serde_json::Value| match &loss["key"] {
            serde_json::Value::String(text) => text.as_bytes() == key,
            binary => binary["base64"].is_string() && std::str::from_utf8(key).is_err(),
        };
        assert!(lost.iter().any(is_it), "{} is not listed", key.escape_ascii());
    }
    assert!(lost.iter().all(|loss| loss["input"] == "input-4.fsm" && loss["offset"].as_u64() > Some(0)));
    // One at a time they end a run that was not asked to go on.
    for (key, value) in &rows {
        assert!(run(&[Snapshot::new().put(key, value).build()]).is_err(), "{} was accepted", key.escape_ascii());
    }
}

#[test]
fn a_damaged_object_is_left_out_whole_and_its_neighbours_stay() {
    let entry_key = |seq| sized("!stream|entry|", "s", be(&[1, seq]));
    let snapshot = Snapshot::new()
        .put(sized("!stream|meta|", "s", ""), be(&[2, 1, 2]))
        .put(entry_key(1), entry("1-1", &[b"f", &[b'v'; 100]]))
        .put(entry_key(2), "garbage")
        .put(sized("!stream|meta|", "t", ""), be(&[0, 1, 2]))
        .put("!redis|str|k", "v");
    let decoded = lenient(&[snapshot.build()]);
    assert_eq!(decoded.below("redis/"), ["redis/db_0/streams/t.jsonl", "redis/db_0/strings/k.bin"]);
    let lost = lost(&decoded);
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0]["family"], "!stream|entry|");
    assert!(lost[0]["reason"].as_str().unwrap().contains("magic"), "{}", lost[0]);
    assert_eq!(lost[0]["rows"], 3, "the meta and both entries");
}

/// Every row that is not decoded is counted: those of a whole object with the one that cost it.
#[test]
fn rows_that_go_with_a_damaged_one_are_counted() {
    let hash = (0..7).fold(Snapshot::new(), |all, n| all.put(sized("!hs|fld|", "h", format!("f{n}")), "v"));
    let hash = hash.put(sized("!hs|meta|", "h", ""), "short").put(delta("!hs|meta|d|", "h", NOW, 0), be(&[7]));
    let hash = hash.put("!redis|ttl|h", be(&[NOW])).put(sized("!hs|fld|", "hh", "f"), "another key's");
    let lists = hash.put("!lst|meta|d|h", "short").put("!lst|meta|l", "short").put("!redis|str|s", b"\xff\x01");
    let items = lists.put(sized("!hs|meta|", "hh", ""), be(&[1])).version(NOW, "!redis|str|e", 2, 0, "encrypted");
    let lost = lost(&lenient(&[items.build()]));
    let rows = |key: &str| lost.iter().find(|loss| loss["key"].to_string().contains(key)).map(|loss| &loss["rows"]);
    assert_eq!(rows("!hs|meta|"), Some(&10.into()), "{lost:?}");
    assert_eq!(rows("!lst|meta|d|h"), None, "a client can write it: {lost:?}");
    assert_eq!(rows("!lst|meta|l"), Some(&1.into()), "{lost:?}");
    assert_eq!(rows("!redis|str|s"), Some(&1.into()), "{lost:?}");
    assert_eq!(rows("!redis|str|e"), Some(&1.into()), "{lost:?}");
}

/// So are the chunks of an object, and those of a file.
#[test]
fn rows_of_bodies_are_counted() {
    let object = s3::manifest(s3::base(), b"k", &serde_json::json!("no manifest"));
    let chunk = |n| s3::chunk(Family::S3Blob, b"k", s3::U, (1, n, 0));
    let object = (0..3).fold(object, |all, n| all.put(chunk(n), "part of the body"));
    let found = lost(&lenient(&[s3::put(object, "l", "sound").build()]));
    assert_eq!((found.len(), &found[0]["rows"]), (1, &4.into()), "{found:?}");
    let file = fs::put(fs::base(1), 2, &fs::inode(2, u64::MAX));
    let file = fs::chunk(fs::chunk(fs::name(file, 1, "f", 2, "file"), 2, 0, "a"), 2, 7, "b");
    let found = lost(&lenient(&[file.build()]));
    assert_eq!((found.len(), &found[0]["rows"]), (1, &2.into()), "its inode is in the metadata: {found:?}");
}

/// An unreadable newest version does not bring an older one back.
#[test]
fn an_unreadable_version_hides_older_ones() {
    let snapshot = Snapshot::new()
        .put_at(NOW, "!redis|str|k", "old")
        .version(NOW + 1, "!redis|str|k", 0x08, 0, "x")
        .put("!redis|str|z", "z");
    let decoded = lenient(&[snapshot.build()]);
    assert_eq!(decoded.below("redis/"), ["redis/db_0/strings/z.bin"]);
    assert_eq!(lost(&decoded).len(), 1);
}

#[test]
fn a_wrong_footer_is_listed_and_so_is_what_stands_behind_a_broken_frame() {
    let mut file = Snapshot::new().put("!redis|str|k", "v").build();
    *file.last_mut().unwrap() ^= 1;
    let decoded = lenient(std::slice::from_ref(&file));
    assert!(decoded.has("redis/db_0/strings/k.bin"));
    assert!(lost(&decoded)[0]["reason"].as_str().unwrap().contains("CRC32C"));
    assert_eq!(decoded.outcome.manifest.source.fsm_crc32c, None);
    let mut file = Snapshot::new().put("!redis|str|k", "v").put("!redis|str|l", "w").build();
    file.truncate(file.len() - 6);
    let decoded = lenient(&[file]);
    assert_eq!(decoded.below("redis/"), ["redis/db_0/strings/k.bin"]);
    assert!(lost(&decoded)[0]["reason"].as_str().unwrap().contains("up to the end of the file were not read"));
}

/// The same losses in the same order for any number of threads.
#[test]
fn losses_do_not_depend_on_threads() {
    let mut snapshot = Snapshot::new();
    for i in 0..2000 {
        let value = if i % 100 == 7 { b"\xff\x01".to_vec() } else { vec![b'v'; 5000] };
        snapshot = snapshot.put(format!("!redis|str|key:{i:06}"), value);
    }
    let file = snapshot.build();
    let with = |threads| {
        let options = Options { skip_damage: true, threads, ..Options::default() };
        run_with(std::slice::from_ref(&file), &options).unwrap().tree
    };
    let one = with(1);
    assert_eq!(one.keys().filter(|path| path.starts_with(b"redis/")).count(), 1980);
    assert!(with(3) == one && with(8) == one);
}
