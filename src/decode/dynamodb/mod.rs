//! DynamoDB: tables and their items.
//!
//! Schemas are read first; they are few. Item rows are then walked in key order, in units, each row checked and
//! written at once: nothing is held but what a unit is about. Two things need a second look, and both are rare: items
//! whose file name another item may have (`late`), and items of no live generation (`leftovers`).
//!
//! | output | what it is |
//! |---|---|
//! | `dynamodb/TABLE/_schema.json` | the schema |
//! | `dynamodb/TABLE/items/H.json`, `items/H/R.json` | an item, by its hash and range value |
//! | `dynamodb/TABLE/items/data-00001.jsonl` … | instead: packed items |
//! | `dynamodb/TABLE/KEYMAP.jsonl` | names that do not tell their key, if there are any |
//! | `dynamodb/_orphans/TABLE/gen-N/items/KEY.json` | with `--include-orphans`: items of no live generation, by row key |
//!
//! With `--layout jsonl` (`rules.md` §6) no name depends on an item, so nothing is looked at twice:
//!
//! | output | what it is |
//! |---|---|
//! | `dynamodb/TABLE.schema.json` | the schema |
//! | `dynamodb/TABLE.jsonl` | the items, in user-key order of the rows: `{"Item":{…}}`; empty for an empty table |
//! | `dynamodb/_orphans/TABLE/gen-N.jsonl` | with `--include-orphans`: `{"key":B,"Item":{…}}`, the key as in the row key |
//!
//! A table that is itself named `_orphans` is written as `%5Forphans`. No two tables share a file of the packed layout:
//! what one is named with an extension ends in `.jsonl` or in `.schema.json`, never in both.

mod bundle;
mod files;
mod findings;
mod folders;
pub(crate) mod key_text;
mod late;
mod leftovers;
pub mod name;
mod one;
mod packed;
pub mod render;
mod straight;
mod table;
mod taken;
mod unit;
mod walk;

use std::collections::BTreeSet;

use super::filter::Filter;
use super::{Job, engine, note_shared};
use crate::dataset::{DataSet, after_prefix};
use crate::error::Result;
use crate::format::Family;
use crate::output::unit::{Collector, Writes};
use bundle::Bundle;
use files::FirstSpecials;
use late::Late;
use leftovers::Leftovers;
pub(super) use one::{decode_one, rows_of};
use table::Tables;
use taken::Taken;
use unit::{Decoded, Span};

/// Bytes of rows in a unit, about.
const UNIT: usize = 1 << 20;

/// Decodes all tables.
///
/// # Errors
/// The first damaged row in key order (schemas before items), or a failed write.
pub(super) fn decode(job: &mut Job<'_, '_, '_>) -> Result<()> {
    let tables = Tables::read(job.set, &mut job.collector.findings)?;
    table::check_counters(job.set, &tables, &job.options.filter, &mut job.collector.findings)?;
    tables.write(job.options, job.collector)?;
    let spans = spans(job.set, &tables, &job.options.filter)?;
    let filled = items(job, &tables, &spans)?;
    if job.options.packed() { tables.write_empty(job.options, &filled, job.collector) } else { Ok(()) }
}

/// Decodes the items in some spans; tells by place which tables got packed lines.
fn items(job: &mut Job<'_, '_, '_>, tables: &Tables<'_>, spans: &[Span]) -> Result<Vec<bool>> {
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    progress.begin("dynamodb", spans.len() as u64);
    let mut whole = Whole::new(set, tables, options.dynamodb_bundle.map(|limit| Bundle::new(tables, tree, limit)));
    let collector = &mut *job.collector;
    engine::run_with(
        spans.len(),
        |i| unit::decode(set, tables, &spans[i], options, tree),
        |decoded| {
            super::step(progress, tree);
            whole.take(decoded, collector)
        },
        Writes::write,
    )?;
    let (specials, late_spans, filled) = whole.finish(job.collector)?;
    let unknown = !tree.knows_names() && !late_spans.is_empty();
    let taken = if unknown { Some(Taken::find(set, tables, &options.filter, spans, &late_spans)?) } else { None };
    let mut late = Late::new(tables, &options.filter, tree, specials, taken);
    for at in late_spans {
        late.span(set, &spans[at], job.collector)?;
    }
    late.finish(job.collector)?;
    Ok(filled)
}

/// Cuts all item rows into units. With a filter each live generation stands by itself, and what is between them, where
/// there may be rows of no table; tables that are not asked for are passed over. The units do not depend on the number of threads.
fn spans(set: &DataSet<'_>, tables: &Tables<'_>, filter: &Filter) -> Result<Vec<Span>> {
    let prefix = Family::DdbItem.prefix().as_bytes();
    let (mut seams, mut passed_over) = (vec![prefix.to_vec()], BTreeSet::new());
    // Where all are wanted there is nothing to part.
    for (_, table) in tables.all().filter(|_| !filter.is_trivial()) {
        for range in table.live_ranges() {
            seams.extend(after_prefix(&range));
            if !table.is_wanted(filter) {
                passed_over.insert(range.clone());
            }
            seams.push(range);
        }
    }
    seams.sort_unstable();
    let ends = seams.iter().skip(1).cloned().map(Some).chain(std::iter::once(after_prefix(prefix)));
    let mut spans = Vec::new();
    for (lo, hi) in seams.iter().zip(ends).filter(|(lo, _)| !passed_over.contains(*lo)) {
        let mut lo = lo.clone();
        for cut in set.cuts(&lo, hi.as_deref(), UNIT)? {
            spans.push((std::mem::replace(&mut lo, cut.clone()), Some(cut)));
        }
        spans.push((lo, hi));
    }
    Ok(spans)
}

/// What comes together over the units, in their order.
struct Whole<'s, 'a, 't> {
    set: &'s DataSet<'a>,
    tables: &'s Tables<'s>,
    bundle: Option<Bundle<'s, 't>>,
    leftovers: Leftovers,
    specials: FirstSpecials,
    units: usize,
    late: Vec<usize>,
    /// The tables that got packed lines, by place, and the last of them: only it can get more.
    filled: Vec<bool>,
    open: Option<usize>,
}

impl<'s, 'a, 't> Whole<'s, 'a, 't> {
    fn new(set: &'s DataSet<'a>, tables: &'s Tables<'s>, bundle: Option<Bundle<'s, 't>>) -> Self {
        let (leftovers, specials, late) = (Leftovers::default(), FirstSpecials::default(), Vec::new());
        let filled = vec![false; tables.len()];
        Whole { set, tables, bundle, leftovers, specials, units: 0, late, filled, open: None }
    }

    fn take(&mut self, decoded: Decoded<'t>, collector: &mut Collector<'t>) -> Result<Writes<'t>> {
        if decoded.late {
            self.late.push(self.units);
        }
        self.units += 1;
        for (of, first) in decoded.specials {
            // Units come in key order: the first one to have it has the first key.
            self.specials.entry(of).or_insert(first);
        }
        for run in &decoded.leftovers {
            self.leftovers.take(self.set, self.tables, run, &mut collector.findings)?;
        }
        if let Some(bundle) = &mut self.bundle {
            decoded.lines.iter().try_for_each(|lines| bundle.add(lines, collector))?;
        }
        note_shared(decoded.shared.into_iter().collect(), &mut collector.findings);
        let writes = collector.place(decoded.out)?;
        decoded.packed.into_iter().try_for_each(|at| self.pack(at, collector))?;
        Ok(writes)
    }

    /// Closes the file of the table before, once another one gets lines.
    fn pack(&mut self, at: usize, collector: &mut Collector<'t>) -> Result<()> {
        if let Some(before) = self.open.replace(at).filter(|before| *before != at) {
            collector.close(&self.tables.get(before).packed())?;
        }
        if let Some(filled) = self.filled.get_mut(at) {
            *filled = true;
        }
        Ok(())
    }

    /// The special segments of what is written, the units that hold items which are not, and the tables with packed lines.
    fn finish(mut self, collector: &mut Collector<'t>) -> Result<(FirstSpecials, Vec<usize>, Vec<bool>)> {
        self.leftovers.finish(self.tables, &mut collector.findings);
        if let Some(bundle) = &mut self.bundle {
            bundle.finish(collector)?;
        }
        Ok((self.specials, self.late, self.filled))
    }
}
