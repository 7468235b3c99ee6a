//! The rows of unfinished uploads as they are stored (`docs/format/s3.md` §7).

use super::buckets::Buckets;
use super::rows::parse;
use crate::dataset::{DataSet, after_prefix};
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

/// Gives the rows of unfinished uploads of live generations: as [`unfinished_uploads`], and behind them the inline chunks of uploads
/// that have their record, in key order. No server offloads those of unfinished uploads.
///
/// # Errors
/// As [`unfinished_uploads`].
pub fn live_uploads(
    set: &DataSet<'_>,
    buckets: &Buckets<'_>,
    filter: &Filter,
    mut each: impl FnMut(&UploadRow<'_>) -> Result<()>,
) -> Result<()> {
    let mut live = Vec::new();
    unfinished_uploads(set, filter, |row| {
        let suffix = row.family.suffix(row.user_key);
        let upload = PartKey::parse(suffix).map(|part| part.upload);
        let (is_record, upload) =
            if row.family == Family::S3Upload { (true, UploadKey::parse(suffix)) } else { (false, upload) };
        let generation = upload.map(|upload| upload.object.generation).ok();
        if generation.is_none() || buckets.live(&row.bucket) != generation {
            return Ok(());
        }
        if is_record {
            live.push((row.bucket.to_vec(), suffix.to_vec()));
        }
        each(row)
    })?;
    let family = Family::S3Blob;
    for (bucket, upload) in live {
        let prefix = [family.prefix().as_bytes(), &upload].concat();
        let end = after_prefix(&prefix);
        let mut rows = set.range(family, prefix, end);
        while let Some(row) = rows.next()? {
            each(&UploadRow { family, bucket: (&*bucket).into(), user_key: row.user_key, value: row.body })?;
        }
    }
    Ok(())
}
