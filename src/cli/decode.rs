//! `ekvsnap decode`.

use std::path::{Path, PathBuf};

use super::common::Watch;
use super::exit::{self, Exit};
use super::filter::{self, Choice};
use super::get::tell_losses;
use super::inputs::{Inputs, SavedIndex};
use super::keys::Keys;
use super::parse;
use super::plan::refuse_streams;
use super::progress::Bar;
use super::recipe::Recipe;
use super::shard::Shard;
use super::summary::{Done, note_words, tell_warnings};
use super::{inputs, out, resume, summary};
use crate::compare::since::prepare;
use crate::decode::{Options, check_target, decode, estimate, lines as decode_lines};
use crate::error::{Error, Result};
use crate::options::changes::Older;
use crate::output::archive::Packing;
use crate::source::Source;

/// Arguments of `ekvsnap decode`.
#[derive(Debug, clap::Args)]
#[command(after_help = filter::help(exit::TABLE))]
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Args {
    /// Snapshots, one of each group of a cluster
    #[arg(value_name = "INPUT", required_unless_present_any = ["input", "plan"])]
    inputs: Vec<PathBuf>,

    /// Another way to name an input.
    #[arg(long, value_name = "PATH", hide = true)]
    input: Vec<PathBuf>,

    /// New or empty directory, archive file, or - for stdout
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    output: Option<PathBuf>,

    /// Write nothing: print how many files, inodes and bytes a directory would need.
    #[arg(long)]
    dry_run: bool,

    /// dir, tar, tar.zst or tar.gz; jsonl: lines of one kind, to stdout
    ///
    /// Without the flag, the name of the output decides. One kind: a Redis --type, one table, bucket or queue of --scope, or --adapter fs.
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

    /// Keep what is finished in OUT.resume, and go on after a kill
    ///
    /// The work is cut into shards, done one after the other. The same command with the same inputs and options does those that a
    /// killed run has not finished. OUT.resume is removed when OUT is complete. OUT is a directory.
    #[arg(long, conflicts_with_all = ["dry_run", "plan"])]
    resume: bool,

    /// Sync to disk before the rename (default: archives and jsonl).
    #[arg(long, hide_possible_values = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    fsync: Option<bool>,

    /// Fail (exit 4) when there are warnings.
    #[arg(long)]
    strict: bool,

    /// At damage: fail (default) or skip
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

    /// With jsonl or aws-export: what changed since this older snapshot
    ///
    /// For history that INPUT no longer has. Give one for each group of the cluster.
    #[arg(long, value_name = "OLDER", conflicts_with_all = ["since", "plan", "resume"], hide_short_help = true)]
    since_snapshot: Vec<PathBuf>,

    #[command(flatten)]
    watch: Watch,

    #[command(flatten)]
    recipe: Recipe,

    #[command(flatten)]
    index: SavedIndex,

    #[command(flatten)]
    shard: Shard,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    keys: Keys,
}

/// The format without a file: lines are written as they are made.
const LINES: &str = "jsonl";

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(args.json, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let shard = args.shard.run(args.output.as_deref(), args.no_mmap, args.threads, &args.keys, bar);
    if let Some(done) = shard {
        return done;
    }
    let named: Vec<PathBuf> = args.inputs.iter().chain(&args.input).cloned().collect();
    let target = args.output.as_deref().unwrap_or(Path::new(""));
    check_stdout(args, target)?;
    check_name(args, target)?;
    if args.resume {
        inputs::settle_files(&named);
    }
    let Inputs { mut sources, passed_over } =
        inputs::open_indexed(&named, args.no_mmap, &args.keys, args.threads, &args.index)?;
    let options = Options { passed_over, ..options(args, target)? };
    if args.format.as_deref() == Some(LINES) && !args.dry_run {
        return lines(args, &sources, &options, bar);
    }
    let options = with_changes(args, &sources, target, options, bar)?;
    let (outcome, done) = if args.dry_run {
        let (outcome, need) = estimate(&sources, &options, bar)?;
        (outcome, Done::Estimated(need))
    } else if args.resume {
        refuse_streams(&sources)?;
        let shards = args.shard.count();
        (resume::run(&mut sources, target, shards, &options, args.json, bar)?, Done::Written(target))
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

/// Adds changes since older snapshots to the options, if they are asked for. For lines the changes are found here.
fn with_changes(args: &Args, sources: &[Source], target: &Path, options: Options, bar: &Bar) -> Result<Options> {
    let options = match args.since_snapshot.is_empty() {
        true => options,
        false => {
            let older = inputs::open(&args.since_snapshot, args.no_mmap, &args.keys, args.threads)?;
            options.since_older(Older::of(older.sources)?)
        }
    };
    // With --resume the plan reports why not.
    if args.resume || !options.writes_changes() {
        return Ok(options);
    }
    if !args.dry_run {
        check_target(target, &options)?;
    }
    prepare(sources, options, bar)
}

fn exit(args: &Args, skipped: u64, warned: bool) -> Exit {
    match skipped {
        0 if args.strict && warned => Exit::Strict,
        0 => Exit::Fine,
        _ => Exit::Skipped,
    }
}

/// Writes lines of one kind to standard output, and nothing else.
fn lines(args: &Args, sources: &[Source], options: &Options, bar: &Bar) -> Result<Exit> {
    let filled = decode_lines(sources, options, bar, &mut out::data())?;
    bar.clear();
    let warnings = &filled.manifest.warnings;
    tell_warnings(warnings, None);
    out::report(&note_words(&filled.manifest.notes));
    tell_losses(&filled.lost)?;
    filled.matched.check()?;
    Ok(exit(args, filled.manifest.skipped, warnings.iter().any(|warning| warning.count > 0)))
}

/// Checks that nothing else is written to standard output beside an archive.
fn check_stdout(args: &Args, target: &Path) -> Result<()> {
    let to_stdout = target.as_os_str() == "-" && !args.dry_run;
    if args.shard.count().is_some() && !args.resume {
        return Err(Error::command_line("--shards needs --shard auto or --resume"));
    }
    if args.resume && (packing(args, target).is_some() || args.format.as_deref() == Some(LINES)) {
        return Err(Error::command_line("only a directory can be resumed: ekvsnap pack makes an archive of it"));
    }
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
    if to_stdout && args.format.is_none() && args.recipe.layout == LINES {
        out::tell("note: standard output gets a tar archive; --format jsonl writes only the lines of one kind\n");
    }
    Ok(())
}

/// Checks flags that do not fit with lines of one kind.
fn check_lines(args: &Args, to_stdout: bool) -> Result<()> {
    let refused = [
        (!to_stdout, "--format jsonl writes to standard output: give -o -, or --layout jsonl for a directory of lines"),
        (args.json, "--json needs standard output, where the lines go"),
        (args.recipe.loaders, "--loaders writes files: give a directory with -o, or use `ekvsnap schema`"),
        (
            args.recipe.include_orphans
                || args.recipe.include_incomplete_uploads
                || args.recipe.include_sqs_side_records
                || args.recipe.for_restore,
            "--include-… and --for-restore write additional files: leave them out, or give a directory with -o",
        ),
        (
            args.recipe.part_size.is_some(),
            "a stream of lines has no parts: leave out --part-size, or give a directory with -o",
        ),
        (
            args.recipe.since.is_some() || !args.since_snapshot.is_empty(),
            "changes are lines and a file with names of deleted objects: give --layout jsonl and a directory with -o",
        ),
        (args.recipe.layout == "parquet", "--format jsonl and --layout parquet exclude each other: leave one out"),
        (
            args.recipe.layout == "aws-export",
            "--layout aws-export writes a folder for each table: give a directory with -o",
        ),
    ];
    match refused.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, why)) => Err(Error::command_line(why)),
        None => Ok(()),
    }
}

/// File extensions that do not fit a directory, and what is possible instead.
const OTHER_NAMES: [(&str, &str); 5] = [
    (".jsonl .json .ndjson", "JSON lines are a directory of files: name one, with --layout jsonl"),
    (
        ".tar.xz .txz .tar.bz2 .tbz2 .tar.lz4 .tar.br .tzst .tar.zstd .zst .gz .xz .bz2 .lz4 .br",
        "archives are written as .tar, .tar.zst or .tar.gz; or pipe -o - into a compressor",
    ),
    (".zip .7z .rar .cpio", "archives are written as .tar, .tar.zst or .tar.gz"),
    (".parquet", "Parquet is a directory of files: name one, with --layout parquet"),
    (".csv .sqlite .db", "this is not a format of outputs: name a directory, .tar, .tar.zst or .tar.gz"),
];

/// Refuses the name of a file that cannot be written; a directory may have it with --format dir.
fn check_name(args: &Args, target: &Path) -> Result<()> {
    let name = target.file_name().unwrap_or_default().as_encoded_bytes().to_ascii_lowercase();
    let ends = |ends: &str| ends.split(' ').find(|end| name.ends_with(end.as_bytes())).map(str::to_owned);
    let Some((end, words)) = OTHER_NAMES.iter().find_map(|(list, words)| Some((ends(list)?, words))) else {
        return Ok(());
    };
    if args.dry_run || args.format.is_some() || target.is_dir() || packing(args, target).is_some() {
        return Ok(());
    }
    Err(Error::command_line(format!("{}: no output is written as {end}: {words} (or give --format)", target.display())))
}

/// The format of the flag, or else of the output's name.
fn packing(args: &Args, target: &Path) -> Option<Packing> {
    let zstd = Packing::Zstd { level: args.zstd_level };
    match args.format.as_deref() {
        Some("tar") => Some(Packing::Tar),
        Some("tar.zst") => Some(zstd),
        Some("tar.gz") => Some(Packing::Gzip),
        Some(_) => None,
        None => packing_of(target, zstd),
    }
}

/// The archive format of a name; `zstd`: the value for .tar.zst.
pub(super) fn packing_of(target: &Path, zstd: Packing) -> Option<Packing> {
    let name = target.as_os_str().as_encoded_bytes();
    match name {
        _ if name.ends_with(b".tar.zst") => Some(zstd),
        _ if name.ends_with(b".tar.gz") || name.ends_with(b".tgz") => Some(Packing::Gzip),
        _ if name == b"-" || name.ends_with(b".tar") => Some(Packing::Tar),
        _ => None,
    }
}

fn options(args: &Args, target: &Path) -> Result<Options> {
    Ok(Options {
        threads: args.threads,
        archive: packing(args, target),
        force: args.force,
        fsync: args.fsync,
        skip_damage: args.on_error == "skip",
        ..args.recipe.options(&args.choice)?
    })
}
