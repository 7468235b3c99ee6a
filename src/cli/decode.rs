//! `ekvsnap decode`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::exit::{self, Exit};
use super::filter::FilterArgs;
use super::inputs::Inputs;
use super::parse::{self, Adapters};
use super::progress::Bar;
use super::summary::Done;
use super::{complain, inputs, summary};
use crate::decode::{Layout, Options, decode, estimate};
use crate::error::{Error, Result};
use crate::output::archive::Packing;

/// Arguments of `ekvsnap decode`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Args {
    /// A snapshot file, a server data directory or its fsm-snap/ (newest intact file), or - for standard input.
    /// Several inputs (one for each Raft group) are one data set.
    #[arg(value_name = "INPUT", required_unless_present = "input")]
    inputs: Vec<PathBuf>,

    /// Another way to name an input.
    #[arg(long, value_name = "PATH")]
    input: Vec<PathBuf>,

    /// Directory to create; must be new or empty, and never holds an input. With --format tar or tar.zst a file, or -
    /// for standard output.
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    output: Option<PathBuf>,

    /// Decode, but write nothing: say what a directory would need of files, inodes and bytes.
    #[arg(long)]
    dry_run: bool,

    /// A directory (dir), or one archive (tar, tar.zst); without the flag the output's name tells.
    #[arg(long, value_name = "FORMAT", value_parser = ["dir", "tar", "tar.zst"])]
    format: Option<String>,

    /// Compression of tar.zst: 1 (fast) to 19 (small).
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    zstd_level: i32,

    /// Replace an output of ekvsnap (a directory with its MANIFEST.json), and remove what a killed run left of it.
    #[arg(long)]
    force: bool,

    /// A file for each key, item and object (tree), or JSON lines, a file for each scope and type (jsonl).
    #[arg(long, value_name = "LAYOUT", default_value = "tree", value_parser = ["tree", "jsonl"])]
    layout: String,

    /// Adapters to decode: dynamodb, s3, redis, sqs, fs.
    #[arg(long, value_name = "LIST", default_value = "all", value_parser = parse::adapters)]
    adapter: Adapters,

    /// Decode the state at this commit timestamp: an HLC number or a date (RFC 3339).
    #[arg(long, value_name = "HLC|DATE", value_parser = parse::hlc)]
    as_of: Option<u64>,

    /// Leave out Redis keys that have expired by WHEN: now, Unix milliseconds, or a date.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "now",
          value_parser = parse::moment)]
    drop_expired: Option<u64>,

    #[command(flatten)]
    filter: FilterArgs,

    /// Fail (exit 4) when there are warnings.
    #[arg(long)]
    strict: bool,

    /// What to do at a row that cannot be read: fail, or skip it, list it in ERRORS.jsonl and exit with 3.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"])]
    on_error: String,

    /// Worker threads; 0 = one for each core. The output is the same for any number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,

    /// Read inputs into memory instead of mapping them.
    #[arg(long)]
    no_mmap: bool,

    /// Copied to MANIFEST.json.
    #[arg(long, value_name = "ID", default_value = "")]
    cluster_id: String,

    /// Also write what the server cannot reach, below _orphans/ (of the file system: below fs/orphans/).
    #[arg(long)]
    include_orphans: bool,

    /// Also write records of unfinished S3 uploads.
    #[arg(long)]
    include_incomplete_uploads: bool,

    /// Rename S3 keys that end in .elastickv-meta.json.
    #[arg(long)]
    rename_collisions: bool,

    /// Keep visibility times and receive counts of SQS messages.
    #[arg(long)]
    preserve_sqs_visibility: bool,

    /// Also write SQS bookkeeping rows.
    #[arg(long)]
    include_sqs_side_records: bool,

    /// DynamoDB items as a file each (per-item), or packed (jsonl): items/data-00001.jsonl and on, an item a line.
    #[arg(long, value_name = "MODE", default_value = "per-item", value_parser = ["per-item", "jsonl"])]
    dynamodb_bundle_mode: String,

    /// Size of a packed DynamoDB file: bytes, or with K, M, G (KiB …: the same; KB …: powers of 1000).
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse::size)]
    dynamodb_bundle_size: u64,

    /// Print events and the summary as JSON lines on standard output.
    #[arg(long)]
    json: bool,

    /// Show a progress bar on a terminal: auto or never.
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = ["auto", "never"])]
    progress: String,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    let bar = Bar::new(args.progress == "auto" && !args.json);
    let result = go(args, &bar);
    bar.clear();
    result.unwrap_or_else(|error| {
        if args.json {
            summary::json_error(&error);
        }
        complain(&error)
    })
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let named: Vec<PathBuf> = args.inputs.iter().chain(&args.input).cloned().collect();
    let target = args.output.as_deref().unwrap_or(Path::new(""));
    check_stdout(args, target)?;
    let Inputs { sources, passed_over } = inputs::open(&named, args.no_mmap)?;
    let options = Options { passed_over, ..options(args, target) };
    let (outcome, done) = if args.dry_run {
        let (outcome, need) = estimate(&sources, &options, bar)?;
        (outcome, Done::Estimated(need))
    } else {
        (decode(&sources, target, &options, bar)?, Done::Written(target))
    };
    bar.clear();
    if args.json {
        summary::json(&outcome, done);
    } else {
        summary::words(&outcome, done);
    }
    let warned = outcome.manifest.warnings.iter().any(|w| w.count > 0);
    Ok(match outcome.manifest.skipped {
        0 if args.strict && warned => Exit::Strict,
        0 => Exit::Fine,
        _ => Exit::Skipped,
    })
}

/// An archive on standard output leaves no room for anything else there.
fn check_stdout(args: &Args, target: &Path) -> Result<()> {
    let to_stdout = target.as_os_str() == "-" && !args.dry_run;
    if to_stdout && args.format.as_deref() == Some("dir") {
        return Err(Error::usage("a directory cannot go to standard output: use --format tar"));
    }
    if to_stdout && args.json {
        return Err(Error::usage("--json needs standard output, where the archive goes: give it a file with -o"));
    }
    if to_stdout && std::io::stdout().is_terminal() {
        return Err(Error::usage("standard output is a terminal: redirect it, or give a file with -o"));
    }
    Ok(())
}

/// As the flag says, else as the name of the output does.
fn packing(args: &Args, target: &Path) -> Option<Packing> {
    let name = target.as_os_str().as_encoded_bytes();
    let zstd = Packing::Zstd { level: args.zstd_level };
    match args.format.as_deref() {
        Some("tar") => Some(Packing::Tar),
        Some("tar.zst") => Some(zstd),
        Some(_) => None,
        None if name.ends_with(b".tar.zst") => Some(zstd),
        None if name == b"-" || name.ends_with(b".tar") => Some(Packing::Tar),
        None => None,
    }
}

fn options(args: &Args, target: &Path) -> Options {
    Options {
        adapters: args.adapter.0.clone(),
        as_of: args.as_of,
        threads: args.threads,
        cluster_id: args.cluster_id.clone(),
        include_orphans: args.include_orphans,
        include_incomplete_uploads: args.include_incomplete_uploads,
        preserve_sqs_visibility: args.preserve_sqs_visibility,
        include_sqs_side_records: args.include_sqs_side_records,
        rename_s3_collisions: args.rename_collisions,
        drop_expired: args.drop_expired,
        dynamodb_bundle: (args.dynamodb_bundle_mode == "jsonl").then_some(args.dynamodb_bundle_size),
        archive: packing(args, target),
        layout: if args.layout == "jsonl" { Layout::Packed } else { Layout::Tree },
        filter: args.filter.filter(),
        force: args.force,
        skip_damage: args.on_error == "skip",
        ..Options::default()
    }
}
