//! Records in memory.

use std::io;

use rayon::slice::ParallelSliceMut as _;

/// Records in memory, in the order in which they were taken until they are sorted.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<Held>,
    /// Whether some key is below the one before it.
    is_unsorted: bool,
}

/// A record of a batch: the key is at `at`, followed by the value.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// The first bytes of the key after the common prefix of the batch. They decide most comparisons.
    prefix: u64,
    at: usize,
    key: u32,
    value: u32,
}

impl Batch {
    /// Bytes that a record takes, besides its key and value.
    pub(super) const RECORD: usize = size_of::<Held>();

    /// Bytes that the records take.
    pub fn held(&self) -> usize {
        self.bytes.len() + self.records.len() * Self::RECORD
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Takes a record.
    ///
    /// # Errors
    /// A key or value of 4 GiB.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.push_parts([key, b""], [value, b""])
    }

    /// Takes a record whose key and value are in two parts.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_parts(&mut self, key: [&[u8]; 2], value: [&[u8]; 2]) -> io::Result<()> {
        let length = |parts: [&[u8]; 2]| {
            let len = parts.iter().map(|part| part.len()).sum::<usize>();
            u32::try_from(len).map_err(|_| io::Error::other("a record of 4 GiB"))
        };
        let held = Held { prefix: 0, at: self.bytes.len(), key: length(key)?, value: length(value)? };
        [key, value].as_flattened().iter().for_each(|part| self.bytes.extend_from_slice(part));
        if !self.is_unsorted {
            self.is_unsorted = self.records.last().is_some_and(|last| self.key(last) > self.key(&held));
        }
        self.records.push(held);
        Ok(())
    }

    /// Takes the records of another batch, after its own.
    pub fn append(&mut self, later: &Batch) {
        let ends = self.records.last().zip(later.records.first());
        let descends = ends.is_some_and(|(last, first)| self.key(last) > later.key(first));
        self.is_unsorted |= later.is_unsorted || descends;
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(&later.bytes);
        self.records.extend(later.records.iter().map(|held| Held { at: held.at + shift, ..*held }));
    }

    /// Sorts on all threads. This must not run in a task: a thread that waits for its half of a sort may begin another task.
    pub(super) fn sort(&mut self) {
        self.sort_by(|records, batch| records.par_sort_by(|a, b| batch.order(a, b)));
    }

    /// Sorts on this thread. Records that were appended in sorted batches are only merged.
    pub fn sort_alone(&mut self) {
        self.sort_by(|records, batch| records.sort_by(|a, b| batch.order(a, b)));
    }

    fn sort_by(&mut self, sort: impl FnOnce(&mut Vec<Held>, &Batch)) {
        if !self.is_unsorted {
            return;
        }
        let mut records = std::mem::take(&mut self.records);
        let shared = self.shared(&records);
        records.iter_mut().for_each(|held| held.prefix = prefix(&self.key(held)[shared..]));
        sort(&mut records, self);
        (self.records, self.is_unsorted) = (records, false);
    }

    fn order(&self, a: &Held, b: &Held) -> std::cmp::Ordering {
        a.prefix.cmp(&b.prefix).then_with(|| self.key(a).cmp(self.key(b)))
    }

    /// Length of the common prefix of all keys.
    fn shared(&self, records: &[Held]) -> usize {
        let Some((first, rest)) = records.split_first() else { return 0 };
        let mut shared = self.key(first);
        for held in rest {
            let key = self.key(held);
            if !key.starts_with(shared) {
                shared = &shared[..shared.iter().zip(key).take_while(|(a, b)| a == b).count()];
            }
        }
        shared.len()
    }

    fn key(&self, held: &Held) -> &[u8] {
        &self.bytes[held.at..][..held.key as usize]
    }

    fn value(&self, held: &Held) -> &[u8] {
        &self.bytes[held.at + held.key as usize..][..held.value as usize]
    }

    /// A record by its number.
    pub(super) fn record(&self, number: usize) -> Option<(&[u8], &[u8])> {
        self.records.get(number).map(|held| (self.key(held), self.value(held)))
    }

    /// The records.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.records.iter().map(|held| (self.key(held), self.value(held)))
    }

    /// Number of records of a sorted batch whose keys are below this one.
    pub(super) fn below(&self, key: &[u8]) -> usize {
        self.records.partition_point(|held| self.key(held) < key)
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.is_unsorted = false;
    }
}

/// Sorts as the keys do, unless their first bytes are equal.
fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = key.len().min(8);
    first[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(first)
}
