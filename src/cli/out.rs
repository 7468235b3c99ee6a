//! What leaves the program: answers and data on standard output, words about the run on standard error. Nothing is written
//! to either in another way (`clippy.toml`), so no write goes unchecked and no name reaches a terminal as it is.
#![allow(clippy::disallowed_methods)]

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::advice::of_error;
use super::colour::{self, Colour};
use super::exit::Exit;
use super::signals;
use crate::error::Error;
use crate::report::visible::{Form, Screened, Visible};

/// Standard output, and why it takes nothing more.
struct Answers {
    out: BufWriter<Stdout>,
    lost: Option<io::Error>,
    /// Whether there was an answer. Data has a writer of its own, and what is left of it is no answer.
    any: bool,
}

/// One for the process, as standard output is: whoever writes need not hand a failure on, and none is forgotten.
static ANSWERS: LazyLock<Mutex<Answers>> =
    LazyLock::new(|| Mutex::new(Answers { out: BufWriter::new(io::stdout()), lost: None, any: false }));

/// Whether nobody asked for words that are no warning and no error.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on only warnings and errors are words.
pub(super) fn hush() {
    QUIET.store(true, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

fn answers() -> MutexGuard<'static, Answers> {
    ANSWERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Answers {
    /// Writes, unless an earlier write has failed: what came behind a gap would be read as if there were none.
    fn put(&mut self, write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>) {
        self.any = true;
        if self.lost.is_none() {
            self.lost = write(&mut self.out).err();
        }
    }

    fn flush(&mut self) {
        if self.any {
            self.put(io::Write::flush);
        }
    }
}

/// Words that are the answer.
pub(super) fn say(text: &str) {
    if !is_quiet() {
        list(text);
    }
}

/// Lines that are what was asked for.
pub(super) fn list(text: &str) {
    answers().put(|out| Screened::new(out, Form::Words).write_all(text.as_bytes()));
}

/// Words in a colour, if a terminal shows them.
pub(super) fn say_in(colour: Colour, text: &str) {
    if !(answers_are_seen() && colour::is_wanted()) {
        return say(text);
    }
    let mut shown = Vec::new();
    let _ = Screened::new(&mut shown, Form::Words).write_all(text.as_bytes());
    if !is_quiet() {
        answers().put(|out| out.write_all(colour.paint(&String::from_utf8_lossy(&shown)).as_bytes()));
    }
}

/// A JSON line.
pub(super) fn line(value: &impl Serialize) {
    answers().put(|out| {
        let mut out = Screened::new(out, Form::Json);
        serde_json::to_writer(&mut out, value)?;
        out.write_all(b"\n")
    });
}

/// Lines that somebody waits for.
#[cfg(feature = "load")]
pub(super) fn flush() {
    answers().flush();
}

/// What the program itself is made of: a script, a page, help.
pub(super) fn own(text: &[u8]) {
    answers().put(|out| out.write_all(text));
}

/// Whether nothing more is taken: the reader has gone away, or the disk is full.
pub(super) fn is_lost() -> bool {
    answers().lost.is_some()
}

/// Words about the run, on standard error. Nobody can be told that they cannot be written.
pub(super) fn tell(text: &str) {
    answers().flush();
    let mut words = Vec::new();
    let _ = Screened::new(&mut words, Form::Words).write_all(text.as_bytes());
    if words_are_seen() && colour::is_wanted() {
        words = colour::mark(&String::from_utf8_lossy(&words)).into_bytes();
    }
    let _ = io::stderr().write_all(&words);
}

/// Words about what was done, which nobody needs who asked for quiet.
pub(super) fn report(text: &str) {
    if !is_quiet() {
        tell(text);
    }
}

/// Says that a signal ends the run. Nothing is waited for: another thread may be in the middle of an answer.
pub(super) fn break_off(words: &str) {
    let mut line = Vec::new();
    // The line may have a progress bar.
    line.extend_from_slice(if words_are_seen() { b"\r\x1b[2K" } else { b"" });
    let _ = Screened::new(&mut line, Form::Words).write_all(format!("ekvsnap: {words}\n").as_bytes());
    let _ = io::stderr().write_all(&line);
}

/// Says why the program stops, in one line. A reader that has gone away is not told of that.
pub(super) fn complain(error: &Error) -> Exit {
    signals::settle();
    if !error.is_closed_pipe() {
        tell(&format!("ekvsnap: {}\n", Visible(of_error(error))));
    }
    Exit::of(error)
}

/// Prints help, the version, or what is wrong with the command line.
pub(super) fn clap(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        answers().put(|_| error.print());
        return Exit::Fine;
    }
    let echoed = || std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    if echoed().any(|arg| arg.chars().any(crate::report::visible::is_active)) {
        // Escape codes in an argument could not be told from our own colours.
        tell(&error.render().to_string());
    } else {
        let _ = error.print();
    }
    Exit::Misuse
}

/// Whether people read standard output as it comes.
pub(super) fn answers_are_seen() -> bool {
    io::stdout().is_terminal()
}

/// Columns of the terminal that standard output is.
pub(super) fn columns() -> Option<usize> {
    let size = answers_are_seen().then(|| rustix::termios::tcgetwinsize(io::stdout()).ok())??;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Whether they read standard error.
pub(super) fn words_are_seen() -> bool {
    io::stderr().is_terminal()
}

/// Bytes of a value, as they are. Failures of this writer come back to the one who writes.
pub(super) fn data() -> BufWriter<Stdout> {
    BufWriter::new(io::stdout())
}

/// Lines about values.
pub(super) fn lines_of_data(form: Form) -> Screened<BufWriter<Stdout>> {
    Screened::new(data(), form)
}

/// The end of the program: an answer that could not be written makes another exit code, unless its reader has gone away.
pub(super) fn settle(exit: Exit) -> Exit {
    answers().flush();
    let lost = answers().lost.take();
    match lost {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&Error::stdout(error));
            Exit::Failed
        }
        _ => exit,
    }
}
