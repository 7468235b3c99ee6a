//! Items taken as they are stored give the same types and rows as parsed ones.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::columns::{Attributes, Notes};
use super::*;
use crate::format::dynamodb::Schema;
use crate::format::dynamodb::wire::{any_value, b, field, item, member, n, nested, s};
use crate::layouts::dynamodb::canonical::LEVELS;

/// Keeps rows as text.
#[derive(Default)]
struct Kept(Vec<String>);

impl Sink for Kept {
    fn set(&mut self, name: &str, columns: impl FnOnce() -> Columns) -> Result<usize> {
        self.0.push(format!("{name} {:?}", columns().all));
        Ok(0)
    }

    fn push(&mut self, _: usize, cells: &[Cell<'_>]) -> Result<()> {
        let mut row = String::new();
        for cell in cells {
            match cell {
                Cell::Null => row.push('-'),
                Cell::Bytes(bytes) => write!(row, "\"{}\"", bytes.escape_ascii()).unwrap(),
                Cell::U64(n) => write!(row, "{n}").unwrap(),
                Cell::Bool(flag) => write!(row, "{flag}").unwrap(),
                Cell::Decimal(digits) => write!(row, "{digits}").unwrap(),
                _ => panic!("a cell that items do not have"),
            }
            row.push(' ');
        }
        self.0.push(row);
        Ok(())
    }

    fn abandon(&mut self, _: usize) -> Result<()> {
        Ok(())
    }
}

fn table(hash: &str, range: &str) -> Table {
    let key = KeyNames { hash: hash.into(), range: range.into() };
    Table { schema: Schema { key, key_encoding_version: 2, ..Schema::default() }, ..Table::default() }
}

/// The parsed item, and the primary part of its row key, if it has a key.
fn parsed<'a>(row: &'a [u8], table: &Table) -> Option<(Item<'a>, Vec<u8>)> {
    let value = crate::format::dynamodb::Item::parse(row).ok()?;
    let key = PrimaryKey::of(value, &table.schema.key).ok()?;
    let mut primary = Vec::new();
    key.row_bytes_into(table.version_of(Liveness::Active), &mut primary)?;
    Some((Item { value, key, row_key: b"", stored_len: row.len(), matches_row_key: true }, primary))
}

/// Types and rows of items, and how many were taken as they are stored. Those that are not taken are parsed, as a reader does.
fn read(rows: &[Vec<u8>], table: &Table, takes_stored: bool) -> (Vec<(usize, Attributes)>, Vec<String>, usize) {
    let items: Vec<_> = rows.iter().filter_map(|row| Some((row, parsed(row, table)?))).collect();
    let (mut notes, mut taken) = (Notes::new(takes_stored), 0);
    let stored = |row, primary| StoredItem { value: row, primary, commit_ts: 7 };
    for (row, (item, primary)) in &items {
        if !notes.stored(table, &stored(row, primary)).unwrap() {
            notes.item(table, item).unwrap();
        }
    }
    let all = AllColumns { tables: notes.into_noted().0.into_iter().collect() };
    let mut to = Rows::new(Kept::default(), &all);
    for (row, (item, primary)) in &items {
        if takes_stored && to.stored(table, &stored(row, primary)).unwrap() {
            taken += 1;
        } else {
            to.committed(7);
            to.item(table, item).unwrap();
        }
    }
    let kept = to.into_parts().0.0;
    (all.tables.into_iter().collect(), kept, taken)
}

/// How many items were taken as they are stored; whether they are makes no difference.
fn taken(rows: &[Vec<u8>], table: &Table) -> usize {
    let (types, kept, taken) = read(rows, table, true);
    let (want_types, want, none) = read(rows, table, false);
    assert_eq!((types, none), (want_types, 0));
    assert_eq!(kept, want);
    taken
}

#[test]
fn what_the_server_writes_is_taken() {
    let tags = field(6, &[field(1, b"x"), field(1, b"\xc3\xa9\"")].concat());
    let deep = field(10, &member("m", &field(9, &field(1, &s("<")))));
    let rest = |name: &str| member(name, &nested(LEVELS));
    let rows = [
        item(&[member("h", &s("1")), member("n", &n("1")), member("t", &s("x"))]),
        item(&[member("b", &b(b"\xff")), member("h", &s("2")), member("n", &n("-1.25")), member("z", &s("x"))]),
        item(&[member("f", b"\x20\x01"), member("h", &s("3")), member("n", &n("1.50")), member("z", &tags)]),
        item(&[
            member("a", &deep),
            member("h", &s("4")),
            rest("i"),
            member("n", &n("1e60")),
            member("\"", b"\x28\x01"),
        ]),
        item(&[member("\"", b"\x28\x01"), member("a", &deep), member("h", &s("5\0")), rest("i")]),
        item(&[member("h", &s("6")), member("t", &n("7"))]),
    ];
    // The fourth has a name out of order.
    assert_eq!(taken(&rows, &table("h", "")), 5);
    assert_eq!(taken(&rows, &table("h", "n")), 3);
    assert_eq!(taken(&rows, &table("n", "")), 3);
}

#[test]
fn all_else_is_parsed() {
    let h = || member("h", &s("x"));
    for other in [
        vec![h(), member("z", b"")],
        vec![h(), h()],
        vec![h(), member("z", &s("x")), member("z", &n("1"))],
        vec![h(), member("a", &s("x"))],
        vec![h(), member("z", &field(11, b"x"))],
        vec![h(), member("z", &[s("x"), n("1")].concat())],
        vec![h(), member("z", &nested(LEVELS + 1))],
        vec![h(), member("z", &field(9, &field(1, b"")))],
    ] {
        let rows = [item(&other)];
        assert!(parsed(&rows[0], &table("h", "")).is_some());
        assert_eq!(taken(&rows, &table("h", "")), 0, "{other:02x?}");
    }
    // Damage is for the parser; a key of another item too.
    let damaged = |value: &[u8]| item(&[h(), member("z", value)]);
    let texts = [damaged(&field(1, b"\xff")), damaged(&field(6, &field(1, b"\xff"))), item(&[])];
    let rows = [texts.map(|row| (row, b"x\0\x01")).to_vec(), vec![(item(&[h()]), b"y\0\x01")]].concat();
    let all = AllColumns::default();
    let mut to = Rows::new(Kept::default(), &all);
    for (row, primary) in &rows {
        let stored = StoredItem { value: row, primary: *primary, commit_ts: 7 };
        assert!(!to.stored(&table("h", ""), &stored).unwrap(), "{row:02x?}");
    }
}

proptest! {
    #[test]
    fn both_ways_agree(
        items in prop::collection::vec(prop::collection::vec(("[a-e]", prop_oneof![
            any_value(),
            "-?[0-9]{1,40}(\\.[0-9]{1,9})?(e[0-9])?".prop_map(|text| n(&text)),
        ]), 0..5), 0..5),
        sorted: bool,
    ) {
        let rows: Vec<Vec<u8>> = items.into_iter().map(|mut members| {
            if sorted {
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            members.insert(0, ("A".to_owned(), s("key")));
            item(&members.iter().map(|(name, value)| member(name, value)).collect::<Vec<_>>())
        }).collect();
        taken(&rows, &table("A", ""));
    }
}
