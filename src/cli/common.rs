//! Flags that commands share, and the function that runs each of them.

use super::exit::Exit;
use super::out::{self, complain};
use super::parse;
use super::progress::Bar;
use super::signals;
use super::summary::json_error;
use crate::error::Result;

/// How the work is done.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Work {
    /// Worker threads; 0 = one for each core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse::threads)]
    pub threads: usize,

    /// Read inputs into memory instead of mapping them.
    #[arg(long)]
    pub no_mmap: bool,
}

/// What is seen of the work.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Watch {
    /// Show a progress bar on a terminal: auto or never.
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = ["auto", "never"],
          hide_possible_values = true)]
    progress: String,

    /// Only warnings and errors: no progress bar and no summary.
    #[arg(short, long)]
    quiet: bool,
}

impl Watch {
    /// Runs a command with a progress bar and reports its error, also as a JSON line if `json`.
    pub fn run(&self, json: bool, go: impl FnOnce(&Bar) -> Result<Exit>) -> Exit {
        if self.quiet {
            out::hush();
        }
        let bar = Bar::new(self.progress == "auto" && !self.quiet && !json);
        let result = go(&bar);
        bar.clear();
        result.unwrap_or_else(|error| {
            signals::settle();
            if json && !error.is_stdout() {
                json_error(&error);
            }
            complain(&error)
        })
    }
}
