//! The splits of all item rows.

use std::collections::BTreeSet;

use super::tables::{Tables, is_wanted, live_ranges};
use crate::dataset::{DataSet, KeyRange, after_prefix};
use crate::error::Result;
use crate::format::Family;
use crate::options::filter::Filter;

/// Approximate bytes of rows in a split.
const SPLIT: usize = 1 << 20;

/// Cuts all item rows into splits. With a filter, each live generation is separate, and so are the gaps between, which may have rows
/// without a table; tables that are not asked for are skipped. The splits do not depend on the number of threads.
///
/// # Errors
/// An input that changed.
pub fn splits(set: &DataSet<'_>, tables: &Tables<'_>, filter: &Filter) -> Result<Vec<KeyRange>> {
    let prefix = Family::DdbItem.prefix().as_bytes();
    let (mut seams, mut passed_over) = (vec![prefix.to_vec()], BTreeSet::new());
    // If all tables are wanted there is nothing to separate.
    for table in tables.all().filter(|_| !filter.is_trivial()) {
        for range in live_ranges(&table) {
            seams.extend(after_prefix(&range));
            if !is_wanted(&table, filter) {
                passed_over.insert(range.clone());
            }
            seams.push(range);
        }
    }
    seams.sort_unstable();
    let ends = seams.iter().skip(1).cloned().map(Some).chain(std::iter::once(after_prefix(prefix)));
    let mut splits = Vec::new();
    for (lo, hi) in seams.iter().zip(ends).filter(|(lo, _)| !passed_over.contains(*lo)) {
        let mut lo = lo.clone();
        for cut in set.cuts(&lo, hi.as_deref(), SPLIT)? {
            splits.push(KeyRange { lo: std::mem::replace(&mut lo, cut.clone()), hi: Some(cut) });
        }
        splits.push(KeyRange { lo, hi });
    }
    Ok(splits)
}
