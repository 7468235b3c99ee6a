//! `ekvsnap get`.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use indicatif::DecimalBytes;
use serde_json::{Value, json};

use super::common::{Watch, Work};
use super::exit::{self, Exit};
use super::inputs;
use super::inputs::{Inputs, SavedIndex};
use super::keys::Keys;
use super::progress::Bar;
use super::summary::{lost_words, more, note_words, part_words, shown, tell_warnings};
use super::{out, parse};
use crate::dataset::{Losses, Version};
use crate::decode::{Layout, Options, iso_time};
use crate::diff::Side;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Family, adapter};
use crate::get::{Found, Got, get_from_output, get_noting, versions};
use crate::options::ObjectName;
use crate::output::manifest;
use crate::output::reading::{Named, look};
use crate::report::visible::Form;
use crate::report::{self, Level};
use crate::verify::told;

/// What an object is called.
const ABOUT: &str = "\
KEY is one of
  redis:KEY                 a string's bytes, or JSON
  dynamodb:TABLE/PK[/SK]    the item as JSON; numbers as they are written, binary keys as base64:…
  s3:BUCKET/KEY             the object's bytes
  sqs:QUEUE[/ID]            the messages of a queue, or one of them, as JSON lines
  fs:/PATH                  the file's bytes
A name that ls prints is a KEY. A part of it can be base64: and its bytes in base64, url-safe or
standard: because it cannot be typed, has a slash before the last part, or begins with base64:.";

/// Maximum number of damaged places that are reported.
const LOSSES: usize = 100;

/// Arguments of `ekvsnap get`.
#[derive(Debug, clap::Args)]
#[command(before_help = ABOUT, after_help = exit::GET_TABLE, override_usage = "ekvsnap get [OPTIONS] <INPUT>... <KEY>")]
pub(super) struct Args {
    /// Snapshots or one output of a decode, followed by KEY
    ///
    /// KEY is what to get: see below.
    #[arg(value_name = "INPUT", required = true)]
    words: Vec<OsString>,

    /// Show every version that the snapshot still has
    ///
    /// The versions of the object's rows, the newest first.
    #[arg(long)]
    versions: bool,

    /// State at this commit timestamp (HLC) or date + 10 s
    #[arg(long, value_name = "HLC|DATE", value_parser = parse::hlc)]
    as_of: Option<u64>,

    /// What to do at damage: fail, or skip it, name each place and exit with 3 (2 if the object was not found).
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"],
          hide_possible_values = true)]
    on_error: String,

    /// Print JSON lines, with expiry and metadata
    ///
    /// They are those of decode --layout jsonl; with --versions, a line for each.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    index: SavedIndex,

    #[command(flatten)]
    work: Work,

    #[command(flatten)]
    watch: Watch,

    #[command(flatten)]
    keys: Keys,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(args.json, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let (key, named) = match args.words.split_last() {
        Some((key, named)) if !named.is_empty() => (key, named),
        _ => return Err(Error::command_line("name one or several inputs, and then what to get: INPUT… KEY")),
    };
    let shown = || key.to_string_lossy().into_owned();
    let one = ObjectName::parse(key.as_bytes()).map_err(|why| Error::command_line(format!("{}: {why}", shown())))?;
    let named: Vec<PathBuf> = named.iter().map(PathBuf::from).collect();
    let Inputs { sources, passed_over } = match output_of(&named)? {
        Some(output) => return from_output(args, output, &one),
        None => inputs::open_indexed(&named, args.work.no_mmap, &args.keys, args.work.threads, &args.index)?,
    };
    let layout = if args.json { Layout::JSONL } else { Layout::TREE };
    let (as_of, threads) = (args.as_of, args.work.threads);
    let skip_damage = skips(args);
    let options = Options { as_of, threads, layout, passed_over, skip_damage, ..Options::default() };
    let mut out = writer(args);
    let Got { found, findings, lost } = if args.versions {
        let take =
            &mut |version: &Version<'_>| out.write_all(version_line(args, version).as_bytes()).map_err(Error::stdout);
        versions::versions(&sources, &one, &options, bar, take)?
    } else {
        get_noting(&sources, &one, &options, bar, &mut out)?
    };
    finish(&mut *out)?;
    let warnings = manifest::findings_of(&findings, Level::Warning);
    tell_warnings(&warnings, None);
    out::report(&note_words(&manifest::findings_of(&findings, Level::Note)));
    tell_losses(&lost)?;
    let unread = |words: String| Err(Error::new(ErrorKind::Unread(words)));
    match (found, lost.is_empty()) {
        (Found::Whole, true) => Ok(Exit::Fine),
        (Found::Whole, false) => Ok(Exit::Skipped),
        (Found::No, true) => Err(Error::usage(format!("not found in the snapshot: {}{}", one.words(), hint(&one)))),
        (Found::No, false) => unread(format!("not found in what can be read of the snapshot: {}", one.words())),
        (Found::Torn, _) => unread(format!("damaged, only the beginning was written: {}", one.words())),
    }
}

fn skips(args: &Args) -> bool {
    args.on_error == "skip"
}

/// Reports the places that could not be read.
pub(super) fn tell_losses(lost: &Losses) -> Result<()> {
    let first = lost.first(LOSSES)?;
    let words: String = first.iter().map(|lost| lost_words("damage", lost)).collect();
    out::tell(&format!("{words}{}", more(first.len(), lost.len(), "verify shows them")));
    Ok(())
}

/// The output of a decode, if the input is one.
fn output_of(named: &[PathBuf]) -> Result<Option<Side>> {
    // A pipe can be read only once. Missing files are reported when the inputs are opened.
    let can_be = |path: &&PathBuf| std::fs::metadata(path).is_ok_and(|known| known.is_dir() || known.is_file());
    for path in named.iter().filter(can_be) {
        match look(path)? {
            Named::Output(output) if named.len() == 1 => return Side::output(output).map(Some),
            Named::Output(_) => {
                return Err(Error::command_line("an output of a decode must be the only input"));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn from_output(args: &Args, output: Side, one: &ObjectName) -> Result<Exit> {
    let Side::Output(path, manifest) = output else { return Err(Error::command_line("it is no output")) };
    if args.versions || args.as_of.is_some() || skips(args) {
        return Err(Error::command_line(
            "an output has one state of each object, and must be intact: --versions, --as-of and --on-error are for \
             snapshots",
        ));
    }
    let mut out = writer(args);
    let found = get_from_output(&path, &manifest, one, args.json, &mut out)?;
    finish(&mut *out)?;
    if found {
        return Ok(Exit::Fine);
    }
    let part = part_words(told::part(&manifest.adapters, &manifest.options));
    let part = part.replacen("a part", "it is a part", 1);
    Err(Error::usage(format!("not found in the output: {}{}{part}", one.words(), hint(one))))
}

/// A hint for an object that was not found: the key of an item has two parts if its table has a range key.
fn hint(one: &ObjectName) -> &'static str {
    let is_half = one.adapter == adapter::DYNAMODB && one.rest.as_ref().is_some_and(|rest| !rest.contains(&b'/'));
    let is_pattern = [Some(&one.name), one.rest.as_ref()].into_iter().flatten().any(|part| part.contains(&b'*'));
    // What is not valid base64 is a name of its own.
    let is_odd = [Some(&one.name), one.rest.as_ref()].into_iter().flatten().any(|part| part.starts_with(b"base64:"));
    match (is_half, is_pattern) {
        _ if is_odd => "; what follows base64: is not base64",
        (_, true) => "; this command takes a name, not a pattern: ls lists the names that match one",
        (true, _) => "; if the table has a range key, name that too: dynamodb:TABLE/PK/SK",
        _ => "",
    }
}

/// A writer for values, which are written unchanged, or for lines about them.
fn finish(out: &mut dyn Write) -> Result<()> {
    out.flush().and_then(|()| out::end_line()).map_err(Error::stdout)
}

fn writer(args: &Args) -> Box<dyn Write + Send> {
    match (args.json, args.versions) {
        (true, _) => Box::new(out::lines_of_data(Form::Json)),
        (_, true) => Box::new(out::lines_of_data(Form::Words)),
        _ => Box::new(out::data()),
    }
}

fn version_line(args: &Args, version: &Version<'_>) -> String {
    let Version { user_key, commit_ts, tombstone, expire_at, body, group, offset, key_id } = version;
    let family = Family::of(user_key);
    let key = report::Value::from(family.suffix(user_key)).cut();
    let (op, time) = (if *tombstone { "delete" } else { "put" }, iso_time(*commit_ts));
    if args.json {
        let mut event = json!({
            "event": "version", "commit_ts": commit_ts.to_string(), "time": time, "op": op, "family": family.prefix(), "key": key,
            "bytes": body.len(), "input": group, "offset": offset,
        });
        if let (Value::Object(event), true) = (&mut event, *expire_at > 0) {
            event.insert("expire_at".to_owned(), json!(expire_at.to_string()));
        }
        if let (Value::Object(event), Some(key_id)) = (&mut event, key_id) {
            event.insert("encrypted_with".to_owned(), json!(key_id));
        }
        return format!("{event}\n");
    }
    let sealed = key_id.map_or(String::new(), |key_id| format!(", encrypted with key id {key_id}"));
    let size = if *tombstone { String::new() } else { DecimalBytes(body.len() as u64).to_string() };
    let name = if family.prefix().is_empty() { "(bare)" } else { family.prefix() };
    format!("{time}  {commit_ts:>20}  {op:<6} {size:>10}  {name} {}{sealed}\n", shown(&key))
}
