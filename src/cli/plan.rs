//! `ekvsnap plan`.

use std::path::{Path, PathBuf};

use indicatif::{DecimalBytes, HumanCount};

use super::common::{Watch, Work};
use super::exit::{self, Exit};
use super::filter::{self, Choice};
use super::inputs::{self, Inputs};
use super::keys::Keys;
use super::out;
use super::progress::Bar;
use super::recipe::Recipe;
use super::summary::tell_warnings;
use crate::decode::Options;
use crate::decode::findings::note_passed_over;
use crate::error::{Error, Result};
use crate::index::saved::{Plan, beside};
use crate::output::manifest;
use crate::plan::{Written, index, plan, write};
use crate::report::visible::Visible;
use crate::report::{Findings, Level};
use crate::source::Source;

/// Arguments of `ekvsnap plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = filter::help(&exit::without_either()))]
pub(super) struct Args {
    /// Snapshots, one of each group of a cluster
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,

    /// File for all inputs; without it INPUT.ekvindex beside each
    ///
    /// get, ls, inspect and decode use a file beside an input by themselves, and another one with --index FILE. A PLAN also has what
    /// the flags below ask for, for decode --plan PLAN --shard I/N and merge.
    #[arg(short, long, value_name = "PLAN")]
    output: Option<PathBuf>,

    /// Replace an older plan
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    work: Work,

    #[command(flatten)]
    watch: Watch,

    #[command(flatten)]
    recipe: Recipe,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    keys: Keys,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(false, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let Work { threads, no_mmap } = args.work;
    let Inputs { sources, passed_over } = inputs::open_settled(&args.inputs, no_mmap, &args.keys, threads)?;
    let mut findings = Findings::default();
    note_passed_over(&passed_over, &mut findings);
    let warnings = manifest::findings_of(&findings, Level::Warning);
    tell_warnings(&warnings, None);
    let finish = |plan: Plan, sources: &[Source], target: &Path| {
        let written = write(&plan, target, args.force, sources)?;
        bar.clear();
        tell(target, written);
        Ok::<_, Error>(())
    };
    if let Some(target) = &args.output {
        refuse_streams(&sources)?;
        let options = Options { threads, passed_over, ..args.recipe.options(&args.choice)? };
        finish(plan(&sources, &options, bar)?, &sources, target)?;
        return Ok(Exit::Fine);
    }
    let options = Options { threads, ..Options::default() };
    for source in &sources {
        let (target, source) = (side_car_of(source)?, std::slice::from_ref(source));
        finish(index(source, &options, bar)?, source, &target)?;
    }
    Ok(Exit::Fine)
}

/// Refuses streams: executing a plan, or resuming a run, opens the inputs again.
pub(super) fn refuse_streams(sources: &[Source]) -> Result<()> {
    let is_file = |source: &Source| source.real_path().is_some_and(Path::is_file);
    match sources.iter().find(|source| !is_file(source)) {
        Some(stream) => {
            let path = stream.path().display();
            Err(Error::usage(format!("{path} is not a file, and cannot be read again: name files")))
        }
        None => Ok(()),
    }
}

fn side_car_of(source: &Source) -> Result<PathBuf> {
    if source.identity().is_none() {
        return Err(Error::usage(format!(
            "{}: its index cannot be saved: bundles, streams, compressed and decrypted snapshots are indexed each time",
            source.path().display()
        )));
    }
    Ok(beside(source.path()))
}

fn tell(target: &Path, written: Written) {
    let Written { bytes, indexed, others } = written;
    let inputs = if indexed == 1 { "1 input".to_owned() } else { format!("{} inputs", HumanCount(indexed as u64)) };
    let rest = if others > 0 { format!("; {others} more must be indexed each time") } else { String::new() };
    let name = Visible(target.display());
    out::say(&format!("{name}: index of {inputs}, {}{rest}\n", DecimalBytes(bytes)));
}
