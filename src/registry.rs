//! What reads and writes the objects of each adapter: one line for each adapter, and one for each pair of adapter and layout.
//!
//! The folders below this one know one adapter or one layout; those above ask here. A program that embeds the crate adds its own lines, for
//! an adapter or a layout that it [registered](crate::format::adapter::register), before the first run that needs them:
//!
//! * [`Front`] knows where the objects of an adapter are, in a snapshot and in an output ([`add_front`]).
//! * [`Writer`] writes the objects of an adapter in a layout ([`add_writer`]).
//!
//! [`readers`] read outputs back, also those of added adapters.

use std::path::Path;

use crate::adapters::{dynamodb, fs, redis, s3, sqs};
use crate::dataset::{DataSet, RowsOf};
use crate::error::{Error, Result};
use crate::format::adapter::{self, Adapter};
use crate::format::{Full, slots::Slots};
#[cfg(feature = "archive")]
use crate::layouts::aws;
use crate::layouts::counted::{Counts, FileCount};
use crate::layouts::lookup::Lookup;
#[cfg(feature = "parquet")]
use crate::layouts::parquet;
use crate::layouts::place::Place;
use crate::layouts::reading::output::{Readers, Visitor};
use crate::layouts::reading::{AsRows, RowReader};
use crate::layouts::{self, jsonl, tree};
use crate::options::{Layout, ObjectName, Options};
use crate::output::observer::{Observer, Secret};
use crate::output::split::{Assembler, Collector};
use crate::output::tree::Tree;
use crate::report::Findings;
use crate::run::shards::{Recorder, Role};
use crate::run::{Job, Progress};

/// Where the objects of an adapter are: their rows in a snapshot, and their files in an output.
#[derive(Debug)]
pub struct Front {
    /// The adapter.
    pub adapter: Adapter,
    /// Ranges that hold all rows of an object.
    pub rows_of: fn(&DataSet<'_>, &ObjectName) -> Result<RowsOf>,
    /// What a file of an output contains, by its path below the adapter's folder; `None`: no objects.
    pub place: fn(Layout, &[u8]) -> Option<Place>,
    /// Writes one object of an output; `true`: it is there. `None`: single objects of an output cannot be read.
    pub lookup: Option<fn(&mut Lookup<'_>) -> Result<bool>>,
    /// How the objects in the files of an output are counted. `None`: they are not compared with the counts of the manifest.
    pub counts: Option<&'static dyn Counts>,
    /// Reads the objects of an output back, as the rows that store them. `None`: such outputs cannot be encoded, or the adapter belongs to
    /// this crate, whose [`readers`] give typed objects.
    pub reader: Option<fn(Layout, &Path) -> Box<RowReader>>,
    /// Whether a run can give only the objects that changed.
    pub has_changes: bool,
}

/// Writes the objects of an adapter in a layout.
#[derive(Debug)]
pub struct Writer {
    /// The adapter.
    pub adapter: Adapter,
    /// The layout.
    pub layout: Layout,
    /// Writes all objects that the options of the job ask for.
    pub all: fn(&mut Job<'_, '_, '_>) -> Result<()>,
    /// Writes one object, if it is there. The options have a filter for this object.
    pub one: fn(&mut Job<'_, '_, '_>, &ObjectName) -> Result<()>,
    /// Whether the splits can be shared among shards of a run. Otherwise one shard writes all objects.
    pub is_split: bool,
}

static FRONTS: [Front; 5] = [
    Front {
        adapter: adapter::DYNAMODB,
        place: layouts::dynamodb::place::place,
        lookup: Some(layouts::dynamodb::lookup::lookup),
        counts: Some(&layouts::dynamodb::counted::Items),
        reader: None,
        has_changes: true,
        rows_of: |set, at| Ok(RowsOf::exactly(dynamodb::rows_of(set, &at.name, at.rest())?)),
    },
    Front {
        adapter: adapter::S3,
        place: layouts::s3::place::place,
        lookup: Some(layouts::s3::lookup::lookup),
        counts: Some(&layouts::s3::counted::Objects),
        reader: None,
        has_changes: true,
        rows_of: |set, at| s3::rows_of(set, &at.name, at.rest()),
    },
    Front {
        adapter: adapter::REDIS,
        place: layouts::redis::place::place,
        lookup: Some(layouts::redis::lookup::lookup),
        counts: Some(&layouts::redis::counted::Keys),
        reader: None,
        has_changes: true,
        rows_of: |set, at| Ok(redis::Splits::uncut(set).rows_of(at.name.clone())),
    },
    Front {
        adapter: adapter::SQS,
        place: layouts::sqs::place::place,
        lookup: Some(layouts::sqs::lookup::lookup),
        counts: Some(&layouts::sqs::counted::Messages),
        reader: None,
        has_changes: true,
        rows_of: |set, at| sqs::rows_of(set, &at.name, at.rest()),
    },
    Front {
        adapter: adapter::FS,
        place: layouts::fs::place::place,
        lookup: Some(layouts::fs::lookup::lookup),
        counts: Some(&layouts::fs::counted::Inodes),
        reader: None,
        has_changes: false,
        rows_of: |set, at| Ok(RowsOf::exactly(fs::rows_of(set, &at.name)?)),
    },
];

/// The readers of all adapters, for the files of an output in a layout.
pub fn readers<V: Visitor>(layout: Layout, scratch: &Path) -> Readers<V> {
    use layouts::{dynamodb, fs, redis, s3, sqs};
    let mut readers: Readers<V> = vec![
        (adapter::REDIS, Box::new(redis::read::Reader::new(layout, scratch))),
        (adapter::SQS, Box::new(sqs::read::Reader::new(layout))),
        (adapter::DYNAMODB, Box::new(dynamodb::read::Reader::new(layout, scratch))),
        (adapter::S3, Box::new(s3::read::Reader::new(layout, scratch))),
        (adapter::FS, Box::new(fs::read::Reader::new(scratch))),
    ];
    for front in ADDED_FRONTS.all() {
        if let Some(reader) = front.reader {
            readers.push((front.adapter, Box::new(AsRows(reader(layout, scratch)))));
        }
    }
    readers
}

/// In the order in which a run writes.
static WRITERS: &[Writer] = {
    use adapter::{DYNAMODB, FS, REDIS, S3, SQS};
    use layouts::{dynamodb, fs, redis, s3, sqs};
    const TREE: Layout = Layout::TREE;
    const JSONL: Layout = Layout::JSONL;
    &[
        Writer { adapter: DYNAMODB, layout: TREE, all: dynamodb::tables, one: dynamodb::item, is_split: true },
        Writer { adapter: DYNAMODB, layout: JSONL, all: dynamodb::tables, one: dynamodb::item, is_split: true },
        #[cfg(feature = "parquet")]
        Writer {
            adapter: DYNAMODB,
            layout: Layout::PARQUET,
            all: parquet::dynamodb::tables,
            one: parquet::dynamodb::item,
            is_split: true,
        },
        #[cfg(feature = "archive")]
        Writer { adapter: DYNAMODB, layout: Layout::AWS_EXPORT, all: aws::tables, one: aws::item, is_split: false },
        Writer {
            adapter: S3,
            layout: TREE,
            all: s3::write_all::<tree::s3::Sidecars>,
            one: s3::write_one::<tree::s3::Sidecars>,
            is_split: true,
        },
        Writer {
            adapter: S3,
            layout: JSONL,
            all: s3::write_all::<jsonl::s3::Lines>,
            one: s3::write_one::<jsonl::s3::Lines>,
            is_split: true,
        },
        #[cfg(feature = "parquet")]
        Writer {
            adapter: S3,
            layout: Layout::PARQUET,
            all: parquet::s3::write_all,
            one: parquet::s3::write_one,
            is_split: true,
        },
        Writer {
            adapter: REDIS,
            layout: TREE,
            all: |job| redis::write_all::<tree::redis::Files<'_, '_>>(job),
            one: |job, at| redis::write_one::<tree::redis::Files<'_, '_>>(job, at),
            is_split: true,
        },
        Writer {
            adapter: REDIS,
            layout: JSONL,
            all: |job| redis::write_all::<jsonl::redis::Lines<'_, '_>>(job),
            one: |job, at| redis::write_one::<jsonl::redis::Lines<'_, '_>>(job, at),
            is_split: true,
        },
        #[cfg(feature = "parquet")]
        Writer {
            adapter: REDIS,
            layout: Layout::PARQUET,
            all: |job| redis::write_all::<parquet::redis::Redis<'_, '_>>(job),
            one: |job, at| redis::write_one::<parquet::redis::Redis<'_, '_>>(job, at),
            is_split: true,
        },
        Writer {
            adapter: SQS,
            layout: TREE,
            all: |job| sqs::queues(job, &tree::sqs::Paths),
            one: |job, at| sqs::of_queue(job, &tree::sqs::Paths, at),
            is_split: true,
        },
        Writer {
            adapter: SQS,
            layout: JSONL,
            all: |job| sqs::queues(job, &jsonl::sqs::Paths),
            one: |job, at| sqs::of_queue(job, &jsonl::sqs::Paths, at),
            is_split: true,
        },
        #[cfg(feature = "parquet")]
        Writer {
            adapter: SQS,
            layout: Layout::PARQUET,
            all: |job| sqs::queues(job, &parquet::sqs::Paths),
            one: |job, at| sqs::of_queue(job, &parquet::sqs::Paths, at),
            is_split: true,
        },
        Writer { adapter: FS, layout: TREE, all: fs::files, one: fs::file, is_split: true },
        Writer { adapter: FS, layout: JSONL, all: fs::files, one: fs::file, is_split: true },
        #[cfg(feature = "parquet")]
        Writer {
            adapter: FS,
            layout: Layout::PARQUET,
            all: parquet::fs::files,
            one: parquet::fs::file,
            is_split: false,
        },
    ]
};

static ADDED_FRONTS: Slots<Front, 11> = Slots::new();
static ADDED_WRITERS: Slots<Writer, 64> = Slots::new();

/// Registers how the rows of one object of an added adapter are found.
///
/// # Errors
/// There is no room for one more, or the adapter has one already.
pub fn add_front(front: &'static Front) -> std::result::Result<(), Full> {
    if self::front(front.adapter).is_some() {
        return Err(Full);
    }
    ADDED_FRONTS.add(front).map(drop)
}

/// Registers the writer of an adapter in a layout; one of the two must be an added one.
///
/// # Errors
/// There is no room for one more, or the pair has one already.
pub fn add_writer(writer: &'static Writer) -> std::result::Result<(), Full> {
    if writers().any(|known| (known.adapter, known.layout) == (writer.adapter, writer.layout)) {
        return Err(Full);
    }
    ADDED_WRITERS.add(writer).map(drop)
}

fn front(adapter: Adapter) -> Option<&'static Front> {
    FRONTS.iter().chain(ADDED_FRONTS.all()).find(|front| front.adapter == adapter)
}

fn writers() -> impl Iterator<Item = &'static Writer> {
    WRITERS.iter().chain(ADDED_WRITERS.all())
}

/// The writer of an adapter in a layout.
fn writer(adapter: Adapter, layout: Layout) -> Result<&'static Writer> {
    let found = writers().find(|writer| (writer.adapter, writer.layout) == (adapter, layout));
    found.ok_or_else(|| {
        let (adapter, layout) = (adapter.name(), layout.name());
        Error::usage(format!("the layout {layout} cannot store objects of {adapter}: choose other adapters"))
    })
}

/// Writes all objects that are asked for, adapter by adapter.
///
/// # Errors
/// A damaged row, a failed write, or a layout that has no writer for an adapter whose rows are there.
pub(crate) fn fill_all(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let options = job.options;
    let secret = job.tree.observer().and_then(Observer::secret);
    if secret.is_some_and(Secret::is_of_lines) {
        check_changes(job)?;
    }
    for adapter in adapter::all().filter(|adapter| options.wants(*adapter)) {
        match writer(adapter, options.layout) {
            Ok(writer) => fill_in_role(job, writer)?,
            Err(error) if job.set.has_rows_of(adapter) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Refuses a search for changes of objects that a decode of changes cannot select.
fn check_changes(job: &Job<'_, '_, '_>) -> Result<()> {
    let asked = adapter::all().filter(|adapter| job.options.wants(*adapter) && job.set.has_rows_of(*adapter));
    let mut without = asked.filter(|adapter| !has_changes(*adapter));
    match without.next() {
        Some(adapter) => Err(Error::usage(format!(
            "changes of objects of {} cannot be written: choose other adapters, or decode the complete state",
            adapter.name()
        ))),
        None => Ok(()),
    }
}

/// Whether an adapter can give only the objects that changed.
fn has_changes(adapter: Adapter) -> bool {
    front(adapter).is_some_and(|front| front.has_changes)
}

/// Files below the root that are the same in every output of a layout: names and contents.
pub(crate) fn beside(options: &Options) -> &'static [(&'static str, &'static str)] {
    if options.layout == Layout::JSONL && options.loaders { &layouts::jsonl::beside::FILES } else { &[] }
}

/// Whether the splits of an adapter can be shared among shards of a run. Otherwise one shard writes all of it.
pub(crate) fn is_split(adapter: Adapter, layout: Layout) -> bool {
    writer(adapter, layout).is_ok_and(|writer| writer.is_split)
}

/// Whether the layout has columns that depend on all rows of a table.
pub(crate) fn has_columns(options: &Options) -> bool {
    #[cfg(feature = "parquet")]
    if options.layout == Layout::PARQUET {
        return options.wants(adapter::DYNAMODB);
    }
    let _ = options;
    false
}

/// These columns, for shards that do not see all rows.
pub(crate) fn columns(set: &DataSet<'_>, options: &Options, progress: &dyn Progress) -> Result<Vec<u8>> {
    #[cfg(feature = "parquet")]
    if has_columns(options) {
        return parquet::dynamodb::columns(set, options, progress);
    }
    let _ = (set, options, progress);
    Ok(Vec::new())
}

fn fill_in_role(job: &mut Job<'_, '_, '_>, writer: &Writer) -> Result<()> {
    let adapter = writer.adapter;
    match job.role {
        Role::Shard(recorder) if !writer.is_split => match recorder.share().owns(adapter) {
            true => record_whole(job, writer, recorder),
            false => Ok(()),
        },
        Role::Merge(shards) if !writer.is_split => {
            let (findings, tally) = shards.whole(adapter)?;
            job.collector.findings.merge(findings);
            job.collector.tally.merge(tally);
            Ok(())
        }
        _ => (writer.all)(job),
    }
}

/// Writes an adapter as a whole, and records its results other than files.
fn record_whole(job: &mut Job<'_, '_, '_>, writer: &Writer, recorder: &Recorder) -> Result<()> {
    let Job { set, options, tree, progress, columns, .. } = *job;
    let scratch = tree.scratch_dir();
    let mut collector = Collector::new(tree, scratch);
    collector.assembler = assembler(options.layout);
    collector.part_size = options.part_size.filter(|_| options.packed());
    (writer.all)(&mut Job { set, options, tree, progress, collector: &mut collector, role: Role::All, columns })?;
    let (sums, findings, tally) = collector.finish()?;
    recorder.sums(sums)?;
    recorder.whole(writer.adapter, &findings, &tally)
}

/// Assembles the files of a layout whose tasks make only pieces.
pub(crate) fn assembler(layout: Layout) -> Option<Box<dyn Assembler>> {
    #[cfg(feature = "parquet")]
    if layout == Layout::PARQUET {
        return Some(Box::<parquet::Parts>::default());
    }
    let _ = layout;
    None
}

/// Decodes one object into `tree`, without decoding the rest, and returns the findings. If the object is not there, nothing is written.
/// `scratch` as for [`fill`](crate::decode::fill).
///
/// # Errors
/// A damaged row of the object, or of rows that its adapter must read first.
pub fn fill_one(
    set: &DataSet<'_>,
    name: &ObjectName,
    options: &Options,
    tree: &Tree,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Findings> {
    set.check_keys()?;
    let writer = writer(name.adapter, options.layout)?;
    let mut collector = Collector::new(tree, scratch);
    collector.assembler = assembler(options.layout);
    (writer.one)(
        &mut Job { set, options, tree, progress, collector: &mut collector, role: Role::All, columns: None },
        name,
    )?;
    set.check_unchanged()?;
    collector.finish().map(|(_, findings, _)| findings)
}

/// The ranges and keys of the rows of an object.
///
/// # Errors
/// As [`fill_one`]; a usage error, if the adapter has no front.
pub fn rows_of(set: &DataSet<'_>, name: &ObjectName) -> Result<RowsOf> {
    let front = front(name.adapter)
        .ok_or_else(|| Error::usage(format!("rows of one object of {} cannot be found", name.adapter.name())))?;
    (front.rows_of)(set, name)
}

/// Writes one object of an output; `true`: it is there.
///
/// # Errors
/// A file of the output that is missing, is not listed or differs, or is not what a decode writes; a usage error, if single objects of the
/// adapter cannot be read from outputs.
pub(crate) fn lookup(at: &mut Lookup<'_>) -> Result<bool> {
    let lookup = front(at.one.adapter)
        .and_then(|front| front.lookup)
        .ok_or_else(|| Error::usage(format!("objects of {} cannot be read from an output", at.one.adapter.name())))?;
    lookup(at)
}

/// How the objects of an adapter are counted; `None`: they are not.
pub(crate) fn counts(adapter: Adapter) -> Option<&'static dyn Counts> {
    front(adapter)?.counts
}

/// How the objects of a file of an output are counted, by its path below the output. A part is counted like the file that it belongs to.
pub(crate) fn counted(path: &[u8]) -> Option<(Adapter, FileCount<'_>)> {
    let (folder, below) = layouts::counted::in_folder(path)?;
    let adapter = adapter::named(folder)?;
    counts(adapter)?.file(below).map(|count| (adapter, count))
}

/// What a file of an output contains, by its path below the output; `None`: no objects.
pub(crate) fn place(layout: Layout, path: &[u8]) -> Option<Place> {
    // A part has lines of the same kind as the file that is cut.
    let path = layouts::joined(layout, path);
    let slash = memchr::memchr(b'/', path)?;
    let adapter = adapter::named(&path[..slash])?;
    (front(adapter)?.place)(layout, &path[slash + 1..])
}

#[cfg(feature = "load")]
mod typed;
#[cfg(feature = "load")]
pub(crate) use typed::read_all;

#[cfg(test)]
mod tests;
