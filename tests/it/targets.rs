//! Where an output may be written, and what is left after a failure.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};

const OURS: &str = r#"{"format_version": 1, "elastickv_version": "ekvsnap 0.0.1"}"#;

/// One file, whatever its digest.
const SUMS: &str = "0000000000000000000000000000000000000000000000000000000000000000  old/stale\n";

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

/// Runs a decode that must be rejected for these reasons and change nothing.
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
    refused(root, &["in.fsm", "-o", "tree", "--force"], "is never replaced: in.fsm;");
    fs::remove_file(root.join("tree/in.fsm")).unwrap();
    let got = ekvsnap(root, &["decode", "in.fsm", "-o", "tree", "--force"]);
    assert_eq!(code(&got), 0, "{}", stderr(&got));
}

/// Files with large holes have no row in CHECKSUMS, and further names in an extracted archive neither: the metadata of the file system lists
/// them.
#[test]
fn files_that_only_the_metadata_lists_are_ours() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "fs.fsm", &snapshots(&load("fs-small"))[0]);
    let run = |args: &[&str]| {
        let got = ekvsnap(root, args);
        assert_eq!(code(&got), 0, "{args:?}: {}", stderr(&got));
    };
    for _ in 0..2 {
        run(&["decode", "fs.fsm", "-o", "out", "--force"]);
    }
    for archive in ["fs.tar", "fs.tar.gz"] {
        for _ in 0..2 {
            run(&["decode", "fs.fsm", "-o", archive, "--force"]);
        }
    }
    for _ in 0..2 {
        run(&["unpack", "fs.tar", "-o", "again", "--force"]);
    }
    write(root, "out/fs/tree/mine", "");
    let got = ekvsnap(root, &["decode", "fs.fsm", "-o", "out", "--force"]);
    assert!(code(&got) == 1 && stderr(&got).contains("is never replaced: fs/tree/mine;"), "{}", stderr(&got));
    assert!(root.join("out/fs/tree/mine").exists());
}

#[test]
fn only_an_output_of_ours_is_replaced() {
    let other = OURS.replace("ekvsnap ", "elastickv ");
    for (files, words) in [
        (&[][..], ""),
        (&[("MANIFEST.json", OURS)], ""),
        (&[("MANIFEST.json", OURS), ("CHECKSUMS", SUMS), ("old/stale", "")], ""),
        (
            &[("MANIFEST.json", OURS), ("CHECKSUMS", SUMS), ("old/stale", ""), ("notes.txt", "")],
            "is never replaced: notes.txt;",
        ),
        (&[("MANIFEST.json", OURS), ("CHECKSUMS", SUMS), ("old/new", ""), ("a\x1b", "")], "a\\x1b"),
        (&[("MANIFEST.json", OURS), ("stale", "")], "is never replaced: stale;"),
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
            refused(root, &["in.fsm", "-o", "out"], "is not empty");
            continue;
        }
        if !files.is_empty() {
            refused(root, &["in.fsm", "-o", "out"], "(--force replaces it)");
        }
        let got = ekvsnap(root, &["decode", "in.fsm", "-o", "out", "--force"]);
        assert_eq!(code(&got), 0, "{files:?}: {}", stderr(&got));
        assert!(!root.join("out/old").exists() && root.join("out/redis").exists());
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

/// A link in the output, and one to it.
#[test]
fn no_file_is_replaced_through_links() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "in.fsm", sound());
    for out in ["out", "out.tar"] {
        assert_eq!(code(&ekvsnap(root, &["decode", "in.fsm", "-o", out])), 0);
    }
    symlink("out.tar", root.join("link.tar")).unwrap();
    symlink("nowhere", root.join("dangling.tar")).unwrap();
    refused(root, &["in.fsm", "-o", "link.tar", "--force"], "is a link");
    refused(root, &["in.fsm", "-o", "dangling.tar", "--force"], "is a link");
    symlink("../in.fsm", root.join("out/in.fsm")).unwrap();
    refused(root, &["in.fsm", "-o", "out", "--force"], "is never replaced: in.fsm;");
    fs::remove_file(root.join("out/in.fsm")).unwrap();
    fs::hard_link(root.join("in.fsm"), root.join("twin.tar")).unwrap();
    refused(root, &["in.fsm", "-o", "twin.tar", "--force"], "is an input");
    assert_eq!(code(&ekvsnap(root, &["decode", "in.fsm", "-o", "out", "--force"])), 0);
    assert_eq!(code(&ekvsnap(root, &["decode", "in.fsm", "-o", "out.tar", "--force"])), 0);
}

/// Only an archive with a manifest of ekvsnap is replaced, and only if all of its files are in its CHECKSUMS.
#[test]
fn only_an_archive_of_ours_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "in.fsm", sound());
    let tar = |files: &[(&str, &str)]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, body) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(body.len() as u64);
            header.set_mode(0o600);
            builder.append_data(&mut header, name, body.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let other = OURS.replace("ekvsnap ", "elastickv ");
    let long = "x".repeat(100_000);
    for (bytes, why) in [
        (tar(&[("CHECKSUMS", SUMS), ("MANIFEST.json", OURS)]), ""),
        (tar(&[("CHECKSUMS", SUMS), ("MANIFEST.json", OURS), ("old/stale", &long)]), ""),
        (tar(&[("old/stale", &long), ("MANIFEST.json", OURS), ("CHECKSUMS", SUMS)]), ""),
        (Vec::new(), ""),
        (tar(&[("MANIFEST.json", OURS), ("x", "")]), "is never replaced: x;"),
        (
            tar(&[
                ("CHECKSUMS", SUMS),
                ("MANIFEST.json", OURS),
                ("old/stale", &long),
                ("old/mine", &long),
                ("a\x1b", ""),
            ]),
            "is never replaced: old/mine, a\\x1b;",
        ),
        (
            [tar(&[("MANIFEST.json", OURS)]), b"mine".to_vec()].concat(),
            "is never replaced: there are bytes after its end;",
        ),
        (tar(&[("CHECKSUMS", SUMS), ("MANIFEST.json", &other)]), "was not made by ekvsnap"),
        (tar(&[("a", ""), ("b", ""), ("c", ""), ("MANIFEST.json", OURS)]), "was not made by ekvsnap"),
        (tar(&[("a", "")]), "was not made by ekvsnap"),
        (OURS.into(), "was not made by ekvsnap"),
        (b"my photo".to_vec(), "was not made by ekvsnap"),
    ] {
        for name in ["x.tar", "x.tar.zst", "x.tar.gz", "x.tgz"] {
            let bytes = match name.rsplit('.').next() {
                _ if bytes.is_empty() => Vec::new(),
                Some("zst") => zstd::encode_all(bytes.as_slice(), 1).unwrap(),
                Some("tar") => bytes.clone(),
                _ => {
                    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    std::io::Write::write_all(&mut encoder, &bytes).unwrap();
                    encoder.finish().unwrap()
                }
            };
            write(root, name, &bytes);
            refused(root, &["in.fsm", "-o", name], "--force");
            if why.is_empty() {
                let got = ekvsnap(root, &["decode", "in.fsm", "-o", name, "--force"]);
                assert_eq!(code(&got), 0, "{}", stderr(&got));
            } else {
                refused(root, &["in.fsm", "-o", name, "--force"], why);
                assert!(fs::read(root.join(name)).unwrap() == bytes);
            }
        }
    }
}

#[test]
fn what_a_killed_archive_run_left_is_named_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "in.fsm", sound());
    let left = ".x.tar.ekvsnap-unfinished-AbC123";
    let others = [".y.tar.ekvsnap-unfinished-AbC123", ".x.tar.ekvsnap-unfinished-alive0", "x.tar2"];
    [left].iter().chain(&others).for_each(|name| write(root, name, "part"));
    let lock = File::open(root.join(others[1])).unwrap();
    lock.lock().unwrap();
    let got = ekvsnap(root, &["decode", "in.fsm", "-o", "x.tar"]);
    let hint = format!("hint: ./{left} was left by a run that was killed");
    assert!(code(&got) == 0 && stderr(&got).contains(&hint), "{}", stderr(&got));
    assert_eq!(stderr(&got).matches("hint: ").count(), 1, "{}", stderr(&got));
    assert_eq!(code(&ekvsnap(root, &["decode", "in.fsm", "-o", "x.tar", "--force"])), 0);
    assert!(!root.join(left).exists() && others.iter().all(|name| root.join(name).exists()));
}

/// A page obeys the rules of every output.
#[test]
fn pages() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "in.fsm", sound());
    write(root, "photo.jpg", "mine");
    write(root, "other.html", "<!doctype html><title>mine</title>");
    fs::hard_link(root.join("in.fsm"), root.join("twin")).unwrap();
    symlink("photo.jpg", root.join("link")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    fs::create_dir(root.join("d")).unwrap();
    let run = |args: &[&str]| ekvsnap(root, &[&["inspect", "in.fsm", "--html"], args].concat());
    let before = names(root);
    for (file, words) in [
        ("in.fsm", "is an input"),
        ("./d/../in.fsm", "is an input"),
        ("twin", "is an input"),
        ("link", "is a link"),
        ("dangling", "is a link"),
        ("d", "is not a file"),
        ("photo.jpg", "was not made by ekvsnap"),
        ("other.html", "was not made by ekvsnap"),
    ] {
        let got = run(&[file, "--force"]);
        assert!(code(&got) == 1 && stderr(&got).contains(words), "{file}: {}", stderr(&got));
        assert!(got.stdout.is_empty() && names(root) == before, "{file}");
        assert_eq!(code(&run(&[file])), 1);
    }
    assert_eq!(fs::read(root.join("photo.jpg")).unwrap(), b"mine");
    assert_eq!(fs::read(root.join("in.fsm")).unwrap(), sound());
    assert_eq!(code(&run(&["p.html"])), 0);
    let page = fs::read(root.join("p.html")).unwrap();
    assert_eq!(fs::metadata(root.join("p.html")).unwrap().permissions().mode() & 0o777, 0o600);
    let again = run(&["p.html"]);
    assert!(code(&again) == 1 && stderr(&again).contains("(--force replaces it)"), "{}", stderr(&again));
    assert_eq!(code(&run(&["p.html", "--force"])), 0);
    let out = run(&["-"]);
    assert!(code(&out) == 0 && out.stdout == page, "{}", stderr(&out));
    assert_eq!(code(&run(&["-", "--json"])), 64);
    // A run that fails leaves neither a page nor part of one.
    let before = names(root);
    write(root, "bad.fsm", damaged());
    assert_eq!(code(&ekvsnap(root, &["inspect", "bad.fsm", "--html", "q.html"])), 2);
    assert_eq!(names(root).len(), before.len() + 1);
}

/// Manual pages replace manual pages, and nothing else.
#[test]
fn manual_pages() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "public", "");
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode();
    for _ in 0..2 {
        assert_eq!(code(&ekvsnap(root, &["man", "pages"])), 0);
        assert_eq!(mode("pages/ekvsnap-get.1"), mode("public"), "pages are not private data");
        fs::set_permissions(root.join("pages/ekvsnap-get.1"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::remove_file(root.join("pages/ekvsnap-get.1")).unwrap();
    write(root, "precious", "mine");
    symlink("../precious", root.join("pages/ekvsnap-get.1")).unwrap();
    assert_eq!(code(&ekvsnap(root, &["man", "pages"])), 1);
    assert_eq!(fs::read(root.join("precious")).unwrap(), b"mine");
    fs::remove_file(root.join("pages/ekvsnap-get.1")).unwrap();
    write(root, "pages/ekvsnap-get.1", "mine");
    assert_eq!(code(&ekvsnap(root, &["man", "pages"])), 1);
    assert_eq!(fs::read(root.join("pages/ekvsnap-get.1")).unwrap(), b"mine");
}

#[test]
fn names_that_promise_something_else_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "in.fsm", sound());
    let before = names(root);
    for (name, words) in [
        ("x.jsonl", "--layout jsonl"),
        ("x.zip", ".tar, .tar.zst or .tar.gz"),
        ("x.ZIP", ".tar, .tar.zst or .tar.gz"),
        ("a/x.7z", ".tar, .tar.zst or .tar.gz"),
        ("x.gz", "-o - into a compressor"),
        ("x.tar.bz2", "-o - into a compressor"),
        ("x.tar.xz", "-o - into a compressor"),
        ("x.csv", "name a directory"),
    ] {
        let got = ekvsnap(root, &["decode", "in.fsm", "-o", name]);
        assert!(code(&got) == 64 && stderr(&got).contains(words), "{name}: {}", stderr(&got));
        assert_eq!(names(root), before, "{name}");
    }
    for (name, format) in [("x.zip", "dir"), ("y.jsonl", "tar"), ("z.tar.gz", "tar.zst"), ("z.tgz", "dir")] {
        assert_eq!(code(&ekvsnap(root, &["decode", "in.fsm", "-o", name, "--format", format])), 0, "{name}");
        assert_eq!(root.join(name).is_dir(), format == "dir");
    }
    for name in ["x.y", "backup.2026-11-24", "jsonl", "zip"] {
        assert_eq!(code(&ekvsnap(root, &["decode", "in.fsm", "-o", name])), 0, "{name}");
    }
}

/// A mount point is refused before the work. Only root can mount.
#[test]
fn mount_points_are_refused_at_once() {
    use std::process::Command;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    // Damaged: had it been read, the exit code would be 2.
    write(root, "in.fsm", damaged());
    fs::create_dir_all(root.join("bound")).unwrap();
    fs::create_dir_all(root.join("inner")).unwrap();
    fs::create_dir(root.join("m")).unwrap();
    let mount = |args: &[&str]| Command::new("mount").args(args).current_dir(root).output();
    for args in [&["-t", "tmpfs", "none", "m"][..], &["--bind", "inner", "bound"]] {
        if !mount(args).is_ok_and(|done| done.status.success()) {
            eprintln!("skipped: mount {args:?} is not permitted here");
            continue;
        }
        let point = args.last().unwrap();
        let got =
            [&[][..], &["--force"]].map(|more| ekvsnap(root, &[&["decode", "in.fsm", "-o", point], more].concat()));
        let inside = ekvsnap(root, &["decode", "in.fsm", "-o", &format!("{point}/backup")]);
        let gone = Command::new("umount").arg(point).current_dir(root).output().unwrap();
        assert!(gone.status.success());
        for got in got {
            assert!(code(&got) == 1 && stderr(&got).contains("is a mount point"), "{}", stderr(&got));
            assert!(stderr(&got).contains(&format!("{point}/backup")), "{}", stderr(&got));
        }
        assert_eq!(code(&inside), 2, "{}", stderr(&inside));
    }
}

/// The same output, on the disk or not yet.
#[test]
fn fsync() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "in.fsm", sound());
    for (n, flag) in ["--fsync", "--fsync=true", "--fsync=false"].iter().enumerate() {
        for (out, layout) in [(format!("{n}.tar"), "tree"), (format!("{n}"), "tree"), (format!("{n}l"), "jsonl")] {
            let got = ekvsnap(root, &["decode", "in.fsm", "-o", &out, "--layout", layout, flag]);
            assert_eq!(code(&got), 0, "{out} {flag}: {}", stderr(&got));
            assert_eq!(code(&ekvsnap(root, &["verify", &out])), 0);
        }
    }
    assert_eq!(code(&ekvsnap(root, &["decode", "in.fsm", "-o", "x", "--fsync=perhaps"])), 64);
}
