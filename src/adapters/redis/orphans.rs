//! List items that are not in a list.
//!
//! Splits read the items of each list by its bounds and never read items outside. Counting shows whether there are any: the live items in
//! the inputs, minus the items that were read. Only if the result is not zero, the family is walked to find them.

use std::collections::BTreeMap;

use super::findings;
use super::key::{list_delta, parse};
use super::list::Window;
use crate::dataset::{DataSet, Row, after_prefix};
use crate::error::{Error, Result};
use crate::format::redis::list::{self, ListMeta};
use crate::format::{Family, adapter};
use crate::model::redis::{Type, Visitor};
use crate::options::Options;
use crate::report::{Finding, Findings};

/// Finds items outside the bounds of their list, or without a list. `reached` is the number of items that were read.
///
/// # Errors
/// A malformed item key, or a damaged base record or delta of a list.
pub fn unreachable_items(
    set: &DataSet<'_>,
    reached: u64,
    options: &Options,
    visitor: &mut impl Visitor,
    findings: &mut Findings,
) -> Result<()> {
    let live = set.counts().family(Family::ListItem).live;
    // With several inputs or applied intents a key may be live more than once, so the count proves nothing.
    if live == reached && !set.is_merged() {
        return Ok(());
    }
    let filter = &options.filter;
    let found = find(set)?.into_iter();
    let takes = |key: &[u8]| filter.classify(adapter::REDIS, key, &[], options.include_orphans);
    for (key, mut items) in found.filter(|(key, _)| filter.takes_type(Type::List.plural()) && takes(key)) {
        let finding = Finding::new(&findings::LIST_ORPHANS).with("user_key_len", key.len());
        findings.add(finding.with("items", items.len()).with("key", key));
        if options.include_orphans {
            items.sort_by_key(|(seq, _)| *seq);
            let bodies: Vec<&[u8]> = items.iter().map(|(_, row)| row.body).collect();
            visitor.stray_items(key, &bodies)?;
        }
    }
    Ok(())
}

type Orphans<'a> = BTreeMap<&'a [u8], Vec<(i64, Row<'a>)>>;

fn find<'a>(set: &DataSet<'a>) -> Result<Orphans<'a>> {
    let mut orphans = Orphans::new();
    let mut last: Option<(&[u8], Option<Window>)> = None;
    let mut rows = set.family(Family::ListItem);
    while let Some(row) = rows.next()? {
        let split = list::item_key(Family::ListItem.suffix(row.user_key));
        let (key, seq) = match split {
            Ok(split) => split,
            Err(fault) => {
                set.skip(set.locate(row.fault(Family::ListItem, fault)))?;
                continue;
            }
        };
        let window = match last {
            Some((same, window)) if same == key => window,
            _ => window_of(set, key).or_else(|error| set.skip(error).map(|()| None))?,
        };
        last = Some((key, window));
        if !window.is_some_and(|window| window.holds(seq)) {
            orphans.entry(key).or_default().push((seq, row));
        }
    }
    Ok(orphans)
}

/// The bounds of a list, from its base record and deltas; `None` if there is no such list.
fn window_of(set: &DataSet<'_>, key: &[u8]) -> Result<Option<Window>> {
    let name = [Family::ListMeta.prefix().as_bytes(), key].concat();
    // A list can have the name of a delta of another list (`redis.md` §1.5). A row whose length is not that of a meta is read as a delta.
    let is_delta = |row: &Row<'_>| Family::of(row.user_key) == Family::ListDelta && !list::is_meta_len(row.body.len());
    let row = set.get(&name)?.filter(|row| !is_delta(row));
    let base = row.map(|row| parse(set, Family::ListMeta, &row, ListMeta::parse)).transpose()?;
    let (mut head, mut len, mut any) = (0i128, 0i128, false);
    for family in [Family::ListDelta, Family::ListDeltaNew] {
        let prefix = [family.prefix().as_bytes(), &(key.len() as u32).to_be_bytes(), key].concat();
        let mut deltas = set.range(family, prefix.clone(), after_prefix(&prefix));
        while let Some(row) = deltas.next()? {
            // A delta that cannot be parsed was reported before and is ignored.
            let rest = row.user_key.get(prefix.len()..).unwrap_or_default();
            let is_meta = family == Family::ListDelta && list::is_meta_len(row.body.len());
            if let (false, Ok(delta)) = (is_meta, list_delta(rest, row.body)) {
                (head, len, any) = (head + i128::from(delta.head), len + i128::from(delta.len), true);
            }
        }
    }
    Ok((base.is_some() || any).then(|| Window::new(base, head, len)))
}

/// Reports keys that are too short for the length of the user key that they state.
///
/// # Errors
/// The first such live row of a family that holds data.
pub fn malformed_keys(set: &DataSet<'_>, families: &[Family], findings: &mut Findings) -> Result<()> {
    for &family in families {
        let mut rows = set.family(family);
        while let Some(row) = rows.next()? {
            let list_meta = family == Family::ListDelta && list::is_meta_len(row.body.len());
            // Metas and deltas have the same prefix: each row is checked once, in its own family.
            let other = Family::of(row.user_key) != family;
            if list_meta || other {
                continue;
            }
            if let Err(fault) = crate::format::redis::element_key(family.suffix(row.user_key)) {
                let error = set.locate(row.fault(family, fault));
                match family.is_auxiliary() {
                    true => planted(&error, findings),
                    false => set.skip(error)?,
                }
            }
        }
    }
    Ok(())
}

/// Reports an auxiliary row that cannot be parsed.
pub(super) fn planted(error: &Error, findings: &mut Findings) {
    let family = error.family().map_or("", Family::prefix);
    let finding = Finding::new(&findings::PLANTED).with("family", family).with("key", error.key().unwrap_or_default());
    findings.add(finding.with("offset", error.offset().unwrap_or_default()).with("reason", error.reason()));
}
