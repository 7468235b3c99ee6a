//! The order of the folders: a folder of `src` uses only those below it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// From the bottom to the top. Folders on one line do not use each other.
const LAYERS: [&[&str]; 19] = [
    &["format", "sync"],
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
    &["compare"],
    &["verify"],
    &["inspect", "diff", "encode", "pack", "get", "plan", "snapshot"],
    &["restore", "load"],
    &["cli", "replay"],
];

#[test]
fn rooms_use_what_is_below() {
    let room = |module: &[String]| module[0].clone();
    let all = module_uses(&modules());
    // The crate's own root is above all.
    let inside = all.iter().filter(|(from, _)| !matches!(from[0].as_str(), "lib" | "main"));
    let uses: BTreeSet<_> = inside.map(|(from, to)| (room(from), room(to))).filter(|(from, to)| from != to).collect();
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

/// In a folder, files that depend on each other must say why, in the head of one of them.
#[test]
fn circles_are_argued_for() {
    let modules = modules();
    let uses = module_uses(&modules);
    let folders: BTreeSet<&[String]> =
        modules.keys().filter_map(|module| module.split_last()).map(|(_, at)| at).collect();
    let (mut circles, mut silent) = (0, Vec::new());
    for folder in folders.into_iter().filter(|folder| !folder.is_empty()) {
        for circle in circles_in(folder, &uses) {
            circles += 1;
            let heads = modules.iter().filter(|(module, _)| {
                module.strip_prefix(folder).and_then(<[String]>::first).is_some_and(|child| circle.contains(child))
            });
            if !heads.into_iter().any(|(_, code)| code.contains("//! Mutual dependency with ")) {
                silent.push(format!("{}: {circle:?}", folder.join("/")));
            }
        }
    }
    assert!(
        silent.is_empty(),
        "no comment says why these depend on each other (`//! Mutual dependency with …`): {silent:#?}"
    );
    assert!(circles > 0, "circles are no longer found");
}

type Modules = BTreeMap<Vec<String>, String>;

/// The text of each module, by its path, without its tests.
fn modules() -> Modules {
    let mut modules = Modules::new();
    read_modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut Vec::new(), &mut modules);
    modules
}

fn read_modules(dir: &Path, at: &mut Vec<String>, modules: &mut Modules) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            at.push(name);
            read_modules(&path, at, modules);
            at.pop();
        } else if path.extension().is_some_and(|end| end == "rs") {
            let mut module = at.clone();
            module.extend((name != "mod").then_some(name));
            let text = std::fs::read_to_string(&path).unwrap();
            modules.insert(module, text.split("#[cfg(test)]").next().unwrap().to_owned());
        }
    }
}

/// Which modules name which others.
fn module_uses(modules: &Modules) -> BTreeSet<(Vec<String>, Vec<String>)> {
    let mut uses = BTreeSet::new();
    for (module, text) in modules {
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for path in paths_in(&code) {
            let Some(mut path) = absolute(module, &path, modules) else { continue };
            while !path.is_empty() && !modules.contains_key(&path) {
                path.pop();
            }
            if !path.is_empty() && path != *module {
                uses.insert((module.clone(), path));
            }
        }
    }
    uses
}

/// All paths with at least two names; for a tree of `use`, each of its leaves.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for item in code.split(';') {
        let tree = item.rsplit_once("use ").map_or("", |(_, tree)| tree);
        leaves("", tree, &mut paths);
        leaves("", &item.replace(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':'), ","), &mut paths);
    }
    paths
}

fn leaves(above: &str, tree: &str, paths: &mut Vec<Vec<String>>) {
    let (mut depth, mut from) = (0_usize, 0);
    for (at, c) in tree.char_indices().chain([(tree.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                let part = tree[from..at].trim();
                from = (at + 1).min(tree.len());
                match part.split_once('{') {
                    Some((head, inner)) => {
                        leaves(&format!("{above}{}", head.trim()), inner.trim_end_matches('}'), paths);
                    }
                    None => {
                        let path = format!("{above}{}", part.split(" as ").next().unwrap());
                        let names: Vec<String> = path.split("::").map(|name| name.trim().to_owned()).collect();
                        if names.len() > 1 {
                            paths.push(names);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// The path of a module from the root, as named by another one; `None`: it belongs to another crate.
fn absolute(module: &[String], path: &[String], modules: &Modules) -> Option<Vec<String>> {
    let above = path.iter().take_while(|name| *name == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => Some([module.get(..module.len().checked_sub(above)?)?, &path[above..]].concat()),
        first => {
            let child = [module, &[first.to_owned()]].concat();
            modules.contains_key(&child).then(|| [module, path].concat())
        }
    }
}

/// Groups of children of a folder that depend on each other.
fn circles_in(folder: &[String], uses: &BTreeSet<(Vec<String>, Vec<String>)>) -> Vec<BTreeSet<String>> {
    let child = |module: &[String]| module.strip_prefix(folder).and_then(<[String]>::first).cloned();
    let steps: BTreeSet<(String, String)> =
        uses.iter().filter_map(|(from, to)| child(from).zip(child(to))).filter(|(from, to)| from != to).collect();
    let reached = |start: &String| {
        let (mut all, mut next) = (BTreeSet::new(), vec![start.clone()]);
        while let Some(at) = next.pop() {
            let fresh = steps.iter().filter(|(from, to)| *from == at && !all.contains(to)).map(|(_, to)| to.clone());
            let fresh: Vec<String> = fresh.collect();
            all.extend(fresh.iter().cloned());
            next.extend(fresh);
        }
        all
    };
    let all: BTreeMap<String, BTreeSet<String>> = steps.iter().map(|(from, _)| (from.clone(), reached(from))).collect();
    let with = |at: &String| {
        let back = |to: &&String| all.get(*to).is_some_and(|all| all.contains(at));
        all[at].iter().filter(back).cloned().collect::<BTreeSet<String>>()
    };
    let circles: BTreeSet<BTreeSet<String>> = all.keys().map(with).filter(|circle| circle.len() > 1).collect();
    circles.into_iter().collect()
}
