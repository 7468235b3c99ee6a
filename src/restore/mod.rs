//! `restore`: makes data directories, from which servers start, of snapshots and outputs (`restore.md`).
//!
//! 1. The input becomes a set of snapshot files: outputs are encoded, snapshots are indexed.
//! 2. Every group gets one file (`stores.rs`). If the groups are those of the inputs, a file is taken unchanged. Otherwise its rows are
//!    sent to the groups that own them (`split.rs`).
//! 3. The other files are written (`node.rs`), all below a temporary directory.
//! 4. Each data directory is read as a server reads it. Only then does the result get its name.

pub mod cluster;
mod files;
mod keys;
mod node;
mod split;
mod stores;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::dataset::DataSet;
use crate::decode::findings::note_strangers;
use crate::decode::{Progress, on_threads, or_changed};
use crate::encode;
use crate::error::{Error, Result};
use crate::index::Granularity;
use crate::output::staging::Staging;
use crate::output::target::refuse_inputs;
use crate::report::Findings;
use crate::source::keys::KeyFiles;
use crate::source::{Access, Source};
use crate::verify::data_dir::{STORE, find};
use cluster::Cluster;
pub use keys::SIDECAR;
use keys::StoreKeys;

/// The options of a restore.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// For outputs: what is encoded, and how. Its threads and fsync are those of the restore.
    pub encode: encode::Options,
    /// The Raft index of the snapshots, if not that of their names or of their stores.
    pub index: Option<u64>,
    /// The Raft term; 0 = 1.
    pub term: u64,
    /// Only the directory of this node is made.
    pub only: Option<String>,
    /// For an encrypted store: the key file, and the side-cars of the snapshots if they are not next to them.
    pub keys: Option<KeyFiles>,
}

/// The input of a restore.
pub enum Input {
    /// Outputs of a decode.
    Outputs(Vec<PathBuf>),
    /// Snapshot files.
    Snapshots(Vec<Source>),
}

impl Input {
    /// The snapshots that are restored unchanged.
    fn files(&self) -> Vec<PathBuf> {
        match self {
            Input::Outputs(_) => Vec::new(),
            Input::Snapshots(sources) => sources.iter().map(|source| source.path().to_path_buf()).collect(),
        }
    }
}

/// The result of a restore.
#[derive(Debug)]
pub struct Outcome {
    /// The data directories, by node and then by group.
    pub dirs: Vec<Restored>,
    /// The keys of an encrypted store for new rows and for the log.
    pub key_ids: Option<[u32; 2]>,
    /// Whether the files are identical to the inputs.
    pub as_given: bool,
    /// The result of the encode.
    pub encoded: Option<encode::Outcome>,
    /// The findings.
    pub findings: Findings,
    /// Time taken.
    pub elapsed: Duration,
}

/// A data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The Raft id of its node.
    pub node: String,
    /// The number of its group.
    pub group: u64,
    /// Its path.
    pub path: PathBuf,
    /// The Raft index of its snapshot.
    pub index: u64,
    /// The checksum of its snapshot.
    pub crc32c: u32,
    /// The bytes of its snapshot.
    pub bytes: u64,
    /// The rows in it.
    pub rows: u64,
}

/// Restores `input` into a new directory `target`, the `--raftDataDir` of the servers.
///
/// # Errors
/// Inputs that cannot be read or do not fit the cluster, a target that exists, files that cannot be written. Then nothing is left behind.
pub fn restore(
    input: Input,
    target: &Path,
    cluster: &Cluster,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let started = Instant::now();
    let mut outcome = on_threads(options.encode.threads, || run(input, target, cluster, options, progress))??;
    outcome.elapsed = started.elapsed();
    Ok(outcome)
}

fn run(input: Input, target: &Path, cluster: &Cluster, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
    let nodes = nodes(cluster, options)?;
    refuse_old(target)?;
    let staging = Staging::new(target, false)?;
    let mut encoded = None;
    let keys = options.keys.as_ref().map(|files| StoreKeys::new(files, &input.files(), cluster)).transpose()?;
    let sources = match input {
        Input::Snapshots(sources) => match &keys {
            None => sources,
            Some(keys) => sources.into_iter().map(|source| keys.open(source)).collect::<Result<_>>()?,
        },
        Input::Outputs(outputs) => {
            let file = staging.path().join(ENCODED);
            let seal = keys.as_ref().map(StoreKeys::seal);
            let options = encode::Options { fsync: Some(false), seal, ..options.encode.clone() };
            encoded = Some(encode::encode(&outputs, &file, &options, progress)?);
            vec![Source::open(&file, Access::Map)?]
        }
    };
    refuse_inputs(target, sources.iter().filter_map(Source::real_path))?;
    let key_ids = keys.as_ref().map(StoreKeys::ids);
    let (findings, elapsed) = (Findings::default(), Duration::ZERO);
    let mut outcome = Outcome { dirs: Vec::new(), key_ids, as_given: false, encoded, findings, elapsed };
    or_changed(&sources, || {
        progress.begin("scan", 1);
        let set = DataSet::index(&sources, None, Granularity::default())?;
        progress.advance(1);
        if outcome.encoded.is_none() && keys.is_some() {
            keys::check(&set)?;
        }
        note_strangers(&set, &mut outcome.findings);
        let stores = stores::plan(&set, cluster, options.index, keys.is_some(), &mut outcome.findings)?;
        outcome.as_given = stores.as_given();
        let places: Vec<_> = nodes.iter().map(|node| (*node, node::dirs(staging.path(), node, cluster))).collect();
        progress.begin("write", 1);
        let files = stores.write(&places[0].1, &set, cluster, keys.as_ref())?;
        progress.advance(1);
        progress.begin("check", (nodes.len() * files.len()) as u64);
        for (node, dirs) in &places {
            for ((group, dir), file) in cluster.groups.iter().zip(dirs).zip(&files) {
                let restored = node::finish(dir, node, group, file, options.term.max(1))?;
                let path = target.join(dir.strip_prefix(staging.path()).unwrap_or(dir));
                outcome.dirs.push(Restored { path, ..restored });
                progress.advance(1);
            }
        }
        if let Some(keys) = &keys {
            let index = files.iter().map(|file| file.index).max().unwrap_or_default();
            for (node, _) in &places {
                keys.write(&staging.path().join(node), index, stores.raft_cutover(&set))?;
            }
        }
        set.check_unchanged()
    })?;
    drop(sources);
    if outcome.encoded.is_some() {
        let file = staging.path().join(ENCODED);
        fs::remove_file(&file).map_err(|e| Error::io("remove", &file, e))?;
    }
    staging.publish(options.encode.fsync.unwrap_or(true))?;
    Ok(outcome)
}

/// The file to which outputs are encoded; it is not a part of the result.
const ENCODED: &str = "encoded.fsm";

/// The nodes whose directories are made.
fn nodes<'c>(cluster: &'c Cluster, options: &Options) -> Result<Vec<&'c str>> {
    let all = cluster.nodes.iter().map(String::as_str);
    let Some(only) = &options.only else { return Ok(all.collect()) };
    let one: Vec<&str> = all.filter(|node| node == only).collect();
    if one.is_empty() {
        return Err(Error::command_line(format!("\"{only}\" is not one of the nodes")));
    }
    Ok(one)
}

/// Rejects a target that a server has used: it would continue with its own data, whatever is added.
fn refuse_old(target: &Path) -> Result<()> {
    let is_empty = fs::read_dir(target).map_or(true, |mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    let dirs = find(target).unwrap_or_default();
    let why = match dirs.iter().find(|dir| dir.join(STORE).symlink_metadata().is_ok()) {
        Some(old) => {
            format!("has the store of a server in {}, which would be served instead of the backup", old.display())
        }
        None => "is not empty".to_owned(),
    };
    Err(Error::usage(format!("{} {why}: name a new directory", target.display())))
}
