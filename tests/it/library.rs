//! The calls that a program makes which embeds the crate.

use ekvsnap::decode::Options;
use ekvsnap::model::dynamodb::{Item, StaleItem, Table, Visitor};
use ekvsnap::source::keys::KeyFiles;
use ekvsnap::{Result, Snapshot};

use crate::kit::build::{NOW, Snapshot as Builder};
use crate::kit::fixtures::{load, snapshots};
use crate::kit::sealed::{KEK, sidecar, write_secret};
use crate::kit::{packed, run_with};

/// Keys of items, and how many attributes they have.
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
