//! A progress bar on a terminal, silence elsewhere.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use crate::decode::Progress;

/// Shows how far a decode is.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar on stderr if that is a terminal and nobody asked for quiet.
    pub fn new(wanted: bool) -> Bar {
        let show = wanted && std::io::stderr().is_terminal();
        let bar = if show { ProgressBar::no_length() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{msg:>9} [{bar:40}] {percent:>3}%  {elapsed}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Bar(bar)
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn begin(&self, stage: &'static str, steps: u64) {
        self.0.reset();
        self.0.set_length(steps);
        self.0.set_message(stage);
    }

    fn advance(&self, steps: u64) {
        self.0.inc(steps);
    }
}
