//! `inspect`: its texts, its figures, and the page.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::kit::build::{NOW, Snapshot};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};

const CORPORA: [&str; 5] = ["redis-small", "dynamodb-small", "s3-small", "sqs-small", "fs-small"];

/// A directory with the snapshot of a corpus under the corpus's name.
fn with(corpora: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for corpus in corpora {
        fs::write(dir.path().join(format!("{corpus}.fsm")), &snapshots(&load(corpus))[0]).unwrap();
    }
    dir
}

fn words(dir: &Path, args: &[&str]) -> String {
    let out = ekvsnap(dir, &[&["inspect"], args].concat());
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    assert!(out.stderr.is_empty(), "{}", stderr(&out));
    String::from_utf8(out.stdout).unwrap()
}

fn json(dir: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&words(dir, &[args, &["--json"]].concat())).unwrap()
}

#[test]
fn words_of_each_corpus() {
    let dir = with(&CORPORA);
    for corpus in CORPORA {
        let text = words(dir.path(), &[&format!("{corpus}.fsm"), "--top", "5"]);
        let wide = text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{corpus}");
        insta::assert_snapshot!(format!("inspect {corpus}"), text);
    }
    insta::assert_snapshot!("inspect --quick", words(dir.path(), &["s3-small.fsm", "--quick"]));
}

#[test]
fn the_figures_are_those_of_a_decode() {
    let dir = with(&CORPORA);
    for corpus in CORPORA {
        let name = format!("{corpus}.fsm");
        let found = json(dir.path(), &[&name]);
        let out = ekvsnap(dir.path(), &["decode", &name, "--layout", "jsonl", "-o", corpus, "--json"]);
        let summary: Value = serde_json::from_slice(out.stdout.split(|b| *b == b'\n').rev().nth(1).unwrap()).unwrap();
        let counters = &summary["counters"];
        for (mine, theirs) in [("rows", "entries"), ("live", "live"), ("tombstones", "tombstone")] {
            assert_eq!(found[mine], counters[theirs], "{corpus}: {mine}");
        }
        let sum = |member: &str| -> u64 {
            let families = found["families"].as_array().unwrap();
            families.iter().map(|family| family[member].as_u64().unwrap()).sum()
        };
        for member in ["rows", "live", "tombstones", "bytes", "live_bytes"] {
            assert_eq!(found[member], sum(member), "{corpus}: {member}");
        }
        assert_eq!(objects(&found["objects"]["scopes"]), decoded_objects(&summary["adapters"]), "{corpus}");
    }
}

/// Objects and bytes by adapter, scope and kind.
type Objects = BTreeMap<(String, String, String), (u64, u64)>;

fn objects(scopes: &Value) -> Objects {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let scopes = scopes.as_array().unwrap().iter();
    let objects = scopes.map(|scope| {
        let id = (text(&scope["adapter"]), text(&scope["scope"]), text(&scope["kind"]));
        (id, (scope["objects"].as_u64().unwrap(), scope["bytes"].as_u64().unwrap()))
    });
    objects.filter(|(_, (n, _))| *n > 0).collect()
}

/// The same from a manifest; a file with two names is one file and one link there.
fn decoded_objects(adapters: &Value) -> Objects {
    let mut all = Objects::new();
    let scopes = |what: &Value| what["scopes"].as_array().cloned().unwrap_or_default();
    for (adapter, what) in adapters.as_object().unwrap() {
        for scope in scopes(what) {
            for found in scope["kinds"].as_array().unwrap() {
                let kind = found["kind"].as_str().map(|kind| if kind == "links" { "files" } else { kind }).unwrap();
                let id = (adapter.clone(), scope["name"].as_str().unwrap().to_owned(), kind.to_owned());
                let sum = all.entry(id).or_default();
                sum.0 += found["objects"].as_u64().unwrap();
                sum.1 += found["bytes"].as_u64().unwrap();
            }
        }
    }
    all
}

#[test]
fn prefixes_expiries_and_filters() {
    let mut s = Snapshot::new().last_commit(1000 << 16);
    for n in 0..20u64 {
        s = s.put(format!("!redis|str|user:{n}"), "v").put(format!("!redis|str|order:{n}:x"), "0123456789");
        s = s.put(format!("!redis|ttl|user:{n}"), (n * 100).to_be_bytes());
    }
    s = s.put("!redis|str|gone", "x").delete_at(NOW + 1, "!redis|str|gone").put_at(NOW + 1, "!redis|str|user:1", "new");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.fsm"), s.build()).unwrap();
    let found = json(dir.path(), &["x.fsm", "--top", "3"]);
    let prefixes = found["objects"]["prefixes"].as_array().unwrap();
    let of = |name: &str| prefixes.iter().find(|p| p["prefix"] == name).map(|p| p["objects"].as_u64().unwrap());
    assert_eq!((of("user:"), of("order:"), of("")), (Some(20), Some(20), None));
    assert_eq!(found["objects"]["largest"].as_array().unwrap().len(), 3);
    let expiry = &found["objects"]["expiry"];
    assert_eq!((&expiry["never"], &expiry["expired"]), (&20.into(), &11.into()));
    assert!(found["live_bytes"].as_u64() < found["bytes"].as_u64());
    let deeper = json(dir.path(), &["x.fsm", "--prefix-depth", "2", "--scope", "redis:order:*", "--adapter", "redis"]);
    let first = &deeper["objects"]["prefixes"][0];
    assert_eq!((&first["prefix"], &first["objects"]), (&"order:10:".into(), &1.into()));
    assert_eq!(deeper["objects"]["scopes"][0]["objects"], 20);
    let kept = json(dir.path(), &["x.fsm", "--drop-expired=1000"]);
    let scopes = kept["objects"]["scopes"].as_array().unwrap();
    assert_eq!(scopes.iter().map(|scope| scope["objects"].as_u64().unwrap()).sum::<u64>(), 29);
}

#[test]
fn damage_and_threads() {
    let dir = tempfile::tempdir().unwrap();
    let damaged = Snapshot::new().put("!redis|str|a", "v").put("!redis|zset|z", "short").put("!redis|str|b", "w");
    fs::write(dir.path().join("x.fsm"), damaged.build()).unwrap();
    let out = ekvsnap(dir.path(), &["inspect", "x.fsm"]);
    assert_eq!(code(&out), 2);
    assert!(stderr(&out).contains("!redis|zset|"), "{}", stderr(&out));
    let out = ekvsnap(dir.path(), &["inspect", "x.fsm", "--on-error", "skip"]);
    assert_eq!(code(&out), 3, "{}", stderr(&out));
    assert!(String::from_utf8_lossy(&out.stdout).contains("damage: x.fsm at byte offset"));
    let dir = with(&["redis-small"]);
    let one = words(dir.path(), &["redis-small.fsm", "--threads", "1", "--json"]);
    for flags in [&["--threads", "8"][..], &["--no-mmap"]] {
        assert_eq!(words(dir.path(), &[&["redis-small.fsm", "--json"], flags].concat()), one);
    }
}

/// The page as a browser renders it, without a network: its figures are those of `--json`.
#[test]
#[ignore = "needs Chromium, which .ci/run installs: cargo test -- --ignored in_a_browser"]
fn the_page_in_a_browser() {
    let dir = with(&CORPORA);
    for corpus in CORPORA {
        let page = format!("{corpus}.html");
        let found = json(dir.path(), &[&format!("{corpus}.fsm"), "--html", &page]);
        let dom = rendered(&dir.path().join(&page));
        assert!(dom.contains("data-done=\"yes\""), "{corpus}: the script ended early");
        for member in ["rows", "live", "tombstones", "bytes", "live_bytes"] {
            let tile = format!("id=\"tile-{member}\" data-n=\"{}\"", found[member]);
            assert!(dom.contains(&tile), "{corpus}: {tile}");
        }
        let map = section(&dom, "families");
        for family in found["families"].as_array().unwrap().iter().filter(|f| f["family"] != "") {
            let tile = format!("data-name=\"{}\" data-n=\"{}\"", family["family"].as_str().unwrap(), family["bytes"]);
            assert!(map.contains(&tile), "{corpus}: {tile}");
        }
        let sum = |id: &str| -> u64 { numbers(section(&dom, id)).iter().sum() };
        let total = |list: &Value, member: &str| -> u64 {
            list.as_array().unwrap().iter().map(|entry| entry[member].as_u64().unwrap()).sum()
        };
        let objects = &found["objects"];
        assert_eq!(sum("sizes"), total(&objects["sizes"], "objects"), "{corpus}");
        assert_eq!(numbers(section(&dom, "largest")).len(), objects["largest"].as_array().unwrap().len(), "{corpus}");
        assert_eq!(sum("largest"), total(&objects["largest"], "bytes"), "{corpus}");
        let bytes = total(&objects["prefixes"], "bytes") + objects["other_prefixes"]["bytes"].as_u64().unwrap();
        assert_eq!(sum("prefixes"), bytes, "{corpus}");
        let expiry = &objects["expiry"];
        let keys = ["never", "expired", "later"].iter().map(|member| expiry[member].as_u64().unwrap()).sum::<u64>();
        let within: u64 = expiry["within"].as_array().unwrap().iter().map(|span| span[1].as_u64().unwrap()).sum();
        assert_eq!(sum("expiry"), keys + within, "{corpus}");
    }
}

/// axe-core finds nothing wrong at any width, in neither colour scheme; a page that it must complain about shows that it looked.
#[test]
#[ignore = "needs Chromium and axe-core (AXE: the path of axe.min.js), which .ci/run installs: cargo test -- --ignored in_a_browser"]
fn the_page_is_accessible_in_a_browser() {
    let axe = std::fs::read_to_string(std::env::var("AXE").expect("AXE: the path of axe.min.js")).unwrap();
    let dir = with(&CORPORA);
    let broken = dir.path().join("broken.html");
    std::fs::write(&broken, "<!doctype html><html lang=en><title>x</title><main><h1>x</h1><img src=x></main></html>")
        .unwrap();
    assert!(violations(&broken, &axe, "light", 800).contains("image-alt"));
    for corpus in CORPORA {
        let page = format!("{corpus}.html");
        json(dir.path(), &[&format!("{corpus}.fsm"), "--html", &page]);
        for (scheme, width) in [("light", 400), ("dark", 800), ("light", 1400)] {
            let found = violations(&dir.path().join(&page), &axe, scheme, width);
            assert_eq!(found, "[]", "{corpus}, {scheme}, {width} pixels");
        }
    }
}

/// All findings of axe-core about a page, with all sections open: its rules with the first place of each.
fn violations(page: &Path, axe: &str, scheme: &str, width: u32) -> String {
    let html = std::fs::read_to_string(page).unwrap();
    let looked = page.with_extension("looked.html");
    let run = format!(
        "<script>{axe}</script><script>document.documentElement.style.colorScheme = '{scheme}';
        for (const folded of document.querySelectorAll('details')) folded.open = true;
        axe.run().then(({{ violations }}) => {{
          document.body.dataset.axe = JSON.stringify(violations.map(({{ id, nodes }}) => [id, nodes[0].target.join()]));
        }});</script></html>"
    );
    std::fs::write(&looked, html.replace("</html>", &run)).unwrap();
    let dom = browsed(&looked, &[&format!("--window-size={width},900"), "--virtual-time-budget=60000"]);
    let found =
        dom.split_once("data-axe=\"").unwrap_or_else(|| panic!("{}: axe-core came to no end", page.display())).1;
    found.split_once('"').unwrap().0.replace("&quot;", "'")
}

fn rendered(page: &Path) -> String {
    browsed(page, &[])
}

/// The page's document after its scripts have run.
fn browsed(page: &Path, more: &[&str]) -> String {
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"];
    let url = format!("file://{}", page.display());
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find_map(|name| Command::new(name).args(flags).args(more).arg(&url).output().ok());
    String::from_utf8(browser.expect("Chromium in PATH").stdout).unwrap()
}

/// An element with an id, up to the next one.
fn section<'d>(dom: &'d str, id: &str) -> &'d str {
    let body = &dom[..dom.find("<script>").unwrap()];
    let from = body.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}"));
    let rest = &body[from + 4..];
    &rest[..rest.find(" id=\"").unwrap_or(rest.len())]
}

fn numbers(section: &str) -> Vec<u64> {
    let number = |text: &str| text.split_once('"').unwrap().0.parse().unwrap();
    section.split("data-n=\"").skip(1).map(number).collect()
}

/// Tables fit the terminal, and numbers are never cut.
#[test]
fn tables_of_any_width() {
    for width in [60, 80, 120] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
        command
            .args(["inspect", "testdata/redis-small.fsm", "--families", "--top", "4"])
            .env("COLUMNS", width.to_string());
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let tables = text.lines().skip_while(|line| !line.is_empty());
        let over: Vec<&str> = tables.clone().filter(|line| line.chars().count() > width).collect();
        // Seven columns need more than 60.
        assert!(over.iter().all(|line| width == 60 && line.chars().count() < 85), "{width}: {over:?}");
        insta::assert_snapshot!(format!("tables of {width} columns"), tables.collect::<Vec<_>>().join("\n"));
    }
}
