//! The HTML page of an inspection: one file that needs nothing else.

use std::io::{self, Write as _};

use super::Inspection;
use crate::report::visible::{Form, Screened};

/// The page, with a mark where the figures go.
const PAGE: &str = include_str!("page.html");
const MARK: &str = "/*FIGURES*/";

/// The page that shows an inspection.
///
/// # Errors
/// Never, but for a failure to serialize.
pub fn page(found: &Inspection) -> io::Result<String> {
    // In a script element nothing may look like its end.
    let figures = serde_json::to_string(found)?.replace('<', "\\u003c");
    let mut screened = Vec::new();
    Screened::new(&mut screened, Form::Json).write_all(figures.as_bytes())?;
    let figures = String::from_utf8(screened).map_err(io::Error::other)?;
    let (before, after) = PAGE.split_once(MARK).unwrap_or((PAGE, ""));
    Ok([before, &figures, after].concat())
}
