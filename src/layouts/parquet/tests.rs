//! Reads the written files with the crate's own reader.

use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as Record};
use proptest::prelude::*;

use super::Parts;
use super::sets::Sets;
use crate::layouts::rows::{Cell, Columns, Kind, Pairs, column};
use crate::output::split::{Collector, SplitOutput};
use crate::output::tree::Tree;

/// A row with all kinds of columns.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    key: Vec<u8>,
    text: Option<String>,
    n: u64,
    signed: Option<i64>,
    score: f64,
    flag: bool,
    short: i64,
    wide: Option<i128>,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Pairs for Vec<(Vec<u8>, Vec<u8>)> {
    fn iter(&self) -> Box<dyn Iterator<Item = (&[u8], &[u8])> + '_> {
        Box::new(self.as_slice().iter().map(|(name, value)| (&name[..], &value[..])))
    }
}

fn schema() -> Columns {
    let columns = vec![
        column("key", Kind::Bytes).repeated(),
        column("text", Kind::Text).or_null(),
        column("n", Kind::U64),
        column("signed", Kind::I64).or_null(),
        column("score", Kind::F64),
        column("flag", Kind::Bool),
        column("short", Kind::Decimal(18, 2)),
        column("wide", Kind::Decimal(38, 0)).or_null(),
        column("pairs", Kind::Pairs),
    ];
    Columns::new(columns, 1)
}

fn push(row: &Row, sets: &mut Sets, out: &mut SplitOutput<'_>) {
    let set = sets.number("d/rows", schema).unwrap();
    let cells = [
        Cell::Bytes(&row.key),
        row.text.as_ref().map_or(Cell::Null, |text| Cell::Bytes(text.as_bytes())),
        Cell::U64(row.n),
        row.signed.map_or(Cell::Null, Cell::I64),
        Cell::F64(row.score),
        Cell::Bool(row.flag),
        Cell::Decimal(row.short.into()),
        row.wide.map_or(Cell::Null, Cell::Decimal),
        Cell::Pairs(&row.pairs),
    ];
    sets.push(set, &cells, out).unwrap();
}

fn bytes(field: &Field) -> Vec<u8> {
    match field {
        Field::Bytes(bytes) => bytes.data().to_vec(),
        Field::Str(text) => text.as_bytes().to_vec(),
        other => panic!("{other:?}"),
    }
}

fn decimal(field: &Field) -> i128 {
    let Field::Decimal(decimal) = field else { panic!("{field:?}") };
    let sign = if decimal.data().first().is_some_and(|byte| *byte >= 0x80) { -1i128 } else { 0 };
    decimal.data().iter().fold(sign, |n, byte| n << 8 | i128::from(*byte))
}

fn read(record: &Record) -> Row {
    let fields: Vec<&Field> = record.get_column_iter().map(|(_, field)| field).collect();
    let there = |n: usize| Some(fields[n]).filter(|field| **field != Field::Null);
    let Field::ListInternal(list) = fields[8] else { panic!("{:?}", fields[8]) };
    let pair = |field: &Field| {
        let Field::Group(pair) = field else { panic!("{field:?}") };
        let parts: Vec<_> = pair.get_column_iter().map(|(_, field)| bytes(field)).collect();
        (parts[0].clone(), parts[1].clone())
    };
    let (Field::ULong(n), Field::Double(score), Field::Bool(flag)) = (fields[2], fields[4], fields[5]) else {
        panic!("{record:?}")
    };
    Row {
        key: bytes(fields[0]),
        text: there(1).map(|field| String::from_utf8(bytes(field)).unwrap()),
        n: *n,
        signed: there(3).map(|field| if let Field::Long(n) = field { *n } else { panic!("{field:?}") }),
        score: *score,
        flag: *flag,
        short: decimal(fields[6]) as i64,
        wide: there(7).map(decimal),
        pairs: list.elements().iter().map(pair).collect(),
    }
}

/// All rows of a data set, and the number of its row groups and files.
fn read_all(folder: &Path) -> (Vec<Row>, usize, usize) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut rows, mut groups) = (Vec::new(), 0);
    for path in &paths {
        let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        for n in 0..reader.num_row_groups() {
            check_bounds(&reader, n);
        }
        groups += reader.num_row_groups();
        rows.extend(reader.get_row_iter(None).unwrap().map(|row| read(&row.unwrap())));
    }
    (rows, groups, paths.len())
}

/// The statistics of the key are the first and the last one, or bounds of them.
fn check_bounds(reader: &SerializedFileReader<std::fs::File>, group: usize) {
    let keys: Vec<_> =
        reader.get_row_group(group).unwrap().get_row_iter(None).unwrap().map(|row| read(&row.unwrap()).key).collect();
    let metadata = reader.metadata().row_group(group);
    assert_eq!((metadata.num_rows() as usize, metadata.ordinal()), (keys.len(), Some(group as i32)));
    let Some(statistics) = metadata.column(0).statistics() else { return };
    let least = statistics.min_bytes_opt().unwrap();
    let greatest = statistics.max_bytes_opt().unwrap();
    assert!(keys.iter().all(|key| least <= &key[..] && &key[..] <= greatest), "{least:?} {greatest:?} {keys:?}");
}

/// Writes tasks of rows, and reads them again. Rows whose number is rejected by `kept` are an object that is abandoned.
fn written(tasks: &[Vec<Vec<Row>>], kept: impl Fn(usize) -> bool, part_size: u64) -> (Vec<Row>, usize, usize) {
    let root = tempfile::tempdir().unwrap();
    let tree = Tree::open(root.path()).unwrap();
    let mut collector = Collector::new(&tree, root.path());
    collector.assembler = Some(Box::<Parts>::default());
    let mut number = 0;
    for task in tasks {
        let (mut out, mut sets) = (SplitOutput::new(&tree), Sets::new(part_size));
        let set = sets.number("d/rows", schema).unwrap();
        for object in task {
            sets.begin(set);
            object.iter().for_each(|row| push(row, &mut sets, &mut out));
            match kept(number) {
                true => sets.complete(set, &mut out).unwrap(),
                false => sets.abandon(set, &mut out),
            }
            number += 1;
        }
        sets.finish(&mut out).unwrap();
        collector.take(out).unwrap();
    }
    collector.finish().unwrap();
    read_all(&root.path().join("d/rows"))
}

fn any_row() -> impl Strategy<Value = Row> {
    let short = || prop::collection::vec(any::<u8>(), 0..6);
    let pairs = prop::collection::vec((short(), short()), 0..4);
    let numbers = (any::<u64>(), any::<Option<i64>>(), -5.0..5.0f64, any::<bool>());
    let decimals = (-10i64.pow(17)..10i64.pow(17), prop::option::of(-10i128.pow(37)..10i128.pow(37)));
    let key = prop::collection::vec(prop::sample::select(vec![0u8, b'a', 0xff]), 0..3);
    (key, prop::option::of(".{0,5}"), numbers, decimals, pairs).prop_map(
        |(key, text, numbers, (short, wide), pairs)| {
            let (n, signed, score, flag) = numbers;
            Row { key, text, n, signed, score, flag, short, wide, pairs }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_come_back(tasks in prop::collection::vec(prop::collection::vec(prop::collection::vec(any_row(), 0..5), 0..4), 0..4)) {
        let mut tasks = tasks;
        tasks.iter_mut().flatten().for_each(|object| object.sort_by(|a, b| a.key.cmp(&b.key)));
        tasks.iter_mut().for_each(|task| task.sort_by(|a, b| a.first().map(|row| &row.key).cmp(&b.first().map(|row| &row.key))));
        let ordered: Vec<Vec<Vec<Row>>> = tasks
            .iter()
            .map(|task| {
                let mut all: Vec<Row> = task.concat();
                all.sort_by(|a, b| a.key.cmp(&b.key));
                all.into_iter().map(|row| vec![row]).collect()
            })
            .collect();
        let kept = |n: usize| n % 3 != 2;
        let want: Vec<Row> = ordered.iter().flatten().enumerate().filter(|(n, _)| kept(*n)).flat_map(|(_, o)| o.clone()).collect();
        let (got, ..) = if ordered.is_empty() { (Vec::new(), 0, 0) } else { written(&ordered, kept, 1) };
        prop_assert_eq!(got, want);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Blocks and groups of differences that are full or not, of any number of bits.
    #[test]
    fn numbers_come_back(steps in prop::collection::vec((any::<u64>(), 0..=64u32), 0..300), bits in 0..=64u32) {
        let mut number = 0u64;
        let rows: Vec<Row> = steps.iter().map(|(step, less)| {
            number = number.wrapping_add(step.checked_shr(bits.max(*less)).unwrap_or(0));
            let signed = (step % 3 > 0).then(|| number.cast_signed().wrapping_neg());
            Row { n: number, signed, short: (number >> 8).cast_signed(), ..plain(b"k", 0) }
        }).collect();
        let (got, ..) = written(&[vec![rows.clone()]], |_| true, 1);
        prop_assert_eq!(got, rows);
    }
}

fn plain(key: &[u8], value: usize) -> Row {
    let pairs = vec![(b"f".to_vec(), vec![b'v'; value])];
    let (text, wide) = (Some("é".repeat(value / 4)), Some(i128::from(i64::MIN)));
    Row { key: key.to_vec(), text, n: u64::MAX, signed: None, score: -0.0, flag: true, short: -1, wide, pairs }
}

#[test]
fn rows_that_are_not_held() {
    let long = [b'k'; 100];
    let rows: Vec<Vec<Row>> = (0..40u8)
        .map(|n| vec![plain(&[&long[..], &[n]].concat(), if n % 5 == 4 { 5 << 20 } else { 600 << 10 })])
        .collect();
    let (got, groups, files) = written(&[rows[..20].to_vec(), rows[20..].to_vec()], |_| true, 20 << 20);
    assert!(got == rows.concat());
    assert!(groups > 10 && files > 2, "{groups} {files}");
}

/// An object of several row groups is removed completely, and the rows before it stay.
#[test]
fn an_object_of_many_groups_is_taken_back() {
    let row = |n: u8| plain(&[n], 1 << 20);
    let small = vec![row(0), row(1)];
    for large in [plain(&[2], 5 << 20), row(2)] {
        let long: Vec<Row> = std::iter::repeat_n(large, 25).collect();
        for kept in [true, false] {
            let task = vec![small.clone(), long.clone(), vec![row(3)]];
            let (got, ..) = written(&[task], |n| kept || n != 1, 8 << 20);
            let want = [&small[..], if kept { &long } else { &[] }, &[row(3)]].concat();
            assert!(got == want, "{kept} {}", got.len());
        }
    }
}

#[test]
fn numbers_without_an_order() {
    let scores = [f64::NAN, f64::INFINITY, 1.5];
    let rows: Vec<Row> = scores.iter().map(|score| Row { score: *score, ..plain(b"z", 0) }).collect();
    let (got, ..) = written(&[vec![rows.clone()]], |_| true, 1);
    let bits = |rows: &[Row]| rows.iter().map(|row| row.score.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&got), bits(&rows));
}
