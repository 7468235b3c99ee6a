//! The first pass over both states of a change export: records the position of each item, and the key that pairs it with the other state.

use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::lines::Sortable;
use super::noted::Noted;
use crate::adapters::dynamodb::{self, Tables};
use crate::dataset::{DataSet, KeyRange, RowRef};
use crate::error::{Error, Result};
use crate::format::dynamodb::schema::KeyNames;
use crate::format::dynamodb::{KeyValue, PrimaryKey};
use crate::format::wire;
use crate::layouts::dynamodb::Writer;
use crate::model::dynamodb::{Item, StaleItem, Table, Visitor};
use crate::options::Options;
use crate::output::split::SplitOutput;
use crate::run::engine;
use crate::run::sort::{Record, Sorter, field};

/// An item of one of the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// Number of its table in [`Union`]; the first key of the order.
    pub table: u32,
    /// Bytes of its value.
    pub len: u32,
    /// Hash of its key and of the names of its attributes: the second key of the order.
    pub id: u128,
    /// Reference to its row in its state.
    pub row: RowRef,
    /// Whether it is of the later state.
    pub is_after: bool,
}

impl Record for Sight {
    type Key = (u32, u128);
    const STORED: usize = 37;

    fn key(&self) -> (u32, u128) {
        (self.table, self.id)
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.table.to_le_bytes())?;
        out.write_all(&self.len.to_le_bytes())?;
        out.write_all(&self.id.to_le_bytes())?;
        out.write_all(&self.row.group.to_le_bytes())?;
        out.write_all(&self.row.at.to_le_bytes())?;
        out.write_all(&[self.is_after.into()])
    }

    fn read(stored: &[u8]) -> Sight {
        let [is_after] = field(stored, 36);
        Sight {
            table: u32::from_le_bytes(field(stored, 0)),
            len: u32::from_le_bytes(field(stored, 4)),
            id: u128::from_le_bytes(field(stored, 8)),
            row: RowRef { group: u32::from_le_bytes(field(stored, 24)), at: u64::from_le_bytes(field(stored, 28)) },
            is_after: is_after != 0,
        }
    }
}

impl Sortable for Sight {
    fn table(&self) -> u32 {
        self.table
    }

    fn len(&self) -> u32 {
        self.len
    }
}

/// The tables of both states: those of the later one by their numbers, and after them the tables that it no longer has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Union<'u, 'a> {
    pub before: &'u Tables<'a>,
    pub after: &'u Tables<'a>,
}

impl Union<'_, '_> {
    /// The number of a table of one of the states.
    fn number(self, table: &Table, is_after: bool) -> usize {
        let place = if is_after { Some(table.place) } else { self.after.find(&table.encoded) };
        place.unwrap_or(self.after.len() + table.place)
    }

    /// The table with a number, in the later state if it exists there.
    pub fn any(self, number: usize) -> Arc<Table> {
        match number.checked_sub(self.after.len()) {
            Some(gone) => self.before.get(gone),
            None => self.after.get(number),
        }
    }

    /// The table with a number in the earlier state and in the later one.
    pub fn of(self, number: usize) -> [Option<Arc<Table>>; 2] {
        let table = self.any(number);
        if number >= self.after.len() {
            return [Some(table), None];
        }
        [self.before.find(&table.encoded).map(|place| self.before.get(place)), Some(table)]
    }
}

/// Takes the items of a split.
pub(super) struct Looking<'u, 'a> {
    tables: Union<'u, 'a>,
    is_after: bool,
    row: Option<RowRef>,
    found: Vec<Sight>,
    id: Vec<u8>,
}

impl<'u, 'a> Looking<'u, 'a> {
    /// A collector for one of the states.
    pub fn new(tables: Union<'u, 'a>, is_after: bool) -> Self {
        Looking { tables, is_after, row: None, found: Vec::new(), id: Vec::new() }
    }
}

impl<'a> Visitor<'a> for Looking<'_, '_> {
    const TAKES_PLACES: bool = true;

    fn located(&mut self, row: RowRef) {
        self.row = Some(row);
    }

    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        id_into(&table.schema.key, item.key, &mut self.id);
        let number = self.tables.number(table, self.is_after);
        self.found.push(Sight {
            table: u32::try_from(number).map_err(|_| Error::internal("too many tables"))?,
            len: u32::try_from(item.stored_len).unwrap_or(u32::MAX),
            id: xxh3_128(&self.id),
            row: self.row.ok_or_else(|| Error::internal("an item that stands nowhere"))?,
            is_after: self.is_after,
        });
        Ok(())
    }

    /// The server serves none of them, at either moment.
    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}

/// The same, with the share of the output that receives findings.
pub(super) struct Found<'u, 'a, 't> {
    looking: Looking<'u, 'a>,
    out: SplitOutput<'t>,
}

impl<'u, 'a, 't> Found<'u, 'a, 't> {
    /// A collector for the later state.
    pub fn new(tables: Union<'u, 'a>, out: SplitOutput<'t>) -> Self {
        Found { looking: Looking::new(tables, true), out }
    }
}

impl<'a> Visitor<'a> for Found<'_, '_, '_> {
    const TAKES_PLACES: bool = true;

    fn located(&mut self, row: RowRef) {
        self.looking.located(row);
    }

    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        self.looking.item(table, item)
    }

    fn stale(&mut self, item: &StaleItem<'a>) -> Result<()> {
        self.looking.stale(item)
    }
}

impl<'a, 't> Writer<'a, 't> for Found<'_, '_, 't> {
    type Share = Noted<Sight>;

    fn finish(self) -> Result<(SplitOutput<'t>, Noted<Sight>)> {
        Ok((self.out, Noted(self.looking.found)))
    }
}

/// Bytes that identify an item of a table: the names and values of its key attributes, in written form.
fn id_into(names: &KeyNames, key: PrimaryKey<'_>, out: &mut Vec<u8>) {
    out.clear();
    for (name, value) in [(&names.hash, Some(key.hash)), (&names.range, key.range)] {
        let Some(value) = value else { continue };
        for part in [name.as_bytes(), value.kind().as_bytes(), KeyValue::raw(value)] {
            wire::bytes(part, out);
        }
    }
}

/// Reads the items of the earlier state. Findings about it are not reported: the output is about the later one.
///
/// # Errors
/// The first damaged row, or a sorter that cannot spill.
pub(super) fn before(
    set: &DataSet<'_>,
    tables: Union<'_, '_>,
    splits: &[KeyRange],
    options: &Options,
    sorter: &mut Sorter<'_, Sight>,
) -> Result<()> {
    engine::run(
        splits.len(),
        |i| {
            let mut looking = Looking::new(tables, false);
            dynamodb::read(set, tables.before, &splits[i], options, &mut looking)?;
            Ok(Noted(looking.found))
        },
        |sights| sorter.extend(&sights.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sights_come_back() {
        for is_after in [false, true] {
            let row = RowRef { group: 7, at: u64::MAX };
            let sight = Sight { table: 1, len: u32::MAX, id: 1 << 100, row, is_after };
            let mut stored = Vec::new();
            sight.write(&mut stored).unwrap();
            assert_eq!((stored.len(), Sight::read(&stored)), (Sight::STORED, sight));
        }
    }

    #[test]
    fn parts_of_an_id_are_told_apart() {
        let names = |hash: &str| KeyNames { hash: hash.into(), range: "r".into() };
        let id = |names: &KeyNames, hash, range| {
            let mut out = Vec::new();
            id_into(names, PrimaryKey { hash, range: Some(range) }, &mut out);
            out
        };
        let all = [
            id(&names("h"), KeyValue::S("a"), KeyValue::S("bc")),
            id(&names("h"), KeyValue::S("ab"), KeyValue::S("c")),
            id(&names("ha"), KeyValue::S("a"), KeyValue::S("bc")),
            id(&names("h"), KeyValue::B(b"a"), KeyValue::S("bc")),
            id(&names("h"), KeyValue::N("1"), KeyValue::S("")),
            id(&names("h"), KeyValue::N("1.0"), KeyValue::S("")),
        ];
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len());
    }
}
