//! Trees made by the running server's own backup (`future.md` F13): other members in the manifest, the same data.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::kit::build::{NOW, Snapshot, be, plain};
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load, snapshots};

#[track_caller]
fn told(dir: &Path, args: &[&str], want: i32) -> String {
    let out = ekvsnap(dir, args);
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &stderr(&out);
    assert_eq!(code(&out), want, "{args:?}: {text}");
    text
}

/// Writes CHECKSUMS again for the present files.
fn summed(root: &Path) {
    let text = fs::read_to_string(root.join("CHECKSUMS")).unwrap();
    let line = |line: &str| {
        let path = line.split_once("  ").unwrap().1;
        let digest = Sha256::digest(fs::read(root.join(path)).unwrap());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{hex}  {path}\n")
    };
    fs::write(root.join("CHECKSUMS"), text.lines().map(line).collect::<String>()).unwrap();
}

/// Changes an output of ekvsnap to the form of the server's live backup at a moment.
fn live(root: &Path, read_ts: u64) {
    let ours: Map<String, Value> = serde_json::from_slice(&fs::read(root.join("MANIFEST.json")).unwrap()).unwrap();
    let kept = [
        "format_version",
        "exclusions",
        "checksum_algorithm",
        "checksum_format",
        "encoded_filename_charset",
        "key_segment_max_bytes",
        "s3_meta_suffix",
        "s3_collision_strategy",
        "dynamodb_layout",
    ];
    let mut theirs: Map<String, Value> = kept.iter().map(|name| ((*name).to_owned(), ours[*name].clone())).collect();
    let mut adapters = ours["adapters"].clone();
    let of_server = |adapters: &mut Map<String, Value>| {
        adapters.remove("fs");
        adapters.values_mut().for_each(|scopes| drop(scopes.as_object_mut().unwrap().remove("scopes")));
    };
    of_server(adapters.as_object_mut().unwrap());
    theirs.insert("adapters".into(), adapters);
    let about = json!({
        "phase": "phase1-live-pinned", "elastickv_version": "v9.1", "cluster_id": "c", "backup_ts_ttl_ms": 1_800_000,
        "live": { "read_ts": read_ts, "pin_token_sha256": "ab" }, "max_active_backup_pins": 4,
        "shards": [{ "raft_group_id": 1, "applied_index": 7 }], "wall_time_iso": "2026-11-28T20:00:00Z",
    });
    theirs.extend(about.as_object().unwrap().clone());
    fs::write(root.join("MANIFEST.json"), serde_json::to_vec_pretty(&theirs).unwrap()).unwrap();
    summed(root);
}

/// Redis keys, of which one is newer than the backup, and tables in bundles of lines.
#[test]
fn live_backups_are_verified_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let string = |text: &str| [b"\xff\x01\x00", text.as_bytes()].concat();
    let store = Snapshot::new().put_at(NOW, "!redis|str|a", string("1")).put_at(NOW, "!redis|str|b", string("2"));
    let later = store.clone().put_at(NOW + 9, "!redis|str|b", string("3")).put_at(NOW + 9, "!redis|str|c", string("4"));
    fs::write(dir.join("then.fsm"), store.build()).unwrap();
    fs::write(dir.join("later.fsm"), later.put(plain("!dist|route|", be(&[1])), "r").build()).unwrap();
    fs::write(dir.join("tables.fsm"), &snapshots(&load("dynamodb-small"))[0]).unwrap();
    told(dir, &["decode", "then.fsm", "-o", "strings"], 0);
    told(dir, &["decode", "tables.fsm", "-o", "tables", "--dynamodb-bundle-mode", "jsonl"], 0);
    assert!(
        dir.join("tables/dynamodb")
            .read_dir()
            .unwrap()
            .any(|table| { table.unwrap().path().join("items/data-00001.jsonl").exists() })
    );
    let of_tables: Value = serde_json::from_slice(&fs::read(dir.join("tables/MANIFEST.json")).unwrap()).unwrap();
    live(&dir.join("strings"), NOW);
    live(&dir.join("tables"), of_tables["last_commit_ts"].as_u64().unwrap());

    for (tree, snapshot) in [("strings", "then.fsm"), ("strings", "later.fsm"), ("tables", "tables.fsm")] {
        told(dir, &["verify", tree], 0);
        let text = told(dir, &["verify", tree, "--against", snapshot], 0);
        assert!(text.contains("live backup"), "{tree} {snapshot}: {text}");
    }
    told(dir, &["diff", "strings", "then.fsm"], 0);
    told(dir, &["diff", "tables", "tables.fsm"], 0);
    // A later snapshot is compared as of the moment of the backup.
    let text = told(dir, &["diff", "strings", "later.fsm"], 0);
    assert!(text.contains("2 the same"), "{text}");

    // Other data are distinguished from another origin, and damage is found.
    fs::write(dir.join("strings/redis/db_0/strings/a.bin"), "9").unwrap();
    told(dir, &["verify", "strings"], 2);
    summed(&dir.join("strings"));
    told(dir, &["verify", "strings"], 0);
    let text = told(dir, &["verify", "strings", "--against", "then.fsm"], 2);
    assert!(text.contains("strings/a.bin") && !text.contains("strings/b.bin"), "{text}");
}
