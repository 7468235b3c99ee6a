//! A Raft data directory: checks whether a server that is started on it serves the snapshot in it.
//!
//! A server does not report most of the possible faults: without `wal/` it starts an empty store, and with an old `fsm.db` it serves that
//! (`restore.md` §2).

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::format::raft::peers::{self, Peers};
use crate::format::raft::snap::{self, Snapshot};
use crate::format::raft::token::Token;
use crate::format::raft::wal::{self, Log};
use crate::format::raft::{ConfState, RaftFault};
use crate::source::crc::Footer;
use crate::source::{Access, Source};

/// The state with which a server would start.
#[derive(Debug, Clone)]
pub struct DataDir {
    /// The directory.
    pub path: PathBuf,
    /// The index of the snapshot.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The members in the snapshot.
    pub members: ConfState,
    /// The members with their addresses.
    pub peers: Peers,
    /// The snapshot file and its checksum; `None`: the store is in the Raft snapshot itself, as old servers wrote it.
    pub fsm: Option<(PathBuf, u32)>,
    /// Entries of the log.
    pub entries: u64,
    /// Whether there is a store beside the snapshot, which a server uses if it has applied at least as much.
    pub has_store: bool,
}

/// The directory of the log.
pub const WAL: &str = "wal";
/// The directory of Raft snapshots.
pub const SNAP: &str = "snap";
/// The directory of the stores in them.
pub const FSM: &str = "fsm-snap";
/// The store of a server that runs or has run.
pub const STORE: &str = "fsm.db";

/// The name of a snapshot file.
pub fn fsm_name(index: u64) -> String {
    format!("{index:016x}.fsm")
}

/// The Raft data directories that a path leads to: itself, one for each node in it, or one for each group of a node.
///
/// # Errors
/// A directory that cannot be listed.
pub fn find(path: &Path) -> Result<Vec<PathBuf>> {
    // Snapshots alone, in a copy of `fsm-snap/`, are not a data directory.
    let is_one = |dir: &Path| [WAL, SNAP, peers::NAME].iter().any(|name| dir.join(name).symlink_metadata().is_ok());
    let mut found = Vec::new();
    let mut level = vec![path.to_path_buf()];
    for _ in 0..3 {
        let (here, other): (Vec<PathBuf>, Vec<PathBuf>) = level.into_iter().partition(|dir| is_one(dir));
        found.extend(here);
        level = Vec::new();
        for dir in other.iter().filter(|dir| dir.is_dir()) {
            level.extend(entries(dir)?.into_iter().filter(|entry| entry.is_dir()));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a data directory as a server does at its start.
///
/// # Errors
/// What is missing or wrong, with what a server would do.
pub fn check(path: &Path) -> Result<DataDir> {
    let log = log(path)?;
    let peers = peers_of(path)?;
    let (snapshot, name) = newest(path, &log)?;
    let (index, term, members) = snapshot.position();
    let members = members.cloned().unwrap_or_default();
    let committed = log.state.and_then(|state| state.commit).unwrap_or_default();
    if committed < index {
        return Err(wrong(
            path,
            WAL,
            format!("only {committed} is committed, and the snapshot has index {index}: a server stops at its start"),
        ));
    }
    let fsm = match Token::parse(snapshot.data.as_deref().unwrap_or_default()) {
        Ok(token) if token.index == index => Some(store_of(path, token)?),
        Ok(token) => return Err(wrong(path, &name, format!("its token is for index {}, not {index}", token.index))),
        Err(_) => None,
    };
    // Entries may have changed the members since.
    if log.entries == 0 {
        check_members(path, &members, &peers)?;
    }
    let has_store = path.join(STORE).symlink_metadata().is_ok();
    Ok(DataDir { path: path.to_path_buf(), index, term, members, peers, fsm, entries: log.entries, has_store })
}

/// Checks that the members of the snapshot are those with an address.
fn check_members(path: &Path, members: &ConfState, peers: &Peers) -> Result<()> {
    let mut with_address: Vec<u64> = peers.members.iter().map(|peer| peer.node_id).collect();
    let mut of_snapshot: Vec<u64> = members.voters.iter().chain(&members.learners).copied().collect();
    with_address.sort_unstable();
    of_snapshot.sort_unstable();
    if with_address == of_snapshot {
        return Ok(());
    }
    Err(wrong(path, peers::NAME, "its members are not those of the snapshot"))
}

fn log(path: &Path) -> Result<Log> {
    let dir = path.join(WAL);
    let mut segments: Vec<(u64, PathBuf)> = entries(&dir)?
        .into_iter()
        .filter_map(|path| Some((wal::of_name(path.file_name()?.to_str()?)?.0, path)))
        .collect();
    segments.sort();
    if segments.is_empty() {
        return Err(wrong(
            path,
            WAL,
            "it is missing or has no log: a server starts an empty store, and may overwrite the snapshot",
        ));
    }
    let (mut log, last) = (Log::default(), segments.len());
    for (n, (_, segment)) in segments.iter().enumerate() {
        let source = Source::open(segment, Access::Map)?;
        let torn = log.read(source.file()).map_err(|fault| faulty(segment, fault))?;
        source.check_unchanged()?;
        if let Some(at) = torn.filter(|_| n + 1 < last) {
            return Err(wrong(
                path,
                WAL,
                format!("{} ends within a frame at byte {at}, and another follows", segment.display()),
            ));
        }
    }
    Ok(log)
}

fn peers_of(path: &Path) -> Result<Peers> {
    let file = path.join(peers::NAME);
    match fs::read(&file) {
        Ok(bytes) => Peers::parse(&bytes).map_err(|fault| faulty(&file, fault)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(wrong(
            path,
            peers::NAME,
            "it is missing: a server refuses to start, or is made to start another cluster",
        )),
        Err(e) => Err(Error::io("read", file, e)),
    }
}

/// The newest Raft snapshot that the log knows: a server ignores others.
fn newest(path: &Path, log: &Log) -> Result<(Snapshot, String)> {
    let mut named: Vec<(u64, u64, String)> = Vec::new();
    for file in entries(&path.join(SNAP))? {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some((term, index)) = snap::of_name(name) {
            named.push((index, term, name.to_owned()));
        }
    }
    named.sort();
    let known = |index, term| log.marks.iter().any(|mark| mark.position() == (index, term));
    let Some((index, term, name)) = named.into_iter().rev().find(|(index, term, _)| known(*index, *term)) else {
        return Err(wrong(
            path,
            SNAP,
            "it has no snapshot that the log knows: a server starts without the data, or stops",
        ));
    };
    let file = path.join(SNAP).join(&name);
    let bytes = fs::read(&file).map_err(|e| Error::io("read", &file, e))?;
    let snapshot = Snapshot::parse(&bytes).map_err(|fault| faulty(&file, fault))?;
    let (of_index, of_term, _) = snapshot.position();
    if (of_index, of_term) != (index, term) {
        return Err(wrong(path, SNAP, format!("{name} is of index {of_index} and term {of_term}")));
    }
    Ok((snapshot, name))
}

/// The file of a token. Its footer must match the token and its bytes.
fn store_of(path: &Path, token: Token) -> Result<(PathBuf, u32)> {
    let file = path.join(FSM).join(fsm_name(token.index));
    if file.symlink_metadata().is_err() {
        return Err(wrong(path, FSM, format!("{} is missing: a server stops at its start", fsm_name(token.index))));
    }
    let source = Source::open(&file, Access::Map)?;
    let footer =
        Footer::of(source.file()).ok_or_else(|| Error::new(ErrorKind::Truncated("its footer")).input(&file))?;
    source.check_unchanged()?;
    if !footer.matches() {
        return Err(footer.mismatch().input(&file));
    }
    if footer.stored != token.crc32c {
        let (of_token, of_file) = (token.crc32c, footer.stored);
        let words =
            format!("it has CRC32C {of_file:08x}, and the snapshot token {of_token:08x}: a server stops at its start");
        return Err(Error::new(ErrorKind::DataDir(words)).input(&file));
    }
    Ok((file, footer.stored))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Ok(listing) => listing.map(|entry| entry.map(|e| e.path()).map_err(|e| Error::io("list", dir, e))).collect(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::io("list", dir, e)),
    }
}

fn wrong(dir: &Path, name: &str, words: impl Into<String>) -> Error {
    Error::new(ErrorKind::DataDir(words.into())).input(&dir.join(name))
}

fn faulty(file: &Path, fault: RaftFault) -> Error {
    Error::new(ErrorKind::DataDir(fault.to_string())).input(file)
}
