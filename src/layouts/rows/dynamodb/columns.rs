//! Decides which attributes of a table are columns: those that have the same type in all items.
//!
//! Items are read twice: first for their types. The number of recorded attributes is bounded, so an attribute may go to `_rest` although it
//! has one type. A value that does not have its column's type goes there too.

mod notes;
#[cfg(feature = "parquet")]
mod planned;

use std::collections::{BTreeMap, BTreeSet};

use crate::adapters::dynamodb::{self, Tables};
use crate::dataset::{DataSet, KeyRange};
use crate::error::Result;
use crate::layouts::rows::{Column, Columns, Kind, column};
use crate::model::dynamodb::Table;
use crate::options::Options;
use crate::run::engine;
use notes::{Noted, note};

pub(super) use notes::{Attributes, Notes};

/// Maximum number of columns of a table.
const MOST_COLUMNS: usize = 256;
/// Maximum number of recorded attributes of all tables.
const MOST_NOTED_IN_ALL: usize = 200_000;

/// The column for attributes without a column.
const REST: &str = "_rest";
/// The column of the commit timestamp.
const COMMIT_TS: &str = "_commit_ts";
/// The suffix of a column with the text of a number, if the decimal is not enough.
const TEXT: &str = "__text";

/// The columns of all tables.
#[derive(Default)]
pub struct AllColumns {
    pub(super) tables: BTreeMap<usize, Attributes>,
}

impl AllColumns {
    /// Reads the types of all items of some splits on the threads of the current pool; `step` is called for each split.
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
                let mut notes = Notes::new(!options.skip_damage);
                // The same findings are reported when items are written.
                dynamodb::read(set, tables, &splits[i], options, &mut notes)?;
                Ok(notes.into_noted())
            },
            |noted_in_split| {
                step();
                for (place, attributes) in noted_in_split.0 {
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

/// They come after the columns of attributes.
pub(super) fn of_every_table() -> [Column; 2] {
    [column(REST, Kind::Json).or_null(), column(COMMIT_TS, Kind::U64)]
}

/// The columns of a table.
pub struct TableColumns {
    /// All of them.
    pub columns: Columns,
    /// Attributes that are columns, by name, with the position of the column and its kind.
    attributes: Vec<(Box<str>, usize, Kind)>,
}

impl TableColumns {
    fn new(table: &Table, noted: &Attributes) -> TableColumns {
        // Most readers treat names that differ only in case as equal.
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

    /// The column of an attribute. Attributes come in the order of their names: `next` is the first position to try.
    #[inline]
    pub fn find(&self, name: &[u8], next: &mut usize) -> Option<(usize, Kind)> {
        let at = match self.attributes.get(*next) {
            Some((known, ..)) if known.as_bytes() == name => *next,
            _ => self.attributes.binary_search_by(|(known, ..)| known.as_bytes().cmp(name)).ok()?,
        };
        *next = at + 1;
        self.attributes.get(at).map(|(_, place, kind)| (*place, *kind))
    }
}
