//! Rows that are rejected: every error names family, key and place (`dynamodb.md` §5).

use ekvsnap::Error;
use ekvsnap::format::Family;

use crate::kit::build::{NOW, Snapshot};
use crate::kit::ddb::V::{Bool, S, Unset};
use crate::kit::ddb::{item, table};
use crate::kit::fixtures::load;
use crate::kit::{decoded, run};

/// The error of a run that must fail.
#[track_caller]
fn error(bytes: Vec<u8>) -> Error {
    match run(&[bytes]) {
        Ok(_) => panic!("accepted"),
        Err(error) => error,
    }
}

/// A row next to the intact table `t` fails the run; the error names the row and the reason.
#[track_caller]
fn check(family: Family, key: &[u8], value: &[u8], reason: &str) {
    let t = table(b"t");
    let bytes = Snapshot::new().table(&t).item(&t, &[S("good")], "x").put(key, value).build();
    let entry = [&(key.len() as u64 + 8).to_le_bytes(), key, &(!NOW).to_be_bytes()].concat();
    let place = memchr::memmem::find(&bytes, &entry).unwrap();
    let error = error(bytes);
    assert!(error.to_string().contains(reason), "{error}");
    assert!(error.is_damage());
    assert_eq!((error.family(), error.key()), (Some(family), Some(key)), "{error}");
    assert_eq!(error.offset(), Some(place as u64));
}

#[test]
fn malformed_table_keys() {
    let value = table(b"x").schema();
    for (rest, reason) in [
        ("", "its table segment is empty"),
        ("dA==", "is not base64url without padding"),
        ("d+", "is not base64url without padding"),
        ("dB", "is not base64url without padding"),
    ] {
        check(Family::DdbTable, format!("!ddb|meta|table|{rest}").as_bytes(), &value, reason);
    }
}

#[test]
fn invalid_schemas() {
    for (value, reason) in [
        (&b""[..], "lacks the magic"),
        (b"\0DI\x01", "lacks the magic"),
        (b"\0DS\x01\x0a", "protobuf"),
        (b"\0DS\x01\x0a\x01\xff", "UTF-8"),
    ] {
        check(Family::DdbTable, b"!ddb|meta|table|dQ", value, reason);
    }
}

#[test]
fn malformed_item_keys() {
    let value = item(&[("pk", S("k"))]);
    // Also of tables that do not exist: no live range covers them.
    for (rest, reason) in [
        ("", "no | after the table segment"),
        ("dA", "no | after the table segment"),
        ("|1|x", "its table segment is empty"),
        ("dA==|1|x", "is not base64url"),
        ("zz*|1|x", "is not base64url"),
        ("zzzz|1", "no | after the generation"),
        ("dA||x", "not a decimal number"),
        ("dA|+1|x", "not a decimal number"),
        ("dA| 1|x", "not a decimal number"),
        ("zzzz|99999999999999999999|x", "not a decimal number"),
        ("dA|1|", "ends before the primary key"),
        ("zzzz|1|", "ends before the primary key"),
    ] {
        check(Family::DdbItem, format!("!ddb|item|{rest}").as_bytes(), &value, reason);
    }
}

#[test]
fn invalid_items() {
    let t = table(b"t");
    for (value, reason) in [
        (&b""[..], "lacks the magic"),
        (b"\0DS\x01", "lacks the magic"),
        (b"\0DI\x01\x0a\x05", "protobuf"),
        (b"\0DI\x01\x0a\x03\x0a\x01\xff", "UTF-8"),
    ] {
        // Live, of another generation, and of no table.
        check(Family::DdbItem, &t.key(&[S("k")]), value, reason);
        check(Family::DdbItem, &t.generation(7).key(&[S("k")]), value, reason);
        check(Family::DdbItem, &table(b"none").key(&[S("k")]), value, reason);
    }
}

#[test]
fn key_attributes() {
    let t = table(b"t");
    check(Family::DdbItem, &t.key(&[S("k")]), &item(&[("v", S("x"))]), "lacks the hash attribute");
    check(Family::DdbItem, &t.key(&[S("k")]), &item(&[("pk", Bool)]), "neither S nor N nor B");
    check(Family::DdbItem, &t.key(&[S("k")]), &item(&[("pk", Unset)]), "neither S nor N nor B");
    let r = table(b"r").types("S", Some("S"));
    let bytes = Snapshot::new().table(&r).put(r.key(&[S("k"), S("x")]), item(&[("pk", S("k"))])).build();
    assert!(error(bytes).to_string().contains("lacks the range attribute"));
    // Rows that are not written need no key attributes.
    let left = Snapshot::new().table(&t).put(t.generation(9).key(&[S("k")]), item(&[]));
    assert_eq!(decoded(left.build()).warnings(), [("ddb_stale_generation_items", 1)]);
}

#[test]
fn a_damaged_copy_is_an_error_not_a_reason_to_use_the_old_item() {
    let new = table(b"t").generation(2).migrating(1);
    let old = new.generation(1).version(0);
    let key = new.key(&[S("k")]);
    let error = error(Snapshot::new().table(&new).item(&old, &[S("k")], "old").put(&key, item(&[])).build());
    assert_eq!(error.key(), Some(key.as_slice()));
}

#[test]
fn better_the_first_error_in_key_order_is_told_every_time() {
    let t = table(b"t");
    let mut snapshot = Snapshot::new().table(&t);
    for name in ["a", "b", "c", "d", "e", "f"] {
        let t = table(name.as_bytes());
        snapshot = snapshot.table(&t).put(t.key(&[S("k")]), item(&[]));
    }
    let bytes = snapshot.build();
    let first = error(bytes.clone()).to_string();
    assert!(first.contains("!ddb|item|YQ|1|k"), "{first}");
    assert_eq!(error(bytes).to_string(), first);
}

#[test]
fn index_rows_are_not_looked_at() {
    let t = table(b"t");
    decoded(Snapshot::new().table(&t).put("!ddb|gsi|*", b"").build());
}

#[test]
fn better_generation_counters_are_checked() {
    let t = table(b"t");
    for (key, value) in [("!ddb|meta|gen|dA", "x"), ("!ddb|meta|gen|", "1"), ("!ddb|meta|gen|d+", "1")] {
        let decoded = decoded(Snapshot::new().put(t.schema_key(), t.schema()).put(key, value).build());
        assert_eq!(decoded.warnings(), [("ddb_generation_counter_invalid", 1)], "{key}");
    }
    let lone = decoded(Snapshot::new().counter(&t, 3).build());
    assert_eq!((lone.warnings(), lone.notes()), (vec![], vec![("ddb_generation_without_table", 1)]));
    assert_eq!(lone.below("dynamodb"), [""; 0]);
}

#[test]
fn the_damaged_file_of_the_corpus_is_rejected() {
    let error = error(load("damaged").remove("ddb-table-garbage.fsm").unwrap());
    assert!(error.to_string().contains("invalid !ddb|meta|table| value"), "{error}");
}
