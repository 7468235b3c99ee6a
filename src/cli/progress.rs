//! A progress bar on a terminal; nothing elsewhere.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use super::out;
use crate::decode::Progress;

/// The format of the line, in less than 80 columns: with the longest stage, a rate of six digits, and over an hour.
const LINE: &str = "{msg:>17} [{bar:16}] {percent:>3}% {prefix}{elapsed}{left}";
/// Interval of redraws, so that the clock also moves during one long step.
const TICK: Duration = Duration::from_millis(250);
/// The part of a stage and the time after which the remaining time can be estimated.
const KNOWN: (f32, Duration) = (0.02, Duration::from_secs(2));

/// Writes how long the stage will still take, if it can be estimated.
fn left(state: &ProgressState, out: &mut dyn Write) {
    let (part, time) = KNOWN;
    if state.fraction() >= part && state.fraction() < 1.0 && state.elapsed() >= time {
        let _ = write!(out, ", {:#} left", HumanDuration(state.eta()));
    }
}

/// The description of a stage. Stages of the library are named by their data.
fn words(stage: &'static str) -> &'static str {
    match stage {
        "scan" => "checking input",
        "redis" => "decoding Redis",
        "dynamodb" => "decoding DynamoDB",
        "dynamodb types" => "looking at types",
        "dynamodb lines" => "writing items",
        "s3" => "decoding S3",
        "sqs rows" => "sorting messages",
        "sqs lines" => "writing messages",
        "fs" => "decoding files",
        "fs rows" => "checking files",
        "rows" => "checking rows",
        "archive" => "writing archive",
        "files" => "linking files",
        "check" | "compare" | "verify" => "comparing",
        "read" | "list" => "reading",
        "write" => "writing",
        "load" => "loading",
        "pack" => "packing",
        "unpack" => "unpacking",
        other => other,
    }
}

/// Shows the progress of a decode, its rate, and the remaining time.
pub(super) struct Bar {
    bar: ProgressBar,
    /// Bytes when the stage began: `bytes` counts from the start of the run.
    before: AtomicU64,
    now: AtomicU64,
}

impl Bar {
    /// A bar on stderr, if that is a terminal and the user did not ask for quiet.
    pub fn new(wanted: bool) -> Bar {
        let show = wanted && out::words_are_seen();
        let bar = if show { shown() } else { ProgressBar::hidden() };
        Bar { bar, before: AtomicU64::new(0), now: AtomicU64::new(0) }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        out::show_bar(None);
        self.bar.finish_and_clear();
    }

    /// Writes text to the terminal that shows the bar.
    #[cfg(feature = "load")]
    pub fn aside(&self, write: impl FnOnce()) {
        let shown = out::show_bar(None);
        self.bar.suspend(write);
        out::show_bar(shown);
    }
}

/// A bar that the terminal shows from now on.
fn shown() -> ProgressBar {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template(LINE).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.with_key("left", left).progress_chars("=> "));
    out::show_bar(Some(bar.clone()));
    bar
}

impl Progress for Bar {
    fn begin(&self, stage: &'static str, steps: u64) {
        self.before.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
        self.bar.set_prefix("");
        self.bar.set_message(words(stage));
        self.bar.set_length(steps);
        self.bar.reset();
        if !self.bar.is_hidden() {
            self.bar.enable_steady_tick(TICK);
            self.bar.force_draw();
        }
    }

    fn advance(&self, steps: u64) {
        self.bar.inc(steps);
    }

    fn bytes(&self, bytes: u64) {
        self.now.store(bytes, Ordering::Relaxed);
        let since = bytes.saturating_sub(self.before.load(Ordering::Relaxed));
        if self.bar.is_hidden() || since == 0 {
            return;
        }
        let rate = since as f64 / self.bar.elapsed().as_secs_f64();
        self.bar.set_prefix(format!("{}, {}/s, ", DecimalBytes(bytes), DecimalBytes(rate as u64)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every stage that the library names has a description, and it fits.
    #[test]
    fn stages_have_words() {
        let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut stages, mut folders) = (Vec::new(), vec![src]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let begun = text.split("progress.begin(\"").skip(1).filter_map(|rest| rest.split('"').next());
                stages.extend(begun.map(str::to_owned));
            }
        }
        assert!(stages.len() > 15, "{stages:?}");
        for stage in stages {
            let stage: &'static str = stage.leak();
            assert!(words(stage) != stage && words(stage).len() <= 17, "{stage}");
        }
    }
}
