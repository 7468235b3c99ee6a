//! `ekvsnap merge`.

use std::path::PathBuf;

use super::common::{Watch, Work};
use super::decode;
use super::exit::{self, Exit};
use super::inputs::{self, Inputs};
use super::keys::Keys;
use super::progress::Bar;
use super::summary::{self, Done};
use crate::error::{Error, Result};
use crate::output::archive::Packing;
use crate::plan::{MergeOptions, Planned, merge};

/// Arguments of `ekvsnap merge`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::without_skipped())]
pub(super) struct Args {
    /// All shards of the plan, or directories of them
    #[arg(value_name = "SHARD", required = true)]
    shards: Vec<PathBuf>,

    /// The plan of the shards
    ///
    /// Its inputs must be where they were: the merge reads from them what no shard has.
    #[arg(long, value_name = "PLAN")]
    plan: PathBuf,

    /// New or empty directory
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Replace an older output of ekvsnap
    #[arg(long)]
    force: bool,

    /// Copy the shards' files, and leave the shards
    ///
    /// Without it their files are linked, and the shards are removed once the output has its name.
    #[arg(long)]
    keep: bool,

    /// Fail (exit 4) when there are warnings.
    #[arg(long)]
    strict: bool,

    /// Print events and the summary as JSON lines on standard output.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    work: Work,

    #[command(flatten)]
    watch: Watch,

    #[command(flatten)]
    keys: Keys,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(args.json, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let Work { threads, no_mmap } = args.work;
    if decode::packing_of(&args.output, Packing::Gzip).is_some() {
        let name = args.output.display();
        return Err(Error::command_line(format!(
            "{name} is the name of an archive, and shards are merged into a directory: name one, and ekvsnap pack makes an archive of it"
        )));
    }
    let planned = Planned::read(&args.plan)?;
    let Inputs { mut sources, .. } = inputs::open_files(&planned.inputs(), no_mmap, &args.keys, threads)?;
    let options = MergeOptions { force: args.force, keep: args.keep, threads };
    let outcome = merge(&planned, &mut sources, &args.shards, &args.output, options, bar)?;
    bar.clear();
    let done = Done::Written(&args.output);
    if args.json {
        summary::json(&outcome, done);
    } else {
        summary::words(&outcome, done);
    }
    let warned = outcome.manifest.warnings.iter().any(|w| w.count > 0);
    Ok(if args.strict && warned { Exit::Strict } else { Exit::Fine })
}
