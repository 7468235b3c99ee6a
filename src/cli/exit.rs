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

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Finished.
    Fine = 0,
    /// Wrong usage, or the environment failed.
    Usage = 1,
    /// The input is not a sound snapshot or output.
    Damage = 2,
    /// Finished, but something was skipped.
    Skipped = 3,
    /// Warnings under `--strict`.
    Strict = 4,
}

impl Exit {
    /// The code for an error.
    pub fn of(error: &Error) -> Exit {
        if error.is_damage() { Exit::Damage } else { Exit::Usage }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
