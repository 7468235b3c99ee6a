//! Records the types of attributes.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::format::dynamodb::Value;
use crate::format::dynamodb::canonical::{Member, sorted_members};
use crate::format::dynamodb::item::{Entry, MAGIC};
use crate::layouts::rows::dynamodb::decimal::Width;
use crate::model::dynamodb::{Item, StaleItem, StoredItem, Table, Visitor};
use crate::run::engine::Done;

/// Maximum number of recorded attributes of a table.
const MOST_NOTED: usize = 1000;

/// The type of an attribute's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layouts::rows::dynamodb) enum Noted {
    Text,
    Number(Width),
    Binary,
    Flag,
    /// It has several types, or a type without a column.
    Other,
}

impl Noted {
    fn of(value: Value<'_>) -> Noted {
        match value {
            Value::S(_) => Noted::Text,
            Value::N(text) => Noted::Number(Width::of(text)),
            Value::B(_) => Noted::Binary,
            Value::Bool(_) => Noted::Flag,
            _ => Noted::Other,
        }
    }

    /// Whether a value changes nothing; `None`: its number cannot be read.
    fn contains(self, (number, field): Member<'_>) -> Option<bool> {
        Some(match (self, number) {
            (Noted::Number(width), 2) => width.contains(Width::of(field.text().ok()?)),
            (Noted::Text, 1) | (Noted::Binary, 3) | (Noted::Flag, 4) | (Noted::Other, _) => true,
            _ => false,
        })
    }

    pub(super) fn merge(&mut self, other: Noted) {
        match (&mut *self, other) {
            (Noted::Number(width), Noted::Number(other)) => width.merge(other),
            (one, other) if *one == other => {}
            (one, _) => *one = Noted::Other,
        }
    }
}

/// Types by name.
pub(in crate::layouts::rows::dynamodb) type Attributes = BTreeMap<Box<str>, Noted>;

/// Records the attributes of items, table by table.
pub(in crate::layouts::rows::dynamodb) struct Notes<'a> {
    tables: OfTables,
    entries: Vec<Entry<'a>>,
    /// The attributes of the current item.
    members: Vec<(&'a [u8], Member<'a>)>,
    seen: Seen<'a>,
    takes_stored: bool,
}

/// Names of attributes of the current table in their order, with what is recorded about each.
type Seen<'a> = Vec<(&'a [u8], Noted)>;

/// Types of attributes by table: the position of a table, and its attributes.
#[derive(Default)]
pub(in crate::layouts::rows::dynamodb) struct OfTables(pub Vec<(usize, Attributes)>);

impl OfTables {
    fn open(&mut self, table: &Table, seen: &mut Seen<'_>) -> &mut Attributes {
        if self.0.last().is_none_or(|(place, _)| *place != table.place) {
            self.0.push((table.place, Attributes::new()));
            seen.clear();
        }
        let last = self.0.len() - 1;
        &mut self.0[last].1
    }
}

impl Done for OfTables {
    fn held(&self) -> usize {
        let attributes: usize = self.0.iter().map(|(_, attributes)| attributes.len()).sum();
        attributes * 128 + self.0.len() * size_of::<Attributes>()
    }
}

impl<'a> Notes<'a> {
    /// Nothing recorded. `takes_stored`: items are taken without a check of their content, because they are read again, and any damage ends
    /// the run.
    pub fn new(takes_stored: bool) -> Notes<'a> {
        let (entries, members, seen) = (Vec::new(), Vec::new(), Seen::new());
        Notes { tables: OfTables::default(), entries, members, seen, takes_stored }
    }

    /// What was recorded.
    pub fn into_noted(self) -> OfTables {
        self.tables
    }
}

impl<'a> Visitor<'a> for Notes<'a> {
    const TAKES_STORED: bool = true;

    fn stored(&mut self, table: &Table, item: &StoredItem<'a>) -> Result<bool> {
        if !self.takes_stored {
            return Ok(false);
        }
        let Some(message) = item.value.strip_prefix(MAGIC) else { return Ok(false) };
        self.members.clear();
        let each = |_, name, member| {
            self.members.push((name, member));
            Some(())
        };
        // Nothing is recorded of an item in another form: only the last of several members with one name counts.
        if sorted_members(message, each).is_none() {
            return Ok(false);
        }
        let attributes = self.tables.open(table, &mut self.seen);
        let mut next = 0;
        let mut take = |(name, member)| {
            next = take(name, member, next, &mut self.seen, attributes)?;
            Some(())
        };
        Ok(self.members.iter().copied().try_for_each(&mut take).is_some())
    }

    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        let attributes = self.tables.open(table, &mut self.seen);
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

/// Records an attribute; `next` is the first position to try among those that were seen. Returns the position after it.
fn take<'a>(
    name: &'a [u8],
    member: Member<'a>,
    next: usize,
    seen: &mut Seen<'a>,
    attributes: &mut Attributes,
) -> Option<usize> {
    let place = match seen.get(next) {
        Some((known, _)) if *known == name => Ok(next),
        _ => seen.binary_search_by_key(&name, |(known, _)| known),
    };
    let mut noted = || Some(note(attributes, str::from_utf8(name).ok()?, Noted::of(Value::of_member(member)?)));
    match place {
        Ok(at) => {
            let (_, known) = seen.get_mut(at)?;
            if !known.contains(member)? {
                *known = noted()?;
            }
            Some(at + 1)
        }
        Err(at) => {
            let noted = noted()?;
            if seen.len() < MOST_NOTED {
                seen.insert(at, (name, noted));
            }
            Some(at + 1)
        }
    }
}

/// Adds the type of a value; returns what is recorded about the attribute.
pub(super) fn note(attributes: &mut Attributes, name: &str, noted: Noted) -> Noted {
    if let Some(known) = attributes.get_mut(name) {
        known.merge(noted);
        *known
    } else if attributes.len() < MOST_NOTED {
        attributes.insert(name.into(), noted);
        noted
    } else {
        Noted::Other
    }
}
