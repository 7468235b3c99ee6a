//! The `ekvsnap` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ekvsnap::source::survive_torn_maps();
    ekvsnap::cli::main().into()
}
