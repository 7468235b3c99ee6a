//! The command line: arguments in, words and an exit code out.

mod common;
mod decode;
mod diff;
mod exit;
mod filter;
mod generated;
mod get;
mod inputs;
mod inspect;
mod parse;
mod progress;
mod summary;
mod verify;

use std::io::Write as _;

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// Turns elastickv snapshot files (.fsm) into logical backups that people can read, diff, verify and restore.
#[derive(Debug, Parser)]
#[command(name = "ekvsnap", version, max_term_width = 100, after_help = exit::TABLE)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decode snapshots into a directory tree.
    Decode(Box<decode::Args>),
    /// Show what is in a snapshot: rows and versions, scopes, the largest objects, prefixes, expiries.
    Inspect(Box<inspect::Args>),
    /// Prove that a snapshot is sound in every row, or that an output is whole.
    Verify(verify::Args),
    /// Tell which keys, items, objects, messages and files differ between two snapshots or outputs.
    Diff(Box<diff::Args>),
    /// Write one key, item, object, message or file to standard output, or the history of its rows.
    Get(get::Args),
    /// Print a completion script for a shell.
    Completions(generated::Completions),
    /// Print the manual page, or write one for each command.
    Man(generated::Man),
}

/// Runs the program on the process's arguments.
pub fn main() -> Exit {
    match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Decode(args) => decode::run(&args),
            Command::Inspect(args) => inspect::run(&args),
            Command::Verify(args) => verify::run(&args),
            Command::Diff(args) => diff::run(&args),
            Command::Get(args) => get::run(&args),
            Command::Completions(args) => generated::completions(&args),
            Command::Man(args) => generated::man(&args),
        },
        Err(error) => {
            // Help and version are answers, not errors; a closed pipe while printing them is nobody's problem.
            let _ = error.print();
            match error.use_stderr() {
                true if std::env::args_os().nth(1).is_some_and(|name| name == "diff") => Exit::Trouble,
                true => Exit::Usage,
                false => Exit::Fine,
            }
        }
    }
}

/// Says why the program stops, on stderr.
fn complain(error: &crate::Error) -> Exit {
    if error.is_closed_pipe() {
        return Exit::of(error);
    }
    let _ = writeln!(std::io::stderr(), "ekvsnap: {error}");
    Exit::of(error)
}
