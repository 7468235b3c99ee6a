//! Exit codes: a public promise.

use std::process::ExitCode;

use crate::Error;

/// The table shown under every `--help`.
pub(super) const TABLE: &str = "\
Exit codes:
  0  finished
  1  wrong usage, or the environment failed (cannot read, cannot write)
  2  the input is not a sound snapshot or output; nothing was left behind
  3  finished, but something was skipped
  4  finished, but there were warnings and --strict was given";

/// The table under `get --help`.
pub(super) const GET_TABLE: &str = "\
Exit codes:
  0  it was there
  1  there is no such thing, wrong usage, or the environment failed
  2  the input is not a sound snapshot, or what was asked for is damaged";

/// The table under `diff --help`: as with diff(1), 1 is an answer.
pub(super) const DIFF_TABLE: &str = "\
Exit codes:
  0  A and B hold the same
  1  they differ
  2  wrong usage, the environment failed, or an input is not a sound snapshot or output
  3  compared, but something could not be read and was skipped";

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Finished.
    Fine,
    /// Wrong usage, or the environment failed.
    Usage,
    /// Of `diff`: the two differ.
    Differ,
    /// The input is not a sound snapshot or output.
    Damage,
    /// Of `diff`: any error.
    Trouble,
    /// Finished, but something was skipped.
    Skipped,
    /// Warnings under `--strict`.
    Strict,
}

impl Exit {
    /// The code for an error.
    pub fn of(error: &Error) -> Exit {
        if error.is_damage() { Exit::Damage } else { Exit::Usage }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Usage | Exit::Differ => 1,
            Exit::Damage | Exit::Trouble => 2,
            Exit::Skipped => 3,
            Exit::Strict => 4,
        })
    }
}
