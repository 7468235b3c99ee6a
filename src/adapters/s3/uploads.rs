//! The rows of unfinished uploads as they are stored (`docs/format/s3.md` §7).

use super::buckets::Buckets;
use super::rows::parse;
use crate::dataset::{DataSet, after_prefix};
use crate::error::{Error, Result};
use crate::format::s3::{PartKey, UploadKey};
use crate::format::{Family, adapter};
use crate::model::s3::UploadRow;
use crate::options::filter::Filter;

/// Gives all upload rows, then all part rows, of every generation; each kind in key order.
///
/// # Errors
/// A malformed key, unless damage is skipped, and the error of `each`.
pub fn unfinished_uploads(
    set: &DataSet<'_>,
    filter: &Filter,
    mut each: impl FnMut(&UploadRow<'_>) -> Result<()>,
) -> Result<()> {
    let lost = |error| set.skip(error);
    uploads_of(set, Family::S3Upload, filter, &lost, &mut each)?;
    uploads_of(set, Family::S3UploadPart, filter, &lost, &mut each)
}

fn uploads_of(
    set: &DataSet<'_>,
    family: Family,
    filter: &Filter,
    lost: &dyn Fn(Error) -> Result<()>,
    each: &mut impl FnMut(&UploadRow<'_>) -> Result<()>,
) -> Result<()> {
    let mut rows = set.family(family);
    while let Some(row) = rows.next()? {
        let suffix = family.suffix(row.user_key);
        let upload = match family {
            Family::S3Upload => UploadKey::parse(suffix),
            _ => PartKey::parse(suffix).map(|part| part.upload),
        };
        match parse(set, family, &row, upload).map(|upload| upload.object) {
            Ok(object) if filter.meets(adapter::S3, &object.bucket, &[&object.object]) => {
                each(&UploadRow { family, bucket: object.bucket, user_key: row.user_key, value: row.body })?;
            }
            Ok(_) => {}
            Err(error) => lost(error)?,
        }
    }
    Ok(())
}

/// Gives the rows of unfinished uploads of live generations, as [`unfinished_uploads`], and then the inline chunks of uploads with a
/// record, in key order. No server offloads chunks of unfinished uploads.
///
/// # Errors
/// As [`unfinished_uploads`].
pub fn live_uploads(
    set: &DataSet<'_>,
    buckets: &Buckets<'_>,
    filter: &Filter,
    mut each: impl FnMut(&UploadRow<'_>) -> Result<()>,
) -> Result<()> {
    let is_live = |row: &UploadRow<'_>| {
        let suffix = row.family.suffix(row.user_key);
        let upload = match row.family {
            Family::S3Upload => UploadKey::parse(suffix),
            _ => PartKey::parse(suffix).map(|part| part.upload),
        };
        upload.is_ok_and(|upload| buckets.told(&row.bucket) == Some(upload.object.generation))
    };
    unfinished_uploads(set, filter, |row| if is_live(row) { each(row) } else { Ok(()) })?;
    // The records are read a second time, because a list of them would grow with the store. Malformed ones were reported before.
    uploads_of(set, Family::S3Upload, filter, &|_| Ok(()), &mut |record| {
        if !is_live(record) {
            return Ok(());
        }
        let family = Family::S3Blob;
        let prefix = [family.prefix().as_bytes(), record.family.suffix(record.user_key)].concat();
        let end = after_prefix(&prefix);
        let mut rows = set.range(family, prefix, end);
        while let Some(row) = rows.next()? {
            each(&UploadRow { family, bucket: record.bucket.clone(), user_key: row.user_key, value: row.body })?;
        }
        Ok(())
    })
}
