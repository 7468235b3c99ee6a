//! `ekvsnap ls`.

use std::path::{Path, PathBuf};

use indicatif::DecimalBytes;
use serde_json::json;

use super::common::{Watch, Work};
use super::exit::{self, Exit};
use super::filter::{self, Choice};
use super::inputs::{self, Inputs, SavedIndex};
use super::keys::Keys;
use super::out;
use super::parse;
use super::progress::Bar;
use super::summary::{note_words, tell_warnings};
use crate::decode::Options;
use crate::decode::filter::{Filter, Matched, Pattern};
use crate::error::{Error, Result};
use crate::format::adapter;
use crate::objects::{Object, describes_scope, name_of, of_output, of_snapshots, scope_bytes};
use crate::output::manifest_read::ReadManifest;
use crate::output::reading::{Named, look, reopened};
use crate::output::split::Tally;
use crate::report::{self, time};
use crate::verify::output::proven;

/// The last moment whose year has four digits.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// Arguments of `ekvsnap ls`.
#[derive(Debug, clap::Args)]
#[command(after_help = filter::help(&exit::without_strict()), override_usage = "ekvsnap ls [OPTIONS] <INPUT>... [SCOPE]...")]
pub(super) struct Args {
    /// Snapshots, or one output of --layout jsonl; then patterns as for --scope
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,

    /// Print names only, one a line
    #[arg(short = '1', long, conflicts_with = "json")]
    names: bool,

    /// Print names only, with a NUL behind each, for xargs -0
    #[arg(short = '0', long, conflicts_with_all = ["json", "names"])]
    null: bool,

    /// State at this commit timestamp (HLC) or date + 10 s
    #[arg(long, value_name = "HLC|DATE", value_parser = parse::hlc)]
    as_of: Option<u64>,

    /// At damage: fail (default) or skip
    #[arg(long, value_name = "WHAT", hide_default_value = true, default_value = "fail", value_parser = ["fail", "skip"],
          hide_possible_values = true)]
    on_error: String,

    #[command(flatten)]
    index: SavedIndex,

    #[command(flatten)]
    work: Work,

    /// Print everything as JSON lines
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
    let (named, scopes) = parted(&args.inputs)?;
    let mut filter = args.choice.filter();
    filter.include.extend(scopes);
    let mut listing = Listing { form: Form::of(args), begun: false };
    if let [name] = &named[..]
        && let Some(manifest) = output_at(name)?
    {
        return of_output_at(args, name, &manifest, &filter, &mut listing, bar);
    }
    let Inputs { sources, passed_over } =
        inputs::open_indexed(&named, args.work.no_mmap, &args.keys, args.work.threads, &args.index)?;
    let options = Options {
        adapters: args.choice.adapters(),
        as_of: args.as_of,
        threads: args.work.threads,
        drop_expired: args.choice.drop_expired,
        filter,
        skip_damage: args.on_error == "skip",
        passed_over,
        ..Options::default()
    };
    let filled = of_snapshots(&sources, &options, false, bar, &mut |object| {
        listing.show(object);
        Ok(())
    })?;
    bar.clear();
    filled.matched.check()?;
    tell_warnings(&filled.manifest.warnings, None);
    out::report(&note_words(&filled.manifest.notes));
    Ok(if filled.lost.is_empty() { Exit::Fine } else { Exit::Skipped })
}

/// Separates inputs and the patterns after them: a pattern is not a path and begins like a pattern.
fn parted(given: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<Pattern>)> {
    let (mut named, mut scopes) = (Vec::new(), Vec::new());
    for word in given {
        if word.as_os_str() == "-" || word.exists() {
            named.push(word.clone());
            continue;
        }
        let refuse = |why: &str| Err(Error::command_line(format!("{}: {why}", word.display())));
        let begins = word.as_os_str().as_encoded_bytes().split(|b| *b == b':').next();
        let is_pattern = begins.is_some_and(|begins| adapter::named(begins).is_some());
        match word.to_str() {
            Some(text) if is_pattern => scopes.extend(filter::patterns(text).map_err(Error::command_line)?),
            None if is_pattern => return refuse("give a name that is not UTF-8 as ls prints it, with base64:"),
            _ if named.is_empty() => named.push(word.clone()),
            _ => {
                return refuse("no such file, and no pattern: patterns begin with redis:, dynamodb:, s3:, sqs: or fs:");
            }
        }
    }
    if named.is_empty() {
        return Err(Error::command_line("name an input: a snapshot, or an output of --layout jsonl"));
    }
    Ok((named, scopes))
}

/// The manifest of an output, if the path is one. A pipe can be read only once. Missing files are reported when the inputs are opened.
fn output_at(path: &Path) -> Result<Option<ReadManifest>> {
    if !std::fs::metadata(path).is_ok_and(|known| known.is_dir() || known.is_file()) {
        return Ok(None);
    }
    match look(path)? {
        Named::Output(mut output) => ReadManifest::of(&mut output).map(Some),
        _ => Ok(None),
    }
}

fn of_output_at(
    args: &Args,
    path: &Path,
    manifest: &ReadManifest,
    filter: &Filter,
    listing: &mut Listing,
    bar: &Bar,
) -> Result<Exit> {
    if manifest.options.layout != "jsonl" {
        return Err(Error::usage(
            "it is an output, and only outputs of --layout jsonl can be listed: list its snapshot, or its files with find",
        ));
    }
    Options::of_readable(manifest)?;
    if args.as_of.is_some() || args.choice.drop_expired.is_some() || args.on_error == "skip" {
        return Err(Error::command_line(
            "an output has one state of each object: --as-of, --drop-expired and --on-error are for snapshots",
        ));
    }
    // Without this check, a list that lacks the objects of a missing file would be taken for complete.
    proven(path, args.work.threads, bar)?;
    bar.clear();
    let (adapters, mut tally) = (args.choice.adapters(), Tally::default());
    of_output(&mut || reopened(path), false, &mut |object| {
        if adapters.contains(&object.adapter) && is_wanted(filter, object) {
            match describes_scope(object.kind) {
                true => tally.scope(object.adapter, object.scope),
                false => tally.add(object.adapter, object.scope, object.kind, 1, object.size),
            }
            listing.show(object);
        }
        Ok(())
    })?;
    Matched::of(&adapters, filter, &tally, |_| true).check()?;
    Ok(Exit::Fine)
}

/// Whether an object of an output is asked for. For a snapshot the decode has filtered the objects.
fn is_wanted(filter: &Filter, object: &Object<'_>) -> bool {
    let Object { adapter, key, range, size, kind, .. } = *object;
    let is_taken = match adapter {
        adapter::REDIS => filter.takes_type(kind) && filter.meets(adapter, key, &[]),
        adapter::FS => filter.meets_path(key) && !filter.excludes_path(key),
        _ => {
            let keys: Vec<&[u8]> = [Some(key), range].into_iter().flatten().collect();
            filter.meets(adapter, &scope_bytes(object.scope), &keys)
        }
    };
    is_taken && filter.takes_size(size)
}

/// The format of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Json,
    /// Names, each followed by these bytes.
    Names(&'static [u8]),
}

impl Form {
    fn of(args: &Args) -> Form {
        match (args.json, args.names, args.null) {
            (true, ..) => Form::Json,
            (_, true, _) => Form::Names(b"\n"),
            (_, _, true) => Form::Names(b"\0"),
            _ => Form::Table,
        }
    }
}

/// Prints objects as they are read.
struct Listing {
    form: Form,
    /// Whether the headings were printed.
    begun: bool,
}

impl Listing {
    /// Prints an object. Tables, buckets, queues and directories have no value to get: only their contents are listed.
    fn show(&mut self, object: &Object<'_>) {
        if describes_scope(object.kind) || object.kind == "directories" || out::is_lost() {
            return;
        }
        let (name, kind) = (name_of(object), singular(object.kind));
        match self.form {
            // Names with control characters are in base64 already, so this one has none.
            Form::Names(end) => out::own(&[name.as_bytes(), end].concat()),
            Form::Json => out::line(&json!({
                "event": "object", "name": name, "adapter": object.adapter.name(),
                "scope": object.scope, "type": kind, "key": report::Value::from(object.key),
                "range": object.range.map(report::Value::from), "size": object.size,
                "expire_at_ms": object.expire_at_ms,
            })),
            Form::Table => {
                if !std::mem::replace(&mut self.begun, true) {
                    out::list(&format!("{:>10}  {:<24}  {:<7}  NAME\n", "SIZE", "EXPIRES", "TYPE"));
                }
                let expires = object.expire_at_ms.map_or_else(|| "-".to_owned(), moment);
                out::list(&format!(
                    "{:>10}  {expires:<24}  {kind:<7}  {name}\n",
                    DecimalBytes(object.size).to_string()
                ));
            }
        }
    }
}

/// A moment, or the number if it is not a valid date.
fn moment(ms: u64) -> String {
    let mut text = Vec::new();
    if ms <= LAST_MILLIS {
        time::millis_into(ms, &mut text);
    }
    if text.is_empty() { ms.to_string() } else { String::from_utf8_lossy(&text).into_owned() }
}

/// The singular of a kind.
fn singular(kind: &'static str) -> &'static str {
    match kind {
        "hashes" => "hash",
        "hll" => kind,
        _ => kind.strip_suffix('s').unwrap_or(kind),
    }
}
