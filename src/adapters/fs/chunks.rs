//! Reads all chunks, whether a file needs them or not. Those that no file needs are counted and explained.

use bumpalo::Bump;

use super::Inputs;
use super::findings;
use super::internal::InternalRows;
use super::scan::{node, scan};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::Family;
use crate::format::fs::{ChunkKey, Inode};
use crate::report::{Finding, Findings, Kind, Value};

/// Number and bytes of all chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chunks {
    /// How many chunks there are.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Chunks of one inode at one home with the same problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Odd {
    kind: Oddity,
    home: u64,
    inode: u64,
    rows: u64,
    /// Bytes that are left out.
    bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Oddity {
    /// They are at a home that is not the inode's.
    Elsewhere,
    /// The inode does not exist.
    NoInode,
    /// They begin after the end of the file.
    Behind,
    /// They are longer than a chunk of the file.
    TooLong,
}

/// The owner of chunks of one inode at one home.
enum Owner {
    /// A file that contains them.
    File(Inode),
    /// An inode with another home.
    Elsewhere,
    /// No inode.
    Nobody,
    /// An inode that cannot be read, which another pass reports.
    Unknown,
}

/// The result for a split of the chunks.
#[derive(Default)]
struct Gathered {
    chunks: Chunks,
    odd: Vec<Odd>,
    /// The last home and inode, and the owner of their chunks.
    owner: Option<(u64, u64, Owner)>,
}

impl Chunks {
    /// Reads the keys and lengths of all chunks, but not their bytes.
    ///
    /// # Errors
    /// An input that changed.
    pub fn read(inputs: Inputs<'_, '_>, internal: &InternalRows<'_>, findings: &mut Findings) -> Result<Chunks> {
        let (set, mut chunks, mut open) = (inputs.set, Chunks::default(), Vec::<Odd>::new());
        scan(
            inputs,
            Family::FsChunk,
            findings,
            |row, arena, split: &mut Gathered| {
                split.chunks.rows += 1;
                split.chunks.bytes += row.body.len() as u64;
                match ChunkKey::parse(Family::FsChunk.suffix(row.user_key)) {
                    Ok(key) => split.take(set, arena, &key, row.body.len() as u64).map(Ok),
                    Err(fault) => Ok(Err(fault)),
                }
            },
            |split, findings| {
                chunks.rows += split.chunks.rows;
                chunks.bytes += split.chunks.bytes;
                // A problem of one inode in several splits is reported once.
                split.odd.into_iter().try_for_each(|odd| merge(&mut open, odd, internal, findings))
            },
        )?;
        open.iter().try_for_each(|odd| report(odd, internal, findings))?;
        Ok(chunks)
    }
}

impl Gathered {
    fn take(&mut self, set: &DataSet<'_>, arena: &Bump, key: &ChunkKey, len: u64) -> Result<()> {
        let same = self.owner.as_ref().is_some_and(|(home, inode, _)| (*home, *inode) == (key.home_slot, key.inode));
        if !same {
            self.owner = Some((key.home_slot, key.inode, owner(set, arena, key)?));
        }
        match &self.owner {
            Some((.., Owner::Elsewhere)) => self.add(Oddity::Elsewhere, key, len),
            Some((.., Owner::Nobody)) => self.add(Oddity::NoInode, key, len),
            Some((.., Owner::File(inode))) => {
                let (chunk, size) = (inode.chunk(), inode.size);
                let room = key.index.checked_mul(chunk).map_or(0, |offset| size.saturating_sub(offset));
                let (long, behind) = (len.saturating_sub(chunk), len.min(chunk).saturating_sub(room));
                if long > 0 {
                    self.add(Oddity::TooLong, key, long);
                }
                if behind > 0 || room == 0 {
                    self.add(Oddity::Behind, key, behind);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, kind: Oddity, key: &ChunkKey, bytes: u64) {
        let odd = Odd { kind, home: key.home_slot, inode: key.inode, rows: 1, bytes };
        // The problems of one inode alternate; there are four at most.
        match self.odd.iter_mut().rev().take(4).find(|last| last.is_same(&odd)) {
            Some(last) => last.add(&odd),
            None => self.odd.push(odd),
        }
    }
}

fn owner(set: &DataSet<'_>, arena: &Bump, key: &ChunkKey) -> Result<Owner> {
    match node(set, arena, key.inode) {
        Ok(None) => Ok(Owner::Nobody),
        Ok(Some(node)) if node.inode.home_slot != key.home_slot => Ok(Owner::Elsewhere),
        Ok(Some(node)) => Ok(Owner::File(node.inode)),
        Err(error) if error.is_damage() => Ok(Owner::Unknown),
        Err(error) => Err(error),
    }
}

impl Odd {
    fn is_same(&self, other: &Odd) -> bool {
        (self.kind, self.home, self.inode) == (other.kind, other.home, other.inode)
    }

    fn add(&mut self, other: &Odd) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// Adds a problem that a split found to the open ones. A problem of another inode closes those first.
fn merge(open: &mut Vec<Odd>, odd: Odd, internal: &InternalRows<'_>, findings: &mut Findings) -> Result<()> {
    if open.first().is_some_and(|first| (first.home, first.inode) != (odd.home, odd.inode)) {
        open.drain(..).try_for_each(|odd| report(&odd, internal, findings))?;
    }
    match open.iter_mut().find(|other| other.is_same(&odd)) {
        Some(other) => other.add(&odd),
        None => open.push(odd),
    }
    Ok(())
}

fn report(odd: &Odd, internal: &InternalRows<'_>, findings: &mut Findings) -> Result<()> {
    let moving = internal.moving.find(odd.inode)?.is_some();
    let kind: &'static Kind = match odd.kind {
        Oddity::Elsewhere | Oddity::NoInode if moving => &findings::MOVED_CHUNK,
        Oddity::Elsewhere => &findings::FOREIGN_CHUNK,
        Oddity::NoInode => &findings::ORPHAN_CHUNK,
        Oddity::Behind => &findings::BEYOND_EOF,
        Oddity::TooLong => &findings::OVER_SIZE,
    };
    let finding = Finding::new(kind).with("inode", Value::Exact(odd.inode)).with("home_slot", odd.home);
    findings.add(finding.with("chunks", odd.rows).with("bytes", odd.bytes));
    Ok(())
}
