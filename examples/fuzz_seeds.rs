//! Writes seeds of the fuzz targets, made of a few rows of real snapshots:
//! `cargo run --example fuzz_seeds -- fuzz/seeds SNAPSHOT…`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use ekvsnap::dataset::{DataSet, Row};
use ekvsnap::format::Family;
use ekvsnap::index::Granularity;
use ekvsnap::replay::encode_rows;
use ekvsnap::source::{Access, Source};

/// Rows of a family that are taken, and the largest value.
const MOST_ROWS: usize = 3;
const LARGEST: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let target = arguments.next().ok_or("want a directory for the seeds, and snapshots")?;
    for snapshot in arguments {
        let name = snapshot.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let sources = [Source::open(&snapshot, Access::Map)?];
        let set = DataSet::index(&sources, None, Granularity::default())?;
        let mut rows = BTreeMap::new();
        for family in Family::ALL.iter().filter(|family| !matches!(family, Family::Unknown)) {
            let (mut range, mut kept) = (set.family(*family), Vec::new());
            while let Some(row) = range.next()? {
                let fits = row.body.len() <= LARGEST && row.user_key.len() < 100 && Family::of(row.user_key) == *family;
                if fits && kept.len() < MOST_ROWS {
                    kept.push(row);
                }
            }
            rows.insert(*family, kept);
        }
        write(&target, &name, &rows)?;
    }
    Ok(())
}

fn write(target: &Path, name: &str, rows: &BTreeMap<Family, Vec<Row<'_>>>) -> Result<(), Box<dyn Error>> {
    let put = |seeds: &str, name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let folder = target.join(seeds);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    let all = rows.values().flatten().map(|row| (row.user_key, row.body));
    put("whole", name, &encode_rows(all))?;
    for (family, kept) in rows {
        let Some(row) = kept.first() else { continue };
        let suffix = family.suffix(row.user_key);
        let seed = [&[*family as u8, suffix.len() as u8], suffix, row.body].concat();
        put("rows", &format!("{name}-{}", *family as u8), &seed)?;
        let value = match family {
            Family::DdbItem | Family::DdbTable => Some("dynamodb_item"),
            Family::S3Object | Family::S3BucketMeta | Family::S3Upload | Family::S3UploadPart => Some("s3_values"),
            Family::SqsData | Family::SqsQueue => Some("sqs_message"),
            _ => None,
        };
        // The magic is put in front by the target.
        let body = if *family == Family::SqsData { row.body.get(4..).unwrap_or_default() } else { row.body };
        if let Some(value) = value {
            put(value, &format!("{name}-{}", *family as u8), body)?;
        }
    }
    Ok(())
}
