//! Exports of `--layout aws-export`, imported by moto as AWS does it (`tests/tools/import_aws.py`), and compared with lines.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::aws::{Moto, compare, fine, moto_bin, prepare};
use crate::kit::command::stderr;
use crate::kit::read_tree;

/// What AWS rejects, as reported by a load.
fn told(dir: &Path) -> Vec<u8> {
    let mut told = Vec::new();
    for (path, bytes) in read_tree(&dir.join("export")) {
        if path.ends_with(b"/refused.jsonl") {
            for line in std::str::from_utf8(&bytes).unwrap().lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                told.extend(json!({ "event": "left_out", "name": line["key"] }).to_string().into_bytes());
                told.push(b'\n');
            }
        }
    }
    told
}

#[test]
#[ignore = "needs moto"]
fn exports_are_imported() {
    for (corpus, flags) in [("dynamodb-small", &[][..]), ("dynamodb-nasty", &["--part-size", "1KiB"])] {
        let python = |script: &str| {
            let mut python = Command::new(moto_bin("python3"));
            python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools").join(script));
            python
        };
        let (dir, moto) = (prepare(corpus), Moto::of(python("moto_import.py")));
        let args = ["decode", "x.fsm", "-o", "export", "--layout", "aws-export", "--adapter", "dynamodb"];
        fine(dir.path(), &[&args, flags].concat());
        let endpoint = format!("http://127.0.0.1:{}", moto.port);
        let out = python("import_aws.py").args([&endpoint, "export"]).current_dir(dir.path()).output().unwrap();
        assert!(out.status.success(), "{corpus}: {}{}", String::from_utf8_lossy(&out.stdout), stderr(&out));
        compare(dir.path(), &moto, "dynamodb", &told(dir.path()));
    }
}
