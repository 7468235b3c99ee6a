//! The report of a finished decode: text on stderr for people, JSON lines on stdout for programs.

use std::path::Path;

use indicatif::{DecimalBytes, HumanCount};
use serde_json::{Value, json};

use super::advice::{of_error, of_finding};
use super::out::{line, report, tell};
use super::table::{self, Table};
use crate::dataset::Lost;
use crate::decode::{Need, Outcome};
use crate::error::{Error, Shown, Start};
use crate::format::adapter;
use crate::output::MANIFEST;
use crate::output::manifest::{FindingInfo, Manifest, Members};
use crate::report;
use crate::report::visible::Visible;
use crate::verify::told;

/// Number of examples of one warning in the text.
const EXAMPLES: usize = 3;

/// The result of a decode.
#[derive(Debug, Clone, Copy)]
pub(super) enum Done<'t> {
    /// The output was written.
    Written(&'t Path),
    /// Nothing was written; this is what it would need.
    Estimated(Need),
}

/// Prints the summary for people.
pub(super) fn words(outcome: &Outcome, done: Done<'_>) {
    let more = if matches!(done, Done::Written(_)) { Some(MANIFEST) } else { None };
    tell_warnings(&outcome.manifest.warnings, more);
    let mut text = note_words(&outcome.manifest.notes);
    text.push_str(&table(outcome));
    text.push_str(&done_words(outcome, done));
    if outcome.manifest.skipped > 0 {
        let places = counted(outcome.manifest.skipped, "place", "places");
        text.push_str(&format!("{places} could not be read or verified: see ERRORS.jsonl\n"));
    }
    for leftover in &outcome.leftovers {
        let leftover = Visible(leftover.display());
        text.push_str(&format!("hint: {leftover} was left by a run that was killed; remove it\n"));
    }
    report(&text);
}

/// The notes that everybody should see: others are for readers of the manifest.
pub(super) fn note_words(notes: &[FindingInfo]) -> String {
    let seen = notes.iter().filter(|note| note.event == "moment_after_snapshot");
    seen.map(|note| format!("note: {}: {}\n", note.event, of_finding(note.event, note.hint))).collect()
}

/// Reports warnings on standard error; `more`: the file that has further examples.
pub(super) fn tell_warnings(warnings: &[FindingInfo], more: Option<&str>) {
    tell(&warnings.iter().map(|warning| warning_words(warning, more)).collect::<String>());
}

/// A warning with its first examples; `more`: the file that has others.
pub(super) fn warning_words(warning: &FindingInfo, more: Option<&str>) -> String {
    let mut text = format!(
        "warning: {} ({}): {}\n",
        warning.event,
        HumanCount(warning.count),
        of_finding(warning.event, warning.hint)
    );
    // Every flag that matched nothing is named: a missing object may be the reason for the run.
    let most = if warning.event == "flag_matched_nothing" { usize::MAX } else { EXAMPLES };
    for example in warning.examples.iter().take(most) {
        let members: Vec<String> = example.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
        text.push_str(&format!("         {}\n", members.join(" ")));
    }
    let hidden = warning.count.saturating_sub(most.min(warning.examples.len()) as u64);
    if hidden > 0 && !warning.examples.is_empty() {
        let more = more.map_or(String::new(), |file| format!(", see {file}"));
        text.push_str(&format!("         … and {} more{more}\n", HumanCount(hidden)));
    }
    text
}

/// A place that could not be read.
pub(super) fn lost_words(level: &str, lost: &Lost) -> String {
    let row = lost.family.map_or(String::new(), |family| {
        let family = if family.is_empty() { "bare" } else { family };
        let key = lost.key.as_ref().map_or(String::new(), |key| format!(" key {}", shown(key)));
        format!(", {family}{key}")
    });
    let place = lost.place.map_or(String::new(), |place| format!(" ({place})"));
    let (input, reason) = (Visible(&lost.input), Visible(&lost.reason));
    format!("{level}: {input} at byte offset {}{place}{row}: {reason}\n", lost.offset)
}

/// How many places are not shown, and how to show them.
pub(super) fn more(shown: usize, all: u64, how: &str) -> String {
    match all.saturating_sub(shown as u64) {
        0 => String::new(),
        hidden => format!("        … and {} more: {how}\n", HumanCount(hidden)),
    }
}

/// A value of a finding, for people.
pub(super) fn shown(value: &report::Value) -> String {
    use report::Value::{Binary, Cut, Exact, Int, Text};
    match value {
        Int(n) => n.to_string(),
        Exact(n) => n.to_string(),
        Text(text) => format!("\"{}\"", Shown(text.as_bytes())),
        Cut(cut) => format!("\"{}\"", Start { head: cut.head.as_bytes(), len: cut.bytes }),
        Binary { base64, cut_from_bytes } => {
            let len = cut_from_bytes.unwrap_or(base64.len());
            format!("base64:{}", Start { head: base64.as_bytes(), len })
        }
    }
}

/// A key without quotes.
pub(super) fn bare(value: &report::Value) -> String {
    shown(value).trim_matches('"').to_owned()
}

/// The scope of files that have a path.
const TREE: &str = "tree";

/// The name of an object, as `get` accepts it unless it cannot be typed: `ADAPTER:SCOPE/KEY/RANGE`. The only scope of Redis is left out,
/// and so is an empty one.
pub(super) fn object_name(adapter: &str, scope: &str, key: &report::Value, range: Option<&report::Value>) -> String {
    let known = adapter::named(adapter.as_bytes());
    // In a file system, paths of the tree begin at the root. Other scopes have objects without a path.
    if scope == TREE && known.is_some_and(|adapter| adapter.has_paths()) {
        return format!("{adapter}:/{}", bare(key));
    }
    let scope = Some(scope).filter(|scope| {
        known.is_none_or(|adapter| adapter.scoped().is_some() || adapter.has_paths()) && !scope.is_empty()
    });
    let parts = scope
        .map(|scope| Visible(scope).to_string())
        .into_iter()
        .chain([Some(key), range].into_iter().flatten().map(bare));
    format!("{adapter}:{}", parts.collect::<Vec<_>>().join("/"))
}

/// A number with its unit.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", HumanCount(n), if n == 1 { one } else { many })
}

fn table(outcome: &Outcome) -> String {
    let manifest = &outcome.manifest;
    let mut table = Table::new(&[], 2);
    for adapter in adapter::all() {
        for (scope, kinds) in manifest.adapters.tally.of(adapter) {
            for &(kind, objects, bytes) in kinds {
                let name = format!("{}/{}", adapter.name(), Visible(scope));
                let (objects, bytes) = (HumanCount(objects).to_string(), DecimalBytes(bytes).to_string());
                table.row([name, kind.to_owned(), objects, bytes]);
            }
        }
    }
    let mut text = table.render(table::width());
    let counters = &manifest.counters;
    text.push_str(&format!(
        "{} rows: {} live keys, {} tombstones, {} unknown; {}{}\n",
        HumanCount(counters.entries),
        HumanCount(counters.live),
        HumanCount(counters.tombstone),
        HumanCount(counters.unknown),
        taken_words(manifest),
        crc_words(outcome),
    ));
    text
}

fn done_words(outcome: &Outcome, done: Done<'_>) -> String {
    let seconds = outcome.elapsed.as_secs_f64().max(1e-6);
    let rate = DecimalBytes((outcome.input_bytes as f64 / seconds) as u64);
    match done {
        Done::Written(target) => format!(
            "{}: {}, {} in {seconds:.2} s ({rate}/s of snapshot){}\n",
            Visible(target.display()),
            counted(outcome.files, "file", "files"),
            DecimalBytes(outcome.bytes),
            part_words(part_of(&outcome.manifest)),
        ),
        Done::Estimated(need) => format!(
            "nothing written; a directory would have {} in {}, {}: {}, about {} of disk\n",
            counted(need.files, "file", "files"),
            counted(need.directories, "directory", "directories"),
            many_bytes(need.bytes),
            counted(need.inodes(), "inode", "inodes"),
            many_bytes(need.disk_bytes),
        ),
    }
}

/// Bytes in a readable form, also beyond 64 bits.
fn many_bytes(bytes: u128) -> String {
    match u64::try_from(bytes) {
        Ok(bytes) => DecimalBytes(bytes).to_string(),
        Err(_) => format!("{:.2} EB", bytes as f64 / 1e18),
    }
}

/// A number, or a string of its digits if it has more than 64 bits.
fn many_json(bytes: u128) -> Value {
    u64::try_from(bytes).map_or_else(|_| json!(bytes.to_string()), |bytes| json!(bytes))
}

/// Which part of its snapshots an output contains, if not all.
fn part_of(manifest: &Manifest) -> Option<String> {
    told::part(&manifest.adapters.selected, &manifest.options)
}

/// The same text as the end of a line.
pub(super) fn part_words(part: Option<String>) -> String {
    part.map_or(String::new(), |part| format!("; a part of the snapshot: {part}"))
}

fn taken_words(manifest: &Manifest) -> String {
    match manifest.last_commit_ts {
        0 => "nothing was committed".into(),
        _ => format!("taken about {}", manifest.wall_time_iso),
    }
}

fn crc_words(outcome: &Outcome) -> &'static str {
    match outcome.manifest.inputs.iter().all(|input| input.fsm_crc32c.is_some()) {
        true => ", CRC verified",
        // Where damage was skipped, the checksum may be what does not match.
        false if outcome.manifest.skipped > 0 => ", no CRC that matches",
        false => ", no CRC to verify against",
    }
}

/// Prints every finding as an event, then the summary.
pub(super) fn json(outcome: &Outcome, done: Done<'_>) {
    let manifest = &outcome.manifest;
    json_findings(manifest);
    for leftover in &outcome.leftovers {
        line(&json!({ "event": "hint", "code": "unfinished_output", "path": report::Value::from(leftover.as_path()) }));
    }
    let mut summary = json!({
        "event": "summary", "files": outcome.files, "bytes": outcome.bytes,
        "input_bytes": outcome.input_bytes, "elapsed_ms": outcome.elapsed.as_millis() as u64,
        "wall_time_iso": manifest.wall_time_iso, "adapters": manifest.adapters, "counters": manifest.counters,
        "skipped": manifest.skipped, "part": part_of(manifest),
    });
    match done {
        Done::Written(target) => summary["output"] = json!(report::Value::from(target)),
        Done::Estimated(need) => {
            summary["needs"] = json!({
                "files": need.files, "directories": need.directories, "inodes": need.inodes(),
                "bytes": many_json(need.bytes), "disk_bytes": many_json(need.disk_bytes),
            });
        }
    }
    line(&summary);
}

/// Prints every note and warning as an event.
pub(super) fn json_findings(manifest: &Manifest) {
    for (level, findings) in [("note", &manifest.notes), ("warning", &manifest.warnings)] {
        for finding in findings {
            let examples: Vec<Members<'_>> = finding.examples.iter().map(|fields| Members(fields)).collect();
            line(&json!({
                "event": level, "code": finding.event, "count": finding.count,
                "hint": of_finding(finding.event, finding.hint),
                "examples": examples,
            }));
        }
    }
}

/// Prints the error of a failed command.
pub(super) fn json_error(error: &Error) {
    line(&json!({
        "event": "error", "message": of_error(error), "damage": error.is_damage(), "offset": error.offset(),
        "family": error.family().map(|f| f.prefix()), "key": error.brief().map(report::Value::from),
    }));
}
