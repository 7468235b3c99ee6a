//! `ekvsnap diff`.

use std::path::{Path, PathBuf};

use indicatif::{DecimalBytes, HumanCount};
use serde_json::{Value, json};

use super::colour::Colour;
use super::common::{Watch, Work};
use super::exit::{self, Exit};
use super::filter::{self, Choice};
use super::inputs;
use super::inputs::Inputs;
use super::keys::Keys;
use super::progress::Bar;
use super::summary::{counted, note_words, warning_words};
use super::{out, parse};
use crate::decode::Options;
use crate::diff::{Change, Difference, Side, Totals, diff};
use crate::error::{Error, Result};
use crate::objects::name_by_parts;
use crate::output::reading::{Named, look};
use crate::report;
use crate::report::visible::Visible;
use crate::source::PassedOver;

/// Arguments of `ekvsnap diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = filter::help(exit::DIFF_TABLE))]
pub(super) struct Args {
    /// A snapshot, or an output of a decode: a directory or an archive
    #[arg(value_name = "A")]
    a: PathBuf,

    /// What to compare it with
    ///
    /// An output is compared in its own layout, and with the options it was made with.
    #[arg(value_name = "B")]
    b: PathBuf,

    /// Print only how many objects of each scope differ
    #[arg(long)]
    summary: bool,

    /// States at this moment; two with a comma: of A, of B
    ///
    /// Each is a commit timestamp (HLC), or a date + 10 s.
    #[arg(long, value_name = "HLC|DATE", value_parser = parse::hlc, value_delimiter = ',')]
    as_of: Vec<u64>,

    /// What to do at a row that cannot be read: fail, or skip it and exit with 3.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"],
          hide_possible_values = true)]
    on_error: String,

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
    match args.watch.run(args.json, |bar| go(args, bar)) {
        // 1 is a valid answer of diff.
        Exit::Failed | Exit::Damage => Exit::Trouble,
        exit => exit,
    }
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    if args.as_of.len() > 2 {
        return Err(Error::command_line("--as-of takes one timestamp, or two: that of A and that of B"));
    }
    if [&args.a, &args.b].iter().all(|path| path.as_os_str() == "-") {
        return Err(Error::command_line("standard input (-) can be only one of A and B"));
    }
    if args.as_of.len() == 1 && args.a == args.b {
        return Err(Error::command_line("A and B are one state: give two moments, as in --as-of EARLIER,LATER"));
    }
    let (mut a, passed_a) = open(args, &args.a)?;
    let (mut b, passed_b) = open(args, &args.b)?;
    check_choice(args, &[&a, &b])?;
    let first = options(args, args.as_of.first(), passed_a);
    let second = options(args, args.as_of.last(), passed_b);
    let totals = diff([&mut a, &mut b], [&first, &second], bar, &mut |difference| {
        // If the reader has closed the pipe, the rest is not needed.
        if !args.summary && !out::is_lost() {
            show(args, difference);
        }
        Ok(())
    })?;
    bar.clear();
    warn(args, &totals);
    end(args, &totals);
    Ok(match totals.skipped {
        0 if totals.are_equal() => Exit::Fine,
        0 => Exit::Differ,
        _ => Exit::Skipped,
    })
}

/// Reports the warnings and notes of the decodes on standard error: a side with damaged bodies is compared nevertheless.
fn warn(args: &Args, totals: &Totals) {
    let paths = [&args.a, &args.b].map(|path| path.display());
    for (path, warnings) in paths.iter().zip(&totals.warnings) {
        for warning in warnings {
            out::tell(&format!("{path}: {}", warning_words(warning, None)));
        }
    }
    for (path, notes) in paths.iter().zip(&totals.notes) {
        note_words(notes).lines().for_each(|note| out::report(&format!("{path}: {note}\n")));
    }
}

fn open(args: &Args, path: &Path) -> Result<(Side, Vec<PassedOver>)> {
    Ok(match look(path)? {
        Named::Output(output) => (Side::output(output)?, Vec::new()),
        Named::Piped(stream) => {
            let sources = inputs::spool(path, stream, args.work.no_mmap, &args.keys, args.work.threads)?;
            (Side::Snapshots(sources), Vec::new())
        }
        Named::Snapshot => {
            let Inputs { sources, passed_over } =
                inputs::open(&[path.to_path_buf()], args.work.no_mmap, &args.keys, args.work.threads)?;
            (Side::Snapshots(sources), passed_over)
        }
    })
}

/// Refuses filters for outputs: their objects were selected when they were made.
fn check_choice(args: &Args, sides: &[&Side; 2]) -> Result<()> {
    let chosen = !args.as_of.is_empty() || args.choice.drop_expired.is_some() || !args.choice.filter().is_trivial();
    if chosen && sides.iter().any(|side| matches!(side, Side::Output(..))) {
        return Err(Error::command_line(
            "an output is compared as it was made: --scope, --exclude, --type, sizes, --as-of and --drop-expired are for \
             two snapshots",
        ));
    }
    Ok(())
}

fn options(args: &Args, as_of: Option<&u64>, passed_over: Vec<PassedOver>) -> Options {
    Options {
        adapters: args.choice.adapters(),
        as_of: as_of.copied(),
        threads: args.work.threads,
        drop_expired: args.choice.drop_expired,
        filter: args.choice.filter(),
        skip_damage: args.on_error == "skip",
        passed_over,
        ..Options::default()
    }
}

fn show(args: &Args, difference: &Difference<'_>) {
    let Difference { change, adapter, scope, kind, key, range, parts, before, after, .. } = difference;
    let (key, range) = (report::Value::from(*key), range.map(report::Value::from));
    if args.json {
        let mut event = json!({ "event": change, "adapter": adapter.name(), "scope": scope, "kind": kind, "key": key });
        if let Value::Object(event) = &mut event {
            event.extend(range.map(|range| ("range".to_owned(), json!(range))));
            event.extend((!parts.is_empty()).then(|| ("parts".to_owned(), json!(parts))));
            event.extend(before.map(|bytes| ("bytes_before".to_owned(), json!(bytes))));
            event.extend(after.map(|bytes| ("bytes_after".to_owned(), json!(bytes))));
        }
        return out::line(&event);
    }
    let (sign, colour) = match change {
        Change::Added => ('+', Colour::Green),
        Change::Removed => ('-', Colour::Red),
        Change::Changed => ('~', Colour::Yellow),
    };
    let name = name_by_parts(*adapter, scope, kind, difference.key, difference.range);
    let mut text = format!("{sign} {} ({kind})", name);
    if !parts.is_empty() {
        text.push_str(&format!(" {}", parts.join(", ")));
    }
    if let (Some(before), Some(after)) = (before, after)
        && before != after
    {
        text.push_str(&format!(", {} to {}", DecimalBytes(*before), DecimalBytes(*after)));
    }
    text.push('\n');
    out::say_in(colour, &text);
}

fn end(args: &Args, totals: &Totals) {
    if args.json {
        let scopes = totals.scopes.iter().map(|((adapter, scope), counts)| {
            json!({ "adapter": adapter.name(), "scope": scope, "added": counts.added, "removed": counts.removed,
                    "changed": counts.changed, "same": counts.same })
        });
        let scopes: Vec<Value> = scopes.collect();
        return out::line(
            &json!({ "event": "summary", "equal": totals.are_equal(), "skipped": totals.skipped, "scopes": scopes }),
        );
    }
    let mut text = String::new();
    for ((adapter, scope), counts) in &totals.scopes {
        let n = |n: u64| HumanCount(n).to_string();
        let (added, removed, changed) = (n(counts.added), n(counts.removed), n(counts.changed));
        text.push_str(&format!(
            "{}/{}: {added} added, {removed} removed, {changed} changed, {} the same\n",
            adapter.name(),
            Visible(scope),
            n(counts.same)
        ));
    }
    if totals.skipped > 0 {
        text.push_str(&format!("{} could not be read\n", counted(totals.skipped, "place", "places")));
    }
    out::say(&text);
}
