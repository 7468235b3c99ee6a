//! Inputs that are cut while they are mapped: no SIGBUS, no output, and words that say what to do.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::kit::build::Snapshot;
use crate::kit::command::{code, stderr};

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

/// Cuts `a.fsm` to so many bytes, then lets the run go on.
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
