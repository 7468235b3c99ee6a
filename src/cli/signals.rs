//! Signals that end a run: the run prints one line, leaves nothing behind, and exits with the code that shells expect.
//!
//! | signal | what happens |
//! |---|---|
//! | SIGINT, SIGTERM, SIGHUP | unfinished files are removed ([`pending`]); exit code 130, 143, 129 |
//! | a second SIGINT | the run ends at once, and leaves what was not removed yet |
//! | SIGXFSZ | the write fails, and the run ends as after any failed write, but with exit code 153 |
//!
//! A signal that the parent had ignored (`nohup`, a job in the background of a script) stays ignored.
//!
//! Mutual dependency with `out`: a write that fails because of a signal waits until this thread ends the process, and this thread reports
//! what was removed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use super::out::break_off;
use super::resume;
use crate::output::pending::{self, Made};
use crate::output::remove::remove;
use crate::report::visible::Visible;

/// A SIGINT that follows the first one within this time comes from the same key press: sent to the terminal's whole group, and forwarded by
/// a parent.
const SAME: Duration = Duration::from_millis(200);

/// Signals that do not end the run at once.
pub(super) struct Heard {
    too_large: Arc<AtomicBool>,
}

impl Heard {
    /// Whether a file grew over the limit of the process.
    pub fn too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }
}

/// Starts to handle signals. If that is not possible, they keep their default action.
pub(super) fn listen() -> Heard {
    let ignored = ignored();
    let heeded = |signal: &i32| ignored & (1u64 << (signal - 1)) == 0;
    let heard = Heard { too_large: Arc::default() };
    if heeded(&SIGXFSZ) {
        let _ = flag::register(SIGXFSZ, Arc::clone(&heard.too_large));
    }
    let ends: Vec<i32> = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(heeded).collect();
    if let Ok(signals) = Signals::new(ends) {
        let _ = thread::Builder::new().name("signals".into()).spawn(|| serve(signals));
    }
    heard
}

/// A bit for each signal that the parent had ignored.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Waits for the end of a process that a signal ends: its further work and messages are not wanted.
pub(super) fn settle() {
    while pending::is_ended() {
        thread::park();
    }
}

fn serve(mut signals: Signals) {
    let mut first: Option<Instant> = None;
    for signal in signals.forever() {
        match first {
            None => {
                first = Some(Instant::now());
                // Removing a large tree takes time, and a second signal must be handled meanwhile.
                if thread::Builder::new().spawn(move || end(signal)).is_err() {
                    end(signal);
                }
            }
            Some(first) if signal == SIGINT && first.elapsed() > SAME => low_level::exit(code(SIGINT)),
            Some(_) => {}
        }
    }
}

fn code(signal: i32) -> i32 {
    128 + signal
}

fn end(signal: i32) {
    let made = pending::end();
    let temporary: Vec<String> = made.iter().filter_map(shown).collect();
    let removing = if temporary.is_empty() { String::new() } else { format!(", removing {}", temporary.join(", ")) };
    let kept = made.iter().find_map(kept).unwrap_or_default();
    break_off(&format!("{}{removing}{kept}", words(signal)));
    for made in made {
        match made {
            Made::Parent(dir) => drop(std::fs::remove_dir(dir)),
            Made::Kept(_) => {}
            Made::Temporary(path) => {
                if let Err(e) = remove(&path) {
                    break_off(&format!("cannot remove {}: {e}", Visible(path.display())));
                }
            }
        }
    }
    low_level::exit(code(signal));
}

fn shown(made: &Made) -> Option<String> {
    let name = |path: &Path| Visible(path.display()).to_string();
    if let Made::Temporary(path) = made { Some(name(path)) } else { None }
}

/// A directory that a later run can continue with.
fn kept(made: &Made) -> Option<String> {
    let Made::Kept(dir) = made else { return None };
    Some(format!("; {}", resume::goes_on(dir)))
}

fn words(signal: i32) -> &'static str {
    match signal {
        SIGINT => "interrupted",
        SIGTERM => "ended by SIGTERM",
        _ => "ended by SIGHUP",
    }
}
