//! Reads the heads of records in splits: of messages, and of side records when they are wanted.

use std::collections::BTreeMap;

use bumpalo::Bump;

use super::generation::Live;
use super::queues::{Queues, is_wanted, name_of};
use crate::dataset::{DataSet, KeyRange, Row, Shared, next_key};
use crate::error::Result;
use crate::format::fault::Result as Parsed;
use crate::format::sqs::key::{self, DataKey, DataKeys, TombstoneKey};
use crate::format::sqs::{self, Message};
use crate::format::{Family, adapter};
use crate::model::sqs::{Head, HeadVisitor, RecordKind, Records};
use crate::options::Options;
use crate::options::filter::Filter;

/// Approximate bytes of rows in a split.
const SPLIT: usize = 4 << 20;
/// Maximum number of partitions and generations of a queue in which a message is looked up; the messages of others are read.
pub(super) const MOST_PLACES: usize = 1 << 10;
/// Families of side records, in the order of a snapshot.
const SIDE: [Family; 6] =
    [Family::SqsByAge, Family::SqsDedup, Family::SqsGroup, Family::SqsVis, Family::SqsSeq, Family::SqsTombstone];

/// The families that cannot be derived from other rows.
const RESTORED: [Family; 2] = [Family::SqsDedup, Family::SqsGroup];

/// The families whose rows are records, in the order of a snapshot.
pub fn families(options: &Options) -> impl Iterator<Item = Family> + use<> {
    let side = match (options.include_sqs_side_records, options.for_restore) {
        (false, _) => &[][..],
        (true, false) => &SIDE,
        (true, true) => &RESTORED,
    };
    std::iter::once(Family::SqsData).chain(side.iter().copied())
}

/// Cuts the rows of a family into splits.
///
/// # Errors
/// An input that changed.
pub fn splits(set: &DataSet<'_>, family: Family) -> Result<Vec<KeyRange>> {
    set.parts(family, SPLIT)
}

/// A filter for one message, by its key.
#[derive(Debug, Clone)]
pub struct Only {
    queue: Vec<u8>,
    id: Vec<u8>,
}

impl Only {
    /// The message of a queue with this ID.
    pub fn new(queue: &[u8], id: &[u8]) -> Only {
        Only { queue: key::encode_queue(queue), id: key::encode_queue(id) }
    }

    /// Splits that can have the message.
    ///
    /// # Errors
    /// An input that changed.
    pub fn splits(&self, set: &DataSet<'_>) -> Result<Vec<KeyRange>> {
        let mut splits = Vec::new();
        for KeyRange { mut lo, hi } in ranges_of_one(set, &self.queue, &self.id, MOST_PLACES)? {
            for cut in set.cuts(&lo, hi.as_deref(), SPLIT)? {
                splits.push(KeyRange { lo: std::mem::replace(&mut lo, cut.clone()), hi: Some(cut) });
            }
            splits.push(KeyRange { lo, hi });
        }
        Ok(splits)
    }

    fn is(&self, key: &DataKey<'_>) -> bool {
        key.id == self.id && key.place.queue == self.queue
    }
}

/// The keys of all messages of a queue.
pub(super) fn ranges_of(queue: &[u8]) -> Vec<KeyRange> {
    let prefixes = [key::classic_prefix_any(Family::SqsData, queue), key::partitioned_prefix(Family::SqsData, queue)];
    prefixes.iter().map(|prefix| KeyRange::below(prefix)).collect()
}

/// The ranges of keys that can have a message: the key with its ID in each partition and generation of the queue. A key that is not that
/// of a message is a range of its own. After `most` keys, the rest of the queue is one range.
///
/// # Errors
/// An input that changed.
pub(super) fn ranges_of_one(set: &DataSet<'_>, queue: &[u8], id: &[u8], most: usize) -> Result<Vec<KeyRange>> {
    let mut ranges = Vec::new();
    for mut rest in ranges_of(queue) {
        let mut is_left = true;
        for _ in 0..most {
            let Some(key) = set.key_from(&rest.lo, rest.hi.as_deref())? else {
                is_left = false;
                break;
            };
            let place = DataKey::parse(Family::SqsData.suffix(key)).ok().and_then(|found| key.strip_suffix(found.id));
            let (range, next) = match place {
                Some(place) => (KeyRange::one(&[place, id].concat()), KeyRange::below(place).hi),
                None => (KeyRange::one(key), Some(next_key(key))),
            };
            ranges.push(range);
            // No prefix of a family is the last of all keys.
            rest.lo = next.unwrap_or_else(|| next_key(key));
        }
        ranges.extend(is_left.then_some(rest));
    }
    Ok(ranges)
}

/// The number of records that were found.
#[derive(Debug, Default)]
pub struct Counts<'a> {
    /// The current run of records of one kind: it is added when it ends.
    run: Option<(Records<'a>, u64)>,
    /// Messages that are not live, by queue and generation.
    pub stale: BTreeMap<(&'a [u8], u64), u64>,
    /// Side records by queue, if they are wanted.
    pub side: BTreeMap<&'a [u8], u64>,
    /// Keys with rows in more than one input.
    pub shared: Option<Shared>,
}

impl<'a> Counts<'a> {
    fn add(&mut self, of: Records<'a>) {
        match &mut self.run {
            Some((same, rows)) if *same == of => *rows += 1,
            _ => {
                self.end_run();
                self.run = Some((of, 1));
            }
        }
    }

    fn end_run(&mut self) {
        let Some((Records { queue, kind }, rows)) = self.run.take() else { return };
        match kind {
            RecordKind::Messages => {}
            RecordKind::Side => *self.side.entry(queue).or_default() += rows,
            RecordKind::Stale(generation) => *self.stale.entry((queue, generation)).or_default() += rows,
        }
    }

    /// Approximate bytes in memory.
    pub fn held(&self) -> usize {
        (self.stale.len() + self.side.len()) * size_of::<((&[u8], u64), u64)>()
    }

    /// Adds the counts of another split, except for its shared keys, which the caller adds.
    pub fn merge(&mut self, other: Counts<'a>) {
        other.side.into_iter().for_each(|(queue, rows)| *self.side.entry(queue).or_default() += rows);
        other.stale.into_iter().for_each(|(of, rows)| *self.stale.entry(of).or_default() += rows);
    }
}

/// Reads the heads of one split. With `only`, only those of one message: the values of others are not read.
///
/// # Errors
/// The first malformed row, unless damage is skipped.
pub fn read<'a>(
    set: &DataSet<'a>,
    queues: &Queues<'a>,
    family: Family,
    split: &KeyRange,
    options: &Options,
    only: Option<&Only>,
    visitor: &mut impl HeadVisitor<'a>,
) -> Result<Counts<'a>> {
    let mut task = Task {
        set,
        queues,
        only,
        filter: &options.filter,
        by_id: options.filter.chooses_by_key(adapter::SQS),
        keep_stale: options.include_orphans,
        only_live: options.for_restore,
        keys: DataKeys::default(),
        owner: None,
        asked: None,
        counts: Counts::default(),
    };
    let mut arena = Bump::new();
    let mut rows = set.range(family, split.lo.clone(), split.hi.clone());
    while let Some(row) = rows.next()? {
        let given = match family {
            Family::SqsData => task.message(&row, &arena, visitor),
            _ => task.side_record(family, &row, visitor),
        };
        if let Err(fault) = given {
            set.skip(set.locate(row.fault(family, fault)))?;
        }
        arena.reset();
    }
    // Sequence rows and tombstones were read and reported with the queues.
    let first_time = !matches!(family, Family::SqsSeq | Family::SqsTombstone);
    task.counts.end_run();
    task.counts.shared = rows.shared().filter(|_| first_time);
    Ok(task.counts)
}

/// State of a split.
struct Task<'s, 'a> {
    set: &'s DataSet<'a>,
    queues: &'s Queues<'a>,
    only: Option<&'s Only>,
    filter: &'s Filter,
    /// Whether patterns choose messages by their ID.
    by_id: bool,
    keep_stale: bool,
    /// Whether bookkeeping rows of generations that are not live are left out.
    only_live: bool,
    keys: DataKeys<'a>,
    /// Queue of the last message, and which of its messages are live; without a record none are.
    owner: Option<(&'a [u8], Option<Live>)>,
    /// Queue of the last message, and whether it is asked for.
    asked: Option<(&'a [u8], bool)>,
    counts: Counts<'a>,
}

impl<'a> Task<'_, 'a> {
    fn message(&mut self, row: &Row<'a>, arena: &Bump, visitor: &mut impl HeadVisitor<'a>) -> Parsed<()> {
        let key = self.keys.parse(Family::SqsData.suffix(row.user_key))?;
        let queue = key.place.queue;
        if !self.wants(queue) || self.only.is_some_and(|only| !only.is(&key)) {
            return Ok(());
        }
        let head = sqs::Head::parse(arena, row.body)?;
        if self.by_id && !self.filter.meets(adapter::SQS, &name_of(queue), &[head.message_id.as_bytes()]) {
            return Ok(());
        }
        if self.live(queue).is_some_and(|live| live.has(head.queue_generation)) {
            if self.filter.changes.is_some() && !self.has_changed(queue, &head) {
                return Ok(());
            }
            visitor.head(Records { queue, kind: RecordKind::Messages }, &self.head(row, &head));
            return Ok(());
        }
        Message::parse(arena, row.body)?;
        let of = Records { queue, kind: RecordKind::Stale(head.queue_generation) };
        self.counts.add(of);
        if self.keep_stale {
            visitor.head(of, &self.head(row, &head));
        }
        Ok(())
    }

    fn side_record(&mut self, family: Family, row: &Row<'a>, visitor: &mut impl HeadVisitor<'a>) -> Parsed<()> {
        let suffix = family.suffix(row.user_key);
        let queue = match family {
            Family::SqsSeq => key::queue_row(suffix)?,
            Family::SqsTombstone => TombstoneKey::parse(suffix)?.queue,
            _ => key::side_row(suffix)?.0,
        };
        if self.only_live {
            let generation = key::side_generation(suffix);
            if !generation.is_some_and(|of| self.live(queue).is_some_and(|live| live.has(of))) {
                return Ok(());
            }
        }
        if is_wanted(queue, self.filter, true) {
            // The order of the snapshot. If one key is a prefix of another, this is not quite the order of keys.
            let order = sqs::Head { sequence_number: row.offset as u64, ..sqs::Head::default() };
            let of = Records { queue, kind: RecordKind::Side };
            self.counts.add(of);
            visitor.head(of, &self.head(row, &order));
        }
        Ok(())
    }

    fn head<'m>(&self, row: &Row<'_>, head: &sqs::Head<'m>) -> Head<'m> {
        Head {
            sent_at_ms: head.send_timestamp_millis,
            sequence: head.sequence_number,
            id: head.message_id.as_bytes(),
            len: u32::try_from(row.body.len()).unwrap_or(u32::MAX),
            row: self.set.place_of(row),
        }
    }

    /// Whether a message changed, by its queue and its ID.
    fn has_changed(&self, queue: &[u8], head: &sqs::Head<'_>) -> bool {
        self.filter.takes_change(adapter::SQS, &name_of(queue), &[head.message_id.as_bytes()])
    }

    fn wants(&mut self, queue: &'a [u8]) -> bool {
        if self.filter.is_trivial() {
            return true;
        }
        match self.asked {
            Some((same, wanted)) if same == queue => wanted,
            _ => self.asked.insert((queue, is_wanted(queue, self.filter, self.keep_stale))).1,
        }
    }

    fn live(&mut self, queue: &'a [u8]) -> Option<Live> {
        match self.owner {
            Some((same, live)) if same == queue => live,
            _ => {
                let known = self.queues.get(queue).filter(|known| known.record.is_some());
                let live = known.map(|known| known.live);
                self.owner = Some((queue, live));
                live
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::container::Encoder;
    use crate::format::header::FsmHeader;
    use crate::format::mvcc::ValueHeader;
    use crate::format::sqs::key::Place;
    use crate::index::Granularity;
    use crate::source::Source;

    /// The keys of one ID in every partition and generation are in the ranges, and few others, however many places are looked up.
    #[test]
    fn a_message_is_found_in_every_place() {
        let queues = [&b"q"[..], b"qq"].map(key::encode_queue);
        let ids = [&b"a"[..], b"b", b"ba", b"c"].map(key::encode_queue);
        let mut keys = vec![[&key::classic_prefix_any(Family::SqsData, &queues[0])[..], b"\0odd"].concat()];
        for (queue, id) in queues.iter().flat_map(|queue| ids.iter().map(move |id| (queue, id))) {
            let places = [None, Some(0), Some(3)].into_iter().flat_map(|p| [1, 2, 9].map(|generation| (p, generation)));
            let data = |(partition, generation)| DataKey { place: Place { queue, partition, generation }, id };
            // Some IDs are only in some places.
            let places = places.filter(|(p, generation)| id != &ids[2] || (p.is_none() && *generation == 2));
            keys.extend(places.map(|place| data(place).encode()));
        }
        let raw = |key: &Vec<u8>| [&key[..], &(!7u64).to_be_bytes()].concat();
        keys.sort_by_key(raw);
        let mut file = Vec::new();
        let mut encoder = Encoder::begin(&FsmHeader { version: 1, ..FsmHeader::default() }, 7, &mut file);
        for key in &keys {
            encoder.row(key, 7, &ValueHeader { tombstone: false, expire_at: 0, body: b"x" }, &mut file).unwrap();
        }
        encoder.finish(&mut file);
        let sources = [Source::from_bytes("x.fsm", file)];
        let set = DataSet::index(&sources, None, Granularity::default()).unwrap();
        for (queue, id) in queues.iter().flat_map(|queue| ids.iter().map(move |id| (queue, id))) {
            let is_one = |key: &&Vec<u8>| {
                DataKey::parse(Family::SqsData.suffix(key)).is_ok_and(|key| key.place.queue == queue && key.id == id)
            };
            let wanted: Vec<&Vec<u8>> = keys.iter().filter(is_one).collect();
            assert_eq!(wanted.len(), if id == &ids[2] { 1 } else { 9 });
            for most in [0, 1, 2, 100] {
                let ranges = ranges_of_one(&set, queue, id, most).unwrap();
                let has = |key: &Vec<u8>| {
                    ranges
                        .iter()
                        .filter(|range| *key >= range.lo && range.hi.as_ref().is_none_or(|hi| key < hi))
                        .count()
                };
                assert!(wanted.iter().all(|key| has(key) == 1), "{most}");
                let all = keys.iter().map(has).sum::<usize>();
                assert!(most < 100 || all <= wanted.len() + 1, "{all} of {}", wanted.len());
            }
        }
    }
}
