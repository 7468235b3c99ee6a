//! Shell completions and manual pages, generated from the same definitions as `--help`.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::exit::Exit;
use super::out::{self, complain};
use super::{Help, program};
use crate::error::Error;

/// Arguments of `ekvsnap completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell to print a completion script for.
    shell: Shell,
}

/// Arguments of `ekvsnap man`.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Write a page for each command into this directory, instead of the main page to standard output.
    directory: Option<PathBuf>,
}

/// Prints a completion script.
pub(super) fn completions(args: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program(Help::Read), "ekvsnap", &mut script);
    out::own(&script);
    Exit::Fine
}

/// Prints the main page, or writes all pages.
pub(super) fn man(args: &Man) -> Exit {
    let command = program(Help::Read);
    let written = match &args.directory {
        Some(directory) => {
            write_pages(command, directory).map_err(|e| Error::io("write manual pages to", directory, e))
        }
        None => page(command).map_err(|e| Error::io("make", "the manual page", e)),
    };
    written.map_or_else(|error| complain(&error), |()| Exit::Fine)
}

fn page(command: clap::Command) -> io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    out::own(&page);
    Ok(())
}

fn write_pages(command: clap::Command, directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    // A page replaces a page. It never follows a link, and never replaces anything else.
    let mut old = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let is_page_name =
            entry.file_name().to_str().is_some_and(|name| name.starts_with("ekvsnap") && name.ends_with(".1"));
        if !is_page_name {
            continue;
        }
        if !(entry.file_type()?.is_file() && is_page(&entry.path())?) {
            let why = format!("{} is not a manual page of ekvsnap, and is never replaced", entry.path().display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        old.push(entry.path());
    }
    // Pages are for everybody: a new file has the mode that the umask gives it, whatever mode the old one had.
    old.iter().try_for_each(std::fs::remove_file)?;
    clap_mangen::generate_to(command, directory)
}

/// Whether a file begins like a manual page of ours.
fn is_page(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(256).read_to_end(&mut head)?;
    Ok(memchr::memmem::find(&head, b".TH ekvsnap").is_some())
}
