//! Everything that the program prints: failing writes to standard output, and names that must not affect a terminal.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ekvsnap::report::visible::is_active;
use serde_json::json;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{V, table};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{fs as fs_kit, s3};

/// Snapshots, outputs of them, and a damaged one.
fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for corpus in ["redis-small", "s3-small", "sqs-small", "fs-small"] {
        fs::write(dir.path().join(format!("{corpus}.fsm")), &snapshots(&load(corpus))[0]).unwrap();
    }
    let first = Snapshot::new().put("!redis|str|k", "v").put("!hs|fld|\0\0\0\x01hf", "v").put("!redis|str|l", "w");
    fs::write(dir.path().join("a.fsm"), first.build()).unwrap();
    fs::write(dir.path().join("b.fsm"), Snapshot::new().put("!redis|str|k", "x").build()).unwrap();
    fs::write(dir.path().join("damaged.fsm"), Snapshot::new().put("!redis|hll|bad", b"\xff\x02").build()).unwrap();
    assert_eq!(code(&ekvsnap(dir.path(), &["decode", "redis-small.fsm", "-o", "tree"])), 0);
    assert_eq!(code(&ekvsnap(dir.path(), &["decode", "a.fsm", "-o", "lines", "--layout", "jsonl"])), 0);
    dir
}

/// A command that writes to standard output, and its exit code if the reader has closed it.
const WRITES: &[(&str, i32)] = &[
    ("decode a.fsm --dry-run --json", 0),
    ("decode a.fsm -o OUT --json", 0),
    ("decode damaged.fsm -o OUT --json", 2),
    ("decode damaged.fsm -o OUT --json --on-error skip", 3),
    ("decode a.fsm -o -", 1),
    ("decode a.fsm -o - --format tar.zst", 1),
    ("decode redis-small.fsm -o -", 1),
    ("decode a.fsm -o - --format jsonl --type string", 1),
    ("decode redis-small.fsm -o - --format jsonl --type hash", 1),
    ("schema", 0),
    ("inspect redis-small.fsm", 0),
    ("inspect redis-small.fsm --json", 0),
    ("inspect a.fsm --quick", 0),
    ("inspect damaged.fsm --on-error skip", 3),
    ("verify a.fsm", 0),
    ("verify a.fsm --json", 0),
    ("verify damaged.fsm", 2),
    ("verify damaged.fsm --json", 2),
    ("verify tree", 0),
    ("verify tree --json", 0),
    ("verify tree --against redis-small.fsm", 0),
    ("verify lines --against redis-small.fsm --json", 2),
    ("diff a.fsm b.fsm", 1),
    ("diff a.fsm b.fsm --json", 1),
    ("diff a.fsm b.fsm --summary", 1),
    ("diff a.fsm a.fsm --json", 0),
    ("diff a.fsm lines", 0),
    ("get a.fsm redis:k", 1),
    ("get a.fsm redis:h", 1),
    ("get a.fsm redis:k --json", 1),
    ("get a.fsm redis:k --versions", 1),
    ("get a.fsm redis:k --versions --json", 1),
    ("get s3-small.fsm s3:KEY", 1),
    ("get s3-small.fsm s3:KEY --json", 1),
    ("get sqs-small.fsm sqs:QUEUE", 1),
    ("get fs-small.fsm fs:FILE", 1),
    ("get fs-small.fsm fs:FILE --json", 1),
    ("completions bash", 0),
    ("completions fish", 0),
    ("man", 0),
    ("help", 0),
    ("--help", 0),
    ("help diff", 0),
    ("decode --help", 0),
    ("--version", 0),
];

/// A name that the corpora have, of the first object that is not empty.
fn name_of(dir: &Path, input: &str, adapter: &str, kind: &str) -> String {
    let out = ekvsnap(dir, &["inspect", input, "--json", "--adapter", adapter, "--top", "10000"]);
    let document: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let all = document["objects"]["largest"].as_array().unwrap();
    let object = all.iter().find(|object| object["kind"] == kind && object["key"].is_string()).unwrap();
    let (scope, key) = (object["scope"].as_str().unwrap(), object["key"].as_str().unwrap());
    match adapter {
        "s3" => format!("{scope}/{key}"),
        "sqs" => scope.to_owned(),
        _ => key.to_owned(),
    }
}

fn runs(dir: &Path) -> Vec<(Vec<String>, i32)> {
    let names = [
        ("KEY", name_of(dir, "s3-small.fsm", "s3", "objects")),
        ("QUEUE", name_of(dir, "sqs-small.fsm", "sqs", "messages")),
        ("FILE", name_of(dir, "fs-small.fsm", "fs", "files")),
    ];
    let fill = |(n, (line, code)): (usize, &(&str, i32))| {
        let word =
            |word: &str| names.iter().fold(word.replace("OUT", &format!("out-{n}")), |w, (k, v)| w.replace(k, v));
        (line.split(' ').map(word).collect(), *code)
    };
    WRITES.iter().enumerate().map(fill).collect()
}

fn into(dir: &Path, args: &[String], stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
    command.current_dir(dir).args(args).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).output().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let dir = prepared();
    for (args, _) in runs(dir.path()) {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = into(dir.path(), &args, full.into());
        let said = stderr(&out);
        assert_eq!(code(&out), 1, "{args:?}: {said}");
        assert_eq!(
            said.matches("cannot write to standard output: No space left on device").count(),
            1,
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_closed_pipe_is_quiet() {
    let dir = prepared();
    for (args, want) in runs(dir.path()) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let out = into(dir.path(), &args, writer.into());
        let said = stderr(&out);
        assert_eq!(code(&out), want, "{args:?}: {said}");
        assert!(!said.contains("standard output") && !said.contains("pipe"), "{args:?}: {said}");
        if !args.contains(&"damaged.fsm".to_owned()) {
            assert_eq!(said, "", "{args:?}");
        }
    }
}

/// Every command on a snapshot, as text and as JSON.
const COMMANDS: &[&str] = &[
    "inspect {} --on-error skip",
    "inspect {} --on-error skip --json",
    "inspect {}",
    "inspect {} --quick",
    "inspect {} --json",
    "verify {}",
    "verify {} --json",
    "decode {} -o out",
    "decode {} -o out2 --on-error skip --json",
    "decode {} -o lines --layout jsonl --on-error skip",
    "decode {} --dry-run",
    "diff {} other.fsm --on-error skip",
    "diff {} other.fsm --on-error skip --json",
    "diff {} other.fsm --summary --on-error skip",
    "diff out2 other.fsm",
    "diff out2 foreign",
    "diff out2 foreign --json",
    "diff lines strange --json",
    "diff lines strange",
    "verify out2",
    "verify out2 --against other.fsm",
    "verify out2 --against other.fsm --json",
    "verify foreign",
    "verify foreign --json",
    "verify strange",
    "get {} redis:k --json",
];

/// Characters on a stream that a name must not bring there.
fn active(bytes: &[u8]) -> BTreeSet<char> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.chars().filter(|c| is_active(*c) && *c != '\n').collect()
}

#[track_caller]
fn harmless(args: &[&str], out: &Output) {
    for (stream, bytes) in [("output", &out.stdout), ("error", &out.stderr)] {
        assert_eq!(active(bytes), BTreeSet::new(), "{args:?} on standard {stream}: {}", bytes.escape_ascii());
    }
}

const HOSTILE: &str = "a\u{1b}]0;x\u{7}\n\u{9b}2J\u{202e}\u{200f}\u{61c}\u{2066}z\u{7f}";

/// Names of every kind that act on a terminal: the field cases, and all adapters' with C1 and bidi overrides too.
fn hostile() -> Vec<(String, Vec<u8>)> {
    let names = ["escapes.fsm", "escapes-damaged.fsm", "hostile-text.fsm", "selectors.fsm"];
    let mut all: Vec<(String, Vec<u8>)> = names.map(|name| (name.to_owned(), load("field")[name].clone())).to_vec();
    all.push(("evil\u{1b}[2J\n\u{202e}.fsm".to_owned(), own().build()));
    let key = format!("!hs|meta|\0\0\0\x28{HOSTILE}");
    all.push(("row.fsm".to_owned(), own().put(key, "short").build()));
    let manifest = json!({"upload_id": s3::U, "etag": "x", "size_bytes": 9, "parts": [
        {"part_no": 1, "etag": "x", "size_bytes": 9, "chunk_count": 1, "chunk_sizes": [9]}]});
    all.push(("body.fsm".to_owned(), s3::manifest(own(), format!("{HOSTILE}2").as_bytes(), &manifest).build()));
    all
}

fn own() -> Snapshot {
    let s = fs_kit::dir(s3::put(s3::base(), HOSTILE, "body"), ekvsnap::format::fs::ROOT, 0);
    let s = fs_kit::file(s, HOSTILE, 2, b"text");
    let s = s.table(&table(b"t")).item(&table(b"t"), &[V::S(HOSTILE)], HOSTILE);
    s.put(format!("!redis|str|{HOSTILE}"), "v").put(format!("!nobody|{HOSTILE}"), "v")
}

/// Renames the scopes of outputs to hostile names.
fn rename_scopes(dir: &Path) {
    for (out, layout) in [("foreign", "tree"), ("strange", "jsonl")] {
        ekvsnap(dir, &["decode", "other.fsm", "-o", out, "--layout", layout]);
        let scope = HOSTILE.replace('\n', "");
        fs::rename(dir.join(out).join("s3/bkt"), dir.join(out).join("s3").join(&scope)).unwrap();
        let sums = fs::read_to_string(dir.join(out).join("CHECKSUMS")).unwrap();
        fs::write(dir.join(out).join("CHECKSUMS"), sums.replace("s3/bkt/", &format!("s3/{scope}/"))).unwrap();
    }
}

#[test]
fn no_name_acts_on_a_terminal() {
    for (name, bytes) in hostile() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(&name), bytes).unwrap();
        fs::write(dir.path().join("other.fsm"), own().put("!redis|str|k", HOSTILE).build()).unwrap();
        rename_scopes(dir.path());
        for line in COMMANDS {
            let args: Vec<&str> = line.split(' ').map(|word| if word == "{}" { &name } else { word }).collect();
            harmless(&args, &ekvsnap(dir.path(), &args));
        }
    }
}

#[test]
fn no_argument_acts_on_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), own().build()).unwrap();
    for (args, want) in [
        (&["decode", "x.fsm", "-o", HOSTILE][..], Some(0)),
        (&["decode", HOSTILE, "-o", "out"], Some(1)),
        (&["decode", "x.fsm", "-o", "out", "--\u{1b}[31m"], Some(64)),
        (&["decode", "x.fsm", "-o", "out", "--layout", HOSTILE], Some(64)),
        (&["decode", "x.fsm", "-o", "out", "--scope", HOSTILE], Some(64)),
        (&["\u{1b}]0;title\u{7}\u{202e}"], Some(64)),
        (&["get", "x.fsm", HOSTILE], Some(64)),
        (&["get", "x.fsm", &format!("redis:{HOSTILE}x")], Some(1)),
        (&["get", "x.fsm", &format!("s3:bkt/{HOSTILE}"), "--json"], Some(0)),
        (&["get", "x.fsm", &format!("fs:/{HOSTILE}"), "--json"], Some(0)),
        (&["get", "x.fsm", &format!("redis:{HOSTILE}"), "--versions"], Some(0)),
        (&["verify", HOSTILE], Some(0)),
    ] {
        let out = ekvsnap(dir.path(), args);
        assert!(want.is_none_or(|want| want == code(&out)), "{args:?}: {}", stderr(&out));
        harmless(args, &out);
    }
    // A line in a name must not look like a line of the program.
    let out = ekvsnap(dir.path(), &["get", "x.fsm", "redis:a\nekvsnap: all is well"]);
    assert_eq!(stderr(&out).lines().count(), 1, "{}", stderr(&out));
    let value = ekvsnap(dir.path(), &["get", "x.fsm", &format!("s3:bkt/{HOSTILE}")]);
    assert_eq!(value.stdout, b"body");
}

/// The system's own errors name paths of the output, in which S3 keys are unchanged.
#[test]
#[cfg(debug_assertions)]
fn no_failed_write_acts_on_a_terminal() {
    let mut named = 0;
    for call in 1..40 {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x.fsm"), own().build()).unwrap();
        for json in [&[][..], &["--json"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
            command
                .current_dir(dir.path())
                .args(["decode", "x.fsm", "-o", "out", "--threads", "1", "--force"])
                .args(json);
            let out = command.env("EKVSNAP_FAULT", format!("{call}:EIO")).output().unwrap();
            harmless(&["decode"], &out);
            named += usize::from(stderr(&out).contains("\\x1b]0;"));
        }
    }
    assert!(named > 0, "no error was about the object");
}

#[test]
fn a_page_shows_names_without_obeying_them() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), own().build()).unwrap();
    let out = ekvsnap(dir.path(), &["inspect", "x.fsm", "--html", "page.html"]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    let page = fs::read(dir.path().join("page.html")).unwrap();
    assert_eq!(active(&page), BTreeSet::new());
    assert!(String::from_utf8(page).unwrap().contains("\\u202e"), "the name is there");
}
