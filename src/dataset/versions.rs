//! Every version of some keys, not only the visible one.

use std::ops::ControlFlow;

use super::scan::changed;
use super::{DataSet, Group};
use crate::error::Result;
use crate::format::limits::VALUE_HEADER;
use crate::format::mvcc::{self, Operational};
use crate::format::{frame, mvcc2};
use crate::index::Layout;

/// One version of a key, borrowed from its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a> {
    /// The user key with its family prefix.
    pub user_key: &'a [u8],
    /// Commit timestamp (HLC).
    pub commit_ts: u64,
    /// Whether it deletes the key.
    pub tombstone: bool,
    /// HLC timestamp from which the key is absent; 0 = never.
    pub expire_at: u64,
    /// The family's own value.
    pub body: &'a [u8],
    /// Number of its group; see [`DataSet::input_of`].
    pub group: u32,
    /// Position of its entry.
    pub offset: usize,
    /// The encryption key of its body, also if it was decrypted.
    pub key_id: Option<u32>,
}

impl<'a> DataSet<'a> {
    /// Gives every version of every key with `lo <= user key < hi`, of all inputs, in the order of the files, including
    /// versions above `--as-of`. It does not give values that are still intents.
    ///
    /// # Errors
    /// An input that changed, and the error of `each`.
    pub fn versions(
        &self,
        lo: &[u8],
        hi: Option<&[u8]>,
        each: &mut dyn FnMut(Version<'a>) -> Result<()>,
    ) -> Result<()> {
        for group in self.groups() {
            group.versions_in(lo, hi, &mut |version| each(version).map(ControlFlow::Continue))?;
        }
        Ok(())
    }

    /// The first user key with `lo <= user key < hi` that has a row, in the order of the files; the row may be a tombstone.
    ///
    /// # Errors
    /// An input that changed.
    pub fn key_from(&self, lo: &[u8], hi: Option<&[u8]>) -> Result<Option<&'a [u8]>> {
        let mut first: Option<&'a [u8]> = None;
        for group in self.groups() {
            let mut found = None;
            group.versions_in(lo, hi, &mut |version| {
                found = Some(version.user_key);
                Ok(ControlFlow::Break(()))
            })?;
            first = first.into_iter().chain(found).min();
        }
        Ok(first)
    }

    /// The input that a group belongs to: staged rows of an input are a group of their own.
    pub fn input_of(&self, group: u32) -> u32 {
        let source = self.groups().get(group as usize).map(|group| group.source);
        let same = |input: &Group<'a>| source.is_some_and(|source| std::ptr::eq(input.source, source));
        self.inputs().position(same).map_or(group, |input| input as u32)
    }

    /// The versions in the entry at a position that a [`Version`] has.
    ///
    /// # Errors
    /// As [`versions`](DataSet::versions).
    pub fn versions_at(&self, group: u32, at: usize, each: &mut dyn FnMut(Version<'a>) -> Result<()>) -> Result<()> {
        self.groups().get(group as usize).ok_or_else(changed)?.versions_at(at, each).map(drop)
    }
}

impl<'a> Group<'a> {
    /// Gives the versions of the keys with `lo <= user key < hi`, in the order of the file, until one ends it.
    fn versions_in(
        &self,
        lo: &[u8],
        hi: Option<&[u8]>,
        each: &mut dyn FnMut(Version<'a>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (mut at, mut flow) = (self.seek(lo)?, ControlFlow::Continue(()));
        while flow.is_continue()
            && at < self.index.rows.end
            && self.key_at(at).is_some_and(|key| hi.is_none_or(|hi| key < hi))
        {
            let next = self.versions_at(at, &mut |version| {
                // A key before the range can have rows inside it: it is a prefix of the range's start.
                if version.user_key >= lo && flow.is_continue() {
                    flow = each(version)?;
                }
                Ok(())
            })?;
            at = self.stretch(next).start;
        }
        Ok(())
    }

    /// Gives the versions in one entry and returns the position of the next entry.
    fn versions_at(&self, at: usize, each: &mut dyn FnMut(Version<'a>) -> Result<()>) -> Result<usize> {
        let group = self.number;
        if self.index.layout == Layout::Mvcc2 {
            let Ok(mvcc2::Step::Entry(entry)) = mvcc2::step(self.file(), at) else { return Err(changed()) };
            for mvcc2::Version { commit_ts, tombstone, expire_at, body } in entry.versions() {
                let (user_key, offset) = (self.stripped(entry.user_key), at);
                each(Version { user_key, commit_ts, tombstone, expire_at, body, group, offset, key_id: None })?;
            }
            return Ok(entry.end);
        }
        let Ok(frame::Step::Entry(entry)) = frame::step(self.file(), at) else { return Err(changed()) };
        let raw_key = self.stripped(entry.raw_key);
        if Operational::of(raw_key, entry.raw_value).is_none()
            && let (Ok((user_key, commit_ts)), Some(value)) = (mvcc::split_key(raw_key), self.value_of(&entry))
        {
            let mvcc::ValueHeader { tombstone, expire_at, body } = value;
            let key_id = self.source.values().sealed(entry.raw_value).map(|sealed| sealed.key_id);
            each(Version { user_key, commit_ts, tombstone, expire_at, body, group, offset: at, key_id })?;
        }
        Ok(entry.end)
    }

    /// The value of an entry. If it is encrypted and the encryption key is missing, the body is the envelope.
    fn value_of(&self, entry: &frame::Entry<'a>) -> Option<mvcc::ValueHeader<'a>> {
        let values = self.source.values();
        let sealed = || {
            let value = values.without_key(entry.raw_value)?;
            Some(mvcc::ValueHeader { body: entry.raw_value.get(VALUE_HEADER..)?, ..value })
        };
        values.split(entry.raw_value).ok().or_else(sealed)
    }
}
