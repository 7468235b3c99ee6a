//! Inputs that are truncated while they are mapped: no SIGBUS, no output, and a message about what to do.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::kit::build::Snapshot;
use crate::kit::command::{code, stderr};
use crate::kit::paused::paused_at;
use crate::kit::s3;

fn large() -> Vec<u8> {
    let value = "x".repeat(1000);
    (0..3000).fold(Snapshot::new(), |s, n| s.put(format!("!redis|str|{n:08}"), &value)).build()
}

/// Starts a run on `a.fsm` and a pipe: the file is mapped while the run waits for the pipe.
fn started(dir: &Path, args: &[&str]) -> Child {
    assert!(Command::new("mkfifo").arg(dir.join("pipe")).status().unwrap().success());
    fs::write(dir.join("a.fsm"), large()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
    command.current_dir(dir).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn wait_until_mapped(child: &Child) {
    let maps = format!("/proc/{}/maps", child.id());
    let begun = Instant::now();
    while !fs::read_to_string(&maps).unwrap().contains("a.fsm") {
        assert!(begun.elapsed() < Duration::from_secs(60), "a.fsm is never mapped");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Truncates `a.fsm` to this size, then lets the run continue.
fn cut(dir: &Path, child: Child, bytes: u64) -> Output {
    wait_until_mapped(&child);
    fs::File::options().write(true).open(dir.join("a.fsm")).unwrap().set_len(bytes).unwrap();
    let other = Snapshot::new().put("!redis|str|other", "v").build();
    fs::File::options().write(true).open(dir.join("pipe")).unwrap().write_all(&other).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_decode_of_a_file_that_is_cut_ends_with_words() {
    for (bytes, flags) in [(0, &[][..]), (100_000, &["--threads", "1"]), (4096, &["--on-error", "skip"])] {
        let dir = tempfile::tempdir().unwrap();
        let args = [&["decode", "a.fsm", "pipe", "-o", "out", "--progress", "never"], flags].concat();
        let out = cut(dir.path(), started(dir.path(), &args), bytes);
        assert_eq!(code(&out), 2, "cut to {bytes}: {}", stderr(&out));
        assert!(stderr(&out).contains("the file changed while it was being read"), "{}", stderr(&out));
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a.fsm", "pipe"], "cut to {bytes}");
    }
}

#[test]
fn a_verification_of_a_file_that_is_cut_ends_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let out = cut(dir.path(), started(dir.path(), &["verify", "a.fsm", "pipe"]), 8192);
    assert_eq!(code(&out), 2, "{}", stderr(&out));
    assert!(stderr(&out).contains("the file changed while it was being read"), "{}", stderr(&out));
}

/// A file that grows is another one too.
#[test]
fn a_file_that_grows() {
    let dir = tempfile::tempdir().unwrap();
    let child = started(dir.path(), &["decode", "a.fsm", "pipe", "-o", "out"]);
    let len = fs::metadata(dir.path().join("a.fsm")).unwrap().len();
    let out = cut(dir.path(), child, len + 10);
    assert_eq!(code(&out), 2, "{}", stderr(&out));
    assert!(!dir.path().join("out").exists());
}

/// Strings, and objects whose bytes go from the map to the kernel.
fn strings_and_objects() -> Vec<u8> {
    let strings = (0..500).fold(s3::base(), |s, n| s.put(format!("!redis|str|{n:08}"), "x".repeat(1000)));
    let body: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    (0..20).fold(strings, |s, n| s3::put_chunked(s, (s3::B, 1, format!("o{n}").as_bytes()), &body, 1 << 20)).build()
}

/// What happens to `a.fsm` while it is read.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// It is truncated to this size.
    Cut(u64),
    /// Bytes in its middle are changed, and its time of modification is restored.
    Rewritten,
    /// It is removed, as a server does with old snapshots; its bytes exist while it is open.
    Removed,
}

fn change(file: &Path, how: Change) {
    let open = || fs::File::options().write(true).open(file).unwrap();
    match how {
        Change::Cut(bytes) => open().set_len(bytes).unwrap(),
        Change::Rewritten => {
            let modified = fs::metadata(file).unwrap().modified().unwrap();
            open().write_all_at(b"others", 300_000).unwrap();
            open().set_modified(modified).unwrap();
        }
        Change::Removed => fs::remove_file(file).unwrap(),
    }
}

/// Changes the file when a command has reached a call of its output; returns its exit code and messages, and what it left.
fn changed_late(bytes: &[u8], call: u64, args: &[&str], how: Change) -> Option<(Option<i32>, String, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.fsm"), bytes).unwrap();
    fs::write(dir.path().join("b.fsm"), bytes).unwrap();
    let run = paused_at(call, dir.path(), &[args, &["--threads", "1"]].concat())?;
    change(&dir.path().join("a.fsm"), how);
    let ended = run.go_on();
    let left = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left = left.filter(|name| !name.ends_with(".fsm")).collect();
    Some((ended.status.code(), ended.said, left))
}

/// Every command and every form of output, at an early, a middle and a late call of the output.
const LATE: &[(&[&str], &[u64])] = &[
    (&["decode", "a.fsm", "-o", "out"], &[6, 20, 45]),
    (&["decode", "a.fsm", "-o", "out", "--layout", "jsonl"], &[6, 20, 45]),
    (&["decode", "a.fsm", "-o", "out.tar"], &[3, 20, 45]),
    (&["decode", "a.fsm", "-o", "out.tar.zst", "--layout", "jsonl"], &[3, 20]),
    (&["decode", "a.fsm", "-o", "out", "--on-error", "skip"], &[6, 45]),
    (&["decode", "a.fsm", "--dry-run"], &[1, 20, 45]),
    (&["verify", "a.fsm"], &[1, 20, 45]),
    (&["inspect", "a.fsm"], &[1, 20]),
    (&["diff", "a.fsm", "b.fsm"], &[1, 20]),
    (&["get", "a.fsm", "s3:bkt/o7"], &[1]),
    (&["get", "a.fsm", "redis:00000007"], &[1]),
];

#[test]
fn a_file_that_changes_late() {
    let bytes = strings_and_objects();
    for (args, calls) in LATE {
        for call in *calls {
            for how in [Change::Cut(0), Change::Cut(8192), Change::Rewritten, Change::Removed] {
                let ended = changed_late(&bytes, *call, args, how);
                let Some((code, said, left)) = ended else { panic!("{args:?} has no call {call}") };
                let place = format!("{args:?}, call {call}, {how:?}: {said}, left {left:?}");
                if matches!(how, Change::Removed) {
                    assert_eq!(code, Some(0), "{place}");
                    continue;
                }
                assert_eq!(code, Some(2), "{place}");
                assert!(said.contains("a.fsm: the file changed while it was being read"), "{place}");
                assert!(left.is_empty(), "{place}");
            }
        }
    }
}
