//! `ekvsnap unpack`.

use std::path::PathBuf;

use super::common::Watch;
use super::exit::{self, Exit};
use super::pack;
use super::parse;
use super::progress::Bar;
use crate::error::Result;
use crate::pack::{Options, unpack};

/// Arguments of `ekvsnap unpack`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::without_either())]
pub(super) struct Args {
    /// An output of a decode: an archive, or - for standard input
    #[arg(value_name = "ARCHIVE")]
    archive: PathBuf,

    /// The new directory
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Replace an older output of ekvsnap
    #[arg(long)]
    force: bool,

    /// Bring all files to the disk before the directory gets its name.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    fsync: Option<bool>,

    /// Worker threads; 0 = one for each core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse::threads)]
    threads: usize,

    #[command(flatten)]
    watch: Watch,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(false, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let options = Options { force: args.force, fsync: args.fsync, threads: args.threads };
    let outcome = unpack(&args.archive, &args.output, &options, bar)?;
    bar.clear();
    Ok(pack::done(&args.output, &outcome))
}
