//! `--layout aws-export`: it agrees with the packed lines, its manifests are correct, and nothing depends on threads.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ekvsnap::decode::{Layout, Options};
use ekvsnap::format::adapter;
use ekvsnap::index::Granularity;
use md5::{Digest as _, Md5};
use serde_json::Value;

use crate::kit::build::{Snapshot, Version, mvcc2};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::V::{B, N, S};
use crate::kit::ddb::{Table, V, body, field, item, table};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Decoded, Tree, read_tree, run_with};

fn options() -> Options {
    Options { layout: Layout::AWS_EXPORT, adapters: vec![adapter::DYNAMODB], ..Options::default() }
}

fn parsed(bytes: &[u8]) -> Vec<Value> {
    std::str::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A gzip member: readers that stop after the first one must see all of it.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut all) = (flate2::bufread::GzDecoder::new(bytes), Vec::new());
    reader.read_to_end(&mut all).unwrap();
    assert!(reader.into_inner().is_empty());
    all
}

fn md5(bytes: &[u8]) -> (String, String) {
    let digest = Md5::digest(bytes);
    (STANDARD.encode(digest), digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The objects of a table's export, in order, according to its manifests.
#[track_caller]
fn objects(tree: &Tree, table: &str) -> Vec<Vec<u8>> {
    let file = |key: &str| &tree[format!("dynamodb/{key}").as_bytes()];
    let folder = format!("dynamodb/{table}/AWSDynamoDB/");
    let summaries: Vec<&Vec<u8>> = tree
        .keys()
        .filter(|path| path.starts_with(folder.as_bytes()) && path.ends_with(b"/manifest-summary.json"))
        .collect();
    let [summary] = summaries[..] else { panic!("{table}: {summaries:?}") };
    let path = std::str::from_utf8(summary).unwrap();
    let told: Value = serde_json::from_slice(&tree[summary]).unwrap();
    let id = path.strip_prefix(&folder).unwrap().strip_suffix("/manifest-summary.json").unwrap();
    assert!(told["exportArn"].as_str().unwrap().ends_with(&format!("/export/{id}")));
    assert_eq!((&told["exportType"], &told["s3Prefix"]), (&Value::from("FULL_EXPORT"), &Value::from(table)));
    let base = path.strip_suffix("-summary.json").unwrap();
    for which in ["summary", "files"] {
        let stem = base.strip_suffix("manifest").unwrap();
        let bytes = |end: &str| &tree[format!("{stem}manifest-{which}.{end}").as_bytes()];
        assert_eq!(bytes("md5").as_slice(), md5(bytes("json")).0.as_bytes());
    }
    assert!(file(&format!("{table}/AWSDynamoDB/{id}/_started")).is_empty());
    let (mut all, mut items) = (Vec::new(), 0);
    for line in parsed(file(told["manifestFilesS3Key"].as_str().unwrap())) {
        let packed = file(line["dataFileS3Key"].as_str().unwrap());
        let bytes = unpacked(packed);
        assert_eq!(
            (line["md5Checksum"].as_str().unwrap(), line["etag"].as_str().unwrap()),
            (&*md5(packed).0, &*md5(packed).1)
        );
        assert_eq!(line["itemCount"], parsed(&bytes).len());
        items += parsed(&bytes).len();
        all.push(bytes);
    }
    assert_eq!(told["itemCount"], items);
    let data = format!("{folder}{id}/data/");
    assert_eq!(tree.keys().filter(|path| path.starts_with(data.as_bytes())).count(), all.len(), "no other objects");
    let parameters: Value = serde_json::from_slice(file(&format!("{table}/import-table.json"))).unwrap();
    assert_eq!(parameters["S3BucketSource"]["S3KeyPrefix"], data.strip_prefix("dynamodb/").unwrap());
    all
}

/// Items as sorted texts.
fn sorted<'v>(items: impl Iterator<Item = &'v Value>) -> Vec<String> {
    let mut all: Vec<String> = items.map(|line| line["Item"].to_string()).collect();
    all.sort();
    all
}

fn refused(tree: &Tree, table: &str) -> Vec<Value> {
    tree.get(format!("dynamodb/{table}/refused.jsonl").as_bytes()).map(|bytes| parsed(bytes)).unwrap_or_default()
}

const CORPORA: [&str; 2] = ["dynamodb-small", "dynamodb-nasty"];

#[test]
fn an_export_has_what_lines_have() {
    for corpus in CORPORA {
        let inputs = snapshots(&load(corpus));
        let of_lines =
            run_with(&inputs, &Options { layout: Layout::JSONL, include_orphans: true, ..options() }).unwrap();
        for part_size in [None, Some(1), Some(2000)] {
            let export = run_with(&inputs, &Options { part_size, include_orphans: true, ..options() }).unwrap();
            let mut tables = 0;
            for path in of_lines.below("dynamodb/") {
                if path.ends_with(".schema.json") || path.starts_with("dynamodb/_orphans/") {
                    assert_eq!(export.text(&path), of_lines.text(&path), "{corpus}");
                    continue;
                }
                let name = path.strip_prefix("dynamodb/").unwrap().strip_suffix(".jsonl").unwrap();
                let (objects, refused) = (objects(&export.tree, name), refused(&export.tree, name));
                let got: Vec<Value> = objects.iter().flat_map(|bytes| parsed(bytes)).collect();
                let with_item = refused.iter().filter(|line| line.get("Item").is_some());
                let want = parsed(of_lines.text(&path).as_bytes());
                assert_eq!(sorted(got.iter().chain(with_item)), sorted(want.iter()), "{corpus} {name}");
                let order: Vec<String> = got.iter().map(|line| line["Item"].to_string()).collect();
                assert!(got.len() < 20 || order != sorted(got.iter()), "{corpus} {name}: the order of keys is left");
                let size = part_size.unwrap_or(u64::MAX);
                let is_full = |bytes: &Vec<u8>| bytes.len() as u64 >= size;
                assert!(objects[..objects.len() - 1].iter().all(is_full), "{corpus} {name}");
                assert!(size > 1 || objects.len() >= got.len(), "{corpus} {name}: an object for each item");
                tables += 1;
            }
            assert!(tables > 1, "{corpus}");
            let others = |decoded: &Decoded| -> Vec<(String, u64)> {
                let warnings = decoded.warnings().into_iter().filter(|(event, _)| *event != "aws_refused");
                warnings.map(|(event, count)| (event.to_owned(), count)).collect()
            };
            assert_eq!(others(&export), others(&of_lines), "{corpus}");
        }
    }
}

#[test]
fn nothing_depends_on_threads_or_on_how_work_is_cut() {
    let tiny = Granularity { checkpoint_interval: 1, read_size: 1, task_size: 1 };
    for corpus in CORPORA {
        let inputs = snapshots(&load(corpus));
        let of = |threads, granularity| {
            let asked = Options { threads, granularity, part_size: Some(3000), include_orphans: true, ..options() };
            run_with(&inputs, &asked).unwrap().tree
        };
        let want = of(1, Granularity::default());
        for (threads, granularity) in [(8, Granularity::default()), (3, tiny)] {
            assert!(of(threads, granularity) == want, "{corpus} with {threads} threads");
        }
    }
}

/// An item with a value of some kind in addition to its key.
fn with(keys: &[V<'_>], name: &str, value: &[u8]) -> Vec<u8> {
    let mut body = item(&["pk", "sk"].into_iter().zip(keys.iter().copied()).collect::<Vec<_>>());
    body.extend(field(1, &[field(1, name.as_bytes()), field(2, value)].concat()));
    body
}

fn lists(levels: usize) -> Vec<u8> {
    (0..levels).fold(field(2, b"1"), |inside, _| field(9, &field(1, &inside)))
}

fn set(number: u64, members: &[&str]) -> Vec<u8> {
    field(number, &members.iter().flat_map(|member| field(1, member.as_bytes())).collect::<Vec<_>>())
}

/// Each limit, with the last value that is accepted and the first that is not.
#[test]
fn what_aws_refuses() {
    let t: Table<'_> = table(b"orders").types("S", Some("N"));
    let n = |text: &str| field(2, text.as_bytes());
    let nines = "9".repeat(38);
    let large = |bytes: usize| field(3, &vec![7; bytes]);
    // An item of `pk`, `sk` and `v` with a key of one character each: 400 KiB in all.
    let most = (400 << 10) - "pkskv".len() - 1 - 2;
    let cases: Vec<(&str, Vec<u8>, Option<&str>)> = vec![
        ("number", n(&nines), None),
        ("number", n(&format!("{nines}9")), Some("39 digits")),
        ("number", n(&format!("{nines}000")), None),
        ("number", n("9.9e125"), None),
        ("number", n("1e126"), Some("1e126")),
        ("number", n("-1e-130"), None),
        ("number", n("1e-131"), Some("1e-131")),
        ("number", n("0e999"), None),
        ("number", n(" 1"), Some("no decimal")),
        ("number", n("1/2"), Some("no decimal")),
        ("number", n(&format!("{}1", "0".repeat(256))), Some("257 characters")),
        ("size", large(most), None),
        ("size", large(most + 1), Some("409601 bytes")),
        ("levels", lists(32), None),
        ("levels", lists(33), Some("32 levels")),
        ("set", set(6, &["a", "b", ""]), None),
        ("set", set(6, &[]), Some("empty")),
        ("set", set(6, &["a", "b", "a"]), Some("twice")),
        ("set", set(8, &["a", "a"]), Some("twice")),
        ("set", set(7, &["1", "2"]), None),
        ("set", set(7, &["1", "1.0"]), Some("twice")),
        ("set", set(7, &["x"]), Some("no decimal")),
        ("null", vec![0x28, 1], None),
        ("null", vec![0x28, 0], Some("NULL is false")),
        ("inside", field(9, &field(1, &[0x28, 0])), Some("NULL is false")),
        ("inside", field(10, &field(1, &[field(1, b""), field(2, &n("1"))].concat())), Some("no name")),
        ("", n("1"), Some("no name")),
    ];
    let mut snapshot = Snapshot::new().table(&t);
    let keys: Vec<(String, String)> =
        ('0'..='9').chain('A'..='Z').take(cases.len()).map(|key| (key.into(), "1".to_owned())).collect();
    for ((name, value, _), (hash, range)) in cases.iter().zip(&keys) {
        // The name `v`, but where the case is about names: sizes are counted with it.
        let name = if name.is_empty() { "" } else { "v" };
        let keys = [S(hash), N(range)];
        snapshot = snapshot.put(t.key(&keys), with(&keys, name, value));
    }
    let long = "x".repeat(2049);
    let odd: [([V<'_>; 2], &str); 4] = [
        ([S(""), N("1")], "is empty"),
        ([S(&long), N("1")], "2049 bytes, 2048 are allowed"),
        ([B(b"b"), N("1")], "is B, the table declares S"),
        ([S("s"), S("1")], "is S, the table declares N"),
    ];
    for (keys, _) in &odd {
        snapshot = snapshot.put(t.key(keys), with(keys, "v", &n("1")));
    }
    let export = run_with(&[snapshot.build()], &options()).unwrap();
    let refused = refused(&export.tree, "orders");
    let why = |key: &str| {
        let line = refused.iter().find(|line| line["key"] == *key)?;
        assert!(line["Item"].is_object());
        Some(line["why"].as_str().unwrap().to_owned())
    };
    for ((name, _, want), (hash, range)) in cases.iter().zip(&keys) {
        let why = why(&format!("dynamodb:orders/{hash}/{range}"));
        let is_right = match (want, &why) {
            (None, None) => true,
            (Some(want), Some(why)) => why.contains(want),
            _ => false,
        };
        assert!(is_right, "{name}: want {want:?}, it is {why:?}");
    }
    let raw = |value: V<'_>| match value {
        S(text) | N(text) => text.to_owned(),
        _ => "b".to_owned(),
    };
    for (keys, want) in odd {
        let why = why(&format!("dynamodb:orders/{}/{}", raw(keys[0]), raw(keys[1])));
        assert!(why.as_ref().is_some_and(|why| why.contains(want)), "want {want}, it is {why:?}");
    }
    let count = refused.len() as u64;
    assert_eq!(export.warnings(), [("aws_refused", count)]);
    let left: usize = objects(&export.tree, "orders").iter().map(|bytes| parsed(bytes).len()).sum();
    assert_eq!(left + refused.len(), cases.len() + 4);
    let manifest: Value = serde_json::from_str(export.text("MANIFEST.json")).unwrap();
    let kinds = manifest["adapters"]["dynamodb"]["scopes"][0]["kinds"].as_array().unwrap();
    let of = |kind: &str| kinds.iter().find(|counted| counted["kind"] == kind).map(|counted| &counted["objects"]);
    assert_eq!((of("refused"), of("items")), (Some(&count.into()), Some(&left.into())), "{kinds:?}");
}

/// Tables with names and indexes that AWS does not take, and one without items.
#[test]
fn tables_that_aws_refuses() {
    let indexes: Vec<u8> = (0..21)
        .flat_map(|i| {
            let key = field(1, &[field(1, b"g"), field(2, b"")].concat());
            field(4, &[field(1, format!("index-{i:02}").as_bytes()), field(2, &key)].concat())
        })
        .collect();
    let many = table(b"many");
    let snapshot = Snapshot::new()
        .table(&table(b"ab"))
        .item(&table(b"ab"), &[S("k")], "v")
        .table(&table(b"with space"))
        .table(&table(b"empty"))
        .put(many.schema_key(), [many.schema(), indexes].concat());
    let export = run_with(&[snapshot.build()], &options()).unwrap();
    let whys = |table: &str| -> Vec<String> {
        refused(&export.tree, table).iter().map(|line| line["why"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(whys("ab"), ["its name is not 3 to 255 bytes long (length 2)"]);
    assert_eq!(whys("with%20space"), ["its name has other characters than letters, digits, _, - and ."]);
    assert_eq!(whys("many"), ["it has 21 indexes, and 20 are the quota: import-table.json has the first of them"]);
    assert!(!export.has("dynamodb/empty/refused.jsonl"));
    assert_eq!(export.warnings(), [("aws_refused", 3)]);
    let counts = ["ab", "with%20space", "empty", "many"].map(|table| objects(&export.tree, table).concat().len());
    assert_eq!(counts.map(|bytes| bytes > 0), [true, false, false, false]);
    let parameters: Value = serde_json::from_str(export.text("dynamodb/many/import-table.json")).unwrap();
    let indexes = parameters["TableCreationParameters"]["GlobalSecondaryIndexes"].as_array().unwrap();
    assert_eq!(indexes.len(), 20);
}

/// Of the old encoding, whose row keys have numbers as they were written, two items can be one for AWS.
#[test]
fn equal_numbers_are_one_item() {
    let t = table(b"old").types("N", None).version(0);
    let mut snapshot = Snapshot::new().table(&t);
    for text in ["1", "1.0", "1.00", "2", "10e-1"] {
        snapshot = snapshot.item(&t, &[N(text)], text);
    }
    for part_size in [None, Some(1)] {
        let export = run_with(&[snapshot.build()], &Options { part_size, ..options() }).unwrap();
        let mut keys: Vec<String> = refused(&export.tree, "old").iter().map(|line| line["key"].to_string()).collect();
        keys.sort_unstable();
        let left: Vec<Value> = objects(&export.tree, "old").iter().flat_map(|bytes| parsed(bytes)).collect();
        let mut marks: Vec<&str> = left.iter().map(|line| line["Item"]["v"]["S"].as_str().unwrap()).collect();
        marks.sort_unstable();
        // In the order of row keys `1` is the first.
        assert_eq!(marks, ["1", "2"]);
        assert_eq!(keys, ["\"dynamodb:old/1.0\"", "\"dynamodb:old/1.00\"", "\"dynamodb:old/10e-1\""]);
    }
}

/// It is verified like every output, also against its snapshot, and what was changed is found.
#[test]
fn it_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    std::fs::write(dir.path().join("x.fsm"), &snapshots(&load("dynamodb-nasty"))[0]).unwrap();
    for args in [
        &["-o", "out"][..],
        &["-o", "parts", "--part-size", "1KiB", "--threads", "3", "--include-orphans"],
        &["-o", "out.tar.zst", "--scope", "dynamodb:*s*"],
    ] {
        let out = run(&[&["decode", "x.fsm", "--layout", "aws-export", "--adapter", "dynamodb"], args].concat());
        assert_eq!(code(&out), 0, "{args:?}: {}", stderr(&out));
        for against in [&[][..], &["--against", "x.fsm"]] {
            let out = run(&[&["verify", args[1]], against].concat());
            assert_eq!(code(&out), 0, "{args:?}: {}{}", String::from_utf8_lossy(&out.stdout), stderr(&out));
        }
    }
    for (args, want) in [
        (&["get", "out", "dynamodb:t/k"][..], "its objects cannot be read back"),
        (&["diff", "out", "x.fsm"], "its objects cannot be read back"),
        (&["decode", "x.fsm", "-o", "r", "--layout", "aws-export", "--for-restore"], "not for a restore"),
        (&["schema", "--layout", "aws-export"], "have no schema"),
        (&["decode", "x.fsm", "-o", "-", "--format", "jsonl", "--layout", "aws-export"], "a folder for each table"),
    ] {
        let out = run(args);
        assert!(code(&out) != 0 && stderr(&out).contains(want), "{args:?}: {}", stderr(&out));
    }
    let tree: BTreeMap<Vec<u8>, Vec<u8>> = read_tree(&dir.path().join("out"));
    let object = tree.keys().find(|path| path.ends_with(b".json.gz")).unwrap();
    let path = dir.path().join("out").join(std::str::from_utf8(object).unwrap());
    let mut bytes = tree[object].clone();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
    assert_eq!(code(&run(&["verify", "out"])), 2);
}

/// Other adapters have no place in it, and that is said.
#[test]
fn other_adapters_are_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    let out = ekvsnap(dir.path(), &["decode", "x.fsm", "-o", "out", "--layout", "aws-export"]);
    assert_eq!(code(&out), 1);
    assert!(stderr(&out).contains("the layout aws-export cannot store objects of redis"), "{}", stderr(&out));
}

/// What happened to items between two moments, to the line.
#[test]
fn changes_between_two_moments() {
    let at = |millis: u64| (1_700_000_000_000 + millis) << 16;
    let (t, gone) = (table(b"orders"), table(b"gone"));
    let written = |snapshot: Snapshot, millis, key, mark| snapshot.item_at(at(millis), &t, &[S(key)], mark);
    let mut snapshot = Snapshot::new();
    for table in [&t, &gone] {
        snapshot = snapshot.put_at(at(0), table.schema_key(), table.schema());
    }
    for key in ["changed", "deleted", "same", "rewritten"] {
        snapshot = written(snapshot, 1, key, "old");
    }
    snapshot = snapshot.item_at(at(1), &gone, &[S("with its table")], "old");
    snapshot = written(written(snapshot, 20, "changed", "between"), 30, "changed", "new");
    snapshot = written(written(snapshot, 21, "new", "new"), 22, "rewritten", "old");
    snapshot = written(snapshot, 23, "passing", "x").delete_at(at(24), t.key(&[S("passing")]));
    snapshot = snapshot.delete_at(at(25), t.key(&[S("deleted")])).delete_at(at(26), gone.schema_key());
    let file = snapshot.last_commit(at(40)).raw("_meta_last_commit_ts", at(40).to_le_bytes()).build();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.fsm"), file).unwrap();
    let export = |out: &str, more: &[&str]| {
        let base = ["decode", "x.fsm", "-o", out, "--layout", "aws-export", "--adapter", "dynamodb"];
        ekvsnap(dir.path(), &[&base, more].concat())
    };
    let since = at(10).to_string();
    let made = export("out", &["--since", &since]);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    let lines = |out: &str, table: &str| -> BTreeMap<String, (String, String, u64)> {
        let tree = read_tree(&dir.path().join(out));
        let folder = format!("dynamodb/{table}/AWSDynamoDB/data/");
        let objects = tree.iter().filter(|(path, _)| path.starts_with(folder.as_bytes()));
        let all: Vec<Value> = objects.flat_map(|(_, bytes)| parsed(&unpacked(bytes))).collect();
        let mark = |line: &Value, image: &str| line[image]["v"]["S"].as_str().unwrap_or("none").to_owned();
        let of = |line: &Value| {
            let written: u64 = line["Metadata"]["WriteTimestampMicros"]["N"].as_str().unwrap().parse().unwrap();
            let images = (mark(line, "OldImage"), mark(line, "NewImage"), written / 1000 - 1_700_000_000_000);
            (line["Keys"]["pk"]["S"].as_str().unwrap().to_owned(), images)
        };
        all.iter().map(of).collect()
    };
    let change = |key: &str, old: &str, new: &str, millis| (key.to_owned(), (old.to_owned(), new.to_owned(), millis));
    let want =
        [change("changed", "old", "new", 30), change("deleted", "old", "none", 25), change("new", "none", "new", 21)];
    assert_eq!(lines("out", "orders"), BTreeMap::from(want));
    assert_eq!(lines("out", "gone"), BTreeMap::from([change("with its table", "old", "none", 40)]));
    let earlier = export("earlier", &["--since", &since, "--as-of", &at(20).to_string()]);
    assert_eq!(code(&earlier), 0, "{}", stderr(&earlier));
    assert_eq!(lines("earlier", "orders"), BTreeMap::from([change("changed", "old", "between", 20)]));
    for verified in [&["verify", "out"][..], &["verify", "out", "--against", "x.fsm"]] {
        let out = ekvsnap(dir.path(), verified);
        assert_eq!(code(&out), 0, "{}{}", String::from_utf8_lossy(&out.stdout), stderr(&out));
    }
    let tree = read_tree(&dir.path().join("out"));
    let summary = tree.iter().find(|(path, _)| path.ends_with(b"manifest-summary.json")).unwrap().1;
    let told: Value = serde_json::from_slice(summary).unwrap();
    assert_eq!(told["exportType"], "INCREMENTAL_EXPORT");
    assert_eq!(
        (&told["exportFromTime"], &told["exportToTime"]),
        (&"2023-11-14T22:13:20.010Z".into(), &"2023-11-14T22:13:20.040Z".into())
    );
    for (more, want) in [
        (&["--since", &at(40).to_string()][..], "choose an earlier moment"),
        (&["--since", "2020-01-01"], "before the first commit"),
        (&["--since", &since, "--include-orphans"], "orphans are not served"),
        (&["--since", &since, "--on-error", "skip"], "changes need intact snapshots"),
    ] {
        let out = export("refused", more);
        assert!(code(&out) != 0 && stderr(&out).contains(want), "{more:?}: {}", stderr(&out));
    }
}

/// All versions of a key have one position in an `EKVMVCC2` snapshot: two of them are not one row.
#[test]
fn changes_of_the_other_stream() {
    let at = |millis: u64| (1_700_000_000_000 + millis) << 16;
    let t = table(b"orders");
    let (schema, old, new) = (t.schema(), body(&[S("k")], "old"), body(&[S("k")], "new"));
    let versions = [(at(1), false, 0, old.as_slice()), (at(20), false, 0, new.as_slice())];
    let (schema_key, key) = (t.schema_key().into_bytes(), t.key(&[S("k")]));
    let mut keys: Vec<(&[u8], &[Version<'_>])> = vec![(&key, &versions)];
    let schema = [(at(0), false, 0, schema.as_slice())];
    keys.push((&schema_key, &schema));
    keys.sort_by_key(|(key, _)| *key);
    let export = run_with(&[mvcc2(at(30), &keys)], &Options { since: Some(at(10)), ..options() }).unwrap();
    let path = export.below("dynamodb/orders/").into_iter().find(|path| path.ends_with(".json.gz")).unwrap();
    let lines = parsed(&unpacked(&export.tree[path.as_bytes()]));
    let images: Vec<_> = lines.iter().map(|line| (&line["OldImage"]["v"]["S"], &line["NewImage"]["v"]["S"])).collect();
    assert_eq!(images, [(&"old".into(), &"new".into())]);
}
