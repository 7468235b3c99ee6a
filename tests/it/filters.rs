//! `--scope`, `--exclude`, sizes: a filtered decode has the same as a complete one for the requested objects, byte for byte.

use ekvsnap::decode::filter::Filter;
use ekvsnap::decode::{Layout, Options};

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::ddb::{V, table};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Decoded, Tree, run_with};

/// Four adapters in one data set; `fs:` has tests of its own.
fn inputs() -> Vec<Vec<u8>> {
    let corpora = ["redis-small", "dynamodb-small", "s3-small", "sqs-small"];
    corpora.into_iter().flat_map(|corpus| snapshots(&load(corpus))).collect()
}

fn filter(scope: &[&str], exclude: &[&str], sizes: (u64, u64)) -> Filter {
    let all = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Filter { include: all(scope), exclude: all(exclude), min_size: sizes.0, max_size: sizes.1, ..Filter::default() }
}

fn decode(inputs: &[Vec<u8>], filter: Filter, layout: Layout) -> Decoded {
    run_with(inputs, &Options { filter, layout, ..Options::default() }).unwrap()
}

/// The object of a path; files about a whole scope (KEYMAP, TTL lines) are left out.
fn data(tree: &Tree) -> Vec<(String, &Vec<u8>)> {
    let about_all = ["KEYMAP.jsonl", "_ttl.jsonl", "MANIFEST.json", "CHECKSUMS"];
    let path = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
    let all = tree.iter().map(|(name, bytes)| (path(name), bytes));
    all.filter(|(path, _)| !about_all.iter().any(|end| path.ends_with(end))).collect()
}

type Case<'c> = (&'c [&'c str], &'c [&'c str], fn(&str) -> bool);

const CASES: &[Case<'_>] = &[
    (&["redis:h:*"], &[], |p| p.starts_with("redis/") && (name(p).starts_with("h%3A") || name(p).contains("__h%3A"))),
    (&["dynamodb:hashrange"], &[], |p| p.starts_with("dynamodb/hashrange/")),
    (&["dynamodb:hash*"], &["dynamodb:hashonly"], |p| p.starts_with("dynamodb/hashrange/")),
    (&["dynamodb:{t,T}", "sqs:std"], &[], |p| {
        p.starts_with("dynamodb/t/") || p.starts_with("dynamodb/T/") || p.starts_with("sqs/std/")
    }),
    (&["sqs:*.fifo"], &["sqs:ht*"], |p| p.starts_with("sqs/") && p.contains(".fifo/") && !p.contains("/ht.fifo/")),
    (&["s3:bucket-one/a/"], &[], |p| p == "s3/bucket-one/_bucket.json" || p.starts_with("s3/bucket-one/a/")),
    (&["s3:bucket-one"], &["s3:bucket-one/a"], |p| {
        p.starts_with("s3/bucket-one/") && (p.ends_with("/_bucket.json") || !name_in_bucket(p).starts_with('a'))
    }),
    (&[], &["redis:*", "dynamodb:*", "s3:*"], |p| p.starts_with("sqs/")),
];

/// The last part of a path.
fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

fn name_in_bucket(path: &str) -> &str {
    path.splitn(3, '/').nth(2).unwrap()
}

#[test]
fn what_is_asked_for_is_what_a_whole_decode_has_of_it() {
    let inputs = inputs();
    let whole = decode(&inputs, Filter::default(), Layout::TREE);
    for (scope, exclude, wanted) in CASES {
        let part = decode(&inputs, filter(scope, exclude, (0, u64::MAX)), Layout::TREE);
        let (got, want) = (data(&part.tree), data(&whole.tree));
        let want: Vec<_> = want.into_iter().filter(|(path, _)| wanted(path)).collect();
        let paths = |all: &[(String, &Vec<u8>)]| all.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&got), paths(&want), "{scope:?} {exclude:?}");
        assert!(!want.is_empty() && got == want, "{scope:?} {exclude:?}");
        let manifest = part.text("MANIFEST.json");
        assert!(manifest.contains(scope.iter().chain(*exclude).next().unwrap()), "{manifest}");
    }
}

#[test]
fn packed_lines_are_those_of_a_whole_decode() {
    let inputs = inputs();
    let whole = decode(&inputs, Filter::default(), Layout::JSONL);
    for (scope, file) in [
        ("dynamodb:hashonly", "dynamodb/hashonly.jsonl"),
        ("sqs:std", "sqs/std.jsonl"),
        ("s3:bucket-one", "s3/bucket-one/_index.jsonl"),
    ] {
        let part = decode(&inputs, filter(&[scope], &[], (0, u64::MAX)), Layout::JSONL);
        assert_eq!(part.text(file), whole.text(file), "{scope}");
        let adapter = file.split('/').next().unwrap();
        let others = part.tree.keys().filter(|path| !path.starts_with(adapter.as_bytes())).count();
        assert_eq!(others, 2, "{scope}: MANIFEST and CHECKSUMS alone");
    }
    let part = decode(
        &inputs,
        filter(&["dynamodb:hashrange/*"], &["dynamodb:hashrange/*/s/1*"], (0, u64::MAX)),
        Layout::JSONL,
    );
    let (got, all) = (part.text("dynamodb/hashrange.jsonl"), whole.text("dynamodb/hashrange.jsonl"));
    assert!(
        got.lines().count() < all.lines().count() && got.lines().all(|line| all.lines().any(|other| other == line))
    );
}

/// One item by its key, one object by its key.
#[test]
fn single_objects() {
    let inputs = inputs();
    let whole = decode(&inputs, Filter::default(), Layout::TREE);
    let item = whole.below("dynamodb/hashonly/items/").into_iter().find(|path| !path.contains('%')).unwrap();
    let key = name(&item).strip_suffix(".json").unwrap();
    for (scope, file) in [
        (format!("dynamodb:hashonly/{key}"), item.clone()),
        ("s3:bucket-one/hello.txt".into(), "s3/bucket-one/hello.txt".into()),
    ] {
        let part = decode(&inputs, filter(&[&scope], &[], (0, u64::MAX)), Layout::TREE);
        assert_eq!(part.tree[file.as_bytes()], whole.tree[file.as_bytes()], "{scope}");
        let files = part.tree.keys().filter(|path| path.starts_with(b"dynamodb/") || path.starts_with(b"s3/")).count();
        assert_eq!(files, if scope.starts_with("s3") { 3 } else { 2 }, "{scope}");
    }
}

#[test]
fn sizes() {
    let inputs = inputs();
    let whole = decode(&inputs, Filter::default(), Layout::TREE);
    let part = decode(&inputs, filter(&["s3:*"], &[], (5, 1 << 22)), Layout::TREE);
    let bodies = |decoded: &Decoded| -> Vec<(Vec<u8>, usize)> {
        let sidecar = |path: &Vec<u8>| decoded.tree.contains_key(&[path, &b".elastickv-meta.json"[..]].concat());
        let bodies = decoded.tree.iter().filter(|(path, _)| path.starts_with(b"s3/") && sidecar(path));
        bodies.map(|(path, bytes)| (path.clone(), bytes.len())).collect()
    };
    let want: Vec<_> = bodies(&whole).into_iter().filter(|(_, len)| (5..=1 << 22).contains(len)).collect();
    assert!(!want.is_empty());
    assert_eq!(bodies(&part), want);
    // Skipped objects are not reported as left-overs.
    assert!(part.warnings().iter().all(|(event, _)| !event.starts_with("s3_")), "{:?}", part.warnings());
}

/// Each flag that took nothing is named, and the exit code is 1 when all of them took nothing.
#[test]
fn what_took_nothing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (n, input) in inputs().into_iter().enumerate() {
        std::fs::write(dir.path().join(format!("{n}.fsm")), input).unwrap();
    }
    let inputs = ["0.fsm", "1.fsm", "2.fsm", "3.fsm"];
    type Case<'c> = (&'c [&'c str], i32, &'c [&'c str]);
    let cases: &[Case<'_>] = &[
        (&["--scope", "redis:no such key"], 1, &["scope redis:no such key"]),
        (&["--scope", "dynamodb:nothing"], 1, &["scope dynamodb:nothing"]),
        (&["--scope", "dynamodb:hashonly/nothing"], 1, &["scope dynamodb:hashonly/nothing"]),
        (&["--scope", "s3:bucket-one/nothing"], 1, &["scope s3:bucket-one/nothing"]),
        (&["--scope", "sqs:nothing,fs:/x"], 1, &["scope sqs:nothing", "scope fs:/x"]),
        (&["--adapter", "fs"], 1, &["adapter fs"]),
        (&["--adapter", "redis", "--type", "stream", "--scope", "redis:h:*"], 1, &["type streams, scope redis:h:*"]),
        (&["--adapter", "redis", "--min-size", "1T"], 1, &["no object matches"]),
        (&["--exclude", "redis:*,s3:*,sqs:*,dynamodb:*"], 1, &["no object matches"]),
        (&["--scope", "redis:h:*", "--scope", "redis:no,sqs:no"], 0, &["scope redis:no", "scope sqs:no"]),
        (&["--scope", "redis:*,redis:h:*"], 0, &[]),
        (&["--scope", "s3:bucket-one,s3:bucket-one/a/"], 0, &[]),
        (&["--adapter", "redis,fs"], 0, &["adapter fs"]),
        (&["--exclude", "sqs:nothing"], 0, &["exclude sqs:nothing"]),
        (&["--scope", "redis:{h:*,s:*}", "--type", "hash"], 0, &[]),
        (&["--scope", "redis:h:*,redis:no", "--strict"], 4, &["scope redis:no"]),
    ];
    for (n, (flags, want, named)) in cases.iter().enumerate() {
        for more in [&[][..], &["--dry-run"], &["--layout", "jsonl"]] {
            let out = format!("{n}-{}", more.len());
            let args = [&["decode", "-o", &out][..], &inputs, flags, more].concat();
            let got = ekvsnap(dir.path(), &args);
            let text = stderr(&got);
            assert_eq!(code(&got), *want, "{args:?}: {text}");
            named.iter().for_each(|flag| assert!(text.contains(flag), "{args:?}: {text}"));
            let warned = text.matches("asked=").count();
            assert_eq!(warned, if *want == 1 { 0 } else { named.len() }, "{args:?}: {text}");
            assert_eq!(dir.path().join(&out).exists(), *want != 1 && more != ["--dry-run"], "{args:?}");
        }
        let args = [&["inspect"][..], &inputs, flags].concat();
        if !flags.contains(&"--strict") {
            assert_eq!(code(&ekvsnap(dir.path(), &args)), *want, "{args:?}");
        }
    }
}

/// An output of nothing takes the place of none.
#[test]
fn nothing_replaces_no_output() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, snapshot: Snapshot| std::fs::write(dir.path().join(name), snapshot.build()).unwrap();
    put("in.fsm", Snapshot::new().put("!redis|str|k", "v"));
    put("empty.fsm", Snapshot::new());
    for out in ["out", "out.tar"] {
        let run = |args: &[&str]| ekvsnap(dir.path(), &[&["decode", "-o", out], args].concat());
        let kept =
            || ekvsnap(dir.path(), &["get", "in.fsm", "redis:k"]).stdout == b"v" && dir.path().join(out).exists();
        assert_eq!(code(&run(&["in.fsm"])), 0);
        let before = stderr(&ekvsnap(dir.path(), &["verify", out]));
        for (args, words) in [
            (&["empty.fsm", "--force"][..], "an empty output does not replace another one"),
            (&["in.fsm", "--force", "--scope", "redis:x"], "nothing matches scope redis:x"),
        ] {
            let got = run(args);
            assert!(code(&got) == 1 && stderr(&got).contains(words), "{args:?}: {}", stderr(&got));
            assert!(kept(), "{args:?}");
            assert_eq!(stderr(&ekvsnap(dir.path(), &["verify", out])), before, "{args:?}");
        }
        // An empty store is one, where nothing is lost by it.
        let new = ekvsnap(dir.path(), &["decode", "empty.fsm", "--force", "-o", &format!("new-{out}")]);
        assert_eq!(code(&new), 0, "{}", stderr(&new));
    }
}

#[test]
fn patterns_that_cannot_be_used_are_usage_errors() {
    let deep = format!("redis:{}a{}", "{".repeat(2000), ",b}".repeat(2000));
    let long = format!("redis:*{}", "[!a-z]".repeat(10_000));
    let many = format!("redis:*{}", "{a,b}".repeat(20_000));
    for text in ["redis", "redis:[", "redis:a\\", "nfs:x", &deep, &long, &many] {
        for flag in ["--scope", "--exclude"] {
            let got = ekvsnap(std::path::Path::new("/"), &["inspect", "x.fsm", flag, text]);
            assert!(code(&got) == 64 && stderr(&got).contains("error: invalid value"), "{}", stderr(&got));
        }
    }
}

/// A damaged item of a table that was not requested fails no run.
#[test]
fn tables_that_are_not_asked_for_are_not_read() {
    let (good, bad) = (table(b"good"), table(b"bad"));
    let snapshot = Snapshot::new().table(&good).item(&good, &[V::S("k")], "v").table(&bad);
    let snapshot = snapshot.put(bad.key(&[V::S("k")]), "no item");
    let inputs = [snapshot.build()];
    assert!(run_with(&inputs, &Options::default()).is_err());
    let part = decode(&inputs, filter(&["dynamodb:good"], &[], (0, u64::MAX)), Layout::TREE);
    assert_eq!(part.below("dynamodb/").len(), 2);
}
