//! Lists: the items in `[head, head + len)`.

use super::findings;
use super::key::{Found, parse};
use super::merge::{Head, KeyStream};
use super::pieces::{self, Elements};
use super::task::Task;
use crate::dataset::{DataSet, after_prefix};
use crate::error::Result;
use crate::format::Family;
use crate::format::redis::list::{ListMeta, sortable_seq};
use crate::model::redis::{Key, StreamEnd, Visitor};
use crate::report::Finding;

/// The range of a list's items. Deltas can move it beyond the sequence numbers that items can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Sequence number of the first item.
    head: i128,
    /// Declared number of items.
    pub len: i128,
}

impl Window {
    /// Adds base and deltas; a negative length counts as 0.
    pub fn new(base: Option<ListMeta>, head_delta: i128, len_delta: i128) -> Window {
        let (head, len) = base.map_or((0, 0), |base| (base.head, base.len));
        Window { head: i128::from(head) + head_delta, len: (i128::from(len) + len_delta).max(0) }
    }

    /// Whether an item with this sequence number is in the list.
    pub fn holds(&self, seq: i64) -> bool {
        (self.head..self.head + self.len).contains(&seq.into())
    }

    /// The items in the window; `None`: the window is empty.
    fn stream<'s, 'a>(&self, set: &'s DataSet<'a>, key: &[u8]) -> Result<Option<KeyStream<'s, 'a>>> {
        if self.len == 0 {
            return Ok(None);
        }
        let all = [Family::ListItem.prefix().as_bytes(), key].concat();
        let (lo, hi) = (edge(&all, self.head), edge(&all, self.head + self.len));
        let rows = set.range(Family::ListItem, lo, Some(hi)).without_prefixes_of_end();
        KeyStream::of_items(key, rows).map(Some)
    }
}

/// The key of the item with a sequence number. A number that is too low gives the first item, one that is too high the end of all items.
fn edge(all: &[u8], seq: i128) -> Vec<u8> {
    match i64::try_from(seq.max(i64::MIN.into())) {
        Ok(seq) => [all, &sortable_seq(seq)].concat(),
        Err(_) => after_prefix(&[all, &[0xff; 8]].concat()).unwrap_or_default(),
    }
}

/// The base record, checked.
pub(super) fn base(set: &DataSet<'_>, found: &Found<'_>) -> Result<Option<ListMeta>> {
    found.list_meta.map(|row| parse(set, Family::ListMeta, &row, ListMeta::parse)).transpose()
}

/// Gives the list.
pub(super) fn give<'a, V: Visitor>(
    task: &mut Task<'_, 'a, '_, V>,
    found: &Found<'a>,
    base: Option<ListMeta>,
    key: &Key<'a>,
) -> Result<()> {
    check_bounds(task, base, key.name);
    let window = Window::new(base, found.list_deltas.head, found.list_deltas.len);
    let count = task.give(key, |task| {
        let mut count = 0;
        if let Some(mut items) = window.stream(task.set, key.name)? {
            pieces::give(task, &mut items, &Items(key), &mut count)?;
        }
        Ok((count, StreamEnd::default()))
    })?;
    task.report.items_reached += count;
    task.compare_length(&findings::LIST_LENGTH, "observed_items", key.name, window.len, count);
    Ok(())
}

/// Counts the items of a list that is not given, so that they do not count as unreachable.
pub(super) fn pass_over<'a, V: Visitor>(
    task: &mut Task<'_, 'a, '_, V>,
    found: &Found<'a>,
    base: Option<ListMeta>,
    key: &[u8],
) -> Result<()> {
    let window = Window::new(base, found.list_deltas.head, found.list_deltas.len);
    if let Some(mut items) = window.stream(task.set, key)? {
        while items.take(key)?.is_some() {
            task.report.items_reached += 1;
        }
    }
    Ok(())
}

/// The items of a list.
struct Items<'k, 'a>(&'k Key<'a>);

impl<'a> Elements<'a> for Items<'_, 'a> {
    type Told = u64;

    fn key(&self) -> &Key<'a> {
        self.0
    }

    fn each<V: Visitor + ?Sized>(
        &self,
        task: &mut Task<'_, 'a, '_, V>,
        items: &mut KeyStream<'_, 'a>,
        count: &mut u64,
    ) -> Result<()> {
        let key = self.0;
        while let Some(Head { row, .. }) = items.take(key.name)? {
            *count += 1;
            task.visitor.committed(row.commit_ts);
            task.visitor.item(key, row.body)?;
        }
        Ok(())
    }

    fn add(count: &mut u64, more: u64) {
        *count += more;
    }
}

fn check_bounds<V: Visitor>(task: &mut Task<'_, '_, '_, V>, base: Option<ListMeta>, key: &[u8]) {
    let Some(base) = base else { return };
    if i128::from(base.tail) != i128::from(base.head) + i128::from(base.len) {
        let finding = Finding::new(&findings::LIST_BOUNDS).with("user_key_len", key.len());
        let finding = finding.with("head", base.head).with("tail", base.tail).with("declared_len", base.len);
        task.report.findings.add(finding.with("key", key));
    }
}
