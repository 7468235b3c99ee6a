//! DynamoDB tables as AWS exports them to S3, ready for its import (`docs/format/aws-export.md`).
//!
//! Items are written in the order of a hash of their keys: an import of items in the order of keys would write to one partition of the new
//! table at a time. The first pass checks each item and records its position (`heads.rs`). The records are sorted. The second pass reads
//! the items again in that order and writes them, compressed in pieces on all threads (`lines.rs`).
//!
//! | output | what it is |
//! |---|---|
//! | `dynamodb/TABLE.schema.json` | the schema, as in the packed layout |
//! | `dynamodb/TABLE/AWSDynamoDB/ID/…` | the export: manifests, and objects of lines below `data/` |
//! | `dynamodb/TABLE/import-table.json` | the parameters of `aws dynamodb import-table` |
//! | `dynamodb/TABLE/refused.jsonl` | what AWS rejects, with the reason; only if there is something |
//! | `dynamodb/_orphans/TABLE/gen-N.jsonl` | with `Options::include_orphans`: as in the packed layout |
//!
//! With `Options::since` it has the changes after a moment, or since older snapshots (`changes.rs`), and nothing to import.

mod changes;
mod entry;
mod export;
mod gzip;
mod heads;
mod limits;
mod lines;
mod names;
mod noted;
mod refused;
mod sides;

use serde_json::{Value, json};

use crate::adapters::dynamodb::{self, Tables};
use crate::dataset::{DataSet, KeyRange};
use crate::error::{Error, Result};
use crate::format::{Family, adapter};
use crate::layouts::dynamodb::definition::definition;
use crate::layouts::dynamodb::paths::Paths;
use crate::layouts::dynamodb::{Lanes, documented, of_item, write_splits};
use crate::model::dynamodb::Table;
use crate::options::ObjectName;
use crate::output::split::SplitOutput;
use crate::report::Findings;
use crate::run::Job;
use crate::run::sort::Sorter;
use changes::Changes;
use export::{Export, Kind};
use heads::Heads;
use limits::Importable;
use lines::{Exports, Renderer};
use names::{BUCKET, Names, Run};
use noted::Sorting;
use sides::{Found, Union};

/// Writes all tables.
///
/// # Errors
/// The first damaged row in key order (schemas before items), or a failed write.
pub(crate) fn tables(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let (tables, splits) = documented(job)?;
    write(job, &tables, &splits)
}

/// Writes the items that a text can mean: rarely more than one exists.
///
/// # Errors
/// A damaged schema, or a damaged row of the item.
pub(crate) fn item(job: &mut Job<'_, '_, '_>, name: &ObjectName) -> Result<()> {
    let (tables, splits) = of_item(job, name)?;
    write(job, &tables, &splits)
}

fn write<'a>(job: &mut Job<'_, 'a, '_>, tables: &Tables<'a>, splits: &[KeyRange]) -> Result<()> {
    let run = Run::of(job.set, job.options);
    match job.options.since {
        None => full(job, tables, splits, &run),
        Some(since) => changes(job, tables, splits, &run, since),
    }
}

fn full<'a>(job: &mut Job<'_, 'a, '_>, tables: &Tables<'a>, splits: &[KeyRange], run: &Run) -> Result<()> {
    let wanted: Vec<usize> = tables.wanted(&job.options.filter).map(|table| table.place).collect();
    for place in &wanted {
        let (table, mut out) = (tables.get(*place), SplitOutput::new(job.tree));
        parameters(tables, &table, &Names::of(run, &table), &mut out)?;
        job.collector.take(out)?;
    }
    let expected = job.set.merged_counts().family(Family::DdbItem).live;
    let mut sorting = Sorting(Sorter::new(job.tree, expected));
    write_splits(job, tables, (splits, &Lanes::default()), &|out| Heads::new(tables, out), &mut sorting)?;
    let size = job.options.object_size();
    let begin = |place: usize| {
        let table = tables.get(place);
        (Export::new(Names::of(run, &table), Kind::Full, size), Paths::of(&table).dir)
    };
    let left = wanted.into_iter();
    let mut exports = Exports { size, left, begin: &begin, open: None, collector: &mut *job.collector };
    let renderer = Renderer { set: job.set, tables, tree: job.tree };
    let rows = sorting.0.finish()?;
    lines::write((job.tree, job.progress), rows, &mut exports, |entries| renderer.piece(entries))
}

/// Writes the changes after a moment.
fn changes<'a>(
    job: &mut Job<'_, 'a, '_>,
    after: &Tables<'a>,
    splits: &[KeyRange],
    run: &Run,
    since: u64,
) -> Result<()> {
    let filter = &job.options.filter;
    job.progress.begin("scan", 1);
    let earlier = earlier_state(job, run, since)?;
    job.progress.advance(1);
    // Findings about the earlier state are not reported: the output is about the later one.
    let before = &Tables::read(&earlier, &mut Findings::default())?;
    let tables = Union { before, after };
    let gone = before.wanted(filter).filter(|table| after.find(&table.encoded).is_none());
    let wanted: Vec<usize> =
        after.wanted(filter).map(|table| table.place).chain(gone.map(|table| after.len() + table.place)).collect();
    let counts = [&earlier, job.set].map(|set| set.merged_counts().family(Family::DdbItem).live);
    let mut sorting = Sorting(Sorter::new(job.tree, counts.iter().sum()));
    let earlier_splits = dynamodb::splits(&earlier, before, filter)?;
    sides::before(&earlier, tables, &earlier_splits, job.options, &mut sorting.0)?;
    write_splits(job, after, (splits, &Lanes::default()), &|out| Found::new(tables, out), &mut sorting)?;
    let size = job.options.object_size();
    let begin = |number: usize| {
        let table = tables.any(number);
        (Export::new(Names::of(run, &table), Kind::Changes(since), size), Paths::of(&table).dir)
    };
    for number in &wanted {
        job.collector.tally.scope(adapter::DYNAMODB, &Paths::of(&tables.any(*number)).scope);
    }
    let one_store = job.options.older.is_none();
    let changes = Changes { sets: [&earlier, job.set], one_store, tables, tree: job.tree, from: since, to: run.moment };
    let left = wanted.into_iter();
    let mut exports = Exports { size, left, begin: &begin, open: None, collector: &mut *job.collector };
    let rows = sorting.0.finish()?;
    lines::write((job.tree, job.progress), rows, &mut exports, |sights| changes.piece(sights))
}

/// The earlier state: that of older snapshots, or that of an earlier moment of the history.
fn earlier_state<'s>(job: &Job<'s, 's, '_>, run: &Run, since: u64) -> Result<DataSet<'s>> {
    if let Some(older) = &job.options.older {
        older.check(job.set.inputs().map(|group| group.source), run.moment)?;
        let mut set = DataSet::index(older.sources(), None, job.set.granularity())?;
        set.resolve_transactions()?;
        return Ok(set);
    }
    if since >= run.moment {
        let (since, last) = (names::instant(since), names::instant(run.moment));
        return Err(Error::usage(format!(
            "changes since {since} are asked for, but the state is that of {last}: choose an earlier moment"
        )));
    }
    job.set.earlier(since)
}

/// Writes `import-table.json`, and reports what AWS rejects of the table itself.
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
