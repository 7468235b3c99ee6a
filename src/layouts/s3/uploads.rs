//! `Options::include_incomplete_uploads`: lines of the rows of unfinished uploads (`docs/format/s3.md` §7).

use super::{folder, paths, render};
use crate::adapters::s3::{self, Buckets};
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::Family;
use crate::model::s3::UploadRow;
use crate::options::Options;
use crate::output::split::{Collector, SplitOutput};
use crate::output::tree::Tree;

/// Bytes of rows whose lines are in memory at a time.
const BATCH: usize = 1 << 20;

/// Writes all lines; for a restore only those of live generations, and chunks.
///
/// # Errors
/// A malformed key, or a failed write.
pub fn write<'t>(
    set: &DataSet<'_>,
    buckets: &Buckets<'_>,
    options: &Options,
    tree: &'t Tree,
    collector: &mut Collector<'t>,
) -> Result<()> {
    let (mut out, mut held) = (SplitOutput::new(tree), 0);
    let line = |row: &UploadRow<'_>| {
        let file = if row.family == Family::S3Blob { paths::CHUNKS } else { paths::RECORDS };
        render::incomplete_line(row, out.lines(&format!("{}/{file}", folder(&row.bucket))));
        held += row.user_key.len() + row.value.len();
        if held > BATCH {
            held = 0;
            collector.take(std::mem::replace(&mut out, SplitOutput::new(tree)))?;
        }
        Ok(())
    };
    if options.for_restore {
        s3::live_uploads(set, buckets, &options.filter, line)?;
    } else {
        s3::unfinished_uploads(set, &options.filter, line)?;
    }
    collector.take(out)
}
