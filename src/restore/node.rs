//! Writes the other files in the data directory of a node.

use std::fs;
use std::path::{Path, PathBuf};

use super::Restored;
use super::cluster::{Cluster, RaftGroup};
use super::files::{directory, small};
use super::stores::Written;
use crate::error::{Error, Result};
use crate::format::raft::ConfState;
use crate::format::raft::peers::{self, Peers};
use crate::format::raft::snap::{self, Metadata, Snapshot};
use crate::format::raft::token::Token;
use crate::format::raft::wal::{self, Seed};
use crate::output::about_to;
use crate::verify::data_dir::{self, FSM, SNAP, WAL, fsm_name};

/// The directories of a node, one for each group.
pub(super) fn dirs(root: &Path, node: &str, cluster: &Cluster) -> Vec<PathBuf> {
    let node = root.join(node);
    let of = |group: &RaftGroup| if cluster.is_multi { node.join(format!("group-{}", group.id)) } else { node.clone() };
    cluster.groups.iter().map(of).collect()
}

/// Completes a directory: copies the snapshot, if it was not written for this directory, and writes the other files. Then it is read as a
/// server reads it.
pub(super) fn finish(dir: &Path, node: &str, group: &RaftGroup, file: &Written, term: u64) -> Result<Restored> {
    let fsm = dir.join(FSM).join(fsm_name(file.index));
    if fsm != file.path {
        let parent = dir.join(FSM);
        directory(&parent)?;
        about_to().and_then(|()| fs::copy(&file.path, &fsm)).map_err(|e| Error::io("copy the snapshot to", &fsm, e))?;
    }
    let members = group.peers();
    let voters = ConfState { voters: members.iter().map(|peer| peer.node_id).collect(), ..ConfState::default() };
    let mut token = Vec::new();
    Token { index: file.index, crc32c: file.crc32c }.encode(&mut token);
    let metadata = Metadata { conf_state: Some(voters.clone()), index: Some(file.index), term: Some(term) };
    let mut bytes = Vec::new();
    Snapshot { data: Some(token), metadata: Some(metadata) }.encode_file(&mut bytes);
    small(&dir.join(SNAP).join(snap::name(term, file.index)), &bytes)?;
    bytes.clear();
    Seed { index: file.index, term, members: voters.clone() }.encode(&mut bytes);
    small(&dir.join(WAL).join(wal::FIRST), &bytes)?;
    bytes.clear();
    let peers = Peers { index: file.index, members, ..Peers::default() };
    peers.encode(&mut bytes);
    small(&dir.join(peers::NAME), &bytes)?;
    let read = data_dir::check(dir)?;
    let is_same = read.index == file.index
        && read.term == term
        && read.members == voters
        && read.peers == peers
        && read.fsm == Some((fsm, file.crc32c))
        && (read.entries, read.has_store) == (0, false);
    if !is_same {
        return Err(Error::internal(format!("the data directory was read back as {read:?}")));
    }
    let Written { index, crc32c, bytes, rows, .. } = *file;
    Ok(Restored { node: node.to_owned(), group: group.id, path: dir.to_path_buf(), index, crc32c, bytes, rows })
}
