//! Exit codes. They are a public interface.

use std::process::ExitCode;

use crate::Error;

/// The table shown under `--help`. A screen has no room for the codes of signals (`cli/signals.rs`): the README has them.
pub(super) const TABLE: &str = "\
Exit codes:
  0  finished
  1  the environment failed, or the request cannot be met
  2  the input is not an intact snapshot or output; nothing was left behind
  3  finished, but something was skipped
  4  finished, but there were warnings and --strict was given
  64 wrong usage: the command line is not understood";

/// The code of a run that skipped something, and the code of warnings.
const SKIPPED: u8 = 3;
const STRICT: u8 = 4;

/// [`TABLE`] without codes that a command cannot return.
fn without(codes: &[u8]) -> String {
    let is_listed = |line: &&str| !codes.iter().any(|code| line.starts_with(&format!("  {code} ")));
    TABLE.lines().filter(is_listed).collect::<Vec<_>>().join("\n")
}

/// The table of commands without `--strict`.
pub(super) fn without_strict() -> String {
    without(&[STRICT])
}

/// The table of commands that cannot skip anything.
pub(super) fn without_skipped() -> String {
    without(&[SKIPPED])
}

/// The table of commands that only succeed or fail.
pub(super) fn without_either() -> String {
    without(&[SKIPPED, STRICT])
}

/// The table under `get --help`.
pub(super) const GET_TABLE: &str = "\
Exit codes:
  0  found
  1  not found, or the environment failed (cannot read, cannot write)
  2  the input or what was asked for is damaged, or no snapshot or output
  3  found, but something could not be read and was skipped
  64 wrong usage: the command line is not understood";

/// The table under `diff --help`: as with diff(1), 1 is a valid answer.
pub(super) const DIFF_TABLE: &str = "\
Exit codes:
  0  A and B hold the same
  1  they differ, or standard output cannot be written
  2  cannot be compared: an input is not intact, or the environment failed
  3  compared, but something could not be read and was skipped
  64 wrong usage: the command line is not understood";

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Finished.
    Fine,
    /// The environment failed, or a request cannot be met.
    Failed,
    /// The command line is not valid: `EX_USAGE` of sysexits(3).
    Misuse,
    /// For `diff`: the two differ.
    Differ,
    /// The input is not an intact snapshot or output.
    Damage,
    /// For `diff`: any error.
    Trouble,
    /// Finished, but something was skipped.
    Skipped,
    /// Warnings under `--strict`.
    Strict,
    /// A file grew over the limit of the process (SIGXFSZ).
    FileSize,
}

impl Exit {
    /// The code for an error.
    pub fn of(error: &Error) -> Exit {
        if error.is_misuse() {
            Exit::Misuse
        } else if error.is_damage() {
            Exit::Damage
        } else {
            Exit::Failed
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Failed | Exit::Differ => 1,
            Exit::Damage | Exit::Trouble => 2,
            Exit::Skipped => 3,
            Exit::Strict => 4,
            Exit::Misuse => 64,
            Exit::FileSize => 153,
        })
    }
}
