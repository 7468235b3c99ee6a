//! Homes: where writers find an inode. Readers use the inode, so homes are only compared.

use bumpalo::Bump;

use super::findings;
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::Family;
use crate::format::fs::{Home, HomeState, key};
use crate::model::fs::Node;
use crate::report::Kind;

/// Whether a finding is about the home of an inode.
pub fn is_of_home(kind: &Kind) -> bool {
    [&findings::HOME_MISSING, &findings::HOME_STALE, &findings::MOVE_PENDING].iter().any(|of| of.event == kind.event)
}

/// The problem with the home of an inode, if there is one. [`InternalRows`](super::InternalRows) reports all inodes that are being moved.
///
/// # Errors
/// An input that changed.
pub fn home_note(set: &DataSet<'_>, arena: &Bump, node: &Node) -> Result<Option<&'static Kind>> {
    let row = set.get(&key::numbers(Family::FsHome, &[node.number]))?;
    Ok(match row.map(|row| Home::parse(arena, row.body)) {
        None => Some(&findings::HOME_MISSING),
        // The pass over all homes reports unreadable ones.
        Some(Err(_)) => None,
        Some(Ok(home)) if !home.agrees(&node.inode) => Some(&findings::HOME_STALE),
        Some(Ok(home)) if home.state == HomeState::Migrating => Some(&findings::MOVE_PENDING),
        Some(Ok(_)) => None,
    })
}
