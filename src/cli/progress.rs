//! A progress bar on a terminal, silence elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

use super::out;
use crate::decode::Progress;

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
        let style = ProgressStyle::with_template("{msg:>9} [{bar:30}] {percent:>3}%  {prefix}{elapsed}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
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
        self.bar.reset();
        self.bar.set_length(steps);
        self.bar.set_message(stage);
        self.bar.set_prefix("");
    }

    fn advance(&self, steps: u64) {
        self.bar.inc(steps);
    }

    fn bytes(&self, bytes: u64) {
        self.now.store(bytes, Ordering::Relaxed);
        if self.bar.is_hidden() {
            return;
        }
        let rate = bytes.saturating_sub(self.before.load(Ordering::Relaxed)) as f64 / self.bar.elapsed().as_secs_f64();
        self.bar.set_prefix(format!("{}, {}/s, ", DecimalBytes(bytes), DecimalBytes(rate as u64)));
    }
}
