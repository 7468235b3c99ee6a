//! The rows of unfinished uploads as they are stored (`docs/format/s3.md` §7).

use super::rows::parse;
use crate::dataset::DataSet;
use crate::error::Result;
use crate::format::s3::{PartKey, UploadKey};
use crate::format::{Adapter, Family};
use crate::model::s3::UploadRow;
use crate::options::filter::Filter;

/// Gives all upload rows, then all part rows, of every generation, each kind in key order.
///
/// # Errors
/// A malformed key, unless damage is skipped, and what `each` gives.
pub fn unfinished_uploads(
    set: &DataSet<'_>,
    filter: &Filter,
    mut each: impl FnMut(&UploadRow<'_>) -> Result<()>,
) -> Result<()> {
    for family in [Family::S3Upload, Family::S3UploadPart] {
        let mut rows = set.family(family);
        while let Some(row) = rows.next()? {
            let suffix = family.suffix(row.user_key);
            let upload = match family {
                Family::S3Upload => UploadKey::parse(suffix),
                _ => PartKey::parse(suffix).map(|part| part.upload),
            };
            match parse(set, family, &row, upload).map(|upload| upload.object) {
                Ok(object) if filter.meets(Adapter::S3, &object.bucket, &[&object.object]) => {
                    each(&UploadRow { family, bucket: object.bucket, user_key: row.user_key, value: row.body })?;
                }
                Ok(_) => {}
                Err(error) => set.tolerate(error)?,
            }
        }
    }
    Ok(())
}
