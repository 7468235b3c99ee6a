//! Events of `--json`, against the page that describes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::kit::command::ekvsnap;

/// The names in backticks in the rows of a section's table that are about an event.
fn told(page: &str, section: &str) -> BTreeMap<String, BTreeSet<String>> {
    let of = |section: &str| {
        let start = page.find(&format!("\n## {section}")).unwrap();
        page[start + 1..].split("\n## ").next().unwrap().to_owned()
    };
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in [of("1."), of(section)].concat().lines().filter(|line| line.starts_with("| `")) {
        let names = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let first = row[1..].split('|').next().unwrap();
        for event in names(first) {
            events.entry(event).or_default().extend(names(row));
        }
    }
    events
}

fn printed(args: &[&str], dir: &Path) -> Vec<Value> {
    let output = ekvsnap(dir, args);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_member_is_described() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format/events.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in ["redis-small.fsm", "damaged.fsm"] {
        std::fs::copy(Path::new("testdata").join(name), dir.path().join(name)).unwrap();
    }
    let mut seen = BTreeSet::new();
    for (section, args) in [
        ("2.", &["decode", "redis-small.fsm", "-o", "out", "--json"][..]),
        ("2.", &["decode", "redis-small.fsm", "--dry-run", "--json"]),
        ("2.", &["decode", "damaged.fsm", "-o", "bad", "--json"]),
        ("2.", &["decode", "redis-small.fsm", "-o", "some", "--scope", "redis:h:*", "--json"]),
        ("3.", &["verify", "redis-small.fsm", "--json"]),
        ("3.", &["verify", "damaged.fsm", "--json"]),
        ("3.", &["verify", "out", "--json"]),
        ("4.", &["diff", "out", "redis-small.fsm", "--json"]),
        ("4.", &["diff", "some", "out", "--json"]),
        ("5.", &["get", "redis-small.fsm", "redis:lua:x", "--versions", "--json"]),
        ("6.", &["inspect", "redis-small.fsm", "--json"]),
        ("6.", &["inspect", "redis-small.fsm", "--quick", "--json"]),
        ("7.", &["encode", "out", "-o", "again.fsm", "--json"]),
        ("8.", &["restore", "out", "-d", "data", "--node", "n1=h:1", "--shift-times", "--json"]),
        ("8.", &["restore", "redis-small.fsm", "-d", "other", "--node", "n1=h:1", "--json"]),
        ("3.", &["verify", "data", "--json"]),
    ] {
        let (told, lines) = (told(&page, section), printed(args, dir.path()));
        assert!(!lines.is_empty(), "{args:?}");
        for line in lines {
            let event = line["event"].as_str().unwrap();
            let members = told.get(event).unwrap_or_else(|| panic!("{args:?}: the event {event} is not described"));
            seen.insert(event.to_owned());
            // Those of a damaged place are described with ERRORS.jsonl.
            let free = event == "damage";
            let unknown: Vec<&String> = line.as_object().unwrap().keys().filter(|name| *name != "event").collect();
            let unknown: Vec<_> = unknown.into_iter().filter(|name| !free && !members.contains(*name)).collect();
            assert!(unknown.is_empty(), "{args:?}: {event} has members that are not described: {unknown:?}");
        }
    }
    let missing: Vec<_> =
        ["summary", "damage", "added", "version", "inspection", "encoded", "restored", "data_dir", "error", "note"]
            .into_iter()
            .filter(|event| !seen.contains(*event))
            .collect();
    assert!(missing.is_empty(), "no command printed {missing:?}");
}
