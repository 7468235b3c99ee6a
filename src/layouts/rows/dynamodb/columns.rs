//! Which attributes of a table are columns: those that have one type wherever they are.
//!
//! Items are read twice: their types first. The number of attributes that are recorded is bounded, so an attribute may go to `_rest` though it has
//! one type; and
//! a value that is not of its column's type goes there too.

#[cfg(feature = "parquet")]
mod planned;

use std::collections::{BTreeMap, BTreeSet};

use super::decimal::Width;
use crate::adapters::dynamodb::{self, Tables};
use crate::dataset::{DataSet, KeyRange};
use crate::error::Result;
use crate::format::dynamodb::Value;
use crate::format::dynamodb::item::Entry;
use crate::layouts::rows::{Column, Columns, Kind, column};
use crate::model::dynamodb::{Item, StaleItem, Table, Visitor};
use crate::options::Options;
use crate::run::engine::{self, Done};

/// The most attributes of a table that are recorded, and the most columns that it has.
const MOST_NOTED: usize = 1000;
const MOST_COLUMNS: usize = 256;
/// The most attributes of all tables that are recorded.
const MOST_NOTED_IN_ALL: usize = 200_000;

/// The column of the attributes that have none.
const REST: &str = "_rest";
/// The column of the commit timestamp.
const COMMIT_TS: &str = "_commit_ts";
/// What the name of the column ends in that has the text of a number, where the decimal does not tell it.
const TEXT: &str = "__text";

/// What the values of an attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    Text,
    Number(Width),
    Binary,
    Flag,
    /// It has several types, or a type that has no column.
    Other,
}

impl Noted {
    fn of(value: Value<'_>) -> Noted {
        match value {
            Value::S(_) => Noted::Text,
            Value::N(text) => {
                let mut width = Width::default();
                width.add(text);
                Noted::Number(width)
            }
            Value::B(_) => Noted::Binary,
            Value::Bool(_) => Noted::Flag,
            _ => Noted::Other,
        }
    }

    fn merge(&mut self, other: Noted) {
        match (&mut *self, other) {
            (Noted::Number(width), Noted::Number(other)) => width.merge(other),
            (one, other) if *one == other => {}
            (one, _) => *one = Noted::Other,
        }
    }
}

type Attributes = BTreeMap<Box<str>, Noted>;

/// Notes the attributes of items, table by table.
#[derive(Default)]
struct Notes<'a> {
    tables: Vec<(usize, Attributes)>,
    entries: Vec<Entry<'a>>,
}

impl Done for Notes<'_> {
    fn held(&self) -> usize {
        let attributes: usize = self.tables.iter().map(|(_, attributes)| attributes.len()).sum();
        attributes * 128 + self.tables.len() * size_of::<Attributes>()
    }
}

impl<'a> Visitor<'a> for Notes<'a> {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        if self.tables.last().is_none_or(|(place, _)| *place != table.place) {
            self.tables.push((table.place, Attributes::new()));
        }
        let Some((_, attributes)) = self.tables.last_mut() else { return Ok(()) };
        self.entries.clear();
        item.value.attributes().push_sorted(&mut self.entries);
        for entry in &self.entries {
            note(attributes, entry.name, Noted::of(entry.value()));
        }
        Ok(())
    }

    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}

fn note(attributes: &mut Attributes, name: &str, noted: Noted) {
    if let Some(known) = attributes.get_mut(name) {
        known.merge(noted);
    } else if attributes.len() < MOST_NOTED {
        attributes.insert(name.into(), noted);
    }
}

/// The columns of all tables.
#[derive(Default)]
pub struct AllColumns {
    tables: BTreeMap<usize, Attributes>,
}

impl AllColumns {
    /// Reads the types of all items of some splits on the threads of the pool at hand; `step` hears of each split that is read.
    ///
    /// # Errors
    /// The first damaged row in key order.
    pub fn read(
        set: &DataSet<'_>,
        options: &Options,
        tables: &Tables<'_>,
        splits: &[KeyRange],
        mut step: impl FnMut() + Send,
    ) -> Result<AllColumns> {
        let (mut all, mut noted) = (AllColumns::default(), 0);
        engine::run(
            splits.len(),
            |i| {
                let mut notes = Notes::default();
                // What it finds is found again when items are written.
                dynamodb::read(set, tables, &splits[i], options, &mut notes)?;
                notes.entries = Vec::new();
                Ok(notes)
            },
            |notes| {
                step();
                for (place, attributes) in notes.tables {
                    let known = all.tables.entry(place).or_default();
                    let before = known.len();
                    let room = |known: &Attributes| noted + known.len() - before < MOST_NOTED_IN_ALL;
                    for (name, of_name) in attributes {
                        if known.contains_key(&name) || room(known) {
                            note(known, &name, of_name);
                        }
                    }
                    noted += known.len() - before;
                }
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// The columns of a table.
    pub fn of(&self, table: &Table) -> TableColumns {
        static NONE: Attributes = Attributes::new();
        TableColumns::new(table, self.tables.get(&table.place).unwrap_or(&NONE))
    }
}

/// Behind the columns of attributes.
pub(super) fn of_every_table() -> [Column; 2] {
    [column(REST, Kind::Json).or_null(), column(COMMIT_TS, Kind::U64)]
}

/// The columns of a table.
pub struct TableColumns {
    /// All of them.
    pub columns: Columns,
    /// Attributes that are columns, by name, with the place of the column and what it takes.
    attributes: Vec<(Box<str>, usize, Kind)>,
}

impl TableColumns {
    fn new(table: &Table, noted: &Attributes) -> TableColumns {
        // Most readers take names that differ in case alone for one.
        let mut taken: BTreeSet<String> = [REST, COMMIT_TS].map(str::to_owned).into();
        let (mut columns, mut attributes) = (Vec::<Column>::new(), Vec::<(Box<str>, usize, Kind)>::new());
        let key = [&table.schema.key.hash, &table.schema.key.range];
        let is_key = |name: &str| key.iter().any(|key| ***key == *name);
        let keys = key.iter().filter_map(|name| Some((name.as_str(), *noted.get(name.as_str())?)));
        let others = noted.iter().map(|(name, noted)| (&**name, *noted)).filter(|(name, _)| !is_key(name));
        for (name, noted) in keys.chain(others) {
            let kind = match noted {
                Noted::Text => Kind::Text,
                Noted::Number(width) => width.kind(),
                Noted::Binary => Kind::Bytes,
                Noted::Flag => Kind::Bool,
                Noted::Other => continue,
            };
            if columns.len() >= MOST_COLUMNS || name.is_empty() {
                continue;
            }
            let text = format!("{name}{TEXT}");
            let of_number = matches!(kind, Kind::Decimal(..));
            if taken.contains(&name.to_lowercase()) || (of_number && taken.contains(&text.to_lowercase())) {
                continue;
            }
            taken.insert(name.to_lowercase());
            attributes.push((name.into(), columns.len(), kind));
            columns.push(column(name, kind).or_null());
            if of_number {
                taken.insert(text.to_lowercase());
                columns.push(column(&text, Kind::Text).or_null());
            }
        }
        columns.extend(of_every_table());
        attributes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        TableColumns { columns: Columns::new(columns, 0), attributes }
    }

    /// The column of an attribute. Attributes come in the order of their names: `next` is where the next one is looked for first.
    #[inline]
    pub fn find(&self, name: &str, next: &mut usize) -> Option<(usize, Kind)> {
        let at = match self.attributes.get(*next) {
            Some((known, ..)) if **known == *name => *next,
            _ => self.attributes.binary_search_by(|(known, ..)| (**known).cmp(name)).ok()?,
        };
        *next = at + 1;
        self.attributes.get(at).map(|(_, place, kind)| (*place, *kind))
    }
}
