//! The command: inputs, outputs, exit codes, and that nothing depends on threads or on the map.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kit::build::{NOW, Snapshot, be, delta, entry, item, sized};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::{Tree, read_tree};

fn sound() -> Snapshot {
    Snapshot::new().put("!redis|str|k", "v")
}

#[test]
fn the_readme_commands_snapshot_decodes() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/redis-small.fsm");
    let out = ekvsnap(dir.path(), &["decode", shipped.to_str().unwrap(), "-o", "out"]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    assert!(out.stdout.is_empty(), "stdout is data");
    assert!(stderr(&out).contains("CRC verified"));
    let sums =
        Command::new("sha256sum").args(["-c", "--quiet", "CHECKSUMS"]).current_dir(dir.path().join("out")).output();
    assert!(sums.unwrap().status.success());
    let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("out/redis/db_0/KEYMAP.jsonl"), 0o600);
    assert_eq!(mode("out/redis/db_0") & 0o700, 0o700);
}

/// Every regular file is in CHECKSUMS, once, sorted, with its digest.
#[test]
fn checksums_cover_everything() {
    use sha2::Digest as _;
    let decoded = crate::kit::decoded(snapshots(&load("redis-small"))[0].clone());
    let rows: Vec<(String, String)> = decoded
        .text("CHECKSUMS")
        .lines()
        .map(|line| line.split_once("  ").map(|(digest, path)| (path.to_owned(), digest.to_owned())).unwrap())
        .collect();
    assert!(rows.is_sorted());
    let want: Vec<String> =
        decoded.tree.keys().map(|p| String::from_utf8(p.clone()).unwrap()).filter(|p| p != "CHECKSUMS").collect();
    assert_eq!(rows.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), want);
    for (path, digest) in rows {
        let hex: String =
            sha2::Sha256::digest(&decoded.tree[path.as_bytes()]).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, digest, "{path}");
    }
}

/// Keys of every type that are prefixes of each other, large enough for several tasks.
fn many_units() -> Vec<u8> {
    let mut s = Snapshot::new();
    let pad = "x".repeat(900);
    for i in 0..6000u64 {
        let key = format!("user:{i}");
        s = match i % 6 {
            0 => s.put(format!("!redis|str|{key}"), &pad),
            1 => s.put(sized("!hs|fld|", &key, "f"), &pad).put(sized("!hs|fld|", &key, "ff"), &pad),
            2 => s.put(sized("!st|mem|", &key, &pad), "").put(delta("!st|meta|d|", &key, 9, 0), be(&[1])),
            3 => s.put(sized("!zs|mem|", &key, &pad), be(&[i])),
            4 => s.put(format!("!lst|meta|{key}"), be(&[0, 1, 1])).put(item(&key, 0), &pad),
            _ => s
                .put(sized("!stream|meta|", &key, ""), be(&[1, i, 0]))
                .put(sized("!stream|entry|", &key, be(&[i, 0])), entry("", &[b"f", &[b'v'; 100]]))
                .put(&key, &pad),
        };
        s = s.put(format!("!redis|ttl|{key}"), be(&[i + 1]));
    }
    s.build()
}

#[test]
fn the_output_is_the_same_for_any_number_of_threads_and_without_the_map() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.fsm"), many_units()).unwrap();
    let decode = |name: &str, flags: &[&str]| -> Tree {
        let out = ekvsnap(dir.path(), &[&["decode", "in.fsm", "-o", name], flags].concat());
        assert_eq!(code(&out), 0, "{}", stderr(&out));
        read_tree(&dir.path().join(name))
    };
    let one = decode("t1", &["--threads", "1"]);
    assert!(one.len() > 6000);
    let lines = ["--layout", "jsonl"];
    let packed = decode("l1", &[&["--threads", "1"], &lines[..]].concat());
    for (name, flags, want) in [
        ("t3", &["--threads", "3"][..], &one),
        ("nm", &["--no-mmap"], &one),
        ("l2", &[&["--threads", "2"], &lines[..]].concat()[..], &packed),
        ("l8", &[&["--threads", "8"], &lines[..]].concat()[..], &packed),
    ] {
        // Not assert_eq, which would print two trees.
        assert!(decode(name, flags) == *want, "{name} differs");
    }
}

#[test]
fn input_may_be_stdin_a_data_directory_or_its_fsm_snap() {
    let dir = tempfile::tempdir().unwrap();
    let snap = dir.path().join("node/fsm-snap");
    fs::create_dir_all(&snap).unwrap();
    let old = Snapshot::new().put("!redis|str|k", "old").build();
    fs::write(snap.join("000000000000000a.fsm"), &old).unwrap();
    fs::write(snap.join("0000000000000010.fsm"), sound().build()).unwrap();
    fs::write(snap.join("0000000000000011.fsm.tmp"), b"half").unwrap();
    for (i, input) in ["node", "node/fsm-snap", "."].into_iter().enumerate() {
        let out = format!("out{i}");
        let got = ekvsnap(dir.path(), &["decode", input, "-o", &out]);
        assert_eq!(code(&got), 0, "{input}: {}", stderr(&got));
        assert_eq!(fs::read(dir.path().join(&out).join("redis/db_0/strings/k.bin")).unwrap(), b"v");
        let manifest = fs::read_to_string(dir.path().join(&out).join("MANIFEST.json")).unwrap();
        assert!(manifest.contains("\"snapshot_index\": 16,"), "{manifest}");
    }
    let file = fs::File::open(snap.join("0000000000000010.fsm")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
    let piped = command.current_dir(dir.path()).args(["decode", "-", "-o", "piped"]).stdin(file).output().unwrap();
    assert_eq!(code(&piped), 0, "{}", stderr(&piped));
    assert!(dir.path().join("piped/redis/db_0/strings/k.bin").exists());
    let pipe = "cat node/fsm-snap/0000000000000010.fsm > pipe & exec \"$0\" decode pipe -o from-pipe";
    assert!(Command::new("mkfifo").arg("pipe").current_dir(dir.path()).status().unwrap().success());
    let bin = env!("CARGO_BIN_EXE_ekvsnap");
    let got = Command::new("sh").current_dir(dir.path()).args(["-c", pipe, bin]).output().unwrap();
    assert_eq!(code(&got), 0, "{}", stderr(&got));
    fs::create_dir(dir.path().join("nothing")).unwrap();
    assert_eq!(code(&ekvsnap(dir.path(), &["decode", "nothing", "-o", "x"])), 1);
}

#[test]
fn an_output_that_is_not_empty_is_refused_or_replaced_whole() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.fsm"), sound().build()).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    let decode = |flags: &[&str]| ekvsnap(dir.path(), &[&["decode", "in.fsm", "-o", "out"], flags].concat());
    assert_eq!(code(&decode(&[])), 0, "an empty directory is fine");
    fs::write(dir.path().join("out/stale"), b"x").unwrap();
    let refused = decode(&[]);
    assert!(code(&refused) == 1 && stderr(&refused).contains("not empty"), "{}", stderr(&refused));
    assert_eq!(code(&decode(&["--force"])), 1, "a file that is not ours");
    fs::remove_file(dir.path().join("out/stale")).unwrap();
    fs::write(dir.path().join("old.fsm"), sound().put("!redis|str|stale", "x").build()).unwrap();
    let old = ekvsnap(dir.path(), &["decode", "old.fsm", "-o", "out", "--force"]);
    assert!(code(&old) == 0 && dir.path().join("out/redis/db_0/strings/stale.bin").exists(), "{}", stderr(&old));
    assert_eq!(code(&decode(&["--force"])), 0);
    assert!(!dir.path().join("out/redis/db_0/strings/stale.bin").exists(), "replaced, not merged into");
    // A symlinked output is resolved once: the link stays, its target is replaced.
    symlink("out", dir.path().join("link")).unwrap();
    let linked = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", "link", "--force"]);
    assert_eq!(code(&linked), 0, "{}", stderr(&linked));
    assert!(fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "no temporary is left: {names:?}");
}

#[test]
fn exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| fs::write(dir.path().join(name), bytes).unwrap();
    write("sound.fsm", sound().build());
    write("warn.fsm", Snapshot::new().put("!nobody|x", "v").build());
    write("note.fsm", sound().bare());
    let mut damaged = sound().build();
    damaged.pop();
    write("damaged.fsm", damaged);
    write("row.fsm", sound().put("!redis|zset|z", "no blob").build());
    for (args, want) in [
        (&["decode", "sound.fsm", "-o", "o1"][..], 0),
        (&["decode", "--input", "sound.fsm", "--output", "o2"], 0),
        (&["decode", "sound.fsm", "-o", "o3", "--strict"], 0),
        (&["decode", "warn.fsm", "-o", "o4"], 0),
        (&["decode", "warn.fsm", "-o", "o5", "--strict"], 4),
        (&["decode", "note.fsm", "-o", "o6", "--strict"], 0),
        (&["decode", "damaged.fsm", "-o", "o7"], 2),
        (&["decode", "row.fsm", "-o", "o10", "--on-error", "skip"], 3),
        (&["decode", "row.fsm", "-o", "o11", "--on-error", "skip", "--strict"], 3),
        (&["decode", "row.fsm", "-o", "o12"], 2),
        (&["decode", "missing.fsm", "-o", "o8"], 1),
        (&["decode", "sound.fsm"], 64),
        (&["decode", "sound.fsm", "-o", "o9", "--bogus"], 64),
        (&["decode", "sound.fsm", "-o", "o9", "--adapter", "redsi"], 64),
        (&["decode", "sound.fsm", "-o", "o9", "--as-of", "someday"], 64),
        (&["decode", "-", "-", "-o", "o9"], 64),
        (&["diff", "sound.fsm"], 64),
        (&["diff", "-", "-"], 64),
        (&["decode", "sound.fsm", "-o", "tree.tar"], 0),
        (&["unpack", "tree.tar", "-o", "-"], 64),
        (&["restore", "sound.fsm", "-d", "-", "--node", "n=h:1"], 64),
        (&["decode", "sound.fsm", "-o", "o9", "--keys-json", "missing.json"], 64),
        (&["diff", "sound.fsm", "missing.fsm"], 2),
        (&["verify", "sound.fsm", "--against", "sound.fsm"], 64),
        (&["get", "sound.fsm", "nothing"], 64),
        (&["decode", "sound.fsm", "-o", "o9", "--threads", "5000"], 64),
        (&["verify", "sound.fsm", "--threads", "5000"], 64),
        (&["get", "sound.fsm", "redis:nothing"], 1),
        (&[], 64),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let out = ekvsnap(dir.path(), args);
        assert_eq!(code(&out), want, "{args:?}: {}", stderr(&out));
    }
    assert!(!dir.path().join("o7").exists() && !dir.path().join("o8").exists() && !dir.path().join("o9").exists());
    assert!(dir.path().join("o5/MANIFEST.json").exists(), "--strict says so by its code; the output is whole");
}

/// Every command that takes a moment notes one that is after the last commit.
#[test]
fn a_moment_after_the_last_commit_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["in.fsm", "same.fsm"] {
        fs::write(dir.path().join(name), sound().build()).unwrap();
    }
    for (command, args) in [
        ("decode", &["-o", "out", "--force"][..]),
        ("decode", &["--dry-run"]),
        ("decode", &["-o", "-", "--format", "jsonl", "--type", "string"]),
        ("ls", &[]),
        ("inspect", &[]),
        ("inspect", &["--quick"]),
        ("inspect", &["--html", "-"]),
        ("diff", &["same.fsm"]),
        ("get", &["redis:k"]),
        ("get", &["redis:k", "--versions"]),
    ] {
        let notes = |moment: &str| {
            let out = ekvsnap(dir.path(), &[&[command, "in.fsm"], args, &["--as-of", moment]].concat());
            assert_eq!(code(&out), 0, "{command} {args:?}: {}", stderr(&out));
            let said = String::from_utf8_lossy(&out.stdout).into_owned() + &stderr(&out);
            said.contains("note: moment_after_snapshot: the moment that was asked for is after the last commit")
        };
        assert!(notes("2100-01-01") && !notes(&NOW.to_string()), "{command} {args:?}");
    }
}

/// A program that lacks a command or a layout says how to install one that has everything.
#[test]
fn features_that_are_not_built_in() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.fsm"), sound().build()).unwrap();
    let load = cfg!(feature = "load");
    for (args, what, built) in [
        (&["load", "in.fsm", "--to", "x.rdb"][..], "the command load", load),
        (&["load", "--help"], "the command load", load),
        (&["help", "load"], "the command load", load),
        (&["decode", "in.fsm", "-o", "out", "--layout", "parquet"], "--layout parquet", cfg!(feature = "parquet")),
    ] {
        let out = ekvsnap(dir.path(), args);
        assert_eq!(code(&out), if built { 0 } else { 64 }, "{args:?}: {}", stderr(&out));
        let words = format!(
            "built without {what}: run `cargo install --path . --features parquet,load` in the source directory of ekvsnap"
        );
        assert_ne!(stderr(&out).contains(&words), built, "{args:?}: {}", stderr(&out));
    }
}

#[test]
fn json_lines_on_stdout() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.fsm"), Snapshot::new().put("!nobody|x", "v").put("!redis|str|k", "v").build())
        .unwrap();
    let out = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", "out", "--json"]);
    let events: Vec<serde_json::Value> =
        String::from_utf8(out.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(events[0]["event"], "warning");
    assert_eq!(events[0]["code"], "unknown_rows");
    assert_eq!(events[1]["event"], "summary");
    assert_eq!(events[1]["files"], 1);
    assert_eq!(events[1]["adapters"]["redis"]["scopes"][0]["objects"], 1);
    assert!(out.stderr.is_empty());
    fs::write(dir.path().join("bad.fsm"), Snapshot::new().put("!redis|str|k", b"\xff\x01").build()).unwrap();
    let out = ekvsnap(dir.path(), &["decode", "bad.fsm", "-o", "out2", "--json"]);
    let event: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((event["event"].as_str(), event["damage"].as_bool()), (Some("error"), Some(true)));
    assert_eq!((event["family"].as_str(), event["key"].as_str()), (Some("!redis|str|"), Some("!redis|str|k")));
    assert_eq!(event["offset"], 32);
}

/// Keys that try to leave the output, look like control files, or break lines: all stay inside and can be read by name.
#[test]
fn hostile_names_stay_inside() {
    let dir = tempfile::tempdir().unwrap();
    let keys: [&[u8]; 12] = [
        b"../../escape",
        b"/etc/passwd",
        b"..",
        b".",
        b"",
        b"a\0b",
        b"a\nb",
        b"\\",
        b"CON",
        b"MANIFEST.json",
        b"\xff\xfe",
        b"%2e%2e",
    ];
    let put =
        |s: Snapshot, key: &[u8]| s.put([b"!redis|str|", key].concat(), key).put(sized("!hs|fld|", key, key), key);
    let mut snapshot = Snapshot::new();
    for key in keys {
        snapshot = put(snapshot, key);
    }
    fs::write(dir.path().join("in.fsm"), snapshot.build()).unwrap();
    let out = ekvsnap(dir.path(), &["decode", "in.fsm", "-o", "out"]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    let tree = read_tree(&dir.path().join("out"));
    let strings: Vec<&Vec<u8>> = tree.keys().filter(|k| k.starts_with(b"redis/db_0/strings/")).collect();
    assert_eq!(strings.len(), keys.len(), "{strings:?}");
    assert!(strings.iter().all(|path| path.iter().filter(|b| **b == b'/').count() == 3 && path.is_ascii()));
    let outside: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(outside.len(), 2, "{outside:?}");
}

/// A closed pipe on stdout or stderr ends quietly.
#[test]
fn a_closed_pipe_is_quiet() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in.fsm"), sound().build()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ekvsnap"))
        .current_dir(dir.path())
        .args(["decode", "in.fsm", "-o", "out", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", stderr(&out));
}

/// Completion scripts offer what flags take: names of adapters and types, and what patterns begin with.
#[test]
fn completions_offer_values() {
    let dir = tempfile::tempdir().unwrap();
    // The text between two values, without the backslashes of zsh.
    for (shell, between) in [("bash", " "), ("zsh", " "), ("fish", "t''\n")] {
        let script = ekvsnap(dir.path(), &["completions", shell]);
        assert_eq!(code(&script), 0);
        let script = String::from_utf8_lossy(&script.stdout).replace('\\', "");
        for values in [["dynamodb:", "s3:"], ["zset", "stream"], ["sqs", "fs"]] {
            assert!(script.contains(&values.join(between)), "{shell}: {values:?}");
        }
    }
    let zsh = ekvsnap(dir.path(), &["completions", "zsh"]);
    let zsh = String::from_utf8_lossy(&zsh.stdout).into_owned();
    let moment = zsh.lines().find(|line| line.contains("'--as-of=")).unwrap();
    assert!(moment.contains(":HLC|DATE:'"), "no files are offered for a moment: {moment}");
}
