//! Reads what a task reported about its objects, one by one.

use std::ops::Range;

use super::records::{Blocks, HAS_EXPIRY, HAS_RANGE, HAS_REST, HAS_VALUE};
use super::{Fingerprint, Object};
use crate::error::{Error, Result};
use crate::format::Adapter;

/// The objects of a task, in the order in which they were added.
pub struct Told {
    /// Scopes; records refer to them by number.
    scopes: Vec<(Adapter, String)>,
    kinds: Vec<&'static str>,
    blocks: Blocks,
    /// The current block, and where its next record begins.
    block: Vec<u8>,
    at: usize,
    head: Option<Head>,
}

/// The current record; its parts are in the block.
struct Head {
    scope: u32,
    kind: u8,
    size: u64,
    expire_at_ms: Option<u64>,
    value: Option<Fingerprint>,
    rest: Option<Fingerprint>,
    key: Range<usize>,
    range: Option<Range<usize>>,
}

impl Told {
    pub(super) fn new(scopes: Vec<(Adapter, String)>, kinds: Vec<&'static str>, blocks: Blocks) -> Result<Told> {
        let mut told = Told { scopes, kinds, blocks, block: Vec::new(), at: 0, head: None };
        told.advance()?;
        Ok(told)
    }

    /// The current object; `None`: there are no more.
    #[inline]
    pub fn head(&self) -> Option<Object<'_>> {
        let head = self.head.as_ref()?;
        let (adapter, scope) = self.scopes.get(head.scope as usize)?;
        let key = self.block.get(head.key.clone())?;
        let range = match &head.range {
            Some(range) => Some(self.block.get(range.clone())?),
            None => None,
        };
        let Head { kind, size, expire_at_ms, value, rest, .. } = *head;
        let kind = self.kinds.get(usize::from(kind))?;
        Some(Object { adapter: *adapter, scope, kind, key, range, size, expire_at_ms, value, rest })
    }

    /// Moves to the next object.
    ///
    /// # Errors
    /// A file of records that could not be read.
    pub fn advance(&mut self) -> Result<()> {
        if self.at == self.block.len() {
            self.at = 0;
            self.blocks.next(&mut self.block)?;
            if self.block.is_empty() {
                self.head = None;
                return Ok(());
            }
        }
        let mut rest = Rest { block: &self.block, at: self.at };
        let head = rest.record().filter(|head| (head.scope as usize) < self.scopes.len());
        self.at = rest.at;
        self.head = Some(head.ok_or_else(|| Error::internal("an object was not told as a whole"))?);
        Ok(())
    }
}

/// Bytes that were not read yet.
struct Rest<'b> {
    block: &'b [u8],
    at: usize,
}

impl Rest<'_> {
    fn record(&mut self) -> Option<Head> {
        let [flags, kind] = self.array()?;
        let scope = u32::from_le_bytes(self.array()?);
        let size = u64::from_le_bytes(self.array()?);
        let has = |flag: u8| flags & flag != 0;
        let expire_at_ms = if has(HAS_EXPIRY) { Some(u64::from_le_bytes(self.array()?)) } else { None };
        let value: Option<Fingerprint> = if has(HAS_VALUE) { Some(self.array()?) } else { None };
        let rest: Option<Fingerprint> = if has(HAS_REST) { Some(self.array()?) } else { None };
        let key = self.part()?;
        let range = if has(HAS_RANGE) { Some(self.part()?) } else { None };
        Some(Head { scope, kind, size, expire_at_ms, value, rest, key, range })
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = self.block.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*array)
    }

    #[inline]
    fn part(&mut self) -> Option<Range<usize>> {
        let len = usize::try_from(u64::from_le_bytes(self.array()?)).ok()?;
        let end = self.at.checked_add(len).filter(|end| *end <= self.block.len())?;
        let part = self.at..end;
        self.at = end;
        Some(part)
    }
}
