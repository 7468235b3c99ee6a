//! `Options::include_incomplete_uploads`: lines of the rows of unfinished uploads (`docs/format/s3.md` §7).

use super::{folder, render};
use crate::adapters::s3;
use crate::dataset::DataSet;
use crate::error::Result;
use crate::options::Options;
use crate::output::tree::Tree;
use crate::output::unit::{Collector, UnitOut};

/// Bytes of rows whose lines are held at a time.
const BATCH: usize = 1 << 20;

/// Writes all lines.
///
/// # Errors
/// A malformed key, or a failed write.
pub fn write<'t>(set: &DataSet<'_>, options: &Options, tree: &'t Tree, collector: &mut Collector<'t>) -> Result<()> {
    let (mut out, mut held) = (UnitOut::new(tree), 0);
    s3::unfinished_uploads(set, &options.filter, |row| {
        let lines = out.lines(&format!("{}/_incomplete_uploads/records.jsonl", folder(&row.bucket)));
        render::incomplete_line(row, lines);
        held += row.user_key.len() + row.value.len();
        if held > BATCH {
            held = 0;
            collector.take(std::mem::replace(&mut out, UnitOut::new(tree)))?;
        }
        Ok(())
    })?;
    collector.take(out)
}
