//! The output of the program: answers and data on standard output, messages about the run on standard error. Nothing is written to either
//! in another way (`clippy.toml`), so every write is checked and every name is escaped before it reaches a terminal.
#![allow(clippy::disallowed_methods)]

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;

use super::advice::of_error;
use super::colour::{self, Colour};
use super::exit::Exit;
use super::signals;
use crate::error::Error;
use crate::report::visible::{Form, Screened, Visible};
use crate::sync::lock;

/// Standard output, and the error after which it takes nothing more.
struct Answers {
    out: BufWriter<Stdout>,
    lost: Option<io::Error>,
    /// Whether there was an answer. Data has a separate writer and is not an answer.
    any: bool,
}

/// One for the process, as standard output is. Callers need not return a failure, and none is lost.
static ANSWERS: LazyLock<Mutex<Answers>> =
    LazyLock::new(|| Mutex::new(Answers { out: BufWriter::new(io::stdout()), lost: None, any: false }));

/// Whether standard output is a terminal: the kernel is asked once, and not for every line.
static IS_SEEN: LazyLock<bool> = LazyLock::new(|| io::stdout().is_terminal());

/// Whether messages other than warnings and errors are suppressed.
static QUIET: AtomicBool = AtomicBool::new(false);

/// The progress bar on the terminal, if there is one.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);
/// The last byte of the values that were written to standard output.
static LAST: AtomicU8 = AtomicU8::new(b'\n');

/// Names the progress bar that is on the terminal, or none; returns the one before.
pub(super) fn show_bar(bar: Option<ProgressBar>) -> Option<ProgressBar> {
    std::mem::replace(&mut *lock(&BAR), bar)
}

/// Removes the progress bar for good, if the text that follows goes to the same terminal: a redrawn bar would erase the last line of it.
fn make_room(is_seen: fn() -> bool) {
    let mut bar = lock(&BAR);
    if bar.is_some()
        && is_seen()
        && let Some(bar) = bar.take()
    {
        bar.finish_and_clear();
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// From now on only warnings and errors are printed.
pub(super) fn hush() {
    QUIET.store(true, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

fn answers() -> MutexGuard<'static, Answers> {
    lock(&ANSWERS)
}

impl Answers {
    /// Writes, unless an earlier write has failed: text after a gap would be read as if nothing were missing.
    fn put(&mut self, write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>) {
        self.any = true;
        make_room(answers_are_seen);
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

/// Prints text that is the answer.
pub(super) fn say(text: &str) {
    if !is_quiet() {
        list(text);
    }
}

/// Prints lines that are the answer.
pub(super) fn list(text: &str) {
    answers().put(|out| Screened::new(out, Form::Words).write_all(text.as_bytes()));
}

/// Prints the verdict on something, line by line. With `--quiet`, of what is intact only the warnings.
pub(super) fn judge(text: &str, is_intact: bool) {
    match is_quiet() && is_intact {
        true => text.split_inclusive('\n').filter(|line| line.starts_with("warning: ")).for_each(list),
        false => list(text),
    }
}

/// Prints text in a colour, if the terminal has colours.
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

/// Prints a JSON line.
pub(super) fn line(value: &impl Serialize) {
    answers().put(|out| {
        let mut out = Screened::new(out, Form::Json);
        serde_json::to_writer(&mut out, value)?;
        out.write_all(b"\n")
    });
}

/// Prints lines that a reader waits for: the output is flushed.
#[cfg(feature = "load")]
pub(super) fn flush() {
    answers().flush();
}

/// Prints text of the program itself: a script, a page, help.
pub(super) fn own(text: &[u8]) {
    answers().put(|out| out.write_all(text));
}

/// Whether output is no longer possible: the reader has closed the pipe, or the disk is full.
pub(super) fn is_lost() -> bool {
    answers().lost.is_some()
}

/// Prints a message about the run on standard error. A failure to write it cannot be reported.
pub(super) fn tell(text: &str) {
    answers().flush();
    if text.is_empty() {
        return;
    }
    make_room(words_are_seen);
    let mut words = Vec::new();
    let _ = Screened::new(&mut words, Form::Words).write_all(text.as_bytes());
    if words_are_seen() && colour::is_wanted() {
        words = colour::mark(&String::from_utf8_lossy(&words)).into_bytes();
    }
    let _ = io::stderr().write_all(&words);
}

/// Prints a message about what was done, unless the user asked for quiet.
pub(super) fn report(text: &str) {
    if !is_quiet() {
        tell(text);
    }
}

/// Reports that a signal ends the run. It does not wait: another thread may be in the middle of an answer.
pub(super) fn break_off(words: &str) {
    let mut line = Vec::new();
    // A progress bar may be on the line.
    line.extend_from_slice(if words_are_seen() { b"\r\x1b[2K" } else { b"" });
    let _ = Screened::new(&mut line, Form::Words).write_all(format!("ekvsnap: {words}\n").as_bytes());
    let _ = io::stderr().write_all(&line);
}

/// Reports why the program stops, in one line; not if the reader has closed the pipe.
pub(super) fn complain(error: &Error) -> Exit {
    signals::settle();
    if !error.is_closed_pipe() {
        tell(&format!("ekvsnap: {}\n", Visible(of_error(error))));
    }
    Exit::of(error)
}

/// Prints help, the version, or the error in the command line.
pub(super) fn clap(mut error: clap::Error) -> Exit {
    // No value of ours begins with two dashes: the advice to pass an unknown flag as one helps nobody.
    error.remove(clap::error::ContextKind::Suggested);
    if !error.use_stderr() {
        answers().put(|_| error.print());
        return Exit::Fine;
    }
    #[cfg(not(feature = "load"))]
    if is_load(std::env::args_os().skip(1)) {
        return complain(&missing_feature("the command load"));
    }
    let echoed = || std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    if echoed().any(|arg| arg.chars().any(crate::report::visible::is_active)) {
        // Escape codes in an argument would look like our own colours.
        tell(&error.render().to_string());
    } else {
        let _ = error.print();
    }
    Exit::Misuse
}

/// Whether the words of a command line ask for `load`, or for its help.
#[cfg(not(feature = "load"))]
fn is_load(mut words: impl Iterator<Item = std::ffi::OsString>) -> bool {
    words.find(|word| word != "help").is_some_and(|command| command == "load")
}

/// The error of a request for something that this program was built without.
pub(super) fn missing_feature(what: &str) -> Error {
    Error::command_line(format!(
        "this program was built without {what}: run `cargo install --path . --features parquet,load` in the source directory of ekvsnap"
    ))
}

/// Whether standard output is a terminal.
pub(super) fn answers_are_seen() -> bool {
    *IS_SEEN
}

/// Width of the terminal on standard output.
pub(super) fn columns() -> Option<usize> {
    let size = answers_are_seen().then(|| rustix::termios::tcgetwinsize(io::stdout()).ok())??;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Whether standard error is a terminal.
pub(super) fn words_are_seen() -> bool {
    io::stderr().is_terminal()
}

/// Standard output, for values.
pub(super) struct Data(Stdout);

impl io::Write for Data {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        make_room(answers_are_seen);
        let written = self.0.write(bytes)?;
        if let Some(last) = written.checked_sub(1).and_then(|at| bytes.get(at)) {
            LAST.store(*last, Ordering::Relaxed);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Ends the line of a value on a terminal, where the prompt would follow it. Files and pipes get exactly the value.
pub(super) fn end_line() -> io::Result<()> {
    if answers_are_seen() && LAST.load(Ordering::Relaxed) != b'\n' {
        io::stdout().write_all(b"\n")?;
    }
    Ok(())
}

/// A writer for the bytes of a value, unchanged. It returns its errors to the caller.
pub(super) fn data() -> BufWriter<Data> {
    BufWriter::new(Data(io::stdout()))
}

/// A writer for lines about values.
pub(super) fn lines_of_data(form: Form) -> Screened<BufWriter<Data>> {
    Screened::new(data(), form)
}

/// The exit code of the program. An answer that could not be written changes it, unless its reader has closed the pipe.
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
