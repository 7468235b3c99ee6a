//! File names: special segments, collisions, KEYMAP.jsonl (`rules.md` §2).

use super::{check_marks, with};
use crate::kit::build::Snapshot;
use crate::kit::ddb::V::{self, B, N, S};
use crate::kit::ddb::{Table, table};
use crate::kit::decoded;

/// Decodes one table of items, each marked with its number; checks paths, KEYMAP and warnings.
#[track_caller]
fn check(table: Table<'_>, items: &[&[V<'_>]], paths: &[&str], keymap: &str, warnings: &[(&str, u64)]) {
    let mut snapshot = Snapshot::new().table(&table);
    for (i, keys) in items.iter().enumerate() {
        snapshot = snapshot.item(&table, keys, &i.to_string());
    }
    let decoded = decoded(snapshot.build());
    let numbers: Vec<String> = (0..items.len()).map(|i| i.to_string()).collect();
    let want: Vec<(&str, &str)> = paths.iter().copied().zip(numbers.iter().map(String::as_str)).collect();
    check_marks(&decoded, &want);
    let maps = decoded.below("dynamodb/").into_iter().filter(|path| path.ends_with("/KEYMAP.jsonl"));
    let lines: String = maps.map(|path| decoded.text(&path).to_owned()).collect();
    assert_eq!(lines, keymap);
    assert_eq!(decoded.warnings(), warnings);
}

const DOT: &str = "{\"encoded\":\"%2E\",\"original\":\"Lg\",\"kind\":\"dot-segment\"}\n";
const DOT_DOT: &str = "{\"encoded\":\"%2E%2E\",\"original\":\"Li4\",\"kind\":\"dot-segment\"}\n";
const EMPTY: &str = "{\"encoded\":\"%\",\"original\":\"\",\"kind\":\"empty-segment\"}\n";

#[test]
fn plain_names_need_no_keymap() {
    let long = "k".repeat(300);
    let items: &[&[V<'_>]] = &[&[S("a b/ü")], &[S("")], &[S("b64.foo")], &[S(&long)], &[S("%")]];
    let hash = ekvsnap::output::names::segment(long.as_bytes());
    let paths = [
        "t/items/a%20b%2F%C3%BC.json",
        "t/items/.json",
        "t/items/72ef1a090c013093607ce5a62f598cf4__b64.foo.json",
        &format!("t/items/{hash}.json"),
        "t/items/%25.json",
    ];
    check(table(b"t"), items, &paths, "", &[]);
    let numbers: &[&[V<'_>]] = &[&[N("0.1")], &[N("-5.50")], &[N("1E2")], &[N("7")]];
    let paths = ["t/items/1%2F10.json", "t/items/-11%2F2.json", "t/items/100.json", "t/items/7.json"];
    check(table(b"t").types("N", None), numbers, &paths, "", &[]);
    let blobs: &[&[V<'_>]] = &[&[B(b"\xff\xfe"), B(b"")], &[B(b"."), B(b"\0")]];
    let paths = ["t/items/b64.__4/b64..json", "t/items/b64.Lg/b64.AA.json"];
    check(table(b"t").types("B", Some("B")), blobs, &paths, "", &[]);
}

#[test]
fn better_key_dot_dot_is_encoded() {
    let paths = ["t/items/%2E%2E.json", "t/items/%2E.json", "t/items/....json"];
    check(table(b"t"), &[&[S("..")], &[S(".")], &[S("...")]], &paths, &[DOT, DOT_DOT].concat(), &[]);
    let items: &[&[V<'_>]] =
        &[&[S(".."), S("b")], &[S(".."), S("a")], &[S(""), S("..")], &[S(""), S(".")], &[S("x"), S("")]];
    let paths = [
        "t/items/%2E%2E/b.json",
        "t/items/%2E%2E/a.json",
        "t/items/%/%2E%2E.json",
        "t/items/%/%2E.json",
        "t/items/x/.json",
    ];
    // In the order of the user keys that need them first: ("", "."), ("", ".."), ("..", "a").
    // The item that needs two of them gives them in the order of its path.
    check(table(b"t").types("S", Some("S")), items, &paths, &[EMPTY, DOT, DOT_DOT].concat(), &[]);
}

#[test]
fn better_table_dot_dot_is_encoded() {
    for (name, dir) in [(&b"."[..], "%2E"), (b"..", "%2E%2E"), (b"a/b", "a%2Fb"), (b"_orphans", "%5Forphans")] {
        let t = table(name);
        let decoded = decoded(Snapshot::new().table(&t).item(&t, &[S("k")], "x").build());
        let paths = ["_schema.json", "items/k.json"].map(|file| format!("dynamodb/{dir}/{file}"));
        assert_eq!(decoded.below("dynamodb/"), paths);
    }
}

#[test]
fn better_string_and_number_both_survive() {
    let line = |path: &str, key: &[u8]| {
        use base64::Engine as _;
        let original = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key);
        format!("{{\"encoded\":\"{path}\",\"original\":\"{original}\",\"kind\":\"ddb-name-collision\"}}\n")
    };
    let name = |key: &[u8], shown: &[u8]| {
        let mut out = String::new();
        ekvsnap::output::names::fallback_into(key, shown, &mut out);
        out
    };
    let one = &[("ddb_name_collision", 1)];
    // The vector of the specification.
    let c = table(b"c");
    let collided = "items/6099cbca2c188cebb09bfbfae003f310__1.json";
    let paths = ["c/items/1.json", &format!("c/{collided}")];
    check(c, &[&[S("1")], &[N("1")]], &paths, &line(collided, &c.key(&[N("1")])), one);

    // Two rows of the old encoding with equal numbers: the canonical text is regular, wherever it sorts.
    let v0 = c.version(0).types("N", None);
    let key = v0.key(&[N("1.0")]);
    let collided = format!("items/{}.json", name(&key, b"1.0"));
    check(v0, &[&[N("1.0")], &[N("1")]], &[&format!("c/{collided}"), "c/items/1.json"], &line(&collided, &key), one);
    // Neither is regular: the first user key takes the plain name ("01" before "1.0").
    check(v0, &[&[N("1.0")], &[N("01")]], &[&format!("c/{collided}"), "c/items/1.json"], &line(&collided, &key), one);

    // Irregular items take plain names too, if these are free.
    check(c, &[&[N("1")], &[N("0.5")]], &["c/items/1.json", "c/items/1%2F2.json"], "", &[]);

    // With a range key; the folder of a collided item can need a line of its own.
    let r = c.types("S", Some("N"));
    let items: &[&[V<'_>]] = &[&[S(".."), N("5")], &[S(".."), S("5")], &[N("2"), N("0.5")], &[S("2"), N("0.50")]];
    let (dotted, late) = (r.key(items[1]), r.key(items[3]));
    let collided =
        [format!("items/%2E%2E/{}.json", name(&dotted, b"5")), format!("items/2/{}.json", name(&late, b"0.50"))];
    let paths =
        ["c/items/%2E%2E/5.json", &format!("c/{}", collided[0]), "c/items/2/1%2F2.json", &format!("c/{}", collided[1])];
    let keymap = [DOT_DOT.to_owned(), line(&collided[0], &dotted), line(&collided[1], &late)].concat();
    check(r, items, &paths, &keymap, &[("ddb_name_collision", 2)]);
}

#[test]
fn keymap_lines_are_in_key_order() {
    // The text instead of a number is written late, and sorts between the others: in the old encoding "" sorts last.
    let t = table(b"t").version(0).types("S", Some("N"));
    let items: &[&[V<'_>]] = &[&[S("b"), N(".")], &[S("a"), S("..")], &[S(""), N("1")]];
    let paths = ["t/items/b/%2E.json", "t/items/a/%2E%2E.json", "t/items/%/1.json"];
    check(t, items, &paths, &[DOT_DOT, DOT, EMPTY].concat(), &[]);
}

#[test]
fn better_huge_exponents_are_cheap() {
    let started = std::time::Instant::now();
    let t = table(b"t").version(0).types("N", None);
    let mut snapshot = Snapshot::new().table(&t);
    for exponent in ["1e1000000", "1e1000001", "-1e1000000", "1e-1000000", "1e999999999999999999"] {
        snapshot = snapshot.item(&t, &[N(exponent)], exponent);
    }
    let decoded = decoded(snapshot.build());
    assert_eq!(decoded.below("dynamodb/t/items/").len(), 5);
    assert!(decoded.has("dynamodb/t/items/1e1000001.json"));
    assert!(started.elapsed().as_secs() < 60);
}

#[test]
fn orphans_and_a_table_of_that_name_do_not_meet() {
    let (live, gone) = (table(b"_orphans"), table(b"items"));
    let snapshot = Snapshot::new().table(&live).item(&live, &[S("gen-1")], "live").item(&gone, &[S("x")], "gone");
    let want = [("%5Forphans/items/gen-1.json", "live"), ("_orphans/items/gen-1/items/x%00%01.json", "gone")];
    check_marks(&with(&snapshot, |o| o.include_orphans = true), &want);
}
