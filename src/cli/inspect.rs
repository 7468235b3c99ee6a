//! `ekvsnap inspect`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use indicatif::{DecimalBytes, HumanCount};
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::common::{Watch, Work};
use super::exit::{self, Exit};
use super::filter::{self, Choice};
use super::inputs;
use super::inputs::{Inputs, SavedIndex};
use super::keys::Keys;
use super::out::{line, own, report, say};
use super::parse;
use super::progress::Bar;
use super::summary::{bare, counted, note_words, object_name, shown, tell_warnings, warning_words};
use super::table::{self, Table};
use crate::decode::Options;
use crate::decode::filter::Matched;
use crate::error::{Error, Result};
use crate::inspect::census::{Expiry, Report};
use crate::inspect::{Depth, EncryptedRows, FamilyRows, Input, Inspection, inspect, is_page, page};
use crate::output::single::SingleFile;
use crate::output::target::refuse_inputs;
use crate::report::visible::Visible;
use crate::source::Source;

/// Maximum number of rows of a table of scopes or families in the text; --json has all.
const SHOWN: usize = 60;

/// Arguments of `ekvsnap inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = filter::help(&exit::without_strict()))]
pub(super) struct Args {
    /// Snapshots, one of each group of a cluster
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,

    /// Look at headers, checksums and rows only: faster
    ///
    /// Objects are not listed.
    #[arg(long, conflicts_with_all = ["html", "scope", "exclude", "types", "min_size", "max_size", "drop_expired"])]
    quick: bool,

    /// Show the N largest objects and prefixes
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(..=10_000))]
    top: u16,

    /// Also list families of keys, those of the store itself too
    #[arg(long)]
    families: bool,

    /// Group keys by their prefix of up to N separators (: / # |; in S3 and fs only /).
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=32))]
    prefix_depth: u8,

    /// Also write a page with plots to this file
    ///
    /// It works offline. - prints the page instead of the text.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Replace an older page of ekvsnap.
    #[arg(long, requires = "html")]
    force: bool,

    /// State at this commit timestamp (HLC) or date + 10 s
    #[arg(long, value_name = "HLC|DATE", value_parser = parse::hlc)]
    as_of: Option<u64>,

    /// What to do at a row that cannot be read: fail, or skip the row, list it and exit with 3.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"],
          hide_possible_values = true)]
    on_error: String,

    #[command(flatten)]
    index: SavedIndex,

    #[command(flatten)]
    work: Work,

    /// Print everything as one JSON object.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    watch: Watch,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    keys: Keys,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(args.json, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let page_on_stdout = args.html.as_deref().is_some_and(|file| file.as_os_str() == "-");
    if page_on_stdout && args.json {
        return Err(Error::command_line(
            "--json needs standard output, where the page goes: give it a file with --html",
        ));
    }
    let Inputs { sources, passed_over } =
        inputs::open_indexed(&args.inputs, args.work.no_mmap, &args.keys, args.work.threads, &args.index)?;
    let file = args.html.as_deref().map(|file| begin_page(file, args.force, &sources)).transpose()?;
    let options = Options {
        adapters: args.choice.adapters(),
        as_of: args.as_of,
        threads: args.work.threads,
        drop_expired: args.choice.drop_expired,
        filter: args.choice.filter(),
        skip_damage: args.on_error == "skip",
        passed_over,
        ..Options::default()
    };
    let (top, prefix_depth) = (usize::from(args.top), usize::from(args.prefix_depth));
    let found = inspect(&sources, &options, Depth { objects: !args.quick, top, prefix_depth }, bar)?;
    bar.clear();
    // An older page is not replaced by an empty one.
    found.matched.as_ref().map_or(Ok(()), Matched::check)?;
    if let Some(file) = file {
        write_page(file, &found)?;
    }
    if page_on_stdout {
        tell_warnings(&found.warnings, None);
        report(&note_words(&found.notes));
    } else if args.json {
        line(&Document(&found));
    } else {
        say(&words(&found, args)?);
    }
    Ok(if found.lost.is_empty() { Exit::Fine } else { Exit::Skipped })
}

/// Opens the file of the page before the work, so that a file that may not be replaced is reported at once.
fn begin_page(file: &Path, force: bool, sources: &[Source]) -> Result<SingleFile> {
    refuse_inputs(file, sources.iter().filter_map(Source::real_path))?;
    SingleFile::new(file, force, |path| Ok(is_page(path)))
}

fn write_page(mut file: SingleFile, found: &Inspection) -> Result<()> {
    let page = page(found).map_err(|e| Error::io("write", file.target(), e))?;
    match file.file() {
        Some(mut out) => out.write_all(page.as_bytes()).map_err(|e| Error::io("write", file.target(), e))?,
        None => own(page.as_bytes()),
    }
    file.publish(false)
}

/// The result as one line of JSON. There can be many losses, so they are not collected in memory.
struct Document<'i>(&'i Inspection);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_map(None)?;
        document.serialize_entry("event", "inspection")?;
        if let Value::Object(members) = serde_json::to_value(self.0).map_err(S::Error::custom)? {
            members.iter().try_for_each(|(name, value)| document.serialize_entry(name, value))?;
        }
        document.serialize_entry("lost", &self.0.lost)?;
        document.end()
    }
}

/// The text output; tables are as wide as the terminal.
fn words(found: &Inspection, args: &Args) -> Result<String> {
    let (mut text, width): (String, _) = (found.inputs.iter().map(input_words).collect(), table::width());
    let old = found.rows.saturating_sub(found.live + found.tombstones);
    text.push_str(&format!(
        "{} rows: {} live keys, {} tombstones, {} old or expired versions\n",
        HumanCount(found.rows),
        HumanCount(found.live),
        HumanCount(found.tombstones),
        HumanCount(old),
    ));
    let bloat = found.bytes as f64 / found.live_bytes.max(1) as f64;
    text.push_str(&format!(
        "{} of rows, {} of them live: {bloat:.2} bytes stored for each live one\nstate of about {}\n",
        DecimalBytes(found.bytes),
        DecimalBytes(found.live_bytes),
        found.taken,
    ));
    for EncryptedRows { key_id, rows, live, decrypted } in &found.encrypted {
        let state = if *decrypted { "decrypted" } else { "its key is missing" };
        let (rows, live) = (HumanCount(*rows), HumanCount(*live));
        let key = key_id.map_or("other key ids".to_owned(), |id| format!("key id {id}"));
        text.push_str(&format!("encrypted with {key}: {rows} rows, {live} of them live; {state}\n"));
    }
    match &found.objects {
        Some(objects) => object_tables(objects, usize::from(args.top), width, &mut text),
        None => family_table(&found.families, args.families, width, &mut text),
    }
    if args.families && found.objects.is_some() {
        family_table(&found.families, true, width, &mut text);
    }
    for unknown in &found.unknown {
        let (rows, example) = (HumanCount(unknown.rows), shown(&unknown.example));
        let prefix = shown(&unknown.prefix);
        text.push_str(&format!("unknown: {rows} rows {prefix}, such as {example} at byte offset {}\n", unknown.offset));
    }
    found.warnings.iter().for_each(|warning| text.push_str(&warning_words(warning, None)));
    text.push_str(&note_words(&found.notes));
    for lost in found.lost.first(SHOWN)? {
        let place = lost.place.map_or(String::new(), |place| format!(" ({place})"));
        let (input, reason) = (Visible(&lost.input), Visible(&lost.reason));
        text.push_str(&format!("damage: {input} at byte offset {}{place}: {reason}\n", lost.offset));
    }
    if found.lost.len() > SHOWN as u64 {
        text.push_str(&format!("        … and {} more: --json has them\n", found.lost.len() - SHOWN as u64));
    }
    Ok(text)
}

fn input_words(input: &Input) -> String {
    let stream = if input.stream.is_empty() { "an empty store" } else { input.stream };
    let header = match input.header_version {
        0 => "no header".to_owned(),
        version => format!("header EKVTHLC{version}"),
    };
    let crc = input.crc32c.as_ref().map_or("no CRC to verify".to_owned(), |crc| format!("CRC32C {crc} matches"));
    let mut text = format!("{}: {}, {header}, {stream}, {crc}\n", Visible(&input.path), DecimalBytes(input.bytes));
    let mut more = vec![format!("committed {} (about {})", input.last_commit_ts, input.last_commit_time)];
    more.extend(input.snapshot_index.map(|index| format!("index {index}")));
    more.extend(input.applied_index.map(|index| format!("applied {index}")));
    more.extend((input.min_retained_ts > 0).then(|| format!("history from {}", input.min_retained_ts)));
    let above = input.rows_above_last_commit;
    more.extend((above > 0).then(|| format!("{} rows are newer", HumanCount(above))));
    text.push_str(&format!("  {}\n", more.join(", ")));
    text
}

/// The table of families of keys: those of adapters, or all of them.
fn family_table(families: &[FamilyRows], all: bool, width: usize, text: &mut String) {
    let mut table = Table::new(&["family", "owner", "rows", "live", "tombstones", "bytes", "live bytes"], 2);
    let mut hidden = (0, 0);
    for family in families {
        if !all && family.owner == "internal" {
            hidden = (hidden.0 + 1, hidden.1 + family.rows);
            continue;
        }
        let name = if family.family.is_empty() { "(bare keys)" } else { family.family };
        table.row([
            name.to_owned(),
            family.owner.to_owned(),
            count(family.rows),
            count(family.live),
            count(family.tombstones),
            bytes(family.bytes),
            bytes(family.live_bytes),
        ]);
    }
    if !table.is_empty() {
        text.push_str(&format!("\n{}", table.render(width)));
    }
    if hidden.0 > 0 {
        text.push_str(&format!(
            "and {} in {} of the store itself: --families lists them\n",
            counted(hidden.1, "row", "rows"),
            counted(hidden.0, "family", "families")
        ));
    }
}

fn object_tables(objects: &Report, top: usize, width: usize, text: &mut String) {
    let mut table = Table::new(&["scope", "kind", "objects", "bytes"], 2);
    for scope in objects.scopes.iter().take(SHOWN) {
        let name = format!("{}/{}", scope.adapter, Visible(&scope.scope));
        table.row([name, scope.kind.to_owned(), count(scope.sum.objects), bytes(scope.sum.bytes)]);
    }
    text.push_str(&format!("\n{}", table.render(width)));
    if objects.scopes.len() > SHOWN {
        text.push_str(&format!("… and {} more: --json has them\n", objects.scopes.len() - SHOWN));
    }
    largest_table(objects, width, text);
    prefix_table(objects, top, width, text);
    text.push_str(&expiry_words(&objects.expiry));
}

fn largest_table(objects: &Report, width: usize, text: &mut String) {
    let mut table = Table::new(&["largest", "bytes"], 1);
    for large in &objects.largest {
        let cut = || object_name(large.adapter, &large.scope, &large.key, large.range.as_ref());
        let name = large.name.clone().unwrap_or_else(cut);
        table.row([format!("{name} ({})", large.kind), bytes(large.bytes)]);
    }
    if !table.is_empty() {
        text.push_str(&format!("\n{}", table.render(width)));
    }
}

fn prefix_table(objects: &Report, top: usize, width: usize, text: &mut String) {
    if objects.prefixes.is_empty() || top == 0 {
        return;
    }
    let mut table = Table::new(&["prefix", "objects", "bytes"], 1);
    let mut others = objects.other_prefixes;
    for (n, prefix) in objects.prefixes.iter().enumerate() {
        if n >= top {
            others.objects += prefix.sum.objects;
            others.bytes += prefix.sum.bytes;
            continue;
        }
        let scope = Visible(&prefix.scope);
        let name = match bare(&prefix.prefix) {
            none if none.is_empty() => format!("{}:{scope} (keys without one)", prefix.adapter),
            some => format!("{}:{scope} {some}", prefix.adapter),
        };
        table.row([name, count(prefix.sum.objects), bytes(prefix.sum.bytes)]);
    }
    if others.objects > 0 {
        table.row(["(others)".to_owned(), count(others.objects), bytes(others.bytes)]);
    }
    text.push_str(&format!("\n{}", table.render(width)));
}

fn expiry_words(expiry: &Expiry) -> String {
    let Expiry { never, expired, within, later } = expiry;
    let mut parts = vec![format!("{} never", HumanCount(*never)), format!("{} have expired", HumanCount(*expired))];
    let names = ["an hour", "a day", "a week", "30 days", "a year"];
    for ((_, keys), name) in within.iter().zip(names).filter(|((_, keys), _)| *keys > 0) {
        parts.push(format!("{} within {name}", HumanCount(*keys)));
    }
    parts.extend((*later > 0).then(|| format!("{} later", HumanCount(*later))));
    if never + expired + later + within.iter().map(|(_, keys)| keys).sum::<u64>() == 0 {
        return String::new();
    }
    format!("\nRedis keys expire: {}\n", parts.join(", "))
}

fn count(n: u64) -> String {
    HumanCount(n).to_string()
}

fn bytes(n: u64) -> String {
    DecimalBytes(n).to_string()
}
