//! `ekvsnap encode`.

use std::path::{Path, PathBuf};

use indicatif::{DecimalBytes, HumanCount};
use serde_json::json;

use super::common::Watch;
use super::exit::{self, Exit};
use super::keys::data_key;
use super::out;
use super::parse::{self, Adapters};
use super::progress::Bar;
use super::summary::{counted, tell_warnings};
use crate::encode::{Options, Outcome, Seal, encode};
use crate::error::{Error, Result};
use crate::output::manifest::findings_of;
use crate::report::Level;
use crate::source::keys::KeyFiles;

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
    #[arg(long, value_name = "LIST", value_parser = parse::adapter_list(), hide_possible_values = true)]
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

    /// Encrypt the rows: the servers' key file (KEK), which opens keys.json
    #[arg(long, value_name = "FILE", help_heading = "Encryption", requires = "keys_json")]
    kek: Option<PathBuf>,

    /// The keys.json of a node: rows are encrypted with its active key
    #[arg(long, value_name = "FILE", help_heading = "Encryption", requires = "kek")]
    keys_json: Option<PathBuf>,

    /// Or data keys from elsewhere (KMS), files of 32 bytes
    #[arg(long, value_name = "ID=FILE", value_parser = data_key, help_heading = "Encryption")]
    dek: Vec<(u32, PathBuf)>,

    /// Encrypt with the key of this id, not with the active or only one
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Encryption")]
    seal_with: Option<u32>,
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
        seal: seal(args)?,
        fsync: args.fsync,
        ..Options::default()
    };
    refuse_compressed(&args.output)?;
    let outcome = encode(&args.outputs, &args.output, &options, bar)?;
    bar.clear();
    let warnings = findings_of(&outcome.findings, Level::Warning);
    tell_warnings(&warnings, None);
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

/// Refuses a name with an extension of a compressed file.
fn refuse_compressed(output: &Path) -> Result<()> {
    let compressed = output.extension().is_some_and(|end| end == "gz" || end == "zst" || end == "tar");
    if !compressed {
        return Ok(());
    }
    let shown = output.display();
    Err(Error::command_line(format!(
        "{shown}: a snapshot is written as it is, not compressed: give it a name that ends in .fsm"
    )))
}

/// The key for encrypting rows, if keys are given.
fn seal(args: &Args) -> Result<Option<Seal>> {
    let files = KeyFiles {
        kek: args.kek.clone(),
        sidecars: args.keys_json.iter().cloned().collect(),
        data_keys: args.dek.clone(),
    };
    if files == KeyFiles::default() {
        return match args.seal_with {
            Some(_) => Err(Error::command_line(
                "--seal-with chooses one of the keys that --kek and --keys-json, or --dek, name",
            )),
            None => Ok(None),
        };
    }
    let (keys, key_id) = files.for_sealing(args.seal_with)?;
    Ok(Some(Seal { key_id, keys, writers: Vec::new() }))
}

fn in_words(args: &Args, outcome: &Outcome) {
    for (adapter, kind, count) in &outcome.objects {
        out::say(&format!("{:<10} {:<10} {:>12}\n", adapter.name(), kind, HumanCount(*count).to_string()));
    }
    out::say(&format!(
        "{}: {}, {}, read again and compared, from {} of {} in {:.2} s\n",
        args.output.display(),
        counted(outcome.rows, "row", "rows"),
        DecimalBytes(outcome.bytes),
        counted(outcome.files, "file", "files"),
        DecimalBytes(outcome.read),
        outcome.elapsed.as_secs_f64(),
    ));
    if let Some(id) = outcome.key_id {
        out::say(&format!("its rows are encrypted with key id {id}\n"));
    }
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
        "key_id": outcome.key_id,
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
