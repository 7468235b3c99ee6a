//! `ekvsnap load`.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, HumanCount};
use serde_json::json;

use super::common::{Watch, Work};
use super::exit::{self, Exit};
use super::filter::{self, Choice};
use super::keys::Keys;
use super::progress::Bar;
use super::restore::quoted;
use super::summary::{note_words, warning_words};
use super::{inputs, out, parse};
use crate::decode::Progress;
use crate::error::{Error, Result};
use crate::load::{Input, Listener, Options, Outcome, Target, load};
use crate::options;
use crate::output::manifest::findings_of;
use crate::output::reading::{Named, look};
use crate::report::Level;
use crate::sync::lock;

/// What is loaded, and where.
const ABOUT: &str = "\
    The target takes objects of one adapter, and the others are not loaded. A running elastickv \
    (ekv://) takes those of all adapters. A server must be empty, unless --merge is given. Each object \
    that the target cannot store is reported by its name. If a run is interrupted, it prints the object \
    after which the next run continues (--start-after).";

/// The heading of flags that do not apply to a file.
const SERVERS: &str = "Loading into a server";

/// Arguments of `ekvsnap load`.
#[derive(Debug, clap::Args)]
#[command(before_help = ABOUT, after_help = filter::help(&exit::without_skipped()))]
pub(super) struct Args {
    /// Snapshots or data directories, or outputs of a decode.
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,

    /// Where to: ekv://, redis://, dynamodb://, s3:// or sqs://HOST:PORT, or F.rdb
    ///
    /// ekv:// is a server of elastickv at its --address. Rows are written by its raw key-value interface, which has no
    /// passwords and no encryption. rediss:// is encrypted, and so is dynamodb+https:// and so on. A Redis URL can have a password and a database:
    /// redis://:PASSWORD@HOST:PORT/1. For the others the environment has keys and region: AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION.
    #[arg(short, long, value_name = "TARGET")]
    to: Target,

    /// Load into a server that is not empty: replaces objects of the same name
    ///
    /// ekv:// adds rows and replaces no objects: if the server has a hash, list, set, sorted set or stream of the same name,
    /// its old elements remain among the new ones. Delete such keys first.
    #[arg(long, help_heading = SERVERS)]
    merge: bool,

    /// Continue an interrupted run after this object
    ///
    /// The interrupted run has loaded all objects up to this one. It printed the name on standard error, or with --json as
    /// the position of its last event "loading". Name the same inputs, in the same order, with the same flags.
    #[arg(long, value_name = "NAME", help_heading = SERVERS)]
    start_after: Option<String>,

    /// Load nothing: only report what could be loaded
    #[arg(long)]
    dry_run: bool,

    /// Send at most this much per second, such as 10MiB.
    #[arg(long, value_name = "SIZE", value_parser = parse::size, help_heading = SERVERS)]
    rate_limit: Option<u64>,

    /// Connections to the server.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64),
          help_heading = SERVERS)]
    connections: u8,

    /// Move expiries, send times and visibility, as if the backup had been taken now,
    /// or of WHEN (Unix milliseconds or a date).
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "now",
          value_parser = parse::moment)]
    shift_times: Option<u64>,

    /// Fail (exit 4) when there are warnings: when anything was left out.
    #[arg(long)]
    strict: bool,

    /// The state at this commit timestamp (HLC) or date (of snapshots).
    #[arg(long, value_name = "WHEN", value_parser = parse::hlc)]
    as_of: Option<u64>,

    #[command(flatten)]
    keys: Keys,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    work: Work,

    /// Print the summary as JSON, and what happens as JSON lines.
    #[arg(long, help_heading = None)]
    json: bool,

    #[command(flatten)]
    watch: Watch,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    args.watch.run(args.json, |bar| go(args, bar))
}

fn go(args: &Args, bar: &Bar) -> Result<Exit> {
    let chosen = args.choice.adapters();
    if !args.to.adapters().iter().any(|adapter| chosen.contains(adapter)) {
        let names: Vec<&str> = args.to.adapters().iter().map(|adapter| adapter.name()).collect();
        let names = names.join(", ");
        return Err(Error::command_line(format!("the target takes objects of {names}, which --adapter leaves out")));
    }
    let options = Options {
        decode: options::Options {
            adapters: chosen,
            as_of: args.as_of,
            filter: args.choice.filter(),
            drop_expired: args.choice.drop_expired,
            threads: args.work.threads,
            ..options::Options::default()
        },
        merge: args.merge,
        start_after: args.start_after.clone(),
        dry_run: args.dry_run,
        rate_limit: args.rate_limit,
        connections: args.connections.into(),
        shift_to_ms: args.shift_times,
    };
    let input = input(args, &options)?;
    let objects = if matches!(args.to, Target::Ekv(_)) { "rows" } else { "objects" };
    let listener = Told { bar, json: args.json, objects, shift: args.shift_times, position: Mutex::default() };
    let outcome = load(&input, &args.to, &options, &listener).inspect_err(|_| listener.hint())?;
    bar.clear();
    let warnings = findings_of(&outcome.findings, Level::Warning);
    out::report(&note_words(&findings_of(&outcome.findings, Level::Note)));
    if args.json {
        as_json(args, &outcome);
    } else {
        // Everything that was left out is reported already.
        let others = warnings.iter().filter(|warning| !matches!(warning.event, "load_left_out" | "load_changed"));
        others.for_each(|warning| out::tell(&warning_words(warning, None)));
        in_words(args, &outcome);
    }
    Ok(if args.strict && !warnings.is_empty() { Exit::Strict } else { Exit::Fine })
}

/// The inputs: either all of them are outputs, or none.
fn input(args: &Args, options: &Options) -> Result<Input> {
    let is_output = |path: &PathBuf| {
        if path.as_os_str() == "-" {
            return Ok(false);
        }
        look(path).map(|named| matches!(named, Named::Output(_)))
    };
    let outputs = args.inputs.iter().map(is_output).collect::<Result<Vec<_>>>()?.into_iter().filter(|is| *is).count();
    match outputs {
        0 => {
            let opened = inputs::open(&args.inputs, args.work.no_mmap, &args.keys, args.work.threads)?;
            if let Some(passed) = opened.passed_over.first() {
                let (file, taken) = (passed.file.display(), passed.taken.display());
                return Err(Error::usage(format!(
                    "{file} is damaged ({}): name the snapshot to load, such as {taken}",
                    passed.why
                )));
            }
            Ok(Input::Snapshots(opened.sources))
        }
        all if all == args.inputs.len() => {
            if args.as_of.is_some() || options.decode.drop_expired.is_some() || !options.decode.filter.is_trivial() {
                return Err(Error::command_line(
                    "an output is loaded as it is: --as-of and the flags that choose objects are for snapshots",
                ));
            }
            Ok(Input::Outputs(args.inputs.clone()))
        }
        _ => Err(Error::command_line("some inputs are snapshots and some are outputs: load one kind at a time")),
    }
}

/// Reports what happens.
struct Told<'t> {
    bar: &'t Bar,
    json: bool,
    /// The unit that positions count.
    objects: &'static str,
    /// The moment that the inputs are moved to.
    shift: Option<u64>,
    position: Mutex<Position>,
}

/// The last object before which all are loaded.
#[derive(Default)]
struct Position {
    name: String,
    objects: u64,
    /// When it was last reported.
    told: Option<Instant>,
}

impl Told<'_> {
    fn position(&self) -> MutexGuard<'_, Position> {
        lock(&self.position)
    }

    /// Prints how to continue.
    fn hint(&self) {
        let position = self.position();
        if position.objects > 0 {
            self.bar.clear();
            let (name, count, objects) = (quoted(&position.name), HumanCount(position.objects), self.objects);
            // A run that continues must move times to the same moment.
            let shift = self.shift.map_or(String::new(), |ms| format!(" --shift-times={ms}"));
            out::tell(&format!("hint: {count} {objects} are loaded; continue with --start-after {name}{shift}\n"));
        }
    }
}

/// Time between two lines about the position.
const EVERY: Duration = Duration::from_secs(1);

impl Progress for Told<'_> {
    fn begin(&self, stage: &'static str, steps: u64) {
        self.bar.begin(stage, steps);
    }

    fn advance(&self, steps: u64) {
        self.bar.advance(steps);
    }

    fn bytes(&self, bytes: u64) {
        self.bar.bytes(bytes);
    }
}

impl Listener for Told<'_> {
    fn left_out(&self, name: &str, why: &str) {
        if self.json {
            out::line(&json!({ "event": "left_out", "name": name, "why": why }));
        } else {
            self.bar.aside(|| out::tell(&format!("left out: {name}: {why}\n")));
        }
    }

    fn changed(&self, name: &str, how: &str) {
        if self.json {
            out::line(&json!({ "event": "changed", "name": name, "how": how }));
        } else {
            self.bar.aside(|| out::tell(&format!("changed: {name}: {how}\n")));
        }
    }

    fn position(&self, name: &str, objects: u64) {
        let mut last = self.position();
        name.clone_into(&mut last.name);
        last.objects = objects;
        if self.json && last.told.is_none_or(|told| told.elapsed() >= EVERY) {
            last.told = Some(Instant::now());
            let mut line = json!({ "event": "loading", "position": name });
            line[self.objects] = objects.into();
            out::line(&line);
            out::flush();
        }
    }
}

fn in_words(args: &Args, outcome: &Outcome) {
    for (kind, count) in &outcome.objects {
        out::say(&format!("{:<10} {:>12}\n", kind, HumanCount(*count).to_string()));
    }
    let objects: u64 = outcome.objects.iter().map(|(_, count)| count).sum();
    let seconds = outcome.elapsed.as_secs_f64();
    let mut text = format!(
        "{}: {} objects{}, {}{} in {:.2} s, {} a second\n",
        args.to.shown(),
        HumanCount(objects),
        outcome.rows.map_or(String::new(), |rows| format!(" in {} rows", HumanCount(rows))),
        DecimalBytes(outcome.bytes),
        if args.dry_run { ", not loaded (dry run)," } else { ", loaded" },
        seconds,
        HumanCount((outcome.rows.unwrap_or(objects) as f64 / seconds.max(1e-3)) as u64),
    );
    for (count, what) in [(outcome.passed_over, "were loaded before"), (outcome.left_out, "were left out")] {
        if count > 0 {
            text.push_str(&format!("{} {what}\n", HumanCount(count)));
        }
    }
    out::say(&text);
}

fn as_json(args: &Args, outcome: &Outcome) {
    let objects: serde_json::Map<_, _> =
        outcome.objects.iter().map(|(kind, count)| ((*kind).to_owned(), json!(count))).collect();
    out::line(&json!({
        "event": "loaded",
        "target": args.to.shown(),
        "dry_run": args.dry_run,
        "objects": objects,
        "rows": outcome.rows,
        "bytes": outcome.bytes,
        "left_out": outcome.left_out,
        "passed_over": outcome.passed_over,
        "shifted_ms": Some(outcome.shifted_ms).filter(|ms| *ms != 0),
        "warnings": findings_of(&outcome.findings, Level::Warning),
        "notes": findings_of(&outcome.findings, Level::Note),
        "elapsed_seconds": outcome.elapsed.as_secs_f64(),
    }));
}
