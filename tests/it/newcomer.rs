//! Typical mistakes of new users: each gets a message about what is wrong, and an exit code.

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};

struct Case {
    args: &'static [&'static str],
    code: i32,
    says: &'static str,
}

const CASES: &[Case] = &[
    // Two snapshots that do not belong together: monday.fsm and tuesday.fsm of one group.
    Case {
        args: &["restore", "x.fsm", "copy.fsm", "--data-dir", "d", "--node", "n1=a:1"],
        code: 0,
        says: "warning: same_snapshot_twice",
    },
    Case {
        args: &["diff", "x.fsm", "y.fsm", "--scope", "redis:nobody"],
        code: 2,
        says: "nothing matches scope redis:nobody",
    },
    Case { args: &["get", "x.fsm", "--json", "redis:a"], code: 0, says: "" },
    Case { args: &["get", "x.fsm"], code: 64, says: "name one or several inputs" },
    Case {
        args: &["encode", "out", "-o", "x.fsm"],
        code: 1,
        says: "exists: choose another name, or remove it yourself",
    },
    Case {
        args: &["encode", "out", "-o", "new.fsm.gz"],
        code: 64,
        says: "a snapshot is written as it is, not compressed",
    },
    Case { args: &["decode", "out", "-o", "again"], code: 1, says: "out: it is an output of a decode" },
    Case { args: &["inspect", "out.tar.zst"], code: 2, says: "out.tar.zst: it is an output of a decode" },
    Case { args: &["decode", "x.fsm", "-o", "out/inside"], code: 1, says: "is inside the output" },
    Case { args: &["decode", "x.fsm", "-o", "out/redis/inside.tar"], code: 1, says: "is inside the output" },
    Case { args: &["decode", "x.fsm", "-o", "all", "--shard", "1/3"], code: 64, says: "--shard needs --plan PLAN" },
    Case { args: &["decode", "x.fsm", "-o", "all", "--shard", "auto"], code: 64, says: "--shard needs --plan PLAN" },
    Case { args: &["diff", "x.fsm", "x.fsm", "--as-of", "2100-01-01"], code: 64, says: "give two moments" },
    Case { args: &["ls", "x.fsm", "hll:a"], code: 64, says: "hll:a: no such file, and no pattern" },
    Case { args: &["ls", "x.fsm", "redis:a,redis:nobody"], code: 0, says: "" },
    Case { args: &["get", "x.fsm", "redis:base64:!!"], code: 1, says: "what follows base64: is not base64" },
    Case {
        args: &["restore", "x.fsm", "-d", "d2", "--node", "n=a:1", "--shift-times"],
        code: 64,
        says: "--for-restore",
    },
    Case { args: &["inspect", "PLAN"], code: 2, says: "this is a plan or a saved index" },
    Case { args: &["inspect", "x.fsm", "--html", "out/report.html"], code: 1, says: "is inside the output" },
];

#[test]
fn each_is_told_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, value: &str| {
        let snapshot = Snapshot::new().put("!redis|str|a", value).put("!redis|str|b\u{1}", value);
        std::fs::write(dir.path().join(name), snapshot.build()).unwrap();
    };
    file("x.fsm", "1");
    file("copy.fsm", "1");
    file("y.fsm", "2");
    for out in ["out", "out.tar.zst"] {
        assert_eq!(code(&ekvsnap(dir.path(), &["decode", "x.fsm", "-o", out])), 0);
    }
    assert_eq!(code(&ekvsnap(dir.path(), &["plan", "x.fsm", "-o", "PLAN", "--layout", "jsonl"])), 0);
    for case in CASES {
        let out = ekvsnap(dir.path(), case.args);
        let said = stderr(&out);
        assert_eq!(code(&out), case.code, "{:?}: {said}", case.args);
        assert!(said.contains(case.says), "{:?}: {said}", case.args);
    }
    assert_eq!(code(&ekvsnap(dir.path(), &["verify", "out"])), 0);
    // What `diff` prints, `get` takes.
    let diff = String::from_utf8(ekvsnap(dir.path(), &["diff", "x.fsm", "y.fsm"]).stdout).unwrap();
    let names = diff.lines().filter_map(|line| line.strip_prefix("~ ")?.split(' ').next());
    let names: Vec<&str> = names.collect();
    assert_eq!(names, ["redis:a", "redis:base64:YgE"], "{diff}");
    for name in names {
        assert_eq!(ekvsnap(dir.path(), &["get", "y.fsm", name]).stdout, b"2", "{name}");
    }
}

/// The keys of a snapshot that was copied with its side-car.
#[test]
fn keys_beside_the_file() {
    use crate::kit::fixtures::{load, snapshots};
    let (dir, corpus) = (tempfile::tempdir().unwrap(), load("enc-mixed"));
    std::fs::write(dir.path().join("x.fsm"), &snapshots(&corpus)[0]).unwrap();
    for name in ["keys.json", "kek.bin"] {
        std::fs::write(dir.path().join(name), &corpus[name]).unwrap();
    }
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir.path().join("kek.bin"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let out = ekvsnap(dir.path(), &["verify", "x.fsm", "--kek", "kek.bin"]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
}
