//! Makes every system call of the output fail, one after the other; limits of the system; and runs that are killed.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, names, stderr};
use crate::kit::read_tree;
use crate::kit::thin::thinned;

/// Some rows of every adapter, as snapshots of one data set.
const INPUTS: [&str; 4] = ["redis-small", "dynamodb-small", "s3-small", "sqs-small"];

/// A directory with inputs, and its content after a run that failed.
struct Ground {
    dir: tempfile::TempDir,
    before: Vec<String>,
}

impl Ground {
    fn new() -> Ground {
        let dir = tempfile::tempdir().unwrap();
        for input in INPUTS {
            fs::write(dir.path().join(format!("{input}.fsm")), thinned(input)).unwrap();
        }
        let before = names(dir.path());
        Ground { dir, before }
    }

    /// Runs with a fault; returns whether there were that many calls.
    fn run(&self, fault: &str, args: &[&str]) -> (Output, bool) {
        let inputs = INPUTS.map(|input| format!("{input}.fsm"));
        let decode = [&["decode"][..], &inputs.each_ref().map(String::as_str), args, &["--threads", "1"]].concat();
        self.run_any(fault, &decode)
    }

    /// The same for any command.
    fn run_any(&self, fault: &str, args: &[&str]) -> (Output, bool) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
        command.current_dir(self.dir.path()).args(args);
        let out = command.env("EKVSNAP_FAULT", fault).stdin(Stdio::null()).output().unwrap();
        let hit = stderr(&out).contains("fault injected");
        (out, hit)
    }

    fn is_clean(&self) -> bool {
        names(self.dir.path()) == self.before
    }
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

/// For every call: no panic, exit code 1 with a message, and nothing left. If the system could not read the data to write, the input has
/// changed, which is exit code 2. Returns the number of calls.
fn each_call_fails(args: &[&str]) -> u64 {
    let ground = Ground::new();
    let target = ground.dir.path().join(args[1]);
    for what in ["ENOSPC", "EIO", "EMFILE", "EFAULT", "EACCES"] {
        let mut calls = 0;
        loop {
            let (out, hit) = ground.run(&format!("{}:{what}", calls + 1), args);
            if !hit {
                assert_eq!(code(&out), 0, "{}", stderr(&out));
                remove(&target);
                break;
            }
            calls += 1;
            let said = stderr(&out);
            assert_eq!(code(&out), if what == "EFAULT" { 2 } else { 1 }, "{what} at call {calls}: {said}");
            let words = said.lines().any(|line| match what {
                "EFAULT" => line.starts_with("ekvsnap: the file changed while it was being read"),
                _ => line.starts_with("ekvsnap: cannot ") && line.contains("os error"),
            });
            assert!(words, "{what} at call {calls}: {said}");
            assert!(ground.is_clean(), "{what} at call {calls} left {:?}", names(ground.dir.path()));
        }
        println!("{calls} calls fail with {what}");
        if what == "EACCES" {
            return calls;
        }
    }
    0
}

#[test]
fn each_call_of_a_tree_fails() {
    assert!(each_call_fails(&["-o", "out"]) > 120);
}

#[test]
fn each_call_of_packed_lines_fails() {
    assert!(each_call_fails(&["-o", "out", "--layout", "jsonl"]) > 60);
}

#[test]
fn each_call_of_an_archive_fails() {
    assert!(each_call_fails(&["-o", "out.tar"]) > 20);
    assert!(each_call_fails(&["-o", "out.tar.zst"]) > 20);
}

/// Commands that make an output from another one, each with the name of its output.
fn others() -> Vec<(Vec<&'static str>, &'static str)> {
    let peers = ["--data-dir", "d", "--node", "n1=127.0.0.1:50051"];
    let mut all = vec![
        (vec!["encode", "tree", "-o", "e.fsm"], "e.fsm"),
        (vec!["pack", "tree", "-o", "p.tar.zst"], "p.tar.zst"),
        (vec!["unpack", "a.tar", "-o", "u"], "u"),
        (vec!["inspect", "redis-small.fsm", "--html", "i.html"], "i.html"),
        // The older snapshot has other objects: all of them are deleted.
        (vec!["decode", "sqs-small.fsm", "-o", "c", "--layout", "jsonl", "--since-snapshot", "redis-small.fsm"], "c"),
        ([&["restore", "tree"], &peers[..]].concat(), "d"),
        ([&["restore", "redis-small.fsm"], &peers[..]].concat(), "d"),
    ];
    if cfg!(feature = "load") {
        all.push((vec!["load", "tree", "--to", "l.rdb"], "l.rdb"));
    }
    all
}

/// The directory for the other commands: outputs next to the inputs.
fn outputs() -> Ground {
    let mut ground = Ground::new();
    for args in [&["-o", "tree", "--for-restore"][..], &["-o", "a.tar"]] {
        let (out, _) = ground.run("0:EIO", args);
        assert_eq!(code(&out), 0, "{}", stderr(&out));
    }
    ground.before = names(ground.dir.path());
    ground
}

#[test]
fn each_call_of_other_commands_fails() {
    let ground = outputs();
    for (args, target) in others() {
        let mut calls = 0;
        loop {
            let (out, hit) = ground.run_any(&format!("{}:ENOSPC", calls + 1), &args);
            if !hit {
                assert_eq!(code(&out), 0, "{args:?}: {}", stderr(&out));
                remove(&ground.dir.path().join(target));
                break;
            }
            calls += 1;
            let said = stderr(&out);
            assert_eq!(code(&out), 1, "{args:?}, call {calls}: {said}");
            let is_told =
                |line: &str| line.starts_with("ekvsnap: ") && line.contains("cannot ") && line.contains("os error");
            assert!(said.lines().any(is_told), "{args:?}, call {calls}: {said}");
            assert!(ground.is_clean(), "{args:?}, call {calls} left {:?}", names(ground.dir.path()));
        }
        println!("{calls} calls of {args:?} fail");
        assert!(calls >= 3, "{args:?}: {calls} calls");
    }
}

/// A file that cannot grow, wherever it is: the output, and all that is put aside on the way to it.
#[test]
fn files_of_other_commands_cannot_grow() {
    let ground = outputs();
    let named = |args: &[&str]| args.iter().map(|arg| format!("'{arg}'")).collect::<Vec<_>>().join(" ");
    for (args, target) in others() {
        let (mut blocks, mut failed) = (0, 0);
        loop {
            let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {}", named(&args));
            let mut shell = Command::new("sh");
            shell.args(["-c", &script, env!("CARGO_BIN_EXE_ekvsnap")]).current_dir(ground.dir.path());
            let out = shell.stdin(Stdio::null()).output().unwrap();
            if code(&out) == 0 {
                remove(&ground.dir.path().join(target));
                break;
            }
            failed += 1;
            let said = stderr(&out);
            assert_eq!(code(&out), 1, "{args:?}, {blocks} blocks: {said}");
            assert!(said.contains("File too large"), "{args:?}, {blocks} blocks: {said}");
            assert!(ground.is_clean(), "{args:?}, {blocks} blocks left {:?}", names(ground.dir.path()));
            blocks = blocks * 2 + 1;
        }
        assert!(failed > 0, "{args:?}");
    }
}

/// A write may take fewer bytes than it was given: then it continues.
#[test]
fn each_write_may_be_short() {
    let ground = Ground::new();
    for args in [&["-o", "out"][..], &["-o", "out.tar"], &["-o", "out.tar.zst"]] {
        let target = ground.dir.path().join(args[1]);
        let read = || if target.is_dir() { read_tree(&target) } else { [(vec![], fs::read(&target).unwrap())].into() };
        let (mut want, mut calls) = (None, 0);
        loop {
            let (out, hit) = ground.run(&format!("{}:SHORT", calls + 1), args);
            assert_eq!(code(&out), 0, "call {calls}: {}", stderr(&out));
            assert!(want.get_or_insert_with(read) == &read(), "call {calls} made another output");
            remove(&target);
            if !hit {
                break;
            }
            calls += 1;
        }
        assert!(calls > 20, "{calls}");
    }
}

/// Limits that the system itself sets: of handles, and of the size of files.
#[test]
fn limits_of_the_system() {
    let ground = Ground::new();
    let limited = |limit: &str, target: &str| {
        let script = format!("trap '' XFSZ; ulimit {limit}; exec \"$0\" decode *.fsm -o {target} --threads 2");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_ekvsnap")]).current_dir(ground.dir.path());
        shell.output().unwrap()
    };
    let (mut failed, mut worked) = (0, 0);
    for handles in 6..40 {
        for target in ["out", "out.tar"] {
            let out = limited(&format!("-n {handles}"), target);
            match out.status.code() {
                Some(0) => {
                    worked += 1;
                    remove(&ground.dir.path().join(target));
                }
                // Too few handles for the loader or the shell itself.
                None | Some(126..) if handles < 10 => {}
                other => {
                    assert_eq!(other, Some(1), "{handles} handles: {}", stderr(&out));
                    failed += 1;
                }
            }
            assert!(ground.is_clean(), "{handles} handles left {:?}", names(ground.dir.path()));
        }
    }
    assert!(failed > 10 && worked > 10, "{failed} failed, {worked} worked");
    for blocks in [1, 2, 8, 20] {
        let out = limited(&format!("-f {blocks}"), "out.tar");
        assert_eq!(code(&out), 1, "{blocks} blocks: {}", stderr(&out));
        assert!(stderr(&out).contains("File too large"), "{}", stderr(&out));
        assert!(ground.is_clean(), "{blocks} blocks left {:?}", names(ground.dir.path()));
    }
}

/// Killed at any moment: no output, or a complete one; the next run works, reports what was left, and can remove it.
#[test]
fn killed_runs() {
    let dir = tempfile::tempdir().unwrap();
    let mut snapshot = Snapshot::new();
    for n in 0..6000 {
        snapshot = snapshot.put(format!("!redis|str|key:{n}"), "x".repeat(n % 97));
    }
    fs::write(dir.path().join("x.fsm"), snapshot.build()).unwrap();
    let (mut killed, mut left_before) = (0, 0);
    for round in 0..24u64 {
        let mut run = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
        let run = run.args(["decode", "x.fsm", "-o", "out"]).current_dir(dir.path()).stderr(Stdio::null());
        let mut child = run.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 7));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        killed += usize::from(status.signal().is_some());
        if dir.path().join("out").exists() {
            assert_eq!(code(&ekvsnap(dir.path(), &["verify", "out"])), 0, "round {round}: half an output");
            fs::remove_dir_all(dir.path().join("out")).unwrap();
        }
        let left: Vec<String> = names(dir.path()).into_iter().filter(|name| name != "x.fsm").collect();
        assert!(left.iter().all(|name| name.starts_with(".out.ekvsnap-unfinished-")), "{left:?}");
        assert!(left.len() <= left_before + 1);
        left_before = left.len();
    }
    assert!(killed > 5 && left_before > 2, "{killed} killed, {left_before} left something");
    let next = ekvsnap(dir.path(), &["decode", "x.fsm", "-o", "out"]);
    assert_eq!(code(&next), 0, "{}", stderr(&next));
    assert_eq!(stderr(&next).matches("was left by a run that was killed").count(), left_before);
    let forced = ekvsnap(dir.path(), &["decode", "x.fsm", "-o", "out", "--force"]);
    assert_eq!(code(&forced), 0, "{}", stderr(&forced));
    assert_eq!(names(dir.path()), ["out", "x.fsm"]);
}
