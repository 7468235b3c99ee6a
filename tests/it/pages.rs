//! References to pages: each page that a comment or a link names exists, with each section that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders with references, besides the pages.
const FOLDERS: [&str; 6] = ["benches", "docs", "examples", "fuzz/fuzz_targets", "src", "tests/it"];
/// Text that can be between two sections of one page.
const BETWEEN: [&str; 6] = [", ", " and ", " to ", "–", " or ", ","];

type Sections = BTreeMap<String, BTreeSet<String>>;

/// The sections of every page of the formats.
fn pages(root: &Path) -> Sections {
    let folder = fs::read_dir(root.join("docs/format")).unwrap().map(|entry| entry.unwrap().path());
    let page = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), text.lines().flat_map(sections).collect())
    };
    folder.map(page).collect()
}

/// The number of a heading or of an item that has one: `## 3. Content`, `* **2.1 Inode**`, `## F4. Staged rows`.
fn sections(line: &str) -> Option<String> {
    let title = line.strip_prefix("* **").or_else(|| line.strip_prefix('#'))?;
    let number = title.trim_start_matches('#').split_whitespace().next()?.trim_end_matches('.');
    number.ends_with(|c: char| c.is_ascii_digit()).then(|| number.to_owned())
}

/// The text of a file that is checked, without line breaks, because a reference can be split over lines; of code only its comments.
fn text_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = path.extension().is_some_and(|e| e == "rs");
    let bare = |line: &str| match line.trim().strip_prefix("//") {
        Some(comment) => comment.trim_start_matches(['/', '!']).trim().to_owned(),
        None if code => "|".to_owned(),
        None => line.trim().to_owned(),
    };
    text.lines().map(bare).collect::<Vec<_>>().join(" ")
}

/// Every name of a page in a text, and the text after it.
fn names(text: &str) -> impl Iterator<Item = (&str, &str, bool)> {
    text.match_indices(".md").filter_map(|(at, _)| {
        let (before, behind) = (&text[..at + 3], &text[at + 3..]);
        let part = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let name = &before[before.trim_end_matches(part).len()..];
        let linked = before.strip_suffix(name).is_some_and(|start| start.ends_with("]("));
        (!behind.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some((name, behind, linked))
    })
}

/// The sections that are named after a page: `§3.4`, `§2, §4`, `F1, F2`.
fn named(behind: &str) -> Vec<&str> {
    let mut rest = behind.trim_start_matches(['`', ')', ' ', ',']);
    let mut found = Vec::new();
    loop {
        let start = rest.strip_prefix('§').or_else(|| rest.starts_with('F').then_some(rest)).unwrap_or_default();
        let end = start.find(|c: char| !c.is_ascii_digit() && c != '.' && c != 'F').unwrap_or(start.len());
        let number = start[..end].trim_end_matches('.');
        if !number.ends_with(|c: char| c.is_ascii_digit()) {
            return found;
        }
        found.push(number);
        let next = &start[number.len()..];
        rest = BETWEEN.iter().find_map(|between| next.strip_prefix(between)).unwrap_or_default();
    }
}

/// References of a file that do not exist.
fn broken(root: &Path, path: &Path, pages: &Sections) -> Vec<String> {
    let (text, shown) = (text_of(path), path.strip_prefix(root).unwrap().display());
    // Comments of tests name files that the tests make, too.
    let code = path.extension().is_some_and(|e| e == "rs") && !path.starts_with(root.join("tests"));
    let mut wrong = Vec::new();
    for (name, behind, linked) in names(&text) {
        let at = [path.parent().unwrap().join(name), root.join(name), root.join("docs").join(name)];
        let page = pages.get(name.strip_prefix("docs/format/").or(name.strip_prefix("format/")).unwrap_or(name));
        if (code || linked) && page.is_none() && !at.iter().any(|path| path.exists()) {
            wrong.push(format!("{shown}: {name}"));
        }
        let Some(page) = page else { continue };
        wrong.extend(named(behind).iter().filter(|n| !page.contains(**n)).map(|n| format!("{shown}: {name} §{n}")));
    }
    wrong
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|e| e.to_str()) {
            _ if path.is_dir() => files(&path, found),
            Some("rs" | "md") => found.push(path),
            _ => (),
        }
    }
}

#[test]
fn every_page_and_section_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = pages(root);
    let mut all: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|n| root.join(n)).into();
    FOLDERS.iter().for_each(|folder| files(&root.join(folder), &mut all));
    let wrong: Vec<String> = all.iter().flat_map(|path| broken(root, path, &pages)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the test above reads of a text.
#[test]
fn sections_are_read_as_people_write_them() {
    let of = |text: &'static str| names(text).map(|(name, behind, _)| (name, named(behind))).collect::<Vec<_>>();
    assert_eq!(of("(`redis.md` §3.4)."), [("redis.md", vec!["3.4"])]);
    assert_eq!(
        of("`s3.md` §2, §4 and §7; `fs.md` §2.1 to §2.3"),
        [("s3.md", vec!["2", "4", "7"]), ("fs.md", vec!["2.1", "2.3"])]
    );
    assert_eq!(of("[a](future.md) F1, F12. Four"), [("future.md", vec!["F1", "F12"])]);
    assert_eq!(of("`tree.md`, message.md5 of rules.md §2 says"), [("tree.md", vec![]), ("rules.md", vec!["2"])]);
}
