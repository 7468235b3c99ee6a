//! The HTML page of an inspection: one file without dependencies.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::Inspection;
use crate::report::visible::{Form, Screened};

/// The page, with a mark at the place of the figures.
const PAGE: &str = include_str!("page.html");
const MARK: &str = "/*FIGURES*/";
/// Text in the first bytes by which such a page is recognised.
const TITLE: &[u8] = b"<title>ekvsnap inspect</title>";
const HEAD: u64 = 512;
/// Maximum number of unreadable places that a page lists.
const MOST_LOST: usize = 1000;

/// The page that shows an inspection.
///
/// # Errors
/// A failure to serialize.
pub fn page(found: &Inspection) -> io::Result<String> {
    // In a script element no text may look like its end.
    let mut figures = serde_json::to_value(found)?;
    let lost = found.lost.first(MOST_LOST).map_err(io::Error::other)?;
    figures["more_lost"] = (found.lost.len() - lost.len() as u64).into();
    figures["lost"] = serde_json::to_value(lost)?;
    let figures = figures.to_string().replace('<', "\\u003c");
    let mut screened = Vec::new();
    Screened::new(&mut screened, Form::Json).write_all(figures.as_bytes())?;
    let figures = String::from_utf8(screened).map_err(io::Error::other)?;
    let (before, after) = PAGE.split_once(MARK).unwrap_or((PAGE, ""));
    Ok([before, &figures, after].concat())
}

/// Whether a file is such a page, according to its first bytes.
pub fn is_page(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.is_ok() && head.starts_with(b"<!doctype html>") && memchr::memmem::find(&head, TITLE).is_some()
}
