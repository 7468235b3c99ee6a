//! Parquet compared with lines: both have the same content for every corpus, and nothing depends on threads.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use ekvsnap::decode::{Layout, Options};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Map, Value, json};

use crate::kit::command::{code, ekvsnap};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Decoded, Tree, read_tree, run_with};

const CORPORA: [&str; 12] = [
    "redis-small",
    "redis-nasty",
    "expired-retype",
    "stale-ttl",
    "incr-poison",
    "mvcc-interleave",
    "dynamodb-small",
    "dynamodb-nasty",
    "s3-small",
    "s3-nasty",
    "sqs-small",
    "sqs-nasty",
];

fn options(layout: Layout) -> Options {
    Options { layout, include_orphans: true, ..Options::default() }
}

fn decoded(inputs: &[Vec<u8>], layout: Layout) -> Decoded {
    run_with(inputs, &options(layout)).unwrap()
}

/// A value, with bytes in the form of lines.
fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => json!(flag),
        Field::Str(text) => json!(text),
        Field::Bytes(bytes) => binary(bytes.data()),
        Field::Long(n) | Field::TimestampMillis(n) => json!(n),
        Field::ULong(n) => json!(n),
        Field::Double(n) if n.is_nan() => json!("nan"),
        Field::Double(n) if n.is_infinite() => json!(if *n > 0.0 { "+inf" } else { "-inf" }),
        Field::Double(n) => json!(n),
        Field::Decimal(decimal) => {
            let sign = if decimal.data().first().is_some_and(|byte| *byte >= 0x80) { -1i128 } else { 0 };
            let digits = decimal.data().iter().fold(sign, |n, byte| n << 8 | i128::from(*byte));
            json!(plain(digits, decimal.scale() as usize))
        }
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        Field::Group(row) => object(row).into(),
        other => panic!("{other:?}"),
    }
}

/// Bytes in the form of lines: text, or base64 if they are not text.
fn binary(bytes: &[u8]) -> Value {
    use base64::Engine as _;
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes) }),
    }
}

fn plain(digits: i128, scale: usize) -> String {
    let (sign, text) =
        (if digits < 0 { "-" } else { "" }, format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1));
    let (whole, fraction) = text.split_at(text.len() - scale);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

fn object(row: &Row) -> Map<String, Value> {
    row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

/// The rows of a data set.
fn rows(tree: &Tree, folder: &str) -> Vec<Map<String, Value>> {
    let inside = |path: &&Vec<u8>| path.starts_with(format!("{folder}/part-").as_bytes());
    let mut all = Vec::new();
    for path in tree.keys().filter(inside) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&tree[path]).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        all.extend(reader.get_row_iter(None).unwrap().map(|row| object(&row.unwrap())));
    }
    all
}

fn lines(decoded: &Decoded, path: &str) -> Vec<Value> {
    let lines = |bytes: &Vec<u8>| {
        let text = std::str::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    decoded.tree.get(path.as_bytes()).map(lines).unwrap_or_default()
}

/// The lines of a data set of Redis, from its rows: collections are assembled by key.
fn redis_lines(tree: &Tree, base: &str, kind: &str) -> Vec<Value> {
    let rows = rows(tree, &format!("{base}/{kind}"));
    if matches!(kind, "strings" | "hll") {
        let line = |row: &Map<String, Value>| json!({ "key": row["key"], "value": row["value"], "expire_at_ms": row["expire_at_ms"] });
        return rows.iter().map(line).collect();
    }
    let (of_type, elements) = match kind {
        "hashes" => ("hash", "fields"),
        "lists" => ("list", "items"),
        "sets" => ("set", "members"),
        "zsets" => ("zset", "members"),
        _ => ("stream", ""),
    };
    let element = |row: &Map<String, Value>| match kind {
        "hashes" => json!({ "name": row["field"], "value": row["value"] }),
        "lists" => row["item"].clone(),
        "sets" => row["member"].clone(),
        "zsets" => json!({ "member": row["member"], "score": row["score"] }),
        _ => json!({ "key": row["key"], "id": row["id"], "fields": row["fields"] }),
    };
    let mut all = Vec::new();
    for key in self::rows(tree, &format!("{base}/keys")).iter().filter(|key| key["type"] == of_type) {
        let (name, expire_at_ms) = (&key["key"], &key["expire_at_ms"]);
        let inside: Vec<Value> = rows.iter().filter(|row| row["key"] == *name).map(element).collect();
        assert_eq!(key["elements"], inside.len(), "{name}");
        if kind == "streams" {
            let [length, last_ms, last_seq] =
                ["length", "last_ms", "last_seq"].map(|end| &key[&format!("stream_{end}")]);
            all.extend(inside);
            all.push(json!({ "key": name, "_meta": true, "length": length, "last_ms": last_ms, "last_seq": last_seq,
                "expire_at_ms": expire_at_ms }));
        } else {
            all.push(json!({ "key": name, elements: inside, "expire_at_ms": expire_at_ms }));
        }
    }
    all
}

/// A line in the form of rows: integers have no point.
fn with_floats(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let value =
                    if name == "score" && value.is_number() { json!(value.as_f64()) } else { with_floats(value) };
                (name.clone(), value)
            };
            members.iter().map(member).collect()
        }
        Value::Array(all) => all.iter().map(with_floats).collect(),
        other => other.clone(),
    }
}

/// An item in the form of its line.
fn item(row: &Map<String, Value>) -> Value {
    let mut item = Map::new();
    for (name, value) in row.iter().filter(|(name, _)| *name != "_commit_ts" && *name != "_rest") {
        let is_text = name.strip_suffix("__text").is_some_and(|number| row.contains_key(number));
        let text = row.get(&format!("{name}__text"));
        let envelope = match (text, value) {
            _ if is_text => continue,
            (Some(Value::String(text)), _) => json!({ "N": text }),
            (_, Value::Null) => continue,
            (Some(_), number) => json!({ "N": number }),
            (None, Value::Bool(flag)) => json!({ "BOOL": flag }),
            (None, value) => value.clone(),
        };
        item.insert(name.clone(), envelope);
    }
    if let Value::String(rest) = &row["_rest"] {
        let Value::Object(rest) = serde_json::from_str(rest).unwrap() else { panic!("{rest}") };
        item.extend(rest);
    }
    item.into()
}

/// The same for a line; rows do not distinguish text from bytes that are text.
fn without_types(line: &Value, columns: &Map<String, Value>) -> Value {
    use base64::Engine as _;
    let attribute = |(name, value): (&String, &Value)| {
        let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
        let plain = match kind.as_str() {
            "S" if columns.contains_key(name) => inner.clone(),
            "B" if columns.contains_key(name) => {
                binary(&base64::engine::general_purpose::STANDARD.decode(inner.as_str().unwrap()).unwrap())
            }
            _ => value.clone(),
        };
        (name.clone(), plain)
    };
    line["Item"].as_object().unwrap().iter().map(attribute).collect()
}

#[test]
fn parquet_says_what_lines_say() {
    for corpus in CORPORA {
        let inputs = snapshots(&load(corpus));
        let [lines_of, parquet] = [Layout::JSONL, Layout::PARQUET].map(|layout| decoded(&inputs, layout));
        assert_eq!(parquet.warnings(), lines_of.warnings(), "{corpus}");
        let counts = |decoded: &Decoded| {
            format!(
                "{:?}",
                decoded.outcome.findings.iter().map(|(kind, seen)| (kind.event, seen.count)).collect::<Vec<_>>()
            )
        };
        assert_eq!(counts(&parquet), counts(&lines_of), "{corpus}");
        let mut compared = 0;
        for base in ["redis/db_0", "redis/db_0/_orphans"] {
            for kind in ["strings", "hll", "hashes", "lists", "sets", "zsets", "streams"] {
                let want: Vec<Value> =
                    lines(&lines_of, &format!("{base}/{kind}.jsonl")).iter().map(with_floats).collect();
                let got = redis_lines(&parquet.tree, base, kind);
                assert_eq!(got, want, "{corpus} {base}/{kind}");
                compared += want.len();
            }
        }
        for path in lines_of.below("dynamodb/").iter().filter(|path| path.ends_with(".jsonl")) {
            let want = lines(&lines_of, path);
            let folder = path.strip_suffix(".jsonl").unwrap();
            let got = rows(&parquet.tree, folder);
            assert!(parquet.has(&format!("{folder}/part-00001.parquet")), "{corpus} {folder}");
            assert_eq!(got.len(), want.len(), "{corpus} {folder}");
            for (row, line) in got.iter().zip(&want) {
                match line.get("key") {
                    Some(_) => {
                        assert_eq!(serde_json::from_str::<Value>(row["item"].as_str().unwrap()).unwrap(), line["Item"])
                    }
                    None => assert_eq!(item(row), without_types(line, row), "{corpus} {folder}"),
                }
            }
            compared += want.len();
        }
        for path in lines_of.below("s3/").iter().filter(|path| path.ends_with("/_index.jsonl")) {
            let want: Vec<Value> = lines(&lines_of, path).iter().map(of_object).collect();
            let got: Vec<Value> =
                rows(&parquet.tree, path.strip_suffix("/_index.jsonl").unwrap()).iter().map(object_of).collect();
            assert_eq!(got, want, "{corpus} {path}");
            compared += want.len();
        }
        let is_messages = |path: &&String| path.ends_with(".jsonl") && !path.ends_with("/side.jsonl");
        for path in lines_of.below("sqs/").iter().filter(is_messages) {
            let want = lines(&lines_of, path);
            let folder = path.strip_suffix(".jsonl").unwrap();
            let got: Vec<Value> = rows(&parquet.tree, folder).iter().map(message).collect();
            assert!(parquet.has(&format!("{folder}/part-00001.parquet")), "{corpus} {folder}");
            assert_eq!(got, want, "{corpus} {path}");
            compared += want.len();
        }
        assert!(compared > 0, "{corpus}");
    }
}

/// The content of an index row, in the form of its line.
fn object_of(row: &Map<String, Value>) -> Value {
    let text = ["etag", "content_type", "content_encoding", "cache_control", "content_disposition"]
        .map(|name| row[name].clone());
    let pairs = row["user_metadata"].as_array().unwrap().iter();
    let metadata: Map<String, Value> =
        pairs.map(|pair| (pair["name"].as_str().unwrap().to_owned(), pair["value"].clone())).collect();
    json!([row["key"], row["size"], text, metadata, row["last_modified"].is_null()])
}

fn of_object(line: &Value) -> Value {
    let text = ["etag", "content_type", "content_encoding", "cache_control", "content_disposition"];
    let text = text.map(|name| line.get(name).cloned().unwrap_or_else(|| json!("")));
    let metadata = line.get("user_metadata").cloned().unwrap_or_else(|| json!({}));
    json!([line["key"], line["size_bytes"], text, metadata, line.get("last_modified").is_none()])
}

/// A message in the form of its line: empty members are left out there.
fn message(row: &Map<String, Value>) -> Value {
    let mut line = Map::new();
    for (name, column) in [
        ("message_id", "message_id"),
        ("body", "body"),
        ("send_timestamp_millis", "sent_ms"),
        ("available_at_millis", "available_ms"),
        ("visible_at_millis", "visible_ms"),
        ("receive_count", "receive_count"),
        ("queue_generation", "queue_generation"),
    ] {
        line.insert(name.to_owned(), row[column].clone());
    }
    for name in [
        "md5_of_body",
        "md5_of_message_attributes",
        "sender_id",
        "message_group_id",
        "message_deduplication_id",
        "dead_letter_source_arn",
    ] {
        line.extend(Some(&row[name]).filter(|text| **text != "").map(|text| (name.to_owned(), text.clone())));
    }
    line.extend(Some(&row["sequence_number"]).filter(|n| **n != 0).map(|n| ("sequence_number".to_owned(), n.clone())));
    line.extend(Some(&row["partition"]).filter(|n| !n.is_null()).map(|n| ("partition".to_owned(), n.clone())));
    if let Value::String(attributes) = &row["message_attributes"] {
        line.insert("message_attributes".to_owned(), serde_json::from_str(attributes).unwrap());
    }
    assert_eq!(row["sent"].as_i64().unwrap_or(0), row["sent_ms"].as_i64().unwrap());
    line.into()
}

/// The rows of files and directories agree with their lines, also in their warnings, for every filter.
#[test]
fn files_are_those_of_lines() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), &snapshots(&load("fs-small"))[0]).unwrap();
    for (n, flags) in
        [&[][..], &["--include-orphans"], &["--scope", "fs:/docs"], &["--threads", "3"]].iter().enumerate()
    {
        let [lines, tables] = ["jsonl", "parquet"].map(|layout| {
            let name = format!("{layout}-{n}");
            let args = [&["decode", "in.fsm", "-o", &name, "--layout", layout], *flags].concat();
            assert_eq!(code(&ekvsnap(dir.path(), &args)), 0, "{flags:?}");
            dir.path().join(name)
        });
        let metadata = std::fs::read_to_string(lines.join("fs/metadata.jsonl")).unwrap();
        let want: Vec<Value> = metadata.lines().map(|line| of_file(&serde_json::from_str(line).unwrap())).collect();
        let tree = read_tree(&tables);
        let got: Vec<Value> = rows(&tree, "fs/files").iter().map(file_of).collect();
        assert_eq!(got, want, "{flags:?}");
        assert!(want.len() > 30);
        let told = |root: &Path, member: &str| {
            let text = std::fs::read(root.join("MANIFEST.json")).unwrap();
            serde_json::from_slice::<Value>(&text).unwrap()[member].clone()
        };
        for member in ["warnings", "adapters", "counters"] {
            assert_eq!(told(&tables, member), told(&lines, member), "{flags:?}");
        }
        let name = tables.file_name().unwrap().to_str().unwrap();
        assert_eq!(code(&ekvsnap(dir.path(), &["verify", name, "--against", "in.fsm"])), 0);
    }
}

/// The content of a file's row, in the form of its line.
fn file_of(row: &Map<String, Value>) -> Value {
    let digits = ["inode", "size", "atime_ns", "mtime_ns", "ctime_ns"].map(|name| row[name].to_string());
    let mode = format!("{:04o}", row["mode"].as_u64().unwrap());
    let millis = row["mtime_ns"].as_i64().unwrap().div_euclid(1_000_000);
    assert_eq!(row["mtime"], millis);
    assert_eq!(row["name"].is_null(), row["parent"].is_null());
    json!([row["path"], row["type"], digits, mode, row["uid"], row["gid"], row["nlink"], row["hardlink_to"].is_null()])
}

fn of_file(line: &Value) -> Value {
    let digits =
        ["ino", "size", "atime_ns", "mtime_ns", "ctime_ns"].map(|name| line[name].as_str().unwrap().to_owned());
    let is_first = line.get("hardlink_to").or_else(|| line.get("hardlink_to_b64")).is_none();
    let path = line.get("path_b64").map_or_else(
        || line["path"].clone(),
        |text| {
            use base64::Engine as _;
            binary(&base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap())
        },
    );
    json!([path, line["type"], digits, line["mode"], line["uid"], line["gid"], line["nlink"], is_first])
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for corpus in ["redis-nasty", "dynamodb-small", "s3-nasty", "sqs-nasty"] {
        let inputs = snapshots(&load(corpus));
        let with = |threads| {
            run_with(&inputs, &Options { threads, part_size: Some(4096), ..options(Layout::PARQUET) }).unwrap().tree
        };
        let one = with(1);
        for threads in [2, 3, 8] {
            assert!(with(threads) == one, "{corpus}, {threads} threads");
        }
    }
}

#[test]
fn a_parquet_output_is_verified_and_not_read_back() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    for (name, part_size) in [("out", "256MiB"), ("out.tar.zst", "8KiB")] {
        assert_eq!(code(&run(&["decode", "in.fsm", "-o", name, "--layout", "parquet", "--part-size", part_size])), 0);
        assert_eq!(code(&run(&["verify", name])), 0);
        assert_eq!(code(&run(&["verify", name, "--against", "in.fsm"])), 0);
        for args in [&["get", name, "redis:h:big"][..], &["diff", name, "in.fsm"], &["encode", name, "-o", "x.fsm"]] {
            let out = run(args);
            let words = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(code(&out) > 0 && words.contains("the layout parquet"), "{args:?}: {words}");
        }
    }
    let for_restore = run(&["decode", "in.fsm", "-o", "no", "--layout", "parquet", "--for-restore"]);
    assert_eq!(code(&for_restore), 64);
    let path = dir.path().join("out/redis/db_0/hashes/part-00001.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(code(&run(&["verify", "out"])), 2);
}

/// Asks DuckDB, polars and pandas, which `tests/tools/check_parquet.py` needs; `.ci/run` installs them and names their Python.
#[test]
#[ignore = "needs duckdb, pyarrow, polars and pandas"]
fn in_duckdb() {
    let python = std::env::var("PARQUET_PYTHON").unwrap_or_else(|_| "python3".into());
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/check_parquet.py");
    for corpus in CORPORA {
        let (dir, files) = (tempfile::tempdir().unwrap(), load(corpus));
        for (name, content) in files.iter().filter(|(name, _)| !name.contains('/')) {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let mut args: Vec<&str> = vec!["decode", "-o", "out", "--layout", "parquet", "--part-size", "64KiB"];
        args.extend(files.keys().filter(|name| name.ends_with(".fsm") && !name.contains('/')).map(String::as_str));
        assert_eq!(code(&ekvsnap(dir.path(), &args)), 0, "{corpus}");
        let checked = Command::new(&python).arg(&tool).arg("out").arg(".").current_dir(dir.path()).output().unwrap();
        let words = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{corpus}: {words}");
    }
}
