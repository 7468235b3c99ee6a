//! Checks of single rows.

use crate::dataset::{DataSet, Row};
use crate::error::Result;
use crate::format::{Family, fault};

/// Parses part of a row; a fault becomes an error that names the row.
pub fn parse<'a, T>(set: &DataSet<'a>, family: Family, row: &Row<'a>, result: fault::Result<T>) -> Result<T> {
    result.map_err(|fault| set.locate(row.fault(family, fault)))
}

/// Checks a value that is not used further; `true`: there is a row.
pub fn check_value<T>(
    set: &DataSet<'_>,
    family: Family,
    row: Option<Row<'_>>,
    parsed: impl FnOnce(&[u8]) -> fault::Result<T>,
) -> Result<bool> {
    match row {
        Some(row) => match parse(set, family, &row, parsed(row.body)) {
            Ok(_) => Ok(true),
            Err(error) => set.skip(error).map(|()| true),
        },
        None => Ok(false),
    }
}
