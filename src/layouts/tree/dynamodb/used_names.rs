//! Which names are used, if no file system knows it.
//!
//! Ambiguous items are rare, so their plain names are collected first. Then all items with unambiguous names are read again, and those of
//! the names that one of them has are used. The memory depends only on the number of ambiguous items.

use std::collections::HashSet;

use super::unambiguous::is_unambiguous;
use crate::adapters::dynamodb::{self, Tables};
use crate::dataset::{DataSet, KeyRange};
use crate::error::Result;
use crate::layouts::dynamodb::name;
use crate::model::dynamodb::{Item, StaleItem, Table, Visitor};
use crate::options::Options;

/// Table, and path below it.
type Name = (usize, String);

/// The names that ambiguous items want, and that other items have already.
#[derive(Default)]
pub(super) struct UsedNames(HashSet<Name>);

impl UsedNames {
    /// Searches for the names of ambiguous items; `with_deferred`: the splits that have ambiguous items.
    ///
    /// # Errors
    /// An input that changed.
    pub fn find(
        set: &DataSet<'_>,
        tables: &Tables<'_>,
        options: &Options,
        splits: &[KeyRange],
        with_deferred: &[usize],
    ) -> Result<UsedNames> {
        let mut wanted = HashSet::new();
        let mut collect = Each(|table: &Table, item: &Item<'_>| {
            if !is_unambiguous(table, item) {
                wanted.insert(plain(table, item));
            }
        });
        for at in with_deferred {
            dynamodb::read(set, tables, &splits[*at], options, &mut collect)?;
        }
        let mut used = HashSet::new();
        if wanted.is_empty() {
            return Ok(UsedNames(used));
        }
        let affected: HashSet<usize> = wanted.iter().map(|(table, _)| *table).collect();
        let mut find = Each(|table: &Table, item: &Item<'_>| {
            if affected.contains(&table.place) && is_unambiguous(table, item) {
                used.extend(wanted.take(&plain(table, item)));
            }
        });
        for split in splits {
            dynamodb::read(set, tables, split, options, &mut find)?;
        }
        Ok(UsedNames(used))
    }

    /// Takes the plain name of an ambiguous item, if it is free.
    pub fn take(&mut self, table: &Table, item: &Item<'_>) -> bool {
        self.0.insert(plain(table, item))
    }
}

fn plain(table: &Table, item: &Item<'_>) -> Name {
    let mut path = String::new();
    name::item_into(item.key, &mut path);
    (table.place, path)
}

/// Calls a function for each item.
struct Each<F>(F);

impl<'a, F: FnMut(&Table, &Item<'_>)> Visitor<'a> for Each<F> {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        (self.0)(table, item);
        Ok(())
    }

    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}
