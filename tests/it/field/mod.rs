//! Small inputs for faults that users of such tools reported, each with the correct result: one table, one check.
//!
//! The rows are in one file for each subject; `tests/fixtures/field.tar.zst` has the inputs.

mod answers;
mod destruction;
mod future;
mod hostile;
mod outputs;
mod verdicts;
mod words;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::kit::command::{code, with_few_handles};
use crate::kit::fixtures::{Files, load};

/// One command on one input, and its expected result.
pub struct Case {
    /// Path in the fixture.
    pub file: &'static str,
    /// Arguments. `{}` is replaced by the path of the input, `{F:name}` by that of another file of the fixture. The command runs in an
    /// empty directory of its own, with 256 handles.
    pub args: &'static [&'static str],
    /// The exit code.
    pub code: i32,
    /// Texts that standard output and standard error together must contain.
    pub says: &'static [&'static str],
    /// Texts that they must not contain.
    pub never: &'static [&'static str],
    /// Further checks, such as files of the output.
    pub check: fn(&Run),
}

/// The simplest row: no message is expected, nothing else is checked.
pub const CASE: Case = Case { file: "", args: &[], code: 0, says: &[], never: &[], check: |_| () };

/// A command that ran.
pub struct Run {
    /// Its working directory.
    pub dir: PathBuf,
    /// Its input file.
    pub input: PathBuf,
    /// Its output.
    pub output: Output,
}

impl Run {
    /// A file below the directory of the command.
    #[track_caller]
    pub fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.dir.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether a path exists.
    pub fn has(&self, path: &str) -> bool {
        self.dir.join(path).symlink_metadata().is_ok()
    }
}

/// The whole table.
fn cases() -> Vec<&'static Case> {
    let subjects: [&'static [Case]; 7] = [
        answers::CASES,
        destruction::CASES,
        future::CASES,
        hostile::CASES,
        outputs::CASES,
        verdicts::CASES,
        words::CASES,
    ];
    subjects.into_iter().flatten().collect()
}

fn unpack(files: &Files, root: &Path) {
    for (name, bytes) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// `{}` and `{F:name}` as paths below `root`.
fn filled(argument: &str, file: &str, root: &Path) -> String {
    let Some((before, rest)) = argument.split_once("{F:") else {
        return argument.replace("{}", &root.join(file).display().to_string());
    };
    let (name, after) = rest.split_once('}').unwrap();
    format!("{before}{}{after}", root.join(name).display())
}

fn failures(case: &Case, root: &Path) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let args: Vec<String> = case.args.iter().map(|argument| filled(argument, case.file, root)).collect();
    let output = with_few_handles(dir.path(), &args.iter().map(String::as_str).collect::<Vec<_>>());
    let text =
        [&output.stdout[..], &output.stderr[..]].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    let mut wrong = Vec::new();
    let mut note = |what: String| wrong.push(format!("{} {:?}: {what}\n{text}", case.file, case.args));
    if code(&output) != case.code {
        note(format!("exit code {}, not {}", code(&output), case.code));
    }
    case.says.iter().filter(|words| !text.contains(**words)).for_each(|words| note(format!("does not say {words:?}")));
    case.never.iter().filter(|words| text.contains(**words)).for_each(|words| note(format!("says {words:?}")));
    if wrong.is_empty() {
        (case.check)(&Run { dir: dir.path().to_path_buf(), input: root.join(case.file), output });
    }
    wrong
}

#[test]
fn every_file_gives_what_its_readme_says() {
    let files = load("field");
    let root = tempfile::tempdir().unwrap();
    unpack(&files, root.path());
    let wrong: Vec<String> = cases().into_iter().flat_map(|case| failures(case, root.path())).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every file of the fixture has a row, except files that only accompany others.
#[test]
fn every_file_has_a_row() {
    let files = load("field");
    let named: BTreeSet<String> = cases()
        .iter()
        .flat_map(|case| std::iter::once(case.file).chain(case.args.iter().copied()))
        .flat_map(|text| text.split(['{', '}', ',', ' ']).map(|part| part.trim_start_matches("F:").to_owned()))
        .collect();
    let missing: Vec<&String> = files.keys().filter(|name| !named.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
