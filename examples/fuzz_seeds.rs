//! Writes seeds of the fuzz targets, made from a few rows of real snapshots, and from a few files of their outputs:
//! `cargo run --example fuzz_seeds -- fuzz/seeds SNAPSHOT…`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use ekvsnap::dataset::{DataSet, Row};
use ekvsnap::decode::filter::Filter;
use ekvsnap::decode::{Layout, Options, Silent, decode};
use ekvsnap::format::Family;
use ekvsnap::index::Granularity;
use ekvsnap::output::archive::Packing;
use ekvsnap::replay::{encode_files, encode_rows};
use ekvsnap::source::{Access, Source};

/// Maximum number of rows of a family, and of bytes of a value.
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
        outputs(&target, &name, &sources)?;
    }
    Ok(())
}

/// Objects whose outputs are small and can be read: patterns, and the maximum size.
const CHOSEN: [(&str, &str, u64); 5] = [
    ("redis-small", "redis:[a-z]:*", 130),
    ("dynamodb-small", "dynamodb:{gsi,binkeys}", 200),
    ("s3-small", "s3:bucket.two", 1000),
    ("sqs-small", "sqs:{attrs,fifo.fifo}", 1000),
    ("fs-small", "fs:/names/a*", 1000),
];
/// The file system whose partial output cannot be read.
const WHOLE: &str = "field";

/// Outputs of a few objects in both layouts, and an archive.
fn outputs(target: &Path, name: &str, sources: &[Source]) -> Result<(), Box<dyn Error>> {
    let mut filter = Filter::default();
    match CHOSEN.iter().find(|(of, ..)| *of == name) {
        Some((_, pattern, max_size)) => {
            filter = Filter { include: vec![pattern.parse()?], max_size: *max_size, ..filter }
        }
        None if name == WHOLE => {}
        None => return Ok(()),
    }
    let dir = tempfile::tempdir()?;
    let options = Options { filter, fsync: Some(false), ..Options::default() }.for_restore();
    for (layout, kind) in [(Layout::TREE, "tree"), (Layout::JSONL, "lines")] {
        let out = dir.path().join(kind);
        decode(sources, &out, &Options { layout, ..options.clone() }, &Silent)?;
        let files = contents(&out)?;
        let files = files.iter().map(|(path, content)| (path.as_bytes(), content.as_slice()));
        put(target, "outputs", &format!("{name}-{kind}"), &encode_files(layout.is_packed(), true, files))?;
    }
    if name == "fs-small" {
        let out = dir.path().join("x.tar");
        decode(sources, &out, &Options { archive: Some(Packing::Tar), ..options }, &Silent)?;
        put(target, "archive", name, &fs::read(out)?)?;
    }
    Ok(())
}

/// Paths and contents of the files in folders of an output: the files outside of folders are about the whole output.
fn contents(out: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![out.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(out).unwrap_or(&path).to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.contains('/') {
                files.insert(name, fs::read(path)?);
            }
        }
    }
    Ok(files)
}

fn put(target: &Path, seeds: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = target.join(seeds);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn write(target: &Path, name: &str, rows: &BTreeMap<Family, Vec<Row<'_>>>) -> Result<(), Box<dyn Error>> {
    let put = |seeds: &str, name: &str, bytes: &[u8]| put(target, seeds, name, bytes);
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
        // The target adds the magic.
        let body = if *family == Family::SqsData { row.body.get(4..).unwrap_or_default() } else { row.body };
        if let Some(value) = value {
            put(value, &format!("{name}-{}", *family as u8), body)?;
        }
    }
    Ok(())
}
