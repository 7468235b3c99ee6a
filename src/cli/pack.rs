//! `ekvsnap pack`.

use std::path::{Path, PathBuf};

use super::common::Watch;
use super::exit::{self, Exit};
use super::out;
use super::parse;
use super::progress::Bar;
use super::summary::counted;
use crate::error::{Error, Result};
use crate::output::archive::Packing;
use crate::pack::{Options, Outcome, pack};
use crate::report::visible::Visible;

/// Arguments of `ekvsnap pack`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::without_either())]
pub(super) struct Args {
    /// An output of a decode: a directory
    #[arg(value_name = "OUT")]
    dir: PathBuf,

    /// The archive: .tar, .tar.zst or .tar.gz
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Compression of tar.zst: 1 (fast) to 19 (small).
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    zstd_level: i32,

    /// Replace an archive made by ekvsnap
    #[arg(long)]
    force: bool,

    /// Bring the archive to the disk before it gets its name.
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
    let packing = packing(args)?;
    let options = Options { force: args.force, fsync: args.fsync, threads: args.threads };
    let outcome = pack(&args.dir, &args.output, packing, &options, bar)?;
    bar.clear();
    Ok(done(&args.output, &outcome))
}

/// Reports the result of `pack` or `unpack`.
pub(super) fn done(output: &Path, outcome: &Outcome) -> Exit {
    out::say(&format!(
        "{}: {}, read again and verified, in {:.2} s\n",
        Visible(output.display()),
        counted(outcome.files, "file", "files"),
        outcome.elapsed.as_secs_f64(),
    ));
    Exit::Fine
}

fn packing(args: &Args) -> Result<Packing> {
    let name = args.output.as_os_str().as_encoded_bytes();
    let ends = |ending: &str| name.ends_with(ending.as_bytes());
    match () {
        () if ends(".tar.zst") => Ok(Packing::Zstd { level: args.zstd_level }),
        () if ends(".tar.gz") || ends(".tgz") => Ok(Packing::Gzip),
        () if ends(".tar") || name == b"-" => Ok(Packing::Tar),
        () => Err(Error::command_line(format!(
            "{}: the name of an archive must end in .tar, .tar.zst or .tar.gz",
            args.output.display()
        ))),
    }
}
