//! Which names are taken, where no file system can tell.
//!
//! Late items are rare, so their plain names are collected first; then all items that are sure of their names are read
//! again, and those names that one of them has are taken. What is held grows with the late items alone.

use std::collections::HashSet;

use super::name;
use super::table::Tables;
use super::unit::Span;
use super::walk::{Found, Live, Walk};
use crate::dataset::DataSet;
use crate::decode::filter::Filter;
use crate::error::Result;

/// Table, and path below it.
type Name = (usize, String);

/// The names that late items would have, and somebody has already.
#[derive(Default)]
pub(super) struct Taken(HashSet<Name>);

impl Taken {
    /// Looks for the names of the items that are not sure of theirs; `late`: the spans that have such.
    ///
    /// # Errors
    /// An input that changed.
    pub fn find(
        set: &DataSet<'_>,
        tables: &Tables<'_>,
        filter: &Filter,
        spans: &[Span],
        late: &[usize],
    ) -> Result<Taken> {
        let mut wanted = HashSet::new();
        for at in late {
            each_live(set, tables, &spans[*at], |live| {
                if !live.sure && live.is_wanted(tables, filter) {
                    wanted.insert(plain(live));
                }
            })?;
        }
        let mut taken = HashSet::new();
        if wanted.is_empty() {
            return Ok(Taken(taken));
        }
        let affected: HashSet<usize> = wanted.iter().map(|(table, _)| *table).collect();
        for span in spans {
            each_live(set, tables, span, |live| {
                if live.sure && affected.contains(&live.table) && live.is_wanted(tables, filter) {
                    taken.extend(wanted.take(&plain(live)));
                }
            })?;
        }
        Ok(Taken(taken))
    }

    /// Takes the plain name of a late item, if it is free.
    pub fn take(&mut self, live: &Live<'_>) -> bool {
        self.0.insert(plain(live))
    }
}

fn plain(live: &Live<'_>) -> Name {
    let mut path = String::new();
    name::item_into(live.key, &mut path);
    (live.table, path)
}

fn each_live(set: &DataSet<'_>, tables: &Tables<'_>, span: &Span, mut each: impl FnMut(&Live<'_>)) -> Result<()> {
    let mut walk = Walk::new(set, tables, span);
    while let Some(row) = walk.next()? {
        // Rows that cannot be read were reported when they were read first.
        if let Ok(Found::Live(live)) = walk.judge(row) {
            each(&live);
        }
    }
    Ok(())
}
