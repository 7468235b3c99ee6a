//! Runs the program.

use std::path::Path;
use std::process::{Command, Output, Stdio};

pub fn ekvsnap(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
    // Tables are as wide as the terminal of whoever runs the tests.
    command.current_dir(dir).args(args).stdin(Stdio::null()).env_remove("COLUMNS").output().unwrap()
}

/// The program with default signal handling: a child ignores the signals that its parent ignores, and the tests may run in the background
/// of a script or under `nohup`.
pub fn listening() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT,TERM,XFSZ", env!("CARGO_BIN_EXE_ekvsnap")]);
    command
}

/// The same with 256 handles, the limit of some systems.
pub fn with_few_handles(dir: &Path, args: &[&str]) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_ekvsnap")]).args(args);
    shell.current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The names in a directory, in order.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}
