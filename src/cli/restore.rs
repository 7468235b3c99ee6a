//! `ekvsnap restore`.

use std::path::{Path, PathBuf};

use indicatif::DecimalBytes;
use serde_json::json;

use super::common::{Watch, Work};
use super::exit::{self, Exit};
use super::inputs::access;
use super::out;
use super::parse::{self, Adapters};
use super::progress::Bar;
use super::summary::{counted, tell_warnings};
use crate::encode;
use crate::error::{Error, Result};
use crate::format::raft::node_id;
use crate::output::manifest::findings_of;
use crate::output::reading::{Named, look};
use crate::report::{self, Level};
use crate::restore::cluster::{Cluster, Flags};
use crate::restore::{Input, Options, Outcome, SIDECAR, restore};
use crate::source::keys::KeyFiles;
use crate::source::{Source, find_inputs};

/// What is made, and of what.
const ABOUT: &str = "\
    Snapshots are restored as they are, with their history. Outputs of a decode (best made with \
    --for-restore) are encoded first. Each node gets the directory DIR/ID, to be moved to its machine; \
    several groups have directories in it. If the groups are not those of the snapshots, each row goes \
    to the group that owns it. All is read back as a server reads it before DIR gets its name. Start \
    the servers without --raftBootstrap.";

/// Arguments of `ekvsnap restore`.
#[derive(Debug, clap::Args)]
#[command(before_help = ABOUT, after_help = exit::TABLE)]
pub(super) struct Args {
    /// Snapshots or data directories, or outputs of a decode.
    #[arg(value_name = "SNAPSHOT|OUT", required = true)]
    inputs: Vec<PathBuf>,

    /// The directory to make
    ///
    /// It is the server's --raftDataDir.
    #[arg(short, long, value_name = "DIR")]
    data_dir: PathBuf,

    /// A node: its Raft id, and where it listens
    #[arg(long = "node", value_name = "ID=HOST:PORT", value_delimiter = ',')]
    nodes: Vec<String>,

    /// Make only the directory of this node.
    #[arg(long, value_name = "ID")]
    only: Option<String>,

    /// As --raftGroups of a server: GROUP=HOST:PORT,…
    #[arg(long, value_name = "LIST", help_heading = "Groups")]
    groups: Option<String>,

    /// As --raftGroupPeers: GROUP=ID@HOST:PORT,…;…
    #[arg(long, value_name = "LIST", help_heading = "Groups")]
    group_peers: Option<String>,

    /// As --shardRanges: START:END=GROUP,…
    #[arg(long, value_name = "LIST", help_heading = "Groups")]
    shard_ranges: Option<String>,

    /// As --sqsFifoPartitionMap: QUEUE:N=GROUP,…;…
    #[arg(long, value_name = "LIST", help_heading = "Groups")]
    sqs_partitions: Option<String>,

    /// Only objects of these adapters (of outputs).
    #[arg(long, value_name = "LIST", value_parser = parse::adapter_list(), hide_possible_values = true, help_heading = "Outputs")]
    adapter: Option<Adapters>,

    /// Commit timestamp of all rows, if not the newest.
    #[arg(long, value_name = "HLC", value_parser = parse::hlc, help_heading = "Outputs")]
    last_commit_ts: Option<u64>,

    /// Move expiries, send times and visibility, as if the backup had been taken now,
    /// or of WHEN (Unix milliseconds or a date).
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "now",
          value_parser = parse::moment, help_heading = "Outputs")]
    shift_times: Option<u64>,

    /// Make an encrypted store: the servers' key file (KEK).
    #[arg(long, value_name = "FILE", help_heading = "Encrypted stores")]
    kek: Option<PathBuf>,

    /// The keys.json of encrypted snapshots, if it is not beside them.
    #[arg(long, value_name = "FILE", help_heading = "Encrypted stores")]
    keys_json: Vec<PathBuf>,

    /// Raft index of the snapshots, if not their own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    index: Option<u64>,

    /// Raft term of the snapshots.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    term: u64,

    /// Fail (exit 4) when there are warnings.
    #[arg(long)]
    strict: bool,

    /// Bring everything to the disk before DIR gets its name.
    #[arg(long, hide_possible_values = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    fsync: Option<bool>,

    #[command(flatten)]
    work: Work,

    /// Print the summary as JSON.
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
    let cluster = Cluster::parse(&Flags {
        nodes: args.nodes.clone(),
        groups: args.groups.clone(),
        group_peers: args.group_peers.clone(),
        shard_ranges: args.shard_ranges.clone(),
        partitions: args.sqs_partitions.clone(),
    })?;
    let options = Options {
        encode: encode::Options {
            adapters: args.adapter.as_ref().map(|chosen| chosen.0.clone()),
            last_commit_ts: args.last_commit_ts,
            shift_to_ms: args.shift_times,
            threads: args.work.threads,
            fsync: args.fsync,
            ..encode::Options::default()
        },
        index: args.index,
        term: args.term,
        only: args.only.clone(),
        keys: keys(args)?,
    };
    let outcome = restore(input(args)?, &args.data_dir, &cluster, &options, bar)?;
    bar.clear();
    let encoded = outcome.encoded.as_ref();
    let findings = encoded.map(|encoded| &encoded.findings).into_iter().chain([&outcome.findings]);
    let warnings: Vec<_> = findings.flat_map(|findings| findings_of(findings, Level::Warning)).collect();
    tell_warnings(&warnings, None);
    let (commands, enabling) = (commands(args, &cluster), enabling(args, &cluster));
    if args.json {
        as_json(args, &outcome, &commands, &enabling, &warnings);
    } else {
        in_words(args, &outcome, &commands, &enabling);
    }
    Ok(match encoded.map_or(0, |encoded| encoded.skipped) {
        0 if args.strict && !warnings.is_empty() => Exit::Strict,
        0 => Exit::Fine,
        _ => Exit::Skipped,
    })
}

/// The key files for an encrypted store.
fn keys(args: &Args) -> Result<Option<KeyFiles>> {
    let files = KeyFiles { kek: args.kek.clone(), sidecars: args.keys_json.clone(), data_keys: Vec::new() };
    match (&files.kek, files.sidecars.is_empty()) {
        (None, false) => Err(Error::command_line("--keys-json needs --kek, the key file that opens it")),
        (None, true) => Ok(None),
        (Some(_), _) => Ok(Some(files)),
    }
}

/// The inputs: either all of them are outputs, or none.
fn input(args: &Args) -> Result<Input> {
    let mut outputs = 0;
    for path in &args.inputs {
        if path.as_os_str() == "-" {
            return Err(Error::command_line(
                "the input is read more than once, and standard input can be read only once: give it as a file",
            ));
        }
        outputs += usize::from(matches!(look(path)?, Named::Output(_)));
    }
    let for_outputs = args.adapter.is_some() || args.last_commit_ts.is_some() || args.shift_times.is_some();
    match outputs {
        0 if for_outputs => Err(Error::command_line(
            "--adapter, --last-commit-ts and --shift-times are for outputs, and snapshots are restored as they are: decode it with --for-restore, and restore that",
        )),
        0 => {
            let found = find_inputs(&args.inputs)?;
            if let Some(passed) = found.passed_over.first() {
                let (file, taken) = (passed.file.display(), passed.taken.display());
                return Err(Error::usage(format!(
                    "{file} is damaged ({}): name the snapshot to restore, such as {taken}",
                    passed.why
                )));
            }
            let open = |path: &PathBuf| Source::open(path, access(args.work.no_mmap));
            Ok(Input::Snapshots(found.files.iter().map(open).collect::<Result<_>>()?))
        }
        all if all == args.inputs.len() => Ok(Input::Outputs(args.inputs.clone())),
        _ => Err(Error::command_line("some inputs are snapshots and some are outputs: restore one kind at a time")),
    }
}

/// The command line of the server, for each node.
fn commands(args: &Args, cluster: &Cluster) -> Vec<String> {
    let nodes = cluster.nodes.iter().filter(|node| args.only.as_ref().is_none_or(|only| only == *node));
    nodes.map(|node| command(args, cluster, node)).collect()
}

fn command(args: &Args, cluster: &Cluster, node: &str) -> String {
    let address = cluster.groups.first().and_then(|group| group.address(node)).unwrap_or_default();
    let dir = args.data_dir.to_string_lossy();
    let mut flags =
        vec![("raftId", node.to_owned()), ("address", address.to_owned()), ("raftDataDir", dir.into_owned())];
    if cluster.is_multi {
        let groups =
            cluster.groups.iter().map(|group| format!("{}={}", group.id, group.address(node).unwrap_or_default()));
        flags.push(("raftGroups", groups.collect::<Vec<_>>().join(",")));
    }
    flags.extend(args.shard_ranges.iter().map(|text| ("shardRanges", text.clone())));
    flags.extend(args.sqs_partitions.iter().map(|text| ("sqsFifoPartitionMap", text.clone())));
    if let Some(kek) = &args.kek {
        let sidecar = args.data_dir.join(node).join(SIDECAR).to_string_lossy().into_owned();
        flags.extend([("kekFile", kek.to_string_lossy().into_owned()), ("encryptionSidecarPath", sidecar)]);
    }
    let flags = flags.iter().map(|(name, value)| format!(" --{name} {}", quoted(value)));
    let encrypted = if args.kek.is_some() { " --encryption-enabled" } else { "" };
    format!("elastickv{}{encrypted}", flags.collect::<String>())
}

/// The commands that make the servers encrypt new rows, because the side-car of a new store cannot record it. There is one for each node;
/// the leader executes its own.
fn enabling(args: &Args, cluster: &Cluster) -> Vec<String> {
    let of_node = |node: &String| {
        let address = cluster.groups.first().and_then(|group| group.address(node)).unwrap_or_default();
        format!(
            "elastickv-admin encryption enable-storage-envelope --endpoint {} --proposer-node-id {} --proposer-local-epoch 1",
            quoted(address),
            node_id(node),
        )
    };
    cluster.nodes.iter().filter(|_| args.kek.is_some()).map(of_node).collect()
}

/// A word, quoted for a shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn in_words(args: &Args, outcome: &Outcome, commands: &[String], enabling: &[String]) {
    for dir in &outcome.dirs {
        out::say(&format!(
            "{}: {}, {}, index {}, CRC32C {:08x}\n",
            report::visible::Visible(dir.path.display()),
            counted(dir.rows, "row", "rows"),
            DecimalBytes(dir.bytes),
            dir.index,
            dir.crc32c,
        ));
    }
    let how = match (&outcome.encoded, outcome.as_given) {
        (Some(_), _) => "encoded from outputs",
        (None, true) => "byte for byte as given",
        (None, false) => "rows sent to the groups that own them",
    };
    let name = report::visible::Visible(Path::display(&args.data_dir));
    out::say(&format!("{name}: {how}, read back, in {:.2} s; start with\n", outcome.elapsed.as_secs_f64()));
    for command in commands {
        out::say(&format!("  {command}\n"));
    }
    if let Some([storage, _]) = outcome.key_ids {
        // Rows of outputs are encrypted here; those of a snapshot stay as they are.
        let restored = if outcome.encoded.is_some() { "" } else { "restored rows stay as they are in the snapshot; " };
        let until = format!("new rows are stored in clear until key id {storage} is switched on, at the leader");
        out::say(&format!("{restored}{until}:\n"));
    }
    for command in enabling {
        out::say(&format!("  {command}\n"));
    }
}

fn as_json(
    args: &Args,
    outcome: &Outcome,
    commands: &[String],
    enabling: &[String],
    warnings: &[crate::output::manifest::FindingInfo],
) {
    let dirs: Vec<_> = outcome
        .dirs
        .iter()
        .map(|dir| {
            json!({
                "node": dir.node, "group": dir.group, "path": report::Value::from(dir.path.as_path()),
                "index": dir.index, "crc32c": format!("{:08x}", dir.crc32c), "bytes": dir.bytes, "rows": dir.rows,
            })
        })
        .collect();
    out::line(&json!({
        "event": "restored",
        "data_dir": report::Value::from(args.data_dir.as_path()),
        "directories": dirs,
        "as_given": outcome.as_given && outcome.encoded.is_none(),
        "last_commit_ts": outcome.encoded.as_ref().map(|encoded| encoded.last_commit_ts.to_string()),
        "shifted_ms": outcome.encoded.as_ref().map(|encoded| encoded.shifted_ms).filter(|ms| *ms != 0),
        "commands": commands,
        "key_ids": outcome.key_ids,
        "enable_encryption": enabling,
        "warnings": warnings,
        "elapsed_seconds": outcome.elapsed.as_secs_f64(),
    }));
}
