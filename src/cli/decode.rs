//! `ekvsnap decode`.

use std::path::{Path, PathBuf};

use super::common::Watch;
use super::exit::{self, Exit};
use super::filter::{self, Choice};
use super::get::tell_losses;
use super::inputs::{Inputs, SavedIndex};
use super::keys::Keys;
use super::parse;
use super::progress::Bar;
use super::summary::{Done, warning_words};
use super::{inputs, out, summary};
use crate::decode::{Layout, Options, decode, estimate, lines as decode_lines};
use crate::error::{Error, Result};
use crate::output::archive::Packing;
use crate::source::Source;

/// Arguments of `ekvsnap decode`.
#[derive(Debug, clap::Args)]
#[command(after_help = filter::help(exit::TABLE))]
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Args {
    /// Snapshots, one of each group of a cluster
    #[arg(value_name = "INPUT", required_unless_present = "input")]
    inputs: Vec<PathBuf>,

    /// Another way to name an input.
    #[arg(long, value_name = "PATH", hide = true)]
    input: Vec<PathBuf>,

    /// New or empty directory, archive file, or - for stdout
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    output: Option<PathBuf>,

    /// Write nothing: say what a directory would need of files, inodes and bytes.
    #[arg(long)]
    dry_run: bool,

    /// dir, tar, tar.zst or tar.gz; jsonl: lines of one kind, to stdout
    ///
    /// Without the flag the output's name tells. One kind: a Redis --type, one table, bucket or queue of --scope, or --adapter fs.
    #[arg(long, value_name = "FORMAT", value_parser = ["dir", "tar", "tar.zst", "tar.gz", LINES], hide_possible_values = true)]
    format: Option<String>,

    /// Compression of tar.zst: 1 (fast) to 19 (small).
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    zstd_level: i32,

    /// Replace an older output of ekvsnap
    ///
    /// Also removes what killed runs left of it.
    #[arg(long)]
    force: bool,

    /// Bring the output to the disk; without the flag: archives and jsonl.
    #[arg(long, hide_possible_values = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    fsync: Option<bool>,

    /// tree (default): a file each; jsonl: lines; or parquet
    #[arg(long, value_name = "LAYOUT", hide_default_value = true, default_value = "tree", value_parser = parse::layouts(),
          hide_possible_values = true)]
    layout: String,

    /// With jsonl: also schema.json and scripts that load the lines.
    #[arg(long)]
    loaders: bool,

    /// Cut jsonl at so many bytes (no default); Parquet: 256MiB
    #[arg(long, value_name = "SIZE", value_parser = parse::size, hide_short_help = true)]
    part_size: Option<u64>,

    /// State at this commit timestamp (HLC) or date + 10 s
    #[arg(long, value_name = "HLC|DATE", value_parser = parse::hlc)]
    as_of: Option<u64>,

    /// Fail (exit 4) when there are warnings.
    #[arg(long)]
    strict: bool,

    /// At damage: fail (default), or skip it
    ///
    /// What was skipped is listed in ERRORS.jsonl.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"],
          hide_possible_values = true, hide_default_value = true)]
    on_error: String,

    /// Worker threads (0: one a core); the output is the same
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse::threads)]
    threads: usize,

    /// Read inputs into memory instead of mapping them.
    #[arg(long)]
    no_mmap: bool,

    /// Print events and the summary as JSON lines on standard output.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    watch: Watch,

    /// Copied to MANIFEST.json.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    cluster_id: String,

    /// Also write what the server cannot reach, below _orphans/.
    #[arg(long, help_heading = "Extra or hidden data")]
    include_orphans: bool,

    /// Also write records of unfinished S3 uploads.
    #[arg(long, help_heading = "Extra or hidden data")]
    include_incomplete_uploads: bool,

    /// Also write SQS bookkeeping rows.
    #[arg(long, help_heading = "Extra or hidden data")]
    include_sqs_side_records: bool,

    /// Keep visibility times and receive counts of messages.
    #[arg(long, help_heading = "Extra or hidden data")]
    preserve_sqs_visibility: bool,

    /// Also write all that a restore needs.
    #[arg(long, conflicts_with = "include_orphans", help_heading = "Extra or hidden data")]
    for_restore: bool,

    /// Rename S3 keys that end in .elastickv-meta.json.
    #[arg(long, help_heading = "Extra or hidden data")]
    rename_collisions: bool,

    /// per-item, or jsonl: many items in a file.
    #[arg(long, value_name = "MODE", default_value = "per-item", value_parser = ["per-item", "jsonl"],
          hide_possible_values = true, help_heading = "Extra or hidden data")]
    dynamodb_bundle_mode: String,

    /// Size of such a file: K, M, G, KiB, MB, ….
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse::size,
          help_heading = "Extra or hidden data")]
    dynamodb_bundle_size: u64,

    #[command(flatten)]
    index: SavedIndex,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    keys: Keys,
}

/// The format that is no file: lines as they come.
const LINES: &str = "jsonl";

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(args.json, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let named: Vec<PathBuf> = args.inputs.iter().chain(&args.input).cloned().collect();
    let target = args.output.as_deref().unwrap_or(Path::new(""));
    check_stdout(args, target)?;
    check_name(args, target)?;
    let Inputs { sources, passed_over } =
        inputs::open_indexed(&named, args.no_mmap, &args.keys, args.threads, &args.index)?;
    let options = Options { passed_over, ..options(args, target)? };
    if args.format.as_deref() == Some(LINES) && !args.dry_run {
        return lines(args, &sources, &options, bar);
    }
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
    Ok(exit(args, outcome.manifest.skipped, warned))
}

fn exit(args: &Args, skipped: u64, warned: bool) -> Exit {
    match skipped {
        0 if args.strict && warned => Exit::Strict,
        0 => Exit::Fine,
        _ => Exit::Skipped,
    }
}

/// Lines of one kind on standard output, and nothing else there.
fn lines(args: &Args, sources: &[Source], options: &Options, bar: &Bar) -> Result<Exit> {
    let filled = decode_lines(sources, options, bar, &mut out::data())?;
    bar.clear();
    let warnings = &filled.manifest.warnings;
    out::tell(&warnings.iter().map(|warning| warning_words(warning, None)).collect::<String>());
    tell_losses(&filled.lost)?;
    filled.matched.check()?;
    Ok(exit(args, filled.manifest.skipped, warnings.iter().any(|warning| warning.count > 0)))
}

/// An archive on standard output leaves no room for anything else there.
fn check_stdout(args: &Args, target: &Path) -> Result<()> {
    let to_stdout = target.as_os_str() == "-" && !args.dry_run;
    if args.format.as_deref() == Some(LINES) {
        return check_lines(args, to_stdout);
    }
    if to_stdout && args.format.as_deref() == Some("dir") {
        return Err(Error::command_line("a directory cannot go to standard output: use --format tar"));
    }
    if to_stdout && args.json {
        return Err(Error::command_line(
            "--json needs standard output, where the archive goes: give it a file with -o",
        ));
    }
    if to_stdout && out::answers_are_seen() {
        return Err(Error::command_line("standard output is a terminal: redirect it, or give a file with -o"));
    }
    Ok(())
}

/// Lines of one kind are nothing but lines.
fn check_lines(args: &Args, to_stdout: bool) -> Result<()> {
    let refused = [
        (
            !to_stdout,
            "--format jsonl is for -o -: redirect it to a file, or give --layout jsonl for a directory of lines",
        ),
        (args.json, "--json needs standard output, where the lines go"),
        (args.loaders, "--loaders writes files: give a directory with -o, or take `ekvsnap schema`"),
        (
            args.include_orphans
                || args.include_incomplete_uploads
                || args.include_sqs_side_records
                || args.for_restore,
            "what the server does not serve has files of its own: leave out --include-… and --for-restore, or give a directory with -o",
        ),
        (
            args.part_size.is_some(),
            "a stream of lines has no parts: leave out --part-size, or give a directory with -o",
        ),
        (args.layout == "parquet", "lines of --format jsonl are not those of --layout parquet: leave one out"),
    ];
    match refused.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, why)) => Err(Error::command_line(why)),
        None => Ok(()),
    }
}

/// Ends of names that promise something else than a directory, and what is possible.
const OTHER_NAMES: [(&str, &str); 5] = [
    (".jsonl .json .ndjson", "JSON lines are a directory of files: name one, with --layout jsonl"),
    (
        ".tar.xz .txz .tar.bz2 .tbz2 .tar.lz4 .tar.br .tzst .tar.zstd .zst .gz .xz .bz2 .lz4 .br",
        "archives are written as .tar, .tar.zst or .tar.gz; or pipe -o - into a compressor",
    ),
    (".zip .7z .rar .cpio", "archives are written as .tar, .tar.zst or .tar.gz"),
    (".parquet", "Parquet is a directory of files: name one, with --layout parquet"),
    (".csv .sqlite .db", "it is no form of output: name a directory, .tar, .tar.zst or .tar.gz"),
];

/// Refuses the name of a file that cannot be written; a directory may have it where --format dir asks for it.
fn check_name(args: &Args, target: &Path) -> Result<()> {
    let name = target.file_name().unwrap_or_default().as_encoded_bytes().to_ascii_lowercase();
    let ends = |ends: &str| ends.split(' ').find(|end| name.ends_with(end.as_bytes())).map(str::to_owned);
    let Some((end, words)) = OTHER_NAMES.iter().find_map(|(list, words)| Some((ends(list)?, words))) else {
        return Ok(());
    };
    if args.dry_run || args.format.is_some() || target.is_dir() || packing(args, target).is_some() {
        return Ok(());
    }
    Err(Error::command_line(format!(
        "{} is not written as {end}: {words} (--format says what is meant)",
        target.display()
    )))
}

/// As the flag says, else as the name of the output does.
fn packing(args: &Args, target: &Path) -> Option<Packing> {
    let name = target.as_os_str().as_encoded_bytes();
    let zstd = Packing::Zstd { level: args.zstd_level };
    match args.format.as_deref() {
        Some("tar") => Some(Packing::Tar),
        Some("tar.zst") => Some(zstd),
        Some("tar.gz") => Some(Packing::Gzip),
        Some(_) => None,
        None if name.ends_with(b".tar.zst") => Some(zstd),
        None if name.ends_with(b".tar.gz") || name.ends_with(b".tgz") => Some(Packing::Gzip),
        None if name == b"-" || name.ends_with(b".tar") => Some(Packing::Tar),
        None => None,
    }
}

/// A layout that this program was built with.
pub(super) fn layout(name: &str) -> Result<Layout> {
    Layout::named(name).ok_or_else(|| {
        Error::command_line(format!(
            "this program was built without --layout {name}: take a released one, or build it with --features {name}"
        ))
    })
}

fn options(args: &Args, target: &Path) -> Result<Options> {
    let options = Options {
        adapters: args.choice.adapters(),
        as_of: args.as_of,
        threads: args.threads,
        cluster_id: args.cluster_id.clone(),
        include_orphans: args.include_orphans,
        include_incomplete_uploads: args.include_incomplete_uploads,
        preserve_sqs_visibility: args.preserve_sqs_visibility,
        include_sqs_side_records: args.include_sqs_side_records,
        rename_s3_collisions: args.rename_collisions,
        drop_expired: args.choice.drop_expired,
        dynamodb_bundle: (args.dynamodb_bundle_mode == "jsonl").then_some(args.dynamodb_bundle_size),
        archive: packing(args, target),
        layout: layout(&args.layout)?,
        loaders: args.loaders,
        part_size: args.part_size,
        filter: args.choice.filter(),
        force: args.force,
        fsync: args.fsync,
        skip_damage: args.on_error == "skip",
        ..Options::default()
    };
    Ok(if args.for_restore { options.for_restore() } else { options })
}
