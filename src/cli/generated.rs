//! Shell completions and manual pages, generated from the same definitions as `--help`.

use std::io;
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
    clap_mangen::generate_to(command, directory)
}
