//! `ekvsnap encode`.

use std::path::PathBuf;

use indicatif::{DecimalBytes, HumanCount};
use serde_json::json;

use super::common::Watch;
use super::exit::{self, Exit};
use super::out;
use super::parse::{self, Adapters};
use super::progress::Bar;
use super::summary::warning_words;
use crate::encode::{Options, Outcome, encode};
use crate::error::Result;
use crate::output::manifest::findings_of;
use crate::report::Level;

/// Arguments of `ekvsnap encode`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(super) struct Args {
    /// Outputs of a decode, ours (best made with --for-restore) or the public tool's: directories, .tar, .tar.zst or
    /// .tar.gz; several become one snapshot.
    #[arg(value_name = "OUT", required = true)]
    outputs: Vec<PathBuf>,

    /// The new snapshot file
    ///
    /// It must not be there. A name of 16 hex digits and .fsm tells its Raft index.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Only these adapters: dynamodb, fs, redis, s3, sqs
    #[arg(long, value_name = "LIST", value_parser = parse::adapters)]
    adapter: Option<Adapters>,

    /// Commit timestamp (HLC) of all rows; without the flag the newest that the outputs tell.
    #[arg(long, value_name = "HLC", value_parser = parse::hlc)]
    last_commit_ts: Option<u64>,

    /// Fail (exit 4) when there are warnings
    ///
    /// The snapshot is there all the same.
    #[arg(long)]
    strict: bool,

    /// Bring the file to the disk before it gets its name.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    fsync: Option<bool>,

    /// Worker threads; 0 = one for each core. The file is the same for any number.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse::threads)]
    threads: usize,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    watch: Watch,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(args.json, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let options = Options {
        adapters: args.adapter.as_ref().map(|chosen| chosen.0.clone()),
        last_commit_ts: args.last_commit_ts,
        threads: args.threads,
        shift_to_ms: None,
        fsync: args.fsync,
    };
    let outcome = encode(&args.outputs, &args.output, &options, bar)?;
    bar.clear();
    let warnings = findings_of(&outcome.findings, Level::Warning);
    for warning in &warnings {
        out::tell(&warning_words(warning));
    }
    if args.json {
        as_json(args, &outcome)
    } else {
        in_words(args, &outcome)
    }
    Ok(match outcome.skipped {
        0 if args.strict && !warnings.is_empty() => Exit::Strict,
        0 => Exit::Fine,
        _ => Exit::Skipped,
    })
}

fn in_words(args: &Args, outcome: &Outcome) {
    for (adapter, kind, count) in &outcome.objects {
        out::say(&format!("{:<10} {:<10} {:>12}\n", adapter.name(), kind, HumanCount(*count).to_string()));
    }
    out::say(&format!(
        "{}: {} rows, {}, read again and compared, from {} files of {} in {:.2} s\n",
        args.output.display(),
        HumanCount(outcome.rows),
        DecimalBytes(outcome.bytes),
        HumanCount(outcome.files),
        DecimalBytes(outcome.read),
        outcome.elapsed.as_secs_f64(),
    ));
}

fn as_json(args: &Args, outcome: &Outcome) {
    let objects: Vec<_> = outcome
        .objects
        .iter()
        .map(|(adapter, kind, count)| json!({ "adapter": adapter.name(), "kind": kind, "objects": count }))
        .collect();
    let summary = json!({
        "event": "encoded",
        "output": args.output.to_string_lossy(),
        "rows": outcome.rows,
        "bytes": outcome.bytes,
        "last_commit_ts": outcome.last_commit_ts.to_string(),
        "snapshot_index": outcome.index,
        "objects": objects,
        "files_read": outcome.files,
        "bytes_read": outcome.read,
        "skipped": outcome.skipped,
        "warnings": findings_of(&outcome.findings, Level::Warning),
        "notes": findings_of(&outcome.findings, Level::Note),
        "elapsed_seconds": outcome.elapsed.as_secs_f64(),
    });
    out::line(&summary);
}
