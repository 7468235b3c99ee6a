//! The output on a terminal: colours, the progress bar, and nothing with `--quiet`. `script` (Debian: bsdutils, always installed) provides
//! the terminal.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};

/// Runs the program on a terminal of 80 columns; returns everything that it shows.
fn on_terminal(dir: &Path, line: &str, environment: &[(&str, &str)]) -> String {
    let program = env!("CARGO_BIN_EXE_ekvsnap");
    let script = format!("stty cols 80 rows 24; exec '{program}' {line}");
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &script, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
    let out = command.envs(environment.iter().copied()).current_dir(dir).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

fn strings(all: &[(&str, &str)]) -> Vec<u8> {
    let snapshot = Snapshot::new();
    all.iter().fold(snapshot, |snapshot, (key, value)| snapshot.put(format!("!redis|str|{key}"), *value)).build()
}

fn ground() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.fsm"), strings(&[("gone", "1"), ("other", "1"), ("same", "1")])).unwrap();
    std::fs::write(dir.path().join("b.fsm"), strings(&[("new\u{1b}[31m", "1"), ("other", "2"), ("same", "1")]))
        .unwrap();
    dir
}

#[test]
fn differences_have_colours() {
    let dir = ground();
    let seen = on_terminal(dir.path(), "diff a.fsm b.fsm", &[]);
    for line in ["\x1b[31m- redis:gone (strings)", "\x1b[33m~ redis:other (strings)", "\x1b[32m+ redis:base64:"] {
        assert!(seen.contains(line), "{line:?} is not in {seen:?}");
    }
    for quiet in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let seen = on_terminal(dir.path(), "diff a.fsm b.fsm --progress never", &[quiet]);
        assert!(seen.contains("- redis:gone") && !seen.contains('\x1b'), "{quiet:?}: {seen:?}");
    }
    // No terminal, no colours.
    let out = ekvsnap(dir.path(), &["diff", "a.fsm", "b.fsm"]);
    assert!(!out.stdout.contains(&0x1b), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn warnings_and_errors_are_marked() {
    let dir = ground();
    let seen = on_terminal(dir.path(), "decode a.fsm -o out --scope 'redis:*,redis:nobody' --progress never", &[]);
    assert!(seen.contains("\x1b[33mwarning:\x1b[0m flag_matched_nothing"), "{seen:?}");
    let seen = on_terminal(dir.path(), "decode nothing.fsm -o out", &[]);
    assert!(seen.contains("\x1b[31mekvsnap:\x1b[0m "), "{seen:?}");
}

/// The line never wraps: text after its end would stay on the screen.
#[test]
fn progress_fits_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = (0..4000).fold(Snapshot::new(), |s, n| s.put(format!("!redis|str|key:{n}"), "x".repeat(n % 97)));
    std::fs::write(dir.path().join("x.fsm"), snapshot.build()).unwrap();
    let seen = on_terminal(dir.path(), "decode x.fsm -o out --threads 1", &[]);
    let bars: Vec<&str> = seen.split(['\r', '\n']).filter(|line| line.contains("] ") && line.contains('%')).collect();
    assert!(bars.iter().any(|line| line.contains("decoding Redis [")), "{seen:?}");
    for bar in bars {
        let shown = bar.split("\x1b[").map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == 'K'));
        assert!(shown.collect::<String>().trim_end().chars().count() < 80, "{bar:?}");
    }
}

/// The progress bar is removed before a value is printed: later it would erase the last line of the value.
#[test]
fn values_stay_on_the_terminal() {
    let dir = ground();
    for (line, end) in [
        ("get a.fsm redis:same", "1\r\n"),
        ("get a.fsm redis:same --versions", "\r\n"),
        ("ls a.fsm -1", "redis:same\r\n"),
        ("decode a.fsm -o - --format jsonl --type strings", "}\r\n"),
    ] {
        let seen = on_terminal(dir.path(), line, &[]);
        assert!(seen.ends_with(end), "{line}: {seen:?}");
    }
    // Elsewhere a value is exactly what was stored.
    assert_eq!(ekvsnap(dir.path(), &["get", "a.fsm", "redis:same"]).stdout, b"1");
}

/// Only errors: by their messages, and by the exit code.
#[test]
fn quiet_runs() {
    let dir = ground();
    let run = |args: &[&str]| -> Output { ekvsnap(dir.path(), args) };
    for args in [
        &["decode", "a.fsm", "-o", "out", "--for-restore", "-q"][..],
        &["verify", "out", "--quiet"],
        &["verify", "a.fsm", "-q"],
        &["pack", "out", "-o", "out.tar", "-q"],
        &["unpack", "out.tar", "-o", "again", "-q"],
        &["encode", "out", "-o", "again.fsm", "-q"],
        &["diff", "a.fsm", "a.fsm", "-q"],
        &["restore", "a.fsm", "--data-dir", "d", "--node", "n1=127.0.0.1:50051", "-q"],
    ] {
        let out = run(args);
        assert_eq!((code(&out), out.stdout.len(), out.stderr.len()), (0, 0, 0), "{args:?}: {}", stderr(&out));
    }
    let mut broken = std::fs::read(dir.path().join("a.fsm")).unwrap();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    std::fs::write(dir.path().join("broken.fsm"), broken).unwrap();
    std::fs::write(dir.path().join("out/foreign"), "").unwrap();
    for name in ["broken.fsm", "out"] {
        let damaged = run(&["verify", name, "-q"]);
        let words = String::from_utf8_lossy(&damaged.stdout).into_owned();
        assert!(code(&damaged) == 2 && words.starts_with("damage: "), "{name}: {words}");
    }
    let differs = run(&["diff", "a.fsm", "b.fsm", "-q"]);
    assert_eq!((code(&differs), differs.stdout.len()), (1, 0));
    let warned = run(&["decode", "a.fsm", "-o", "some", "-q", "--scope", "redis:*,redis:nobody"]);
    assert!(stderr(&warned).starts_with("warning: flag_matched_nothing"), "{}", stderr(&warned));
    let failed = run(&["decode", "a.fsm", "-o", "out", "-q"]);
    assert!(code(&failed) == 1 && stderr(&failed).starts_with("ekvsnap: "), "{}", stderr(&failed));
    // What is asked for as data comes all the same.
    let value = run(&["get", "a.fsm", "redis:same", "-q"]);
    assert_eq!((code(&value), &value.stdout[..]), (0, &b"1"[..]));
    let listed = run(&["ls", "a.fsm", "-q"]);
    assert!(String::from_utf8_lossy(&listed.stdout).lines().count() >= 3, "{}", stderr(&listed));
}
