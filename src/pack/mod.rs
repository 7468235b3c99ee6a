//! `pack` and `unpack`: convert an output from a directory to an archive, and back.
//!
//! The result is read again before it gets its name, and checked against MANIFEST and CHECKSUMS like in `verify`. So a file that was
//! changed before, or that changes while it is read, is detected.

mod extract;
#[cfg(feature = "archive")]
mod gather;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::decode::Progress;
use crate::error::{Error, ErrorKind, Result};
use crate::output::archive::Packing;
use crate::output::reading::{Form, Named, Output, look};
use crate::output::staging::Staging;
use crate::report::visible::Visible;
use crate::verify::output::check;

/// The options of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether an output of ekvsnap is replaced.
    pub force: bool,
    /// Whether the output is on disk before it gets its name; `None`: an archive is, a directory is not.
    pub fsync: Option<bool>,
    /// Worker threads; 0 = one for each core.
    pub threads: usize,
}

/// The result of a run.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Number of files in CHECKSUMS.
    pub files: u64,
    /// Time taken.
    pub elapsed: Duration,
}

/// Packs the output in the directory `dir` into an archive at `target`.
///
/// # Errors
/// A directory that is not an intact output, or a target that cannot be written.
#[cfg(feature = "archive")]
pub fn pack(
    dir: &Path,
    target: &Path,
    packing: Packing,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Outcome> {
    use crate::output::archive;
    use crate::output::target::refuse_inputs;

    let started = Instant::now();
    if target.as_os_str() == "-" {
        return Err(Error::command_line(
            "the archive is read again when it is complete, which standard output does not allow: name a file",
        ));
    }
    let mut output = opened(dir)?;
    if output.form() != Form::Directory {
        return Err(Error::usage(format!("{} is an archive already", dir.display())));
    }
    refuse_inputs(target, dir.canonicalize().ok().as_deref())?;
    refuse_within(target, dir)?;
    let mut file = archive::begin(target, options.force)?;
    gather::write(&mut output, &mut file, packing, options.threads, progress)?;
    let written = file.path().ok_or_else(|| Error::internal("a file was asked for"))?;
    let files = proven(written, dir, options.threads, progress)?;
    file.publish(options.fsync.unwrap_or(true))?;
    Ok(Outcome { files, elapsed: started.elapsed() })
}

/// Without the feature `archive` no archive can be written.
///
/// # Errors
/// Always.
#[cfg(not(feature = "archive"))]
pub fn pack(_: &Path, _: &Path, _: Packing, _: &Options, _: &dyn Progress) -> Result<Outcome> {
    Err(Error::usage("this program was built without the feature `archive`, which writes archives"))
}

/// Unpacks the output in an archive into a new directory at `target`.
///
/// # Errors
/// An archive that is not an intact output, or a target that cannot be written.
pub fn unpack(archive: &Path, target: &Path, options: &Options, progress: &dyn Progress) -> Result<Outcome> {
    let started = Instant::now();
    let mut output = opened(archive)?;
    if output.form() == Form::Directory {
        return Err(Error::usage(format!("{} is a directory already", archive.display())));
    }
    let staging = Staging::new(target, options.force)?;
    progress.begin("unpack", 1);
    extract::write(&mut output, staging.path())?;
    progress.advance(1);
    let files = proven(staging.path(), archive, options.threads, progress)?;
    staging.publish(options.fsync.unwrap_or(false))?;
    Ok(Outcome { files, elapsed: started.elapsed() })
}

fn opened(path: &Path) -> Result<Output> {
    match look(path)? {
        Named::Output(output) => Ok(output),
        _ => Err(Error::new(ErrorKind::Output(
            "it is not an output of a decode: name a directory with MANIFEST.json and CHECKSUMS, or an archive of one"
                .into(),
        ))
        .input(path)),
    }
}

/// An archive inside the directory would be one of its files.
#[cfg(feature = "archive")]
fn refuse_within(target: &Path, dir: &Path) -> Result<()> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), dir.canonicalize()) {
        (Ok(parent), Ok(dir)) if parent.starts_with(&dir) => {
            Err(Error::usage(format!("{} is inside the output that is packed: choose another place", target.display())))
        }
        _ => Ok(()),
    }
}

/// Requires that the written output is intact; returns the number of its files. `named`: the name that the user knows.
fn proven(written: &Path, named: &Path, threads: usize, progress: &dyn Progress) -> Result<u64> {
    let checked = check(&mut opened(written)?, threads, 1, progress, None)?;
    let problems = &checked.problems;
    let Some(first) = problems.shown.first() else { return Ok(checked.files) };
    let more = match problems.total() {
        0 | 1 => String::new(),
        all => format!(" (and {} more: see `ekvsnap verify`)", all - 1),
    };
    let why = format!("{}: {}{more}", serde_json::to_string(&first.path).unwrap_or_default(), Visible(&first.reason));
    Err(Error::new(ErrorKind::Output(why)).input(named))
}
