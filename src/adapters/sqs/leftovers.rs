//! Findings about rows without a live queue: a note if the store explains them, a warning otherwise (`rules.md` §5).

use std::collections::{BTreeMap, BTreeSet};

use super::findings;
use super::heads::Counts;
use super::queues::{Known, Queues, is_wanted, name_of};
use crate::options::filter::Filter;
use crate::report::{Finding, Findings};

/// Rows of one queue without the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stale {
    /// Messages that a tombstone or a later generation row explains.
    explained: u64,
    /// The other messages.
    orphaned: u64,
}

/// Adds the findings about every queue.
pub(super) fn report(queues: &Queues<'_>, counts: &Counts<'_>, filter: &Filter, findings: &mut Findings) {
    let left = by_queue(queues, counts);
    let names = queues.iter().map(|(queue, _)| queue).chain(left.keys().copied()).chain(counts.side.keys().copied());
    for queue in names.filter(|queue| is_wanted(queue, filter, false)).collect::<BTreeSet<_>>() {
        let known = queues.get(queue).cloned().unwrap_or_default();
        let messages = left.get(queue).copied().unwrap_or_default();
        match known.record {
            Some(_) => stale(queue, &known, messages, findings),
            None => orphan(queue, &known, messages, counts.side.get(queue).copied().unwrap_or(0), findings),
        }
    }
}

fn by_queue<'a>(queues: &Queues<'a>, counts: &Counts<'a>) -> BTreeMap<&'a [u8], Stale> {
    let mut all = BTreeMap::<&[u8], Stale>::new();
    for (&(queue, generation), &rows) in &counts.stale {
        let left = all.entry(queue).or_default();
        let explained = queues.get(queue).is_some_and(|known| known.explains(generation));
        *(if explained { &mut left.explained } else { &mut left.orphaned }) += rows;
    }
    all
}

/// Messages of other generations than the live one.
fn stale(queue: &[u8], known: &Known<'_>, messages: Stale, findings: &mut Findings) {
    for (kind, dropped) in [(&findings::PURGED, messages.explained), (&findings::STALE, messages.orphaned)] {
        if dropped > 0 {
            let finding = Finding::new(kind).with("queue", name_of(queue).as_slice());
            findings.add(finding.with("active_gen", known.live.generation.unwrap_or(0)).with("dropped", dropped));
        }
    }
}

/// Rows of a queue without its record.
fn orphan(queue: &[u8], known: &Known<'_>, messages: Stale, side: u64, findings: &mut Findings) {
    let finding = |kind, rows: u64| {
        let finding = Finding::new(kind).with("encoded_queue", queue).with("buffered_messages", rows);
        finding.with("buffered_side_records", side).with("queue", name_of(queue).as_slice())
    };
    if known.has_traces() {
        findings.add(finding(&findings::DELETED, messages.explained));
    }
    if messages.orphaned > 0 || (side > 0 && !known.has_traces()) {
        findings.add(finding(&findings::ORPHANS, messages.orphaned));
    }
}
