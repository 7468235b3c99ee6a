//! Runs the guide's examples unchanged, and checks that the help of every command fits one screen.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kit::command::{code, ekvsnap};

/// Commands that read something.
const COMMANDS: &[&str] = &[
    "decode",
    "inspect",
    "verify",
    "diff",
    "get",
    "ls",
    "encode",
    "restore",
    #[cfg(feature = "load")]
    "load",
    "pack",
    "unpack",
    "plan",
    "merge",
];

/// A command and its expected lines.
struct Example {
    command: String,
    want: Vec<String>,
}

fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => inside = line == "```text",
            Some(command) if inside => examples.push(Example { command: command.to_owned(), want: Vec::new() }),
            None if inside => examples.last_mut().unwrap().want.push(line.to_owned()),
            _ => {}
        }
    }
    examples
}

/// Whether the lines occur in this order, with other lines between them only at `…`.
fn matches(want: &[String], got: &[&str]) -> bool {
    match want {
        [] => got.is_empty(),
        [gap, rest @ ..] if gap == "…" => (0..=got.len()).any(|skipped| matches(rest, &got[skipped..])),
        [line, rest @ ..] => got.first().is_some_and(|first| first == line) && matches(rest, &got[1..]),
    }
}

#[test]
fn every_example_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = examples(&fs::read_to_string(root.join("docs/GUIDE.md")).unwrap());
    assert!(examples.len() >= 12);
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("testdata")).unwrap();
    for name in ["testdata/redis-small.fsm", "testdata/damaged.fsm", "testdata/dynamodb-small.fsm"] {
        fs::copy(root.join(name), dir.path().join(name)).unwrap();
    }
    let program = format!("ekvsnap() {{ '{}' \"$@\"; }}; ", env!("CARGO_BIN_EXE_ekvsnap"));
    for Example { command, want } in examples {
        let out = Command::new("sh")
            .args(["-c", &format!("{program}{{ {command}; }} 2>&1")])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let got: Vec<&str> = text.lines().collect();
        assert!(matches(&want, &got), "{command} prints\n{text}");
    }
}

#[test]
fn long_help_names_exit_codes() {
    for &command in COMMANDS {
        let out = ekvsnap(Path::new("/"), &[command, "--help"]);
        assert_eq!(code(&out), 0);
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{command}");
        assert!(text.contains("Exit codes:\n  0  "), "{command}");
        insta::assert_snapshot!(format!("help {command}"), text);
    }
}

/// On a screen of 24 lines of 80 columns: the flags that most runs need, and three examples.
#[test]
fn short_help_fits_a_screen() {
    for &command in COMMANDS {
        let mut program = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
        let out = program.args([command, "-h"]).env("COLUMNS", "80").output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(text.lines().count() <= 24, "{command}: {} lines", text.lines().count());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{command}");
        assert_eq!(text.lines().filter(|line| line.starts_with(&format!("  ekvsnap {command} "))).count(), 3);
        insta::assert_snapshot!(format!("short help {command}"), text);
    }
}

#[test]
fn slips_are_put_right() {
    for (args, want) in [
        (&["decod"][..], "'decode'"),
        (&["decode", "x", "--ouput", "y"], "'--output'"),
        (&["decode", "x", "-o", "y", "--layuot", "jsonl"], "'--layout'"),
        (&["inspect", "x", "--prefix-dept", "2"], "'--prefix-depth'"),
        (&["decode", "x", "-o", "y", "--layout", "jsnl"], "'jsonl'"),
    ] {
        let out = ekvsnap(Path::new("/"), args);
        assert_eq!(code(&out), 64);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains("similar") && said.contains(want), "{args:?}: {said}");
        assert!(!said.contains('\u{1b}'), "no colours where nobody looks");
    }
}
