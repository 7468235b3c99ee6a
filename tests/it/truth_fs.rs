//! Compares the content of a mount when the snapshot was taken with the output and its metadata.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ekvsnap::decode::Options;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::kit::fixtures::{load, snapshots};
use crate::kit::fs::{Fs, base64, run, run_with};

fn bytes_of(path: &Value) -> Vec<u8> {
    match path["path"].as_str() {
        Some(path) => path.as_bytes().to_vec(),
        None => STANDARD.decode(path["path_b64"].as_str().unwrap()).unwrap(),
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Members that must be equal, as text.
fn compare(ours: &Value, theirs: &Value, bad: &mut Vec<String>) {
    let path = bytes_of(theirs).escape_ascii().to_string();
    let mut want = |what: &str, got: String, want: String| {
        if got != want {
            bad.push(format!("{what} of {path}: {got}, not {want}"));
        }
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let kind = if theirs["type"] == "dir" { "directory" } else { "file" };
    want("type", text(&ours["type"]), kind.into());
    for (mine, other) in [("ino", "ino"), ("mode", "mode"), ("uid", "uid"), ("gid", "gid"), ("nlink", "nlink")] {
        want(mine, text(&ours[mine]), text(&theirs[other]));
    }
    for time in ["atime_ns", "mtime_ns", "ctime_ns"] {
        // A mount shows times before 1970 as 0.
        let own: i64 = ours[time].as_str().unwrap().parse().unwrap();
        want(time, own.max(0).to_string(), text(&theirs[time]));
    }
    if kind == "file" {
        want("size", text(&ours["size"]), text(&theirs["size"]));
    }
    if let Some(sha256) = theirs.get("sha256") {
        want("sha256", text(&ours["sha256"]), text(sha256));
    }
}

fn check_file(fs: &Fs, ours: &Value, theirs: &Value, bad: &mut Vec<String>) {
    let tree = ours["tree"].as_str().unwrap();
    let size = theirs["size"].as_u64().unwrap();
    if fs.sizes.get(tree.as_bytes()).map(|(size, _)| *size) != Some(size) {
        bad.push(format!("size on disk of {tree}"));
    }
    if let Some(sha256) = theirs.get("sha256")
        && fs.tree.get(tree.as_bytes()).map(|body| hex(body)).as_deref() != sha256.as_str()
    {
        bad.push(format!("content of {tree}"));
    }
}

#[test]
fn fs_small() {
    let files = load("fs-small");
    let fs = run(&snapshots(&files)).unwrap();
    let truth: Value = serde_json::from_slice(&files["expected.fs.json"]).unwrap();
    let entries = truth["entries"].as_array().unwrap();
    let (lines, mut bad) = (fs.lines(), Vec::new());
    // Depth first, by the bytes of names, as the truth is listed when sorted by path components.
    let mut sorted: Vec<&Value> = entries.iter().collect();
    sorted.sort_by_key(|e| bytes_of(e).split(|b| *b == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>());
    assert_eq!((lines.len(), entries.len()), (107, 107));
    for (ours, theirs) in lines.iter().zip(sorted) {
        assert_eq!(bytes_of(ours), bytes_of(theirs));
        compare(ours, theirs, &mut bad);
        match theirs["type"].as_str() {
            Some("dir") => assert!(fs.dirs.contains(&ours["tree"].as_str().unwrap().to_owned())),
            _ => check_file(&fs, ours, theirs, &mut bad),
        }
    }
    assert_eq!(bad, [""; 0]);
    assert_eq!(fs.warnings(), []);
    assert_eq!(fs.noted(), [("orphan", 1), ("sha256_of_extents", 2)]);
    let report: Value = serde_json::from_slice(fs.file("report.json")).unwrap();
    assert_eq!((&report["rows"]["inodes"], &report["rows"]["usage_files"]), (&108.into(), &108.into()));
}

/// The two that are too large to be read: a size, next to no space, and where their bytes are.
#[test]
fn huge_files_take_no_space() {
    let fs = run(&snapshots(&load("fs-small"))).unwrap();
    for (name, size, stored) in [("huge-empty", 1_099_511_627_777u64, 0u64), ("huge-last", 8_589_934_593, 1)] {
        let line = fs.line(&format!("sparse/{name}"));
        assert_eq!(line["holes"], serde_json::json!([[0, size - stored]]));
        assert_eq!(line["stored_bytes"], stored);
        assert!(line.get("sha256").is_none());
        let number = |n: u64| n.to_be_bytes();
        let stretch = [&b"E"[..], &number(size - 1), &number(1)].concat();
        let extents = [if stored > 0 { stretch } else { Vec::new() }, number(size).to_vec()].concat();
        assert_eq!(line["sha256_extents"], hex(&extents));
        let (on_disk, space) = fs.sizes[format!("fs/tree/sparse/{name}").as_bytes()];
        assert!(on_disk == size && space <= 8 << 10, "{on_disk} {space}");
        let sums = String::from_utf8_lossy(&fs.tree[&b"CHECKSUMS"[..]]).into_owned();
        assert!(!sums.contains(name) && sums.contains("fs/tree/sparse/hole-mid\n"));
    }
    // The space of the other files with holes is that of the stored data, in blocks.
    let (size, space) = fs.sizes[&b"fs/tree/sparse/hole-mid"[..]];
    assert!(size == 12_583_016 && space < 64 << 10, "{space}");
}

#[test]
fn orphans_are_written_on_demand() {
    let files = load("fs-small");
    let options = Options { include_orphans: true, ..Options::default() };
    let fs = run_with(&snapshots(&files), &options).unwrap();
    let truth: Value = serde_json::from_slice(&files["expected.fs.json"]).unwrap();
    let orphan = &truth["orphans"][0];
    let path = format!("orphans/{}", orphan["ino"]);
    assert_eq!(base64(fs.file(&path)), orphan["content_b64"].as_str().unwrap());
    let last = fs.lines().pop().unwrap();
    assert_eq!((&last["tree"], &last["path"], &last["nlink"]), (&format!("fs/{path}").into(), &Value::Null, &0.into()));
    assert_eq!(last["notes"], serde_json::json!(["orphan"]));
}
