//! Plain English in what users read: the table of words in CONTRIBUTING.md is kept, and so is one term for one thing.

use std::path::{Path, PathBuf};

/// Banned phrases, and their replacements.
const BANNED: &[(&str, &str)] = &[
    ("there is no such thing", "not found in the snapshot"),
    ("ends the run with", "fails with exit code N and a message"),
    ("never with a signal", "fails with exit code 2 and a message"),
    ("and words, ", "and a message"),
    ("with words", "with a message"),
    ("the way back", "restore, or reading"),
    ("bare calls", "plain system calls"),
    ("so many of the largest", "the N largest"),
    ("more or less than a client", "extra or hidden data"),
    ("what cannot stand in", "what the target cannot store"),
    ("no target takes", "the target cannot store"),
    ("of an archive a file", "archive file"),
    ("into nowhere", "into the null sink"),
    ("a sound ", "an intact, or a valid"),
    ("next sound", "next intact"),
    ("is sound", "is intact"),
    ("put right", "corrected"),
    ("what it kept", "what is stored"),
    ("tells of", "lists, or says"),
    ("stands there", "is there"),
    ("broke off", "was interrupted"),
    ("of no use", "needs"),
    ("begin anew", "start again"),
    ("goes on with", "continues with"),
];

/// Files that users read: pages, and the texts of the command line and of errors.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root.join(name)).to_vec();
    for folder in ["docs", "docs/format"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        all.extend(
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")),
        );
    }
    all
}

/// String literals of the code, without comments: the printed texts.
fn printed(root: &Path, texts: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            printed(&path, texts);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            // The comments of arguments are their help.
            let is_help = path.components().any(|part| part.as_os_str() == "cli");
            let lines =
                code.lines().filter(|line| line.contains('"') || (is_help && line.trim_start().starts_with("///")));
            texts.push((path.clone(), lines.collect::<Vec<_>>().join("\n")));
        }
    }
}

#[test]
fn banned_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<(PathBuf, String)> =
        files().into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
    printed(&root.join("src"), &mut texts);
    assert!(texts.len() > 200);
    let mut found = Vec::new();
    for (path, text) in texts {
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            for (banned, better) in BANNED.iter().filter(|(banned, _)| line.contains(banned)) {
                let path = path.strip_prefix(root).unwrap().display();
                found.push(format!("{path}, line {} of its text: \"{banned}\": say {better}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Programs that embed the library have no flags: the command line adds them (`src/cli/advice.rs`).
#[test]
fn the_library_names_no_flag() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts = Vec::new();
    printed(&root, &mut texts);
    let (cli, library): (Vec<_>, Vec<_>) = texts.into_iter().partition(|(path, _)| path.starts_with(root.join("cli")));
    let is_flag = |at: usize, line: &str| line[at + 2..].starts_with(|c: char| c.is_ascii_lowercase());
    let mut found = Vec::new();
    for (path, text) in &library {
        let code = text.lines().map(|line| line.split("//").next().unwrap());
        let flags = code.filter(|line| line.match_indices("--").any(|(at, _)| is_flag(at, line)));
        found.extend(flags.map(|line| format!("{}: {}", path.strip_prefix(&root).unwrap().display(), line.trim())));
    }
    assert!(found.is_empty(), "tell a `Remedy`, or an event: {}", found.join("\n"));
    let (_, advice) = cli.iter().find(|(path, _)| path.ends_with("advice.rs")).unwrap();
    let events: Vec<&str> =
        advice.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next()).collect();
    assert!(events.len() > 20, "{events:?}");
    let is_told = |event: &str| library.iter().any(|(_, text)| text.contains(&format!("\"{event}\"")));
    assert!(events.iter().all(|event| is_told(event)), "{events:?}");
}
