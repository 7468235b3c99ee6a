//! DynamoDB tables as AWS exports them to S3, ready for its import (`docs/format/aws-export.md`).
//!
//! Items are written in the order of a hash of their keys: an import of items in the order of keys would write to one partition of
//! the new table at a time. The first pass checks each item and notes where it stands (`heads.rs`); what was noted is sorted; the
//! second pass reads the items again in that order and writes them, compressed in pieces on all threads (`lines.rs`).
//!
//! | output | what it is |
//! |---|---|
//! | `dynamodb/TABLE.schema.json` | the schema, as beside lines |
//! | `dynamodb/TABLE/AWSDynamoDB/ID/…` | the export: manifests, and objects of lines below `data/` |
//! | `dynamodb/TABLE/import-table.json` | the parameters of `aws dynamodb import-table` |
//! | `dynamodb/TABLE/refused.jsonl` | what AWS does not take, with the reason; only if there is something |
//! | `dynamodb/_orphans/TABLE/gen-N.jsonl` | with `Options::include_orphans`: as lines have it |

mod entry;
mod export;
mod gzip;
mod heads;
mod limits;
mod lines;
mod names;
mod refused;

use serde_json::{Value, json};

use crate::adapters::dynamodb::Tables;
use crate::dataset::KeyRange;
use crate::error::Result;
use crate::format::Family;
use crate::layouts::dynamodb::definition::definition;
use crate::layouts::dynamodb::paths::Paths;
use crate::layouts::dynamodb::{documented, of_item, write_splits};
use crate::model::dynamodb::Table;
use crate::options::ObjectName;
use crate::output::split::SplitOutput;
use crate::run::Job;
use crate::run::sort::Sorter;
use heads::{Heads, Sorting};
use limits::Importable;
use names::{BUCKET, Names, Run};

/// Writes all tables.
///
/// # Errors
/// The first damaged row in key order (schemas before items), or a failed write.
pub(crate) fn tables(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (tables, splits) = documented(job)?;
    write(job, &tables, &splits)
}

/// Writes the items that a text can stand for: rarely more than one is there.
///
/// # Errors
/// A damaged schema, or a damaged row of the item.
pub(crate) fn item(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    let (tables, splits) = of_item(job, name)?;
    write(job, &tables, &splits)
}

fn write<'a>(job: &mut Job<'_, 'a, '_>, tables: &Tables<'a>, splits: &[KeyRange]) -> Result<()> {
    let (run, size) = (Run::of(job.set, job.options), job.options.object_size());
    for table in tables.wanted(&job.options.filter) {
        let mut out = SplitOutput::new(job.tree);
        parameters(tables, &table, &Names::of(&run, &table), &mut out)?;
        job.collector.take(out)?;
    }
    let expected = job.set.merged_counts().family(Family::DdbItem).live;
    let mut sorting = Sorting(Sorter::new(job.tree, expected));
    write_splits(job, tables, splits, &|out| Heads::new(tables, out), &mut sorting)?;
    lines::write(job, tables, &run, size, sorting.0.finish()?)
}

/// Writes `import-table.json`, and tells what AWS does not take of the table itself.
fn parameters(tables: &Tables<'_>, table: &Table, names: &Names, out: &mut SplitOutput<'_>) -> Result<()> {
    let Some(stored) = tables.stored(table.place) else { return Ok(()) };
    let (importable, dir) = (Importable::of(&table.name, &stored), Paths::of(table).dir);
    for why in &importable.refused {
        refused::table(table, &dir, why, out);
    }
    let name = String::from_utf8_lossy(&table.name);
    let parameters: Value = json!({
        "S3BucketSource": { "S3Bucket": BUCKET, "S3KeyPrefix": names.key("data/") },
        "InputFormat": "DYNAMODB_JSON",
        "InputCompressionType": "GZIP",
        "TableCreationParameters": definition(&name, &importable.schema),
    });
    let folder = out.tree().passing_dir(dir.as_bytes())?;
    out.put(&folder, b"import-table.json", &[export::json(&parameters)?, b"\n".to_vec()].concat())
}
