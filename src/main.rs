//! The `ekvsnap` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ekvsnap::cli::main().into()
}
