//! Changes of a directory.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::{Verdict, failures, snapshot};
use crate::kit::command::{code, ekvsnap};

/// One change of the output at the path.
struct Row(&'static str, fn(&Path), Verdict);

const S0: &str = "redis/db_0/strings/s0.bin";
const A: &str = "s3/bkt/obj/a";

fn digest(path: &Path) -> String {
    Sha256::digest(fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sums(out: &Path) -> Vec<String> {
    fs::read_to_string(out.join("CHECKSUMS")).unwrap().lines().map(str::to_owned).collect()
}

fn put_sums(out: &Path, lines: &[String]) {
    fs::write(out.join("CHECKSUMS"), lines.join("\n") + "\n").unwrap();
}

/// Updates the row of a file to its current content.
pub(super) fn fix(out: &Path, path: &str) {
    let end = format!("  {path}");
    let fixed = |line: String| if line.ends_with(&end) { digest(&out.join(path)) + &end } else { line };
    let lines: Vec<String> = sums(out).into_iter().map(fixed).collect();
    put_sums(out, &lines);
}

pub(super) fn remove_row(out: &Path, path: &str) {
    let end = format!("  {path}");
    let lines: Vec<String> = sums(out).into_iter().filter(|line| !line.ends_with(&end)).collect();
    put_sums(out, &lines);
}

pub(super) fn add_row(out: &Path, path: &str) {
    let mut lines = sums(out);
    lines.push(format!("{}  {path}", digest(&out.join(path))));
    lines.sort_by(|a, b| a[66..].cmp(&b[66..]));
    put_sums(out, &lines);
}

fn edit(out: &Path, path: &str, from: &str, to: &str) {
    let text = fs::read_to_string(out.join(path)).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    fs::write(out.join(path), text.replacen(from, to, 1)).unwrap();
}

fn map_sums(out: &Path, change: impl Fn(String) -> String) {
    let lines: Vec<String> = sums(out).into_iter().map(change).collect();
    put_sums(out, &lines);
}

const ROWS: &[Row] = &[
    Row("nothing", |_| (), None),
    Row("content", |out| fs::write(out.join(S0), "evil").unwrap(), Some("s0.bin")),
    Row("a file removed", |out| fs::remove_file(out.join(S0)).unwrap(), Some("s0.bin")),
    Row("a file added", |out| fs::write(out.join("redis/new"), "x").unwrap(), Some("redis/new")),
    Row("a hidden file added", |out| fs::write(out.join(".hidden"), "x").unwrap(), Some(".hidden")),
    Row(
        "a file removed with its row",
        |out| {
            fs::remove_file(out.join(S0)).unwrap();
            remove_row(out, S0);
        },
        Some("MANIFEST.json"),
    ),
    Row(
        "a file added with its row",
        |out| {
            fs::write(out.join("redis/db_0/strings/new.bin"), "x").unwrap();
            add_row(out, "redis/db_0/strings/new.bin");
        },
        Some("MANIFEST.json"),
    ),
    Row("a row removed", |out| remove_row(out, S0), Some("s0.bin")),
    Row("a row doubled", |out| add_row(out, S0), Some("s0.bin")),
    Row("two files swapped", |out| swap(out, S0, "redis/db_0/strings/s1.bin"), Some("s1.bin")),
    Row("no rows", |out| fs::write(out.join("CHECKSUMS"), "").unwrap(), Some("CHECKSUMS")),
    Row("no CHECKSUMS", |out| fs::remove_file(out.join("CHECKSUMS")).unwrap(), Some("CHECKSUMS")),
    Row("no row of the manifest", |out| remove_row(out, "MANIFEST.json"), Some("MANIFEST.json")),
    Row(
        "no manifest",
        |out| {
            fs::remove_file(out.join("MANIFEST.json")).unwrap();
            remove_row(out, "MANIFEST.json");
        },
        Some("MANIFEST.json"),
    ),
    Row(
        "counts of the manifest",
        |out| {
            edit(out, "MANIFEST.json", "\"objects\": 4", "\"objects\": 7");
            fix(out, "MANIFEST.json");
        },
        Some("MANIFEST.json"),
    ),
    Row("a hard link out of the tree", linked_out, Some("obj/a")),
    Row("a hard link within the tree", |out| relink(out, A, &out.join("s3/bkt/obj/b")), None),
    Row(
        "a symbolic link to equal content",
        |out| {
            fs::remove_file(out.join(A)).unwrap();
            symlink("b", out.join(A)).unwrap();
        },
        Some("obj/a"),
    ),
    Row(
        "a symbolic link to a copy of a directory",
        |out| {
            let copy = out.with_extension("bkt");
            let _ = fs::remove_dir_all(&copy);
            fs::rename(out.join("s3/bkt"), &copy).unwrap();
            symlink(&copy, out.join("s3/bkt")).unwrap();
        },
        Some("s3/bkt"),
    ),
    Row("a set-user-ID bit", |out| mode(out, A, 0o4600), Some("obj/a")),
    Row("an empty directory added", |out| fs::create_dir(out.join("redis/db_7")).unwrap(), Some("redis/db_7")),
    Row("an empty directory removed", |out| fs::remove_dir(out.join("fs/tree/empty")).unwrap(), Some("fs/tree/empty")),
    Row("a pipe", |out| mkfifo(&out.join("redis/pipe")), Some("redis/pipe")),
    Row("a name with a newline", |out| fs::write(out.join("a\nb"), "x").unwrap(), Some("a\\nb")),
    Row("a byte in a hole", |out| write_at(out, "fs/tree/sparse", 1 << 29), Some("fs/tree/sparse")),
    Row("zeros behind a sparse file", |out| grow(out, "fs/tree/sparse"), Some("fs/tree/sparse")),
    Row("a sparse file removed", |out| fs::remove_file(out.join("fs/tree/sparse")).unwrap(), Some("fs/tree/sparse")),
    Row(
        "a second name with other content",
        |out| fs::write(out.join("fs/tree/second"), "evil").unwrap(),
        Some("fs/tree/"),
    ),
    Row("rows with CRLF", |out| map_sums(out, |line| line + "\r"), None),
    Row("rows with *", |out| map_sums(out, |line| line.replacen("  ", " *", 1)), None),
    Row("rows in another order", |out| put_sums(out, &sums(out).into_iter().rev().collect::<Vec<_>>()), None),
    Row("upper-case digits", |out| map_sums(out, |line| line[..64].to_uppercase() + &line[64..]), Some("CHECKSUMS")),
    Row("rows with ./", |out| map_sums(out, |line| line.replacen("  ", "  ./", 1)), Some("CHECKSUMS")),
    Row("a row with ../", |out| row(out, "  ../s.fsm"), Some("CHECKSUMS")),
    Row("a row with an absolute path", |out| row(out, "  /etc/passwd"), Some("CHECKSUMS")),
    Row("a comment", |out| row(out, "# hello"), Some("CHECKSUMS")),
];

fn row(out: &Path, end: &str) {
    let digits = if end.starts_with('#') { String::new() } else { "0".repeat(64) };
    let mut file = OpenOptions::new().append(true).open(out.join("CHECKSUMS")).unwrap();
    writeln!(file, "{digits}{end}").unwrap();
}

fn swap(out: &Path, a: &str, b: &str) {
    let (x, y) = (fs::read(out.join(a)).unwrap(), fs::read(out.join(b)).unwrap());
    fs::write(out.join(a), y).unwrap();
    fs::write(out.join(b), x).unwrap();
}

fn linked_out(out: &Path) {
    let outside = out.with_extension("outside");
    fs::write(&outside, "hello").unwrap();
    relink(out, A, &outside);
}

fn relink(out: &Path, path: &str, to: &Path) {
    fs::remove_file(out.join(path)).unwrap();
    fs::hard_link(to, out.join(path)).unwrap();
}

fn mode(out: &Path, path: &str, mode: u32) {
    fs::set_permissions(out.join(path), Permissions::from_mode(mode)).unwrap();
}

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn write_at(out: &Path, path: &str, at: u64) {
    use std::os::unix::fs::FileExt as _;
    OpenOptions::new().write(true).open(out.join(path)).unwrap().write_all_at(b"X", at).unwrap();
}

fn grow(out: &Path, path: &str) {
    let file = OpenOptions::new().write(true).open(out.join(path)).unwrap();
    file.set_len(file.metadata().unwrap().len() + 1).unwrap();
}

#[test]
fn every_change_of_a_directory_has_its_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    snapshot(dir);
    assert_eq!(code(&ekvsnap(dir, &["decode", "s.fsm", "-o", "made"])), 0);
    let mut wrong = Vec::new();
    for Row(what, change, verdict) in ROWS {
        let copied = Command::new("cp").args(["-a", "made", "out"]).current_dir(dir).status().unwrap();
        assert!(copied.success());
        change(&dir.join("out"));
        wrong.extend(failures(dir, what, "out", *verdict, *verdict));
        fs::remove_dir_all(dir.join("out")).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is consistent in itself, and not what a whole decode gives.
#[test]
fn parts_and_other_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    snapshot(dir);
    assert_eq!(code(&ekvsnap(dir, &["decode", "s.fsm", "-o", "part", "--scope", "redis:s0"])), 0);
    let words = "a part of the snapshot";
    for args in [&["verify", "part"][..], &["verify", "part", "--against", "s.fsm"]] {
        let out = ekvsnap(dir, args);
        assert!(code(&out) == 0 && String::from_utf8_lossy(&out.stdout).contains(words), "{out:?}");
    }
    assert_eq!(code(&ekvsnap(dir, &["decode", "s.fsm", "-o", "whole"])), 0);
    for (from, to) in
        [("\"fsm_crc32c\": \"", "\"fsm_crc32c\": \"0"), ("\"last_commit_ts\": 1", "\"last_commit_ts\": 2")]
    {
        edit(&dir.join("whole"), "MANIFEST.json", from, to);
        fix(&dir.join("whole"), "MANIFEST.json");
        let out = ekvsnap(dir, &["verify", "whole", "--against", "s.fsm"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(code(&out) == 2 && text.contains("MANIFEST.json"), "{text}");
    }
}
