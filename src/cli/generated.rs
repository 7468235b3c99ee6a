//! Shell completions and manual pages, generated from the same definitions as `--help`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::exit::Exit;
use super::{complain, program};
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
    clap_complete::generate(args.shell, &mut program(), "ekvsnap", &mut script);
    printed(io::stdout().write_all(&script))
}

/// Prints the main page, or writes all pages.
pub(super) fn man(args: &Man) -> Exit {
    let command = program();
    let Some(directory) = &args.directory else {
        let mut page = Vec::new();
        return printed(clap_mangen::Man::new(command).render(&mut page).and_then(|()| io::stdout().write_all(&page)));
    };
    match write_pages(command, directory) {
        Ok(()) => Exit::Fine,
        Err(e) => complain(&Error::io("write manual pages to", directory, e)),
    }
}

fn write_pages(command: clap::Command, directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command, directory)
}

/// A reader that has gone away is no error.
fn printed(result: io::Result<()>) -> Exit {
    match result {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => complain(&Error::io("write to", "standard output", e)),
        _ => Exit::Fine,
    }
}
