//! The command line: parses arguments, prints messages, sets the exit code.

mod advice;
mod brief;
mod colour;
mod common;
mod decode;
mod diff;
mod encode;
mod exit;
mod filter;
mod generated;
mod get;
mod inputs;
mod inspect;
mod keys;
#[cfg(feature = "load")]
mod load;
mod ls;
mod merge;
mod out;
mod pack;
mod parse;
mod plan;
mod progress;
mod recipe;
mod restore;
mod resume;
mod schema;
mod shard;
mod signals;
mod summary;
mod table;
mod unpack;
mod verify;

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches as _, ValueHint};

use crate::source::return_large_buffers;

pub use exit::Exit;

/// The program with its commands. The flags of a command are made only when they are needed: most runs need those of one command, and their
/// help only if it is shown.
fn program(help: Help) -> Command {
    let about =
        "Turns elastickv snapshot files (.fsm) into logical backups that people can read, diff, verify and restore";
    let program =
        Command::new("ekvsnap").bin_name("ekvsnap").version(env!("CARGO_PKG_VERSION")).about(about).max_term_width(100);
    let program = program.after_help(exit::TABLE).subcommand_required(true).arg_required_else_help(true);
    let program = program.subcommands([
        command::<decode::Args>(help, "decode", "Decode snapshots into a directory tree"),
        command::<inspect::Args>(help, "inspect", "Show what is in a snapshot, and what is large in it"),
        command::<verify::Args>(help, "verify", "Prove that a snapshot is intact, or an output of a decode"),
        command::<diff::Args>(help, "diff", "Tell which objects differ between two snapshots or outputs"),
        command::<get::Args>(help, "get", "Write one object to standard output, or its history"),
        command::<ls::Args>(help, "ls", "List names, types, sizes and expiries of objects"),
        command::<schema::Args>(help, "schema", "Print the schemas of lines and of Parquet"),
        command::<encode::Args>(help, "encode", "Encode outputs of a decode into a snapshot again"),
        command::<restore::Args>(help, "restore", "Make data directories that servers start from"),
        command::<pack::Args>(help, "pack", "Pack an output of a decode into an archive"),
        command::<unpack::Args>(help, "unpack", "Unpack an output of a decode from an archive"),
        command::<plan::Args>(help, "plan", "Index snapshots once: for fast starts, and for shards of a decode"),
        command::<merge::Args>(help, "merge", "Merge the shards of a plan into the output of a decode"),
    ]);
    #[cfg(feature = "load")]
    let program = program.subcommand(command::<load::Args>(help, "load", "Load objects into running systems"));
    program.subcommands([
        command::<generated::Completions>(help, "completions", "Print a completion script for a shell"),
        command::<generated::Man>(help, "man", "Print the manual page, or write one for each command"),
    ])
}

/// Whether the help of commands is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Help {
    Read,
    NotRead,
}

impl Help {
    /// What the words of a command line ask for. Without any words, help is shown too.
    fn asked_by(mut words: impl ExactSizeIterator<Item = OsString>) -> Help {
        let is_asked = |word: OsString| {
            let word = word.as_encoded_bytes();
            let is_short = word.starts_with(b"-") && !word.starts_with(b"--");
            word == b"help" || word == b"--help" || (is_short && word.contains(&b'h'))
        };
        if words.len() < 3 || words.any(is_asked) { Help::Read } else { Help::NotRead }
    }
}

fn command<A: Args>(help: Help, name: &'static str, about: &'static str) -> Command {
    let command = Command::new(name).about(about);
    match help {
        Help::Read => command.defer(|command| brief::shorten(flags::<A>(command).mut_args(completed))),
        Help::NotRead => command.defer(flags::<A>),
    }
}

fn flags<A: Args>(command: Command) -> Command {
    let about = command.get_about().cloned();
    // The doc comments of the structs with flags are for readers of the code.
    A::augment_args(command).about(about.unwrap_or_default()).long_about(None)
}

/// Tells completion scripts which kind of value an argument takes. Otherwise they would offer files for moments and sizes.
fn completed(arg: Arg) -> Arg {
    let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    match name.as_deref() {
        Some("DIR") => arg.value_hint(ValueHint::DirPath),
        Some("FILE" | "INPUT" | "OUTPUT") => arg.value_hint(ValueHint::AnyPath),
        Some("WHEN" | "HLC" | "HLC|DATE" | "SIZE" | "N" | "LIST" | "PATTERNS" | "TYPES") => {
            arg.value_hint(ValueHint::Other)
        }
        _ => arg,
    }
}

/// Runs a command on its arguments.
fn run(name: &str, given: &mut ArgMatches) -> Result<Exit, clap::Error> {
    Ok(match name {
        "decode" => decode::run(&decode::Args::from_arg_matches_mut(given)?),
        "inspect" => inspect::run(&inspect::Args::from_arg_matches_mut(given)?),
        "verify" => verify::run(&verify::Args::from_arg_matches_mut(given)?),
        "diff" => diff::run(&diff::Args::from_arg_matches_mut(given)?),
        "get" => get::run(&get::Args::from_arg_matches_mut(given)?),
        "ls" => ls::run(&ls::Args::from_arg_matches_mut(given)?),
        "schema" => schema::run(&schema::Args::from_arg_matches_mut(given)?),
        "encode" => encode::run(&encode::Args::from_arg_matches_mut(given)?),
        "restore" => restore::run(&restore::Args::from_arg_matches_mut(given)?),
        "pack" => pack::run(&pack::Args::from_arg_matches_mut(given)?),
        "unpack" => unpack::run(&unpack::Args::from_arg_matches_mut(given)?),
        "merge" => merge::run(&merge::Args::from_arg_matches_mut(given)?),
        "plan" => plan::run(&plan::Args::from_arg_matches_mut(given)?),
        #[cfg(feature = "load")]
        "load" => load::run(&load::Args::from_arg_matches_mut(given)?),
        "completions" => generated::completions(&generated::Completions::from_arg_matches_mut(given)?),
        _ => generated::man(&generated::Man::from_arg_matches_mut(given)?),
    })
}

/// Runs the program on the process's arguments.
pub fn main() -> Exit {
    return_large_buffers();
    let heard = signals::listen();
    let exit = out::settle(on_arguments());
    signals::settle();
    if heard.too_large() && matches!(exit, Exit::Failed | Exit::Trouble) { Exit::FileSize } else { exit }
}

fn on_arguments() -> Exit {
    let parsed = program(Help::asked_by(std::env::args_os())).try_get_matches();
    let ran = parsed.and_then(|mut given| {
        given.remove_subcommand().map_or(Ok(Exit::Misuse), |(name, mut given)| {
            let on_error = given.try_get_one::<String>("on_error").ok().flatten();
            advice::of_command(&name, on_error.map(String::as_str));
            run(&name, &mut given)
        })
    });
    ran.unwrap_or_else(out::clap)
}
