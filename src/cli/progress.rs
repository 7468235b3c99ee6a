//! A progress bar on a terminal, silence elsewhere.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use super::out;
use crate::decode::Progress;

/// The line, in less than 80 columns: the longest stage, a rate of six digits, an hour and more.
const LINE: &str = "{msg:>17} [{bar:16}] {percent:>3}% {prefix}{elapsed}{left}";
/// Between two looks at the clock: a stage of one long step is not dead.
const TICK: Duration = Duration::from_millis(250);
/// Before so much of a stage is done, nobody knows how long the rest takes: a part of it, and a time.
const KNOWN: (f32, Duration) = (0.02, Duration::from_secs(2));

/// How long the stage will take, when that can be said.
fn left(state: &ProgressState, out: &mut dyn Write) {
    let (part, time) = KNOWN;
    if state.fraction() >= part && state.fraction() < 1.0 && state.elapsed() >= time {
        let _ = write!(out, ", {:#} left", HumanDuration(state.eta()));
    }
}

/// What a stage does. Stages of the library are called by what they work on.
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

/// Shows how far a decode is, how fast, and how long it will take.
pub(super) struct Bar {
    bar: ProgressBar,
    /// Bytes when the stage began: `bytes` counts from the start of the run.
    before: AtomicU64,
    now: AtomicU64,
}

impl Bar {
    /// A bar on stderr if that is a terminal and nobody asked for quiet.
    pub fn new(wanted: bool) -> Bar {
        let show = wanted && out::words_are_seen();
        let bar = if show { ProgressBar::no_length() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template(LINE).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("left", left).progress_chars("=> "));
        Bar { bar, before: AtomicU64::new(0), now: AtomicU64::new(0) }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Writes something to the terminal that the bar is on.
    #[cfg(feature = "load")]
    pub fn aside(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }
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

    /// Every stage that the library names has words, and they fit.
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
