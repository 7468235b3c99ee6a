//! `ekvsnap verify`.

use std::path::PathBuf;

use indicatif::HumanCount;
use serde_json::{Value, json};

use super::common::{Watch, Work};
use super::exit::{self, Exit};
use super::inputs;
use super::inputs::Inputs;
use super::keys::Keys;
use super::out::{judge, line, say};
use super::progress::Bar;
use super::summary::{self, counted, lost_words, more, shown};
use crate::dataset::Lost;
use crate::decode::on_threads;
use crate::error::{Error, Result};
use crate::output::reading::{Named, Output, look};
use crate::report;
use crate::report::visible::Visible;
use crate::source::{PassedOver, Source};
use crate::verify::data_dir::{self, DataDir, STORE};
use crate::verify::output::{Checked, Decode, check};
use crate::verify::problem::{Kind, Problem};
use crate::verify::told::part;
use crate::verify::{Depth, Snapshots, against, live, snapshots};

/// What a snapshot must be, and what an output.
const ABOUT: &str = "\
    A snapshot is intact if a decode of it would succeed: framing, order and checksums are right, and \
    every row that a client can read is valid. Damage in rows that a decode does not read, such as \
    old versions, is a warning. An output (directory, .tar, .tar.zst or .tar.gz) is intact if \
    MANIFEST.json and CHECKSUMS are valid, every file has the bytes of its digest, and no file is \
    missing, foreign or a link. With --against, a decode of the snapshots must also give the same bytes. \
    Of a server data directory with its Raft state (a copy, or one that restore made), what a server \
    would start with is checked too.";

/// What is said of damaged rows that a decode leaves alone.
const UNREAD: &str =
    "in old versions or internal rows, which a decode of the newest state does not read (one with --as-of may)";

/// The hint about encrypted rows.
const KEYS: &str = "give their keys with --kek and --keys-json, or --dek";

/// Maximum number of damaged places that are shown.
const LIMIT: usize = 100;
/// The same for an output that was made from another snapshot: then most files differ, and a long list has no use.
const STRANGERS: usize = 5;
/// How to see places beyond the limit.
const HIDDEN: &str = "--limit shows them";

/// Arguments of `ekvsnap verify`.
#[derive(Debug, clap::Args)]
#[command(before_help = ABOUT, after_help = exit::TABLE)]
pub(super) struct Args {
    /// Snapshots, or one output of a decode
    #[arg(value_name = "INPUT|OUT", required = true)]
    inputs: Vec<PathBuf>,

    /// Compare an output with what these give
    ///
    /// They are decoded again, with the options that its MANIFEST.json tells.
    #[arg(long, value_name = "SNAPSHOT", num_args = 1..)]
    against: Vec<PathBuf>,

    /// Show at most N damaged places (default 100; 5 against another snapshot)
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Fail (exit 4) when there are warnings
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    work: Work,

    /// Print everything as JSON lines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    watch: Watch,

    /// Also find encrypted rows that were marked as clear: the keys are tried on every clear row.
    #[arg(long, help_heading = "Encrypted snapshots")]
    check_clear_rows: bool,

    #[command(flatten)]
    keys: Keys,
}

impl Args {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT)
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(args.json, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let mut outputs = 0;
    let dirs = data_dirs(&args.inputs)?;
    if let [one] = &args.inputs[..] {
        match look(one)? {
            Named::Output(mut output) => return verify_output(args, &mut output, bar),
            Named::Piped(stream) if args.against.is_empty() => {
                let sources = inputs::spool(one, stream, args.work.no_mmap, &args.keys, args.work.threads)?;
                return verify_snapshots(args, &sources, Vec::new(), bar);
            }
            _ => {}
        }
    } else {
        // Looking into a pipe would consume bytes that are read later. Among several inputs each one is a snapshot.
        let files = args.inputs.iter().filter(|path| path.is_file() || path.is_dir());
        outputs = files.filter(|path| matches!(look(path), Ok(Named::Output(_)))).count();
    }
    if outputs > 0 {
        return Err(Error::command_line("one of the inputs is an output: verify it alone"));
    }
    if !args.against.is_empty() {
        return Err(Error::command_line(
            "--against compares an output with snapshots, but the input is a snapshot: name the output first, as in `ekvsnap verify OUTPUT --against SNAPSHOT`",
        ));
    }
    dirs.iter().for_each(|dir| tell(args, dir));
    let named = without_copies(&args.inputs, &dirs);
    let Inputs { sources, passed_over } = inputs::open(&named, args.work.no_mmap, &args.keys, args.work.threads)?;
    verify_snapshots(args, &sources, passed_over, bar)
}

/// The Raft data directories among the inputs, after a check that a server can start from each.
fn data_dirs(inputs: &[PathBuf]) -> Result<Vec<DataDir>> {
    let named = inputs.iter().filter(|path| path.is_dir() && matches!(look(path), Ok(Named::Snapshot)));
    let mut dirs = Vec::new();
    for path in named {
        for dir in data_dir::find(path)? {
            dirs.push(data_dir::check(&dir)?);
        }
    }
    Ok(dirs)
}

/// The inputs, with snapshots in place of data directories. Nodes of one group have the same snapshot, which counts once.
fn without_copies(inputs: &[PathBuf], dirs: &[DataDir]) -> Vec<PathBuf> {
    let mut named = Vec::new();
    let mut seen = Vec::new();
    for input in inputs {
        let below: Vec<&DataDir> = dirs.iter().filter(|dir| dir.path.starts_with(input)).collect();
        if below.is_empty() {
            named.push(input.clone());
        }
        for dir in below {
            let Some((file, crc32c)) = &dir.fsm else { continue };
            // A group is identified by its index and CRC: a snapshot with the same bytes belongs to the same group.
            if !seen.contains(&(dir.index, *crc32c)) {
                seen.push((dir.index, *crc32c));
                named.push(file.clone());
            }
        }
    }
    named
}

/// Reports what a server would start with.
fn tell(args: &Args, dir: &DataDir) {
    let members = dir.members.voters.len() + dir.members.learners.len();
    if args.json {
        line(&json!({
            "event": "data_dir", "path": report::Value::from(dir.path.as_path()), "index": dir.index, "term": dir.term,
            "members": members, "log_entries": dir.entries, "has_store": dir.has_store,
            "crc32c": dir.fsm.as_ref().map(|(_, crc32c)| format!("{crc32c:08x}")),
        }));
        return;
    }
    let (name, entries) = (Visible(dir.path.display()), HumanCount(dir.entries));
    let (index, term) = (dir.index, dir.term);
    let plural = if members == 1 { "" } else { "s" };
    say(&format!(
        "{name}: starts at index {index}, term {term}, with {members} member{plural} and {entries} log entries\n"
    ));
    if dir.has_store {
        say(&format!("{name}: a server continues with the store in {STORE} if that has applied index {index}\n"));
    }
}

fn verify_output(args: &Args, output: &mut Output, bar: &Bar) -> Result<Exit> {
    let mut inputs = (!args.against.is_empty())
        .then(|| inputs::open(&args.against, args.work.no_mmap, &args.keys, args.work.threads))
        .transpose()?;
    let mut decode = |manifest: &_| {
        let Inputs { sources, passed_over } = inputs.take().ok_or_else(|| Error::usage("decoded only once"))?;
        on_threads(args.work.threads, || against::decode(sources, passed_over, manifest, bar))?
    };
    let against: Option<Decode<'_>> = if args.against.is_empty() { None } else { Some(&mut decode) };
    let checked = check(output, args.work.threads, args.limit(), bar, against)?;
    bar.clear();
    if args.json {
        output_json(args, &checked);
    } else {
        judge(&output_words(args, &checked), checked.problems.is_empty());
    }
    Ok(if checked.problems.is_empty() { Exit::Fine } else { Exit::Damage })
}

fn output_words(args: &Args, checked: &Checked) -> String {
    let (name, problems) = (Visible(args.inputs[0].display()), &checked.problems);
    let mut text = String::new();
    if let Some(origin) = &checked.origin {
        text.push_str(&format!("{name}: {origin}\n"));
    }
    let room = if checked.origin.is_some() { args.limit.unwrap_or(STRANGERS) } else { usize::MAX };
    for Problem { path, reason, .. } in problems.shown.iter().take(room) {
        text.push_str(&format!("damage: {}: {}\n", shown(path), Visible(reason)));
    }
    text.push_str(&more(problems.shown.len().min(room), problems.total(), HIDDEN));
    let files = HumanCount(checked.files);
    if let Some(manifest) = checked.manifest.as_ref().filter(|manifest| manifest.skipped > 0) {
        let places = counted(manifest.skipped, "place", "places");
        text.push_str(&format!(
            "note: {places} of the snapshot could not be read when it was made: see its ERRORS.jsonl\n"
        ));
    }
    if let Some(read_ts) = checked.manifest.as_ref().and_then(|manifest| manifest.live_read_ts) {
        text.push_str(&format!("{name}: {}\n", live::origin(read_ts)));
    }
    let part = summary::part_words(part_of(checked));
    if !problems.is_empty() {
        let counts: Vec<String> =
            problems.counts().map(|(kind, n)| format!("{} {}", HumanCount(n), kind.words())).collect();
        let equal = if checked.compared && problems.counts().all(|(kind, _)| kind == Kind::Origin) {
            "; the data are those of a fresh decode"
        } else {
            ""
        };
        let state = match problems.counts().all(|(kind, _)| kind.is_of_comparison()) {
            true => "differs from a fresh decode",
            false => "not intact",
        };
        text.push_str(&format!("{name}: {state}: {}{equal}{part}\n", counts.join(", ")));
    } else if checked.compared {
        text.push_str(&format!("{name}: intact; all {files} files equal a fresh decode{part}\n"));
    } else {
        text.push_str(&format!("{name}: intact; all {files} files have the digests of CHECKSUMS{part}\n"));
    }
    text
}

/// Which part of its snapshots the output contains, if not all.
fn part_of(checked: &Checked) -> Option<String> {
    checked.manifest.as_ref().and_then(|manifest| part(&manifest.adapters, &manifest.options))
}

fn output_json(args: &Args, checked: &Checked) {
    for problem in &checked.problems.shown {
        let mut event = json!({ "event": "damage" });
        if let (Value::Object(event), Ok(Value::Object(members))) = (&mut event, serde_json::to_value(problem)) {
            event.extend(members);
        }
        line(&event);
    }
    let counts: Vec<Value> =
        checked.problems.counts().map(|(kind, n)| json!({ "problem": kind, "count": n })).collect();
    line(&json!({
        "event": "summary", "subject": "output", "name": report::Value::from(args.inputs[0].as_path()),
        "intact": checked.problems.is_empty(), "files": checked.files, "damaged": checked.problems.total(),
        "problems": counts, "compared": checked.compared, "origin": checked.origin, "part": part_of(checked),
    }));
}

fn verify_snapshots(args: &Args, sources: &[Source], passed_over: Vec<PassedOver>, bar: &Bar) -> Result<Exit> {
    let depth = Depth { limit: args.limit(), try_clear: args.check_clear_rows };
    let found = on_threads(args.work.threads, || snapshots(sources, passed_over, depth, bar))??;
    bar.clear();
    if args.json {
        snapshots_json(args, sources, &found);
    } else {
        judge(&snapshots_words(args, sources, &found), found.damaged == 0);
    }
    let warned = found.decoded.iter().any(|filled| filled.manifest.warnings.iter().any(|w| w.count > 0));
    Ok(match found.damaged {
        0 if args.strict && (warned || found.unread() + found.unopened() > 0) => Exit::Strict,
        0 => Exit::Fine,
        _ => Exit::Damage,
    })
}

/// Damaged rows that a decode does not read, up to the limit.
fn unread<'f>(args: &Args, found: &'f Snapshots) -> impl Iterator<Item = &'f Lost> {
    found.walked.iter().flat_map(|walked| &walked.shown).take(args.limit())
}

fn snapshots_words(args: &Args, sources: &[Source], found: &Snapshots) -> String {
    let mut text: String = found.lost.iter().map(|lost| lost_words("damage", lost)).collect();
    text.push_str(&more(found.lost.len(), found.damaged, HIDDEN));
    for (source, walked) in sources.iter().zip(&found.walked) {
        let (state, no_crc) = match walked.damaged {
            0 if found.decoded.is_none() && walked.unopened > 0 => {
                ("framing and order intact, bodies not verified", "no CRC to verify against")
            }
            0 => ("intact", "no CRC to verify against"),
            _ => ("damaged", "no CRC that matches"),
        };
        let crc = walked.crc32c.map_or(no_crc.to_owned(), |crc| format!("CRC32C {crc:08x} matches"));
        let rows = counted(walked.rows, "row", "rows");
        let tombstones = counted(walked.tombstones, "tombstone", "tombstones");
        let part = if walked.ends_early { " before the first broken frame" } else { "" };
        text.push_str(&format!("{}: {state}; {rows}, {tombstones}{part}; {crc}\n", Visible(source.path().display())));
    }
    let state_changed = found.walked.iter().filter(|walked| walked.state_changed > 0);
    state_changed.flat_map(|walked| &walked.shown).for_each(|lost| text.push_str(&lost_words("damage", lost)));
    if found.unopened() > 0 {
        let rows = found.unopened();
        let rows = counted(rows, "encrypted row was", "encrypted rows were");
        let undecoded = if found.decoded.is_none() { ", and nothing was decoded" } else { "" };
        text.push_str(&format!("{rows} not opened{undecoded}: {KEYS}\n"));
    }
    if let Some(filled) = &found.decoded {
        filled.manifest.warnings.iter().for_each(|warning| text.push_str(&summary::warning_words(warning, None)));
        unread(args, found).for_each(|lost| text.push_str(&lost_words("warning", lost)));
        text.push_str(&more(unread(args, found).count(), found.unread(), HIDDEN));
        if found.unread() > 0 {
            let rows = counted(found.unread(), "damaged row", "damaged rows");
            text.push_str(&format!("warning: {rows} {UNREAD}\n"));
        }
        let live = counted(filled.manifest.counters.live, "live key decodes", "live keys decode");
        text.push_str(&format!("{live} to {}\n", counted(filled.files, "file", "files")));
    }
    if found.damaged > 0 {
        let saves =
            if found.decoded.is_some() { "decode --on-error skip saves the rest" } else { "nothing can be read" };
        text.push_str(&format!("{}; {saves}\n", counted(found.damaged, "damaged place", "damaged places")));
    }
    text
}

/// Whether a decode would succeed; `None`: nobody knows, because no key was given for rows that it would read.
fn is_intact(found: &Snapshots) -> Option<bool> {
    match found.damaged {
        0 if found.decoded.is_none() && found.unopened() > 0 => None,
        damaged => Some(damaged == 0),
    }
}

fn snapshots_json(args: &Args, sources: &[Source], found: &Snapshots) {
    for lost in &found.lost {
        let mut event = json!({ "event": "damage" });
        if let (Value::Object(event), Ok(Value::Object(members))) = (&mut event, serde_json::to_value(lost)) {
            event.extend(members);
        }
        line(&event);
    }
    if let Some(filled) = &found.decoded {
        summary::json_findings(&filled.manifest);
    }
    if found.unread() > 0 {
        let examples: Vec<&Lost> = unread(args, found).collect();
        line(&json!({
            "event": "warning", "code": "unread_rows_damaged", "count": found.unread(),
            "hint": format!("damaged rows {UNREAD}"),
            "examples": examples,
        }));
    }
    let inputs: Vec<Value> = sources
        .iter()
        .zip(&found.walked)
        .map(|(source, walked)| {
            let crc = walked.crc32c.map(|crc| format!("{crc:08x}"));
            json!({
                "name": report::Value::from(source.path()), "rows": walked.rows, "tombstones": walked.tombstones,
                "damaged": walked.damaged, "unread_damaged": walked.unread, "crc32c": crc,
                "encrypted_not_opened": walked.unopened, "state_changed": walked.state_changed,
            })
        })
        .collect();
    line(&json!({
        "event": "summary", "subject": "snapshot", "intact": is_intact(found), "damaged": found.damaged,
        "inputs": inputs, "files": found.decoded.as_ref().map(|filled| filled.files),
        "live": found.decoded.as_ref().map(|filled| filled.manifest.counters.live),
    }));
}
