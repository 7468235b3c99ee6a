//! Runs that a signal ends: the exit code that shells know, one line of text, and nothing left.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, listening, names, stderr};
use crate::kit::paused::{Ended, Paused, paused_at};

const SIGNALS: [(&str, i32, &str); 3] =
    [("INT", 130, "interrupted"), ("TERM", 143, "ended by SIGTERM"), ("HUP", 129, "ended by SIGHUP")];

/// Forms of an output, and the calls at which a run waits: at its start, and in the middle of its files.
const FORMS: [(&[&str], [u64; 2]); 4] = [
    (&["-o", "a/b/out"], [3, 90]),
    (&["-o", "a/b/out", "--layout", "jsonl"], [3, 8]),
    (&["-o", "out.tar"], [3, 40]),
    (&["-o", "out.tar.zst"], [3, 40]),
];

fn ground() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = (0..60).fold(Snapshot::new(), |s, n| s.put(format!("!redis|str|key:{n}"), "x".repeat(n)));
    fs::write(dir.path().join("x.fsm"), snapshot.build()).unwrap();
    dir
}

#[track_caller]
fn paused(call: u64, dir: &Path, args: &[&str]) -> Paused {
    let args = [&["decode", "x.fsm", "--threads", "1"], args].concat();
    paused_at(call, dir, &args).unwrap_or_else(|| panic!("{args:?} has no call {call}"))
}

/// The number of calls of a run.
fn calls(args: &[&str]) -> u64 {
    let args = [&["decode", "x.fsm", "--threads", "1"], args].concat();
    let reaches = |call: u64| paused_at(call, ground().path(), &args).map(Paused::go_on).is_some();
    let mut calls = 0;
    for step in [64, 8, 1] {
        while reaches(calls + step) {
            calls += step;
        }
    }
    calls
}

/// The message is one line, and names what was removed.
#[track_caller]
fn check(ended: &Ended, want: i32, words: &str, place: &str) {
    let lines: Vec<&str> = ended.said.lines().collect();
    assert_eq!(ended.status.code(), Some(want), "{place}: {}", ended.said);
    assert!(
        matches!(&lines[..], [line] if line.starts_with(&format!("ekvsnap: {words}, removing ")) && line.contains("unfinished")),
        "{place}: {lines:?}"
    );
}

#[test]
fn each_signal_in_each_form_early_and_late() {
    for (signal, want, words) in SIGNALS {
        for (args, calls) in FORMS {
            for call in calls {
                let dir = ground();
                let run = paused(call, dir.path(), args);
                run.signal(signal);
                let place = format!("{signal}, {args:?}, call {call}");
                check(&run.end(), want, words, &place);
                assert_eq!(names(dir.path()), ["x.fsm"], "{place}");
            }
        }
    }
}

/// Between the finished output and its name: the signal comes before, or after, but not in the middle.
#[test]
fn a_signal_while_the_output_gets_its_name() {
    for (args, _) in FORMS {
        let rename = calls(args);
        let dir = ground();
        let run = paused(rename, dir.path(), args);
        run.signal("TERM");
        sleep(Duration::from_millis(100));
        let ended = run.go_on();
        // The run may have come to its end before the signal got its turn.
        assert!(matches!(ended.status.code(), Some(143 | 0)), "{args:?}: {}", ended.said);
        let verified = ekvsnap(dir.path(), &["verify", args[1]]);
        assert_eq!(code(&verified), 0, "{args:?}: {}", stderr(&verified));
        assert_eq!(names(dir.path()).len(), 2, "{args:?}: {:?}", names(dir.path()));
    }
}

/// Whoever does not want to wait until all is removed says so again: here the removal waits for the rename.
#[test]
fn a_second_interrupt_ends_at_once() {
    let dir = ground();
    let run = paused(calls(&["-o", "out"]), dir.path(), &["-o", "out"]);
    run.signal("INT");
    sleep(Duration::from_millis(400));
    run.signal("TERM");
    sleep(Duration::from_millis(100));
    run.signal("INT");
    let ended = run.end();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.said);
    assert!(names(dir.path()).iter().any(|name| name.contains("unfinished")), "{:?}", names(dir.path()));
}

/// Commands that write no output, and runs that wait for their input.
#[test]
fn a_run_that_waits_for_its_input() {
    for args in [&["decode", "-", "-o", "out"][..], &["verify", "-"], &["inspect", "-"], &["get", "-", "redis:k"]] {
        for (signal, want, words) in SIGNALS {
            let dir = tempfile::tempdir().unwrap();
            let mut command = listening();
            command.args(args).current_dir(dir.path()).stdin(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            // It listens before it reads: what it takes from a full pipe, it takes while it listens.
            let stdin = child.stdin.as_mut().unwrap();
            stdin.write_all(&[b'E'; 200_000]).unwrap();
            let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
            assert!(sent.unwrap().success());
            let stdin = child.stdin.take();
            let out = child.wait_with_output().unwrap();
            drop(stdin);
            assert_eq!(out.status.code(), Some(want), "{args:?}, {signal}: {}", stderr(&out));
            assert_eq!(stderr(&out), format!("ekvsnap: {words}\n"), "{args:?}");
            assert!(names(dir.path()).is_empty(), "{args:?}: {:?}", names(dir.path()));
        }
    }
}

/// Without any help of the program: at some moment of a run with many files.
#[test]
fn at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = (0..6000).fold(Snapshot::new(), |s, n| s.put(format!("!redis|str|key:{n}"), "x".repeat(n % 97)));
    fs::write(dir.path().join("x.fsm"), snapshot.build()).unwrap();
    let (mut ended, mut round) = (0, 0_u64);
    // On a busy machine few runs listen already when the signal comes: then there are more.
    while round < 24 || (ended <= 5 && round < 240) {
        let target = ["out", "out.tar", "out.tar.zst"][round as usize % 3];
        let mut run = listening();
        let run = run.args(["decode", "x.fsm", "-o", target]).current_dir(dir.path());
        let child = run.stderr(Stdio::piped()).spawn().unwrap();
        sleep(Duration::from_millis(5 + round % 24 * 7));
        // Nothing may be there any more to be sent a signal.
        Command::new("sh").args(["-c", &format!("kill -TERM {} 2>&-", child.id())]).status().unwrap();
        let out = child.wait_with_output().unwrap();
        if let Some(143) = out.status.code() {
            ended += 1;
        } else {
            // Before the program listens, the signal does what it always did.
            assert!(out.status.code() == Some(0) || out.status.signal() == Some(15), "{round}: {}", stderr(&out));
        }
        let left: Vec<String> = names(dir.path()).into_iter().filter(|name| name != "x.fsm").collect();
        for name in left {
            assert_eq!(name, target, "round {round}");
            assert_eq!(code(&ekvsnap(dir.path(), &["verify", &name])), 0, "round {round}: half an output");
            let path = dir.path().join(name);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        round += 1;
    }
    assert!(ended > 5, "{ended}");
}

fn in_shell(dir: &Path, before: &str, args: &str) -> std::process::Output {
    let script = format!("{before}; exec \"$0\" decode x.fsm --threads 1 {args}");
    let mut shell = Command::new("env");
    shell.args(["--default-signal=HUP,INT,TERM,XFSZ", "sh", "-c", &script, env!("CARGO_BIN_EXE_ekvsnap")]);
    shell.current_dir(dir).output().unwrap()
}

/// A file that grows over the limit of the process.
#[test]
fn a_file_over_the_limit() {
    for args in ["-o out --layout jsonl", "-o out.tar", "-o out.tar.zst --format tar", "-o out"] {
        for (before, want) in [("ulimit -f 1", 153), ("trap '' XFSZ; ulimit -f 1", 1)] {
            let dir = ground();
            let out = in_shell(dir.path(), before, args);
            assert_eq!(code(&out), want, "{args}: {}", stderr(&out));
            assert!(stderr(&out).starts_with("ekvsnap: cannot write"), "{args}: {}", stderr(&out));
            assert!(stderr(&out).contains("File too large") && stderr(&out).lines().count() == 1, "{}", stderr(&out));
            assert_eq!(names(dir.path()), ["x.fsm"], "{args}");
        }
    }
}

/// What the parent had ignored stays ignored: `nohup`, and jobs in the background of a script.
#[test]
fn signals_that_are_ignored() {
    let dir = ground();
    // It reads its input when the signals come.
    let script = "trap '' HUP INT; \"$0\" decode - -o out <pipe & sleep 0.3; kill -HUP $!; kill -INT $!; wait $!";
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_ekvsnap")]).current_dir(dir.path());
    let shell = shell.stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = fs::File::options().write(true).open(dir.path().join("pipe")).unwrap();
    let bytes = fs::read(dir.path().join("x.fsm")).unwrap();
    let (first, rest) = bytes.split_at(100);
    pipe.write_all(first).unwrap();
    sleep(Duration::from_millis(600));
    pipe.write_all(rest).unwrap();
    drop(pipe);
    let out = shell.wait_with_output().unwrap();
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    assert!(dir.path().join("out/MANIFEST.json").exists());
}
