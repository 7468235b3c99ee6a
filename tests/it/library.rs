//! The calls of a program that embeds the crate.

use ekvsnap::decode::Options;
use ekvsnap::format::adapter;
use ekvsnap::layouts::rows::{self, Cell, Columns, Sink};
use ekvsnap::model::dynamodb::{Item, StaleItem, Table, Visitor};
use ekvsnap::model::sqs;
use ekvsnap::options::filter::{Filter, Pattern};
use ekvsnap::source::keys::KeyFiles;
use ekvsnap::{Result, Snapshot};
use serde_json::json;

use crate::kit::build::{NOW, Snapshot as Builder};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::fs;
use crate::kit::sealed::{KEK, sidecar, write_secret};
use crate::kit::{packed, run_with};

/// Keys of items, and the number of their attributes.
#[derive(Default)]
struct Seen(Vec<(Vec<u8>, usize)>);

impl<'a> Visitor<'a> for Seen {
    fn item(&mut self, table: &Table, item: &Item<'a>) -> Result<()> {
        self.0.push((table.name.clone(), item.value.attributes().stored().count()));
        Ok(())
    }

    fn stale(&mut self, _: &StaleItem<'a>) -> Result<()> {
        Ok(())
    }
}

/// Every item comes once, with the attributes that its line has.
#[test]
fn items_of_all_tables() {
    for corpus in ["dynamodb-small", "dynamodb-nasty"] {
        let bytes = snapshots(&load(corpus)).remove(0);
        let decoded = run_with(std::slice::from_ref(&bytes), &packed()).unwrap();
        let mut seen = Seen::default();
        Snapshot::from_bytes("x.fsm", bytes).dynamodb(&Options::default(), &mut seen).unwrap();
        let files = decoded.below("dynamodb/");
        let lines = files.iter().filter(|path| path.ends_with(".jsonl") && !path.contains("_orphans"));
        let items: usize = lines.map(|path| decoded.text(path).lines().count()).sum();
        assert!(items > 20 && seen.0.len() == items, "{corpus}: {} of {items}", seen.0.len());
        assert!(seen.0.iter().all(|(table, attributes)| !table.is_empty() && *attributes > 0));
    }
}

#[test]
fn an_encrypted_snapshot_is_opened_with_keys() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.fsm");
    std::fs::write(&path, Builder::new().sealed(NOW, "!redis|str|a", b"\xff\x01\x00v", 3, 1).build()).unwrap();
    std::fs::write(dir.path().join("keys.json"), sidecar(&[3])).unwrap();
    write_secret(&dir.path().join("kek"), &KEK);
    let (kek, sidecars) = (Some(dir.path().join("kek")), vec![dir.path().join("keys.json")]);
    let keys = KeyFiles { kek, sidecars, ..KeyFiles::default() };
    let count = |snapshot: Snapshot| {
        let mut count = 0;
        let counted = snapshot.objects(&Options::default(), &mut |_| {
            count += 1;
            Ok(())
        });
        counted.map(|()| count)
    };
    assert_eq!(count(Snapshot::open_with_keys(&[&path], &keys).unwrap()).unwrap(), 1);
    assert!(count(Snapshot::open(&[&path]).unwrap()).unwrap_err().to_string().contains("key id 3"));
}

/// Rows as text: the cells of the requested columns.
struct Texts {
    wanted: &'static [&'static str],
    places: Vec<usize>,
    rows: Vec<String>,
}

impl Texts {
    fn new(wanted: &'static [&'static str]) -> Texts {
        Texts { wanted, places: Vec::new(), rows: Vec::new() }
    }
}

impl Sink for Texts {
    fn set(&mut self, _: &str, columns: impl FnOnce() -> Columns) -> Result<usize> {
        let all = columns().all;
        self.places = self.wanted.iter().map(|name| all.iter().position(|c| c.name == *name).unwrap()).collect();
        Ok(0)
    }

    fn push(&mut self, _: usize, cells: &[Cell<'_>]) -> Result<()> {
        let text = |place: &usize| match cells[*place] {
            Cell::Null => "-".to_owned(),
            Cell::Bytes(bytes) => bytes.escape_ascii().to_string(),
            Cell::U64(n) => n.to_string(),
            Cell::I64(n) => n.to_string(),
            _ => "?".to_owned(),
        };
        self.rows.push(self.places.iter().map(text).collect::<Vec<_>>().join(" "));
        Ok(())
    }

    fn abandon(&mut self, _: usize) -> Result<()> {
        Ok(())
    }
}

#[test]
fn files_as_rows() {
    // A file with two names, one in a directory that nothing leads to, and one without any.
    let mut s = fs::dir(fs::base(1), 5, 0);
    s = fs::name(s, 1, "d", 5, "dir");
    s = fs::file(s, "a", 10, b"ab");
    s = fs::put(s, 11, &fs::with(fs::inode(11, 1), json!({"nlink": 2, "mtime_nsec": -1_000_000})));
    s = fs::name(fs::name(s, 1, "x", 11, "file"), 5, "y", 11, "file");
    s = fs::name(fs::dir(s, 20, 0), 20, "in", 21, "file");
    s = fs::put(fs::put(s, 21, &fs::inode(21, 0)), 30, &fs::inode(30, 3));
    let snapshot = Snapshot::from_bytes("x.fsm", s.build());
    let indexed = snapshot.index(&Options::default()).unwrap();
    let mut texts =
        Texts::new(&["path", "parent", "name", "inode", "type", "size", "mtime", "mtime_ns", "hardlink_to"]);
    indexed.fs_rows(&Options::default(), &mut texts).unwrap();
    let wanted = [
        " - - 1 directory 0 0 2 -",
        "a 1 a 10 file 2 0 2 -",
        "d 1 d 5 directory 0 0 2 -",
        "d/y 5 y 11 file 1 -1 -1000000 -",
        "x 1 x 11 file 1 -1 -1000000 d/y",
        "- - - 20 directory 0 0 2 -",
        "- 20 in 21 file 0 0 2 -",
        "- - - 30 file 3 0 2 -",
    ];
    assert_eq!(texts.rows, wanted);
    let filter = Filter { include: vec!["fs:d".parse().unwrap()], ..Filter::default() };
    let mut texts = Texts::new(&["path"]);
    indexed.fs_rows(&Options { filter, ..Options::default() }, &mut texts).unwrap();
    assert_eq!(texts.rows, ["d", "d/y"]);
}

/// Messages come in the order of their lines, and objects in that of theirs.
#[test]
fn messages_and_objects_as_rows() {
    let wanted = |bytes: &[u8], queue: &str| {
        let decoded = run_with(&[bytes.to_vec()], &packed()).unwrap();
        let lines = decoded.text(&format!("sqs/{queue}.jsonl")).lines();
        let id = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["message_id"].as_str().unwrap().to_owned()
        };
        lines.map(id).collect::<Vec<_>>()
    };
    let bytes = snapshots(&load("sqs-small")).remove(0);
    let snapshot = Snapshot::from_bytes("x.fsm", bytes.clone());
    let indexed = snapshot.index(&Options::default()).unwrap();
    let names = indexed.queues().unwrap();
    assert_eq!(names.len(), 14);
    let mut messages = 0;
    for name in names {
        let filter = Filter { include: vec![Pattern::exactly(adapter::SQS, &name)], ..Filter::default() };
        let mut texts = Texts::new(&["message_id"]);
        let set = texts.set("", rows::sqs::columns).unwrap();
        let mut queue = Queue(rows::sqs::Rows::new(&mut texts, set, false), Vec::new());
        indexed.sqs(&Options { filter, ..Options::default() }, &mut queue).unwrap();
        assert_eq!(queue.1, std::slice::from_ref(&name));
        drop(queue);
        let queue = String::from_utf8(name).unwrap();
        assert_eq!(texts.rows, wanted(&bytes, &queue), "{queue}");
        messages += texts.rows.len();
    }
    assert!(messages > 40);
    let snapshot = Snapshot::from_bytes("x.fsm", snapshots(&load("s3-small")).remove(0));
    let indexed = snapshot.index(&Options::default()).unwrap();
    assert_eq!(indexed.buckets().unwrap().len(), 4);
    let mut texts = Texts::new(&["key", "size"]);
    indexed.s3(&Options::default(), &mut rows::s3::Rows::new(&mut texts)).unwrap();
    assert_eq!(texts.rows.len(), 44);
    assert!(texts.rows.contains(&"x/y 2".to_owned()), "{:#?}", texts.rows);
}

/// Messages as rows, and the names of queues.
struct Queue<'t>(rows::sqs::Rows<&'t mut Texts>, Vec<Vec<u8>>);

impl sqs::Visitor for Queue<'_> {
    fn message(&mut self, message: &sqs::Message<'_>) -> Result<()> {
        self.0.message(message)
    }

    fn side_record(&mut self, record: &sqs::SideRecord<'_>) -> Result<()> {
        self.0.side_record(record)
    }
}

impl sqs::QueueVisitor for Queue<'_> {
    fn queue(&mut self, queue: &sqs::Queue<'_>) -> Result<()> {
        self.1.push(queue.name.to_vec());
        Ok(())
    }

    fn records(&mut self, _: &sqs::Records<'_>) -> Result<()> {
        Ok(())
    }

    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

/// What a sink gives ends a read, as damage does.
#[test]
fn a_sink_ends_a_read() {
    struct Full;
    impl Sink for Full {
        fn set(&mut self, _: &str, _: impl FnOnce() -> Columns) -> Result<usize> {
            Ok(0)
        }

        fn push(&mut self, _: usize, _: &[Cell<'_>]) -> Result<()> {
            Err(ekvsnap::Error::usage("full"))
        }

        fn abandon(&mut self, _: usize) -> Result<()> {
            Ok(())
        }
    }
    let options = Options::default();
    for corpus in ["redis-small", "dynamodb-small", "s3-small", "fs-small"] {
        let snapshot = Snapshot::from_bytes("x.fsm", snapshots(&load(corpus)).remove(0));
        let indexed = snapshot.index(&options).unwrap();
        let ended = match corpus {
            "redis-small" => indexed.redis(&options, &mut rows::redis::Rows::new(Full, &options.filter)),
            "dynamodb-small" => indexed.dynamodb_rows(&options, &mut Full),
            "s3-small" => indexed.s3(&options, &mut rows::s3::Rows::new(Full)),
            _ => indexed.fs_rows(&options, &mut Full),
        };
        assert_eq!(ended.map(drop).unwrap_err().to_string(), "full", "{corpus}");
    }
}
