//! Lines for programs that load them: their schema, the scripts next to them, and the recipes of `docs/ANALYSIS.md`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex_automata::meta::Regex;
use serde_json::Value;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{self, V};
use crate::kit::fixtures::{load, snapshots};

const CORPORA: [&str; 13] = [
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
    "fs-small",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> Value {
    let out = ekvsnap(Path::new("/"), &["schema"]);
    assert_eq!(code(&out), 0);
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Why a value does not match a schema; supports only what our schema uses.
fn misfit(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    const KNOWN: [&str; 15] = [
        "$ref",
        "description",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "oneOf",
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "$schema",
        "allOf",
        "$defs",
    ];
    let members = schema.as_object().unwrap();
    assert!(members.keys().all(|name| KNOWN.contains(&name.as_str())), "{schema} is not checked");
    if let Some(Value::String(at)) = members.get("$ref") {
        return misfit(root, root.pointer(&at[1..]).unwrap_or_else(|| panic!("{at} is not there")), value);
    }
    let fits = |schema: &Value, value: &Value| misfit(root, schema, value);
    let bad = |why: &str| Some(format!("{why}: {value}"));
    if let Some(Value::Array(all)) = members.get("allOf") {
        return all.iter().find_map(|one| fits(one, value));
    }
    if let Some(Value::Array(all)) = members.get("oneOf")
        && all.iter().filter(|one| fits(one, value).is_none()).count() != 1
    {
        return bad("not exactly one of them");
    }
    if let Some(Value::Array(all)) = members.get("enum")
        && !all.contains(value)
    {
        return bad("none of them");
    }
    let is_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    if let Some(Value::String(name)) = members.get("type")
        && !is_type(name)
    {
        return bad(name);
    }
    let beyond = |name: &str, side: std::cmp::Ordering| {
        members.get(name).is_some_and(|limit| value.as_f64().unwrap().total_cmp(&limit.as_f64().unwrap()) == side)
    };
    if beyond("minimum", std::cmp::Ordering::Less) || beyond("maximum", std::cmp::Ordering::Greater) {
        return bad("out of range");
    }
    if let (Some(Value::String(pattern)), Value::String(text)) = (members.get("pattern"), value)
        && !matches(pattern, text)
    {
        return bad(pattern);
    }
    if let (Some(items), Value::Array(all)) = (members.get("items"), value) {
        return all.iter().find_map(|one| fits(items, one));
    }
    let Value::Object(inside) = value else { return None };
    for name in members.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !inside.contains_key(name.as_str().unwrap()) {
            return bad(&format!("without {name}"));
        }
    }
    let known = |name: &str| members.get("properties").and_then(|properties| properties.get(name));
    inside.iter().find_map(|(name, value)| match (known(name), members.get("additionalProperties")) {
        (Some(schema), _) => fits(schema, value),
        (None, Some(Value::Bool(false))) => Some(format!("with {name}")),
        (None, Some(schema)) => fits(schema, value),
        (None, None) => None,
    })
}

/// Whether a text matches a pattern; each is compiled once.
fn matches(pattern: &str, text: &str) -> bool {
    thread_local! {
        static MADE: RefCell<BTreeMap<String, Regex>> = RefCell::default();
    }
    MADE.with_borrow_mut(|made| {
        let regex = made.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap());
        regex.is_match(text)
    })
}

/// Whether a path matches a pattern, in which `*` is any text without a slash.
fn fits(pattern: &str, path: &str) -> bool {
    let (wanted, given): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    let part = |(pattern, name): (&&str, &&str)| match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, end)) => name.len() >= begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end),
    };
    wanted.len() == given.len() && wanted.iter().zip(&given).all(part)
}

fn kind_of<'s>(schema: &'s Value, path: &str) -> Option<&'s str> {
    let files = schema["files"].as_array().unwrap();
    files.iter().find(|file| fits(file["path"].as_str().unwrap(), path)).map(|file| file["kind"].as_str().unwrap())
}

/// Files of lines below a directory. Bodies of objects and files can have any name and any content.
fn files_of_lines(root: &Path, below: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        let Some(text) = path.to_str() else { continue };
        let is_body = ["fs/tree", "fs/orphans", "fs/apart", "fs/lost+found"].contains(&text)
            || (text.starts_with("s3/")
                && text.matches('/').count() > 1
                && !text.contains("_incomplete_uploads")
                && !text.ends_with("/_index.jsonl"));
        match entry.file_type().unwrap().is_dir() {
            _ if is_body => {}
            true => files_of_lines(root, &path, found),
            false => found.extend(text.ends_with(".jsonl").then(|| text.to_owned())),
        }
    }
}

#[test]
fn every_line_fits_its_schema() {
    let schema = schema();
    let mut seen = BTreeMap::<String, usize>::new();
    let everything = [
        "--include-orphans",
        "--include-incomplete-uploads",
        "--include-sqs-side-records",
        "--preserve-sqs-visibility",
    ];
    // What a restore needs has few kinds of its own: these corpora have all.
    let small = CORPORA.iter().filter(|corpus| corpus.ends_with("-small"));
    let restorable = small.chain(&["damaged"]).map(|corpus| (corpus, &["--for-restore"][..]));
    let corpora = CORPORA.iter().chain(&["damaged"]).map(|corpus| (corpus, &everything[..]));
    for (corpus, flags) in corpora.chain(restorable) {
        let dir = tempfile::tempdir().unwrap();
        for (n, snapshot) in snapshots(&load(corpus)).iter().enumerate() {
            let (input, output) = (format!("{n}.fsm"), format!("{n}"));
            std::fs::write(dir.path().join(&input), snapshot).unwrap();
            let args = ["decode", &input, "-o", &output, "--layout", "jsonl", "--on-error", "skip"];
            if code(&ekvsnap(dir.path(), &[&args, flags].concat())) == 2 {
                continue;
            }
            let root = dir.path().join(&output);
            let mut files = Vec::new();
            files_of_lines(&root, Path::new(""), &mut files);
            for path in files {
                let kind = kind_of(&schema, &path).unwrap_or_else(|| panic!("{corpus}: of what kind is {path}?"));
                for line in std::fs::read_to_string(root.join(&path)).unwrap().lines() {
                    let value = serde_json::from_str(line).unwrap();
                    let misfit = misfit(&schema, &schema["kinds"][kind], &value);
                    assert_eq!(misfit, None, "{corpus} {path} ({kind}): {line}");
                    *seen.entry(kind.to_owned()).or_default() += 1;
                }
            }
        }
    }
    let kinds = schema["kinds"].as_object().unwrap().keys();
    let unseen: Vec<&String> = kinds.filter(|kind| !seen.contains_key(*kind)).collect();
    assert!(unseen.iter().all(|kind| RARE.contains(&kind.as_str())), "no line of {unseen:?} was looked at");
}

/// Kinds for which no corpus has lines: separate tests write them.
const RARE: [&str; 3] = ["redis/expiries", "dynamodb/orphans", "dynamodb/rows"];

#[test]
fn a_schema_refuses_what_no_line_is() {
    let schema = schema();
    for (kind, line, is_fine) in [
        ("redis/strings", r#"{"key":"a","value":{"base64":"_w"},"expire_at_ms":18446744073709551615}"#, true),
        ("redis/strings", r#"{"key":"a","value":"v","expire_at_ms":-1}"#, false),
        ("redis/strings", r#"{"key":"a","value":"v"}"#, false),
        ("redis/strings", r#"{"key":7,"value":"v","expire_at_ms":null}"#, false),
        ("redis/strings", r#"{"key":{"base64":"+/"},"value":"v","expire_at_ms":null}"#, false),
        ("redis/zsets", r#"{"key":"a","members":[{"member":"m","score":"nan"}],"expire_at_ms":null}"#, true),
        ("redis/zsets", r#"{"key":"a","members":[{"member":"m","score":"1"}],"expire_at_ms":null}"#, false),
        ("dynamodb/items", r#"{"Item":{"a":{"L":[{"M":{"b":{"NULL":true}}}]}}}"#, true),
        ("dynamodb/items", r#"{"Item":{"a":{"N":7}}}"#, false),
        ("dynamodb/items", r#"{"Item":{"a":{"S":"x","N":"7"}}}"#, false),
        ("dynamodb/orphans", r#"{"key":{"base64":"_w"},"Item":{}}"#, true),
        ("dynamodb/rows", r#"{"name":"t","generation":1,"key":"k","sha256":"00ff"}"#, true),
        ("redis/expiries", r#"{"key":"k","expire_at_ms":1}"#, true),
    ] {
        let misfit = misfit(&schema, &schema["kinds"][kind], &serde_json::from_str(line).unwrap());
        assert_eq!(misfit.is_none(), is_fine, "{line}: {misfit:?}");
    }
}

#[test]
fn schemas_are_printed() {
    let print = |args: &[&str]| ekvsnap(Path::new("/"), &[&["schema"], args].concat());
    for kind in schema()["kinds"].as_object().unwrap().keys() {
        let out = print(&[kind]);
        assert_eq!(code(&out), 0, "{kind}");
        let alone: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert!(misfit(&alone, &alone, &Value::from(7)).is_some(), "{kind}");
    }
    let unknown = print(&["redis/string"]);
    assert_eq!(code(&unknown), 64);
    assert!(stderr(&unknown).contains("redis/strings"), "{}", stderr(&unknown));
    assert_eq!(code(&print(&["--layout", "tree"])), 64);
    let tables = print(&["redis/zsets", "--layout", "parquet"]);
    if cfg!(feature = "parquet") {
        let told: Value = serde_json::from_slice(&tables.stdout).unwrap();
        let names: Vec<&str> =
            told["kinds"][0]["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["key", "member", "score", "commit_ts"]);
    } else {
        assert_eq!(code(&tables), 64);
    }
}

/// An output with scripts is like any other, and its manifest records them.
#[test]
fn outputs_with_loaders() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    for name in ["out", "out.tar.zst"] {
        let with = ["decode", "in.fsm", "-o", name, "--layout", "jsonl", "--loaders", "--for-restore"];
        for args in [
            &with[..],
            &["verify", name],
            &["verify", name, "--against", "in.fsm"],
            &["diff", name, "in.fsm"],
            &["ls", name],
            &["get", name, "redis:h:big"],
            &["encode", name, "-o", &format!("{name}.fsm")],
        ] {
            let out = run(args);
            assert_eq!(code(&out), 0, "{args:?}: {}", stderr(&out));
        }
    }
    for name in ["schema.json", "load.duckdb.sql", "load_lines.py"] {
        let text = std::fs::read(dir.path().join("out").join(name)).unwrap();
        assert_eq!(text, std::fs::read(root().join("src/layouts/jsonl/beside").join(name)).unwrap());
    }
    std::fs::write(dir.path().join("out/schema.json"), "{}").unwrap();
    assert_eq!(code(&run(&["verify", "out"])), 2);
    assert_eq!(code(&run(&["encode", "out", "-o", "no.fsm"])), 2);

    assert_eq!(code(&run(&["decode", "in.fsm", "-o", "plain", "--layout", "jsonl"])), 0);
    assert!(!dir.path().join("plain/schema.json").exists());
    // Beside lines of a decode that did not write them they are foreign, also with a row in CHECKSUMS.
    let append = |path: &str, text: &str| {
        let old = std::fs::read_to_string(dir.path().join(path)).unwrap_or_default();
        std::fs::write(dir.path().join(path), old + text).unwrap();
    };
    append("plain/schema.json", "{}");
    append("plain/CHECKSUMS", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  schema.json\n");
    let foreign = run(&["verify", "plain"]);
    let words = String::from_utf8_lossy(&foreign.stdout).into_owned();
    assert!(code(&foreign) == 2 && words.contains("no decode writes"), "{words}");
    assert_eq!(code(&run(&["decode", "in.fsm", "-o", "no", "--loaders"])), 64);
}

/// Lines of one kind on standard output are those of their file, with nothing before, between or after them.
#[test]
fn lines_of_one_kind() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| ekvsnap(dir.path(), args);
    let cases: &[(&str, &[&str], &str)] = &[
        ("redis-small", &["--type", "string"], "redis/db_0/strings.jsonl"),
        ("redis-small", &["--type", "hll"], "redis/db_0/hll.jsonl"),
        ("redis-small", &["--type", "hash", "--adapter", "redis"], "redis/db_0/hashes.jsonl"),
        ("redis-small", &["--type", "zset", "--threads", "1"], "redis/db_0/zsets.jsonl"),
        ("redis-small", &["--type", "stream", "--scope", "redis:*"], "redis/db_0/streams.jsonl"),
        ("dynamodb-nasty", &["--scope", "dynamodb:hashonly"], "dynamodb/hashonly.jsonl"),
        ("dynamodb-nasty", &["--scope", "dynamodb:T"], "dynamodb/T.jsonl"),
        ("s3-nasty", &["--scope", "s3:bucket-one"], "s3/bucket-one/_index.jsonl"),
        ("s3-nasty", &["--scope", "s3:empty-bucket"], "s3/empty-bucket/_index.jsonl"),
        ("sqs-nasty", &["--scope", "sqs:fifo.fifo"], "sqs/fifo.fifo.jsonl"),
        ("fs-small", &["--adapter", "fs"], "fs/metadata.jsonl"),
    ];
    for (corpus, flags, path) in cases {
        let input = format!("{corpus}.fsm");
        if !dir.path().join(&input).exists() {
            std::fs::write(dir.path().join(&input), &snapshots(&load(corpus))[0]).unwrap();
            assert_eq!(code(&run(&["decode", &input, "-o", corpus, "--layout", "jsonl"])), 0);
        }
        let out = run(&[&["decode", &input, "-o", "-", "--format", "jsonl"], *flags].concat());
        assert_eq!(code(&out), 0, "{flags:?}: {}", stderr(&out));
        assert!(out.stdout == std::fs::read(dir.path().join(corpus).join(path)).unwrap(), "{corpus} {flags:?}");
    }
    let some =
        run(&["decode", "redis-small.fsm", "-o", "-", "--format", "jsonl", "--type=hash", "--scope", "redis:h:b*"]);
    let lines = String::from_utf8(some.stdout).unwrap();
    assert!(lines.lines().count() >= 2 && lines.lines().all(|line| line.starts_with("{\"key\":\"h:b")), "{lines}");
}

#[test]
fn lines_of_several_kinds_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.fsm"), &snapshots(&load("redis-small"))[0]).unwrap();
    let run = |flags: &[&str]| ekvsnap(dir.path(), &[&["decode", "in.fsm", "--format", "jsonl"], flags].concat());
    for flags in [
        &["-o", "-"][..],
        &["-o", "-", "--type", "string,hash"],
        &["-o", "-", "--adapter", "redis"],
        &["-o", "-", "--adapter", "dynamodb"],
        &["-o", "-", "--adapter", "s3", "--type", "string"],
        &["-o", "-", "--scope", "redis:a"],
        &["-o", "-", "--scope", "dynamodb:t*"],
        &["-o", "-", "--scope", "dynamodb:t", "--scope", "dynamodb:u"],
        &["-o", "-", "--scope", "dynamodb:t", "--scope", "sqs:q"],
        &["-o", "-", "--scope", "sqs:q", "--type", "string"],
        &["-o", "-", "--type", "string", "--json"],
        &["-o", "-", "--type", "string", "--loaders"],
        &["-o", "-", "--type", "string", "--include-orphans"],
        &["-o", "-", "--type", "string", "--for-restore"],
        &["-o", "lines.jsonl", "--type", "string"],
    ] {
        let out = run(flags);
        assert_eq!(code(&out), 64, "{flags:?}: {}", stderr(&out));
        assert!(out.stdout.is_empty() || flags.contains(&"--json"), "{flags:?}");
    }
    let nothing = run(&["-o", "-", "--type", "string", "--scope", "redis:no-such-key"]);
    assert!(code(&nothing) == 1 && nothing.stdout.is_empty(), "{}", stderr(&nothing));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was written beside");
}

/// The lines before damage are written, and the exit code shows that more are missing.
#[test]
fn lines_up_to_damage() {
    let dir = tempfile::tempdir().unwrap();
    let bad = Snapshot::new().put("!redis|hll|a", b"\xff\x02\0v").put("!redis|hll|bad", b"\xff\x02");
    std::fs::write(dir.path().join("in.fsm"), bad.build()).unwrap();
    let run = |more: &[&str]| {
        let all = [&["decode", "in.fsm", "-o", "-", "--format", "jsonl", "--type", "hll"], more].concat();
        ekvsnap(dir.path(), &all)
    };
    assert_eq!(code(&run(&[])), 2);
    let rest = run(&["--on-error", "skip"]);
    assert_eq!(code(&rest), 3, "{}", stderr(&rest));
    assert!(stderr(&rest).contains("!redis|hll|bad"), "{}", stderr(&rest));
    assert_eq!(String::from_utf8_lossy(&rest.stdout).lines().count(), 1);
}

/// A Python with DuckDB, pyarrow, polars and pandas: `.ci/run` installs them.
fn python(dir: &Path, tool: &str, args: &[&str]) {
    let python = std::env::var("PARQUET_PYTHON").unwrap_or_else(|_| "python3".into());
    let tool: PathBuf = root().join("tests/tools").join(tool);
    let ran = Command::new(python).arg("-B").arg(tool).args(args).current_dir(dir).output().unwrap();
    let words = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{args:?}: {words}");
}

/// Decodes snapshots to `lines` and `tables`.
fn decode_both(dir: &Path, inputs: &[Vec<u8>]) {
    let names: Vec<String> = (0..inputs.len()).map(|n| format!("{n}.fsm")).collect();
    inputs.iter().zip(&names).for_each(|(bytes, name)| std::fs::write(dir.join(name), bytes).unwrap());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let lines = ["decode", "-o", "lines", "--layout", "jsonl", "--loaders", "--include-sqs-side-records"];
    let tables = ["decode", "-o", "tables", "--layout", "parquet"];
    for args in [&lines[..], &tables[..]] {
        let out = ekvsnap(dir, &[args, &names].concat());
        assert_eq!(code(&out), 0, "{}", stderr(&out));
    }
}

/// Values that readers load wrongly if they guess types from the first lines.
fn traps() -> Vec<u8> {
    let table = ddb::table(b"turns");
    let mut snapshot = Snapshot::new().table(&table);
    for n in 0..25_000 {
        snapshot = snapshot.put(format!("k{n:03}"), format!("{n:03}"));
        let (pk, v) = (format!("a{n:06}"), n.to_string());
        snapshot = snapshot.put(table.key(&[V::S(&pk)]), ddb::item(&[("pk", V::S(&pk)), ("v", V::N(&v))]));
    }
    snapshot = snapshot.put(table.key(&[V::S("z")]), ddb::item(&[("pk", V::S("z")), ("v", V::S("late"))]));
    let expiry = 1_900_000_000_000u64.to_be_bytes();
    snapshot.put(b"\xff\xfe", "v").put([b"!redis|ttl|", &b"\xff\xfe"[..]].concat(), expiry).build()
}

#[test]
#[ignore = "needs duckdb, pyarrow, polars and pandas"]
fn lines_load_rightly() {
    let traps = [traps()];
    let corpora = CORPORA.iter().map(|corpus| snapshots(&load(corpus)));
    for inputs in corpora.chain([traps.to_vec()]) {
        let dir = tempfile::tempdir().unwrap();
        decode_both(dir.path(), &inputs);
        python(dir.path(), "check_lines.py", &["lines", "tables"]);
    }
}

#[test]
#[ignore = "needs duckdb, pyarrow, polars and pandas"]
fn every_recipe_gives_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let inputs: Vec<Vec<u8>> = ["redis-small", "dynamodb-nasty", "s3-nasty", "sqs-nasty"]
        .iter()
        .flat_map(|corpus| snapshots(&load(corpus)))
        .collect();
    decode_both(dir.path(), &inputs);
    python(dir.path(), "recipes.py", &[root().join("docs/ANALYSIS.md").to_str().unwrap()]);
}
