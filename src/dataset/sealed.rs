//! Encrypted rows whose encryption keys are missing.

use std::collections::BTreeSet;

use super::{DataSet, Group, Row};
use crate::error::{Error, ErrorKind, Result};
use crate::format::envelope::Sealed;
use crate::format::{Family, frame};
use crate::index::SealedRows;

/// Whether a group has encrypted rows that cannot be opened.
pub(super) fn has_missing_keys(group: &Group<'_>) -> bool {
    let sealed = &group.index.sealed;
    sealed.others().is_some() || sealed.keys().any(|(key_id, _)| group.source.keys().get(key_id).is_none())
}

impl DataSet<'_> {
    /// Whether there are encrypted rows, of any time, whose encryption keys are missing.
    pub fn has_missing_keys(&self) -> bool {
        self.missing_keys
    }

    /// Encrypted rows of all inputs, by ID of the encryption key.
    pub fn sealed(&self) -> SealedRows {
        let mut all = SealedRows::default();
        self.inputs().for_each(|group| all.append(&group.index.sealed));
        all
    }

    /// Fails if visible rows need missing encryption keys. If damage is skipped, each of these rows is a loss instead.
    ///
    /// # Errors
    /// Which encryption keys are needed, and which of them are there.
    pub fn check_keys(&self) -> Result<()> {
        match self.missing_keys() {
            Some(error) if !self.losses.is_lenient() => Err(error),
            _ => Ok(()),
        }
    }

    /// The error of a decode that does not skip damage, if visible rows need keys that are missing.
    pub fn missing_keys(&self) -> Option<Error> {
        let (group, first) = self.inputs().find_map(|group| Some((group, group.index.sealed.unopened.as_ref()?)))?;
        let sealed = self.sealed();
        let used = sealed.keys().filter(|(_, of_key)| of_key.live > 0).map(|(id, of_key)| (id, of_key.live));
        let there: BTreeSet<u32> = self.inputs().flat_map(|group| group.source.keys().ids()).collect();
        let kind =
            ErrorKind::MissingKeys { first: first.sealed, used: used.collect(), there: there.into_iter().collect() };
        let error = Error::new(kind).at(first.offset).row(first.family, &first.key.head);
        Some(group.source.locate(error))
    }

    /// The error of a row whose encryption key is missing.
    #[cold]
    pub(super) fn missing_key(&self, row: &Row<'_>) -> Error {
        let group = self.groups.get(row.group as usize);
        let entry = group.and_then(|group| match frame::step(group.file(), row.offset) {
            Ok(frame::Step::Entry(entry)) => group.source.values().sealed(entry.raw_value),
            _ => None,
        });
        let kind = ErrorKind::Encrypted(entry.unwrap_or(Sealed { version: 1, key_id: 0 }));
        let error = Error::new(kind).at(row.offset).row(Family::of(row.user_key), row.user_key);
        group.map_or_else(|| Error::internal("a row of no group"), |group| group.source.locate(error))
    }
}
