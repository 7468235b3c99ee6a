//! `--include-incomplete-uploads`: the rows of unfinished uploads as they are stored (`s3.md` §7).

use super::buckets::{folder, parse};
use super::render;
use crate::dataset::DataSet;
use crate::decode::Options;
use crate::error::Result;
use crate::format::s3::{PartKey, UploadKey};
use crate::format::{Adapter, Family};
use crate::output::tree::Tree;
use crate::output::unit::{Collector, UnitOut};

/// Bytes of lines that are held at a time.
const BATCH: usize = 1 << 20;

/// Writes all upload rows, then all part rows, of every generation, each kind in key order.
///
/// # Errors
/// A malformed key, or a failed write.
pub fn write<'t>(set: &DataSet<'_>, options: &Options, tree: &'t Tree, collector: &mut Collector<'t>) -> Result<()> {
    for family in [Family::S3Upload, Family::S3UploadPart] {
        let (mut out, mut held) = (UnitOut::new(tree), 0);
        let mut rows = set.family(family);
        while let Some(row) = rows.next()? {
            let suffix = family.suffix(row.user_key);
            let upload = match family {
                Family::S3Upload => UploadKey::parse(suffix),
                _ => PartKey::parse(suffix).map(|part| part.upload),
            };
            let object = match parse(set, family, &row, upload) {
                Ok(upload) => upload.object,
                Err(error) => {
                    set.tolerate(error)?;
                    continue;
                }
            };
            if !options.filter.meets(Adapter::S3, &object.bucket, &[&object.object]) {
                continue;
            }
            let lines = out.lines(&format!("{}/_incomplete_uploads/records.jsonl", folder(&object.bucket)));
            render::incomplete_line(family, row.user_key, row.body, lines);
            held += row.user_key.len() + row.body.len();
            if held > BATCH {
                held = 0;
                collector.take(std::mem::replace(&mut out, UnitOut::new(tree)))?;
            }
        }
        collector.take(out)?;
    }
    Ok(())
}
