//! Where an output may go, and what is left when it does not come about.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};

const OURS: &str = r#"{"format_version": 1, "elastickv_version": "ekvsnap 0.0.1"}"#;

fn sound() -> Vec<u8> {
    Snapshot::new().put("!redis|str|k", "v").build()
}

fn damaged() -> Vec<u8> {
    let mut bytes = sound();
    bytes.pop();
    bytes
}

fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
    fs::write(root.join(path), bytes).unwrap();
}

/// Every name below a directory.
fn names(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            names.insert(entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            }
        }
    }
    names
}

/// Runs a decode that must be refused for these reasons and change nothing.
#[track_caller]
fn refused(root: &Path, args: &[&str], words: &str) {
    let before = names(root);
    let got = ekvsnap(root, &[&["decode"], args].concat());
    assert_eq!(code(&got), 1, "{args:?}: {}", stderr(&got));
    assert!(stderr(&got).contains(words), "{args:?}: {}", stderr(&got));
    assert_eq!(names(root), before, "{args:?}");
}

#[test]
fn an_input_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for path in ["in.fsm", "node/fsm-snap/0000000000000010.fsm", "tree/in.fsm"] {
        write(root, path, sound());
    }
    write(root, "node/MANIFEST.json", OURS);
    write(root, "tree/MANIFEST.json", OURS);
    symlink("node", root.join("link")).unwrap();
    symlink("tree/in.fsm", root.join("link.fsm")).unwrap();
    for (input, output) in [
        ("in.fsm", "in.fsm"),
        ("in.fsm", "./node/../in.fsm"),
        ("in.fsm", "."),
        ("node", "node"),
        ("node", "link"),
        ("node", "link/"),
        ("link", "node"),
        ("node", "node/fsm-snap"),
        ("node/fsm-snap", "node/."),
        ("tree/in.fsm", "tree"),
        ("link.fsm", "tree"),
    ] {
        for flags in [&[][..], &["--force"]] {
            refused(root, &[&[input, "-o", output], flags].concat(), "choose another output");
        }
    }
    let got = ekvsnap(root, &["decode", "in.fsm", "-o", "tree", "--force"]);
    assert_eq!(code(&got), 0, "{}", stderr(&got));
}

#[test]
fn only_an_output_of_ours_is_replaced() {
    let other = OURS.replace("ekvsnap ", "elastickv ");
    for (files, words) in [
        (&[][..], ""),
        (&[("MANIFEST.json", OURS), ("stale", "")], ""),
        (&[("photo.jpg", "")], "no MANIFEST.json of ekvsnap"),
        (&[("MANIFEST.json", "")], "no MANIFEST.json of ekvsnap"),
        (&[("MANIFEST.json", "{}")], "no MANIFEST.json of ekvsnap"),
        (&[("MANIFEST.json", &other)], "no MANIFEST.json of ekvsnap"),
        (&[("MANIFEST.json/x", OURS)], "no MANIFEST.json of ekvsnap"),
        (&[("a/MANIFEST.json", OURS)], "no MANIFEST.json of ekvsnap"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "in.fsm", sound());
        fs::create_dir(root.join("out")).unwrap();
        files.iter().for_each(|(name, body)| write(root, &format!("out/{name}"), body));
        if !words.is_empty() {
            refused(root, &["in.fsm", "-o", "out", "--force"], words);
            refused(root, &["in.fsm", "-o", "out"], words);
            continue;
        }
        if !files.is_empty() {
            refused(root, &["in.fsm", "-o", "out"], "--force to replace it");
        }
        let got = ekvsnap(root, &["decode", "in.fsm", "-o", "out", "--force"]);
        assert_eq!(code(&got), 0, "{files:?}: {}", stderr(&got));
        assert!(!root.join("out/stale").exists() && root.join("out/redis").exists());
    }
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "in.fsm", sound());
    write(dir.path(), "file", "");
    refused(dir.path(), &["in.fsm", "-o", "file", "--force"], "is not a directory");
}

#[test]
fn what_a_killed_run_left_is_named_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let long = "n".repeat(250);
    write(root, "in.fsm", sound());
    let left = |name: &str| format!(".{name}.ekvsnap-unfinished-AbC123");
    let others = [left("other"), left("out") + "4", left("out.ekvsnap-unfinished-AbC123")];
    others.iter().for_each(|name| write(root, &format!("{name}/x"), ""));
    let alive = ".out.ekvsnap-unfinished-alive0".to_owned();
    write(root, &format!("{alive}/x"), "");
    let lock = File::open(root.join(&alive)).unwrap();
    lock.lock().unwrap();
    write(root, &format!("{}/x", left("out")), "");
    let got = ekvsnap(root, &["decode", "in.fsm", "-o", "out"]);
    let hint = format!("hint: ./{} was left by a run that was killed", left("out"));
    assert!(code(&got) == 0 && stderr(&got).contains(&hint), "{}", stderr(&got));
    assert_eq!(stderr(&got).matches("hint: ").count(), 1, "{}", stderr(&got));
    let got = ekvsnap(root, &["decode", "in.fsm", "-o", "out", "--force", "--json"]);
    assert!(code(&got) == 0 && !String::from_utf8_lossy(&got.stdout).contains("unfinished"));
    assert!(!root.join(left("out")).exists());
    assert!(others.iter().chain([&alive]).all(|name| root.join(name).join("x").exists()));
    // The temporary name of a long one is cut.
    assert_eq!(code(&ekvsnap(root, &["decode", "in.fsm", "-o", &long])), 0);
}

#[test]
fn outputs_by_odd_names() {
    let long = "n".repeat(255);
    for (output, want) in [
        ("out", "out"),
        ("out/", "out"),
        ("out/.", "out"),
        ("./out//", "out"),
        ("empty", "empty"),
        ("empty/.", "empty"),
        ("link", "empty"),
        ("link/", "empty"),
        ("link/./", "empty"),
        ("a/b/c", "a/b/c"),
        ("a/../b/c", "b/c"),
        (&long, &long),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "in.fsm", sound());
        fs::create_dir(root.join("empty")).unwrap();
        symlink("empty", root.join("link")).unwrap();
        let got = ekvsnap(root, &["decode", "in.fsm", "-o", output]);
        assert_eq!(code(&got), 0, "{output}: {}", stderr(&got));
        assert!(root.join(want).join("MANIFEST.json").exists(), "{output}");
        assert!(fs::symlink_metadata(root.join("link")).unwrap().is_symlink());
        assert!(names(root).iter().all(|name| !name.contains("unfinished")));
    }
}

/// A run that fails leaves nothing, not even the directories above its output.
#[test]
fn parents_go_with_a_failed_output() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "bad.fsm", damaged());
    fs::create_dir(root.join("here")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let before = names(root);
    let too_long = format!("p/{}", "n".repeat(256));
    for (output, want) in [
        ("p/q/r/out", 2),
        ("here/q/out", 2),
        ("here/q/../out", 2),
        ("here/out", 2),
        ("bad.fsm/out", 1),
        ("here/..", 1),
        ("dangling", 1),
        ("dangling/out", 1),
        (&too_long, 1),
        ("", 64),
        ("/", 1),
    ] {
        let got = ekvsnap(root, &["decode", "bad.fsm", "-o", output]);
        assert_eq!(code(&got), want, "{output}: {}", stderr(&got));
        assert_eq!(names(root), before, "{output}");
    }
}
