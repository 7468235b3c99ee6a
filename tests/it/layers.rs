//! The order of the rooms: a folder of `src` uses only those below it.

use std::collections::BTreeSet;
use std::path::Path;

/// From the bottom to the top. Rooms on one line do not use each other.
const LAYERS: [&[&str]; 18] = [
    &["format"],
    &["error"],
    &["report"],
    &["source"],
    &["index"],
    &["dataset"],
    &["model", "output"],
    &["options"],
    &["run"],
    &["adapters"],
    &["layouts"],
    &["registry"],
    &["decode"],
    &["objects"],
    &["verify"],
    &["inspect", "diff", "encode", "pack", "get", "plan", "snapshot"],
    &["restore", "load"],
    &["cli", "replay"],
];

#[test]
fn rooms_use_what_is_below() {
    let mut uses = BTreeSet::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(), None, &mut uses);
    let rank = |room: &str| LAYERS.iter().position(|rooms| rooms.contains(&room));
    let upwards: BTreeSet<_> = uses
        .iter()
        .filter(|(from, to)| {
            let (from_rank, to_rank) = (rank(from), rank(to));
            assert!(from_rank.is_some() && to_rank.is_some(), "{from} -> {to}: one of them has no place in the order");
            from_rank <= to_rank
        })
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect();
    assert!(upwards.is_empty(), "these go upwards: {upwards:?}");
    assert!(uses.len() > 60, "the uses are no longer found: {uses:?}");
}

/// Every room that a file uses by `crate::ROOM`, tests and comments aside.
fn collect(dir: &Path, room: Option<&str>, uses: &mut BTreeSet<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            collect(&path, Some(room.unwrap_or(&name)), uses);
        } else if room.is_some() || !matches!(name.as_str(), "lib" | "main") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for rest in line.split("crate::").skip(1) {
                    let to: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                    let from = room.unwrap_or(&name);
                    // A type of the root is one that a room gives it.
                    if !to.is_empty() && to != from {
                        uses.insert((from.to_owned(), to));
                    }
                }
            }
        }
    }
}
