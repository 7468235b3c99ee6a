//! The damaged files, each with its outcome: `damaged/outcomes.tsv`.

use crate::kit::fixtures::{Files, load};
use crate::kit::{Decoded, run, run_with};
use ekvsnap::decode::Options;
use sha2::{Digest as _, Sha256};

struct Case<'a> {
    name: &'a str,
    outcome: &'a str,
    check: &'a str,
}

fn cases(files: &Files) -> Vec<Case<'_>> {
    let table = std::str::from_utf8(&files["outcomes.tsv"]).unwrap();
    let parse = |line| {
        let mut cells = str::split(line, '\t');
        let mut cell = || cells.next().unwrap_or_default();
        let (name, outcome, _note, check) = (cell(), cell(), cell(), cell());
        Case { name, outcome: corrected(name).unwrap_or(outcome), check }
    };
    table.lines().skip(1).map(parse).collect()
}

/// Outcomes that differ from the table because it is older than the rule: an auxiliary row that cannot be parsed is a warning, because a
/// client can write it (`redis.md` §3.4).
fn corrected(name: &str) -> Option<&'static str> {
    let planted =
        ["ttl-len-0", "ttl-len-7", "ttl-len-9", "hash-delta-len-7", "list-delta-key-short", "list-delta-len-8"];
    planted.contains(&name).then_some("warn")
}

/// The outcome of a run, in the terms of the table; a rejection must have a position.
fn outcome(result: &Result<Decoded, ekvsnap::Error>) -> &'static str {
    match result {
        Err(error) => {
            assert!(error.is_damage(), "{error}: not called damage");
            "reject"
        }
        Ok(decoded) if decoded.warnings().is_empty() => "ok",
        Ok(_) => "warn",
    }
}

fn checks_hold(case: &Case<'_>, decoded: &Decoded) -> bool {
    case.check.split_whitespace().all(|check| match check.split_at(1) {
        ("+", path) => decoded.has(path),
        (_, path) => !decoded.has(path),
    })
}

#[test]
fn every_file_gives_its_outcome() {
    let files = load("damaged");
    let cases = cases(&files);
    assert_eq!(cases.len(), 140, "139 variants and the file they were made of");
    let mut wrong = Vec::new();
    for case in &cases {
        let result = run(&[files[&format!("{}.fsm", case.name)].clone()]);
        let got = outcome(&result);
        if got != case.outcome {
            wrong.push(format!("{}: want {}, got {got}", case.name, case.outcome));
        }
        if let Ok(decoded) = &result
            && !checks_hold(case, decoded)
        {
            wrong.push(format!("{}: {} does not hold", case.name, case.check));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// Files with unknown headers: there is nothing to skip to.
const NO_SNAPSHOTS: [&str; 7] =
    ["bad-magic", "bad-magic-hlc3", "empty-file", "runtime-hlc2-len2000", "sst-bundle", "trunc-magic-5", "trunc-ts-12"];

/// With `--on-error skip` every file gives a complete tree of the readable data, and a list of the losses.
#[test]
fn what_can_be_skipped() {
    let files = load("damaged");
    let mut salvaged = 0;
    for case in &cases(&files) {
        let bytes = files[&format!("{}.fsm", case.name)].clone();
        let options = Options { skip_damage: true, ..Options::default() };
        let decoded = match run_with(&[bytes], &options) {
            Err(error) if NO_SNAPSHOTS.contains(&case.name) => {
                assert!(error.is_damage(), "{}: {error}", case.name);
                continue;
            }
            decoded => decoded.unwrap_or_else(|error| panic!("{}: {error}", case.name)),
        };
        assert!(!NO_SNAPSHOTS.contains(&case.name), "{}: was taken for a snapshot", case.name);
        let lines = if decoded.has("ERRORS.jsonl") { decoded.text("ERRORS.jsonl").lines().count() } else { 0 };
        assert_eq!(decoded.outcome.manifest.skipped, lines as u64, "{}", case.name);
        assert_eq!(lines > 0, case.outcome == "reject", "{}: {lines} losses", case.name);
        for line in decoded.tree.get(&b"ERRORS.jsonl"[..]).map_or("", |text| std::str::from_utf8(text).unwrap()).lines()
        {
            let loss: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(loss["offset"].is_u64() && loss["reason"].as_str().is_some_and(|why| !why.is_empty()), "{line}");
        }
        salvaged += usize::from(lines > 0);
        for (path, body) in decoded.tree.iter().filter(|(path, _)| path.as_slice() != b"CHECKSUMS") {
            let hex: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
            let row = format!("{hex}  {}\n", std::str::from_utf8(path).unwrap());
            assert!(decoded.text("CHECKSUMS").contains(&row), "{}: {row}", case.name);
        }
    }
    assert!(salvaged > 80, "{salvaged}");
}

/// A rejected row is reported with its family, key and offset, and with the fault in the terms of the family.
#[test]
fn rejections_name_family_key_and_offset() {
    let files = load("damaged");
    for (name, family, words) in [
        ("hash-meta-len-15", "!hs|meta|", "invalid !hs|meta| value: its length is 15"),
        ("hash-field-keyshort", "!hs|fld|", "malformed !hs|fld| key"),
        ("hll-ttl-trunc", "!redis|hll|", "invalid !redis|hll| value"),
        ("list-item-key-short", "!lst|itm|", "malformed !lst|itm| key"),
        ("list-meta-negative", "!lst|meta|", "over 2^63-1"),
        ("stream-odd-fields", "!stream|entry|", "odd number"),
        ("stream-meta-len-39", "!stream|meta|", "its length is 39, not 24, 32 or 48"),
        ("stream-magic-flip", "!stream|entry|", "magic"),
        ("stream-entry-key-short", "!stream|entry|", "16 bytes of ID"),
        ("str-ttl-trunc", "!redis|str|", "invalid !redis|str| value"),
        ("zset-legacy-garbage", "!redis|zset|", "magic"),
        ("zset-score-len-9", "!zs|mem|", "its length is 9, not 8"),
        ("flag-02", "!redis|str|", "encrypted"),
        ("flag-08", "!redis|str|", "reserved"),
        ("row-duplicated", "!hs|fld|", "ascend strictly"),
        ("value-len-1", "!redis|str|", "shorter than value-header"),
    ] {
        let error = run(&[files[&format!("{name}.fsm")].clone()]).err().unwrap();
        assert_eq!(error.family().map(|f| f.prefix()), Some(family), "{name}");
        assert!(error.key().is_some_and(|key| key.starts_with(family.as_bytes())), "{name}");
        assert!(error.offset().is_some_and(|at| at > 0), "{name}");
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
}

/// Damage of the framing names the offset and what the file is.
#[test]
fn rejections_of_the_container_name_the_offset() {
    let files = load("damaged");
    for (name, words) in [
        ("keylen-0", "encoded key shorter than timestamp suffix"),
        ("keylen-2^63", "snapshot key length exceeds limit"),
        ("vallen-2^63", "snapshot value length exceeds limit"),
        ("trunc-mid-key", "snapshot truncated"),
        ("trunc-magic-5", "snapshot truncated"),
        ("bad-magic", "EKVPBBL2"),
        ("bad-magic-hlc3", "newer server"),
        ("runtime-hlc2-len2000", "2000 bytes"),
        ("sst-bundle", "manifest SHA-256 mismatch"),
        ("runtime-footer-bitflip", "CRC32C mismatch"),
        ("runtime-body-bitflip", "; also: CRC32C mismatch"),
    ] {
        let error = run(&[files[&format!("{name}.fsm")].clone()]).err().unwrap();
        assert!(error.offset().is_some(), "{name}");
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
}
