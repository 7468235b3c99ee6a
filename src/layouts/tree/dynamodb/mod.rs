//! DynamoDB as files (`docs/format/dynamodb.md` §4).
//!
//! | output | what it is |
//! |---|---|
//! | `dynamodb/TABLE/_schema.json` | the schema |
//! | `dynamodb/TABLE/items/H.json`, `items/H/R.json` | an item, by its hash and range value |
//! | `dynamodb/TABLE/items/data-00001.jsonl` … | instead: bundled items ([`bundle`]) |
//! | `dynamodb/TABLE/KEYMAP.jsonl` | names that do not show their key, if there are any |
//! | `dynamodb/_orphans/TABLE/gen-N/items/KEY.json` | with `Options::include_orphans`: items of no live generation, by row key |
//!
//! Items whose file name no other item can have are written while their split is read. The others are rare: they are read again after all
//! splits ([`deferred`]).

mod bundle;
mod checked;
mod deferred;
mod files;
mod findings;
mod folders;
mod keymap;
mod unambiguous;
mod used_names;

use crate::adapters::dynamodb::Tables;
use crate::dataset::KeyRange;
use crate::error::Result;
use crate::layouts::dynamodb::{Lanes, write_splits};
use crate::run::Job;
use bundle::{Bundle, Bundled};
use checked::Checked;
use deferred::Deferred;
use files::{FirstUses, FromFiles};
use used_names::UsedNames;

/// Writes the items of some splits.
///
/// # Errors
/// The first damaged row in key order, or a failed write.
pub(in crate::layouts) fn write(job: &mut Job<'_, '_, '_>, tables: &Tables<'_>, splits: &[KeyRange]) -> Result<()> {
    let in_order = (splits, &Lanes::default());
    if let Some(limit) = job.options.dynamodb_bundle {
        let mut bundle = Bundle::new(tables, job.tree, limit);
        write_splits(job, tables, in_order, &Bundled::new, &mut bundle)?;
        return bundle.finish(job.collector);
    }
    let mut written = FromFiles::default();
    if job.tree.is_check() {
        write_splits(job, tables, in_order, &Checked::new, &mut written)?;
    } else {
        write_splits(job, tables, in_order, &files::Writer::new, &mut written)?;
    }
    let FromFiles { first_uses, with_deferred, .. } = written;
    write_deferred(job, tables, splits, first_uses, &with_deferred)
}

/// Writes the items whose names may be taken, which are in some of the splits, and every KEYMAP.jsonl.
fn write_deferred(
    job: &mut Job<'_, '_, '_>,
    tables: &Tables<'_>,
    splits: &[KeyRange],
    first_uses: FirstUses,
    with_deferred: &[usize],
) -> Result<()> {
    let (set, options, tree) = (job.set, job.options, job.tree);
    let is_unknown = !tree.knows_names() && !with_deferred.is_empty();
    let used = if is_unknown { Some(UsedNames::find(set, tables, options, splits, with_deferred)?) } else { None };
    let mut deferred = Deferred::new(tables, tree, first_uses, used);
    for at in with_deferred {
        deferred.split(set, &splits[*at], options, job.collector)?;
    }
    deferred.finish(job.collector)
}
