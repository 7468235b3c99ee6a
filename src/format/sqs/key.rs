//! SQS keys (`sqs.md` §1): what follows the family prefix, and user keys to look up.
//!
//! `Q` is the queue name in base64url without padding. All numbers are big endian.
//!
//! | family | classic | partitioned |
//! |---|---|---|
//! | `queue\|meta`, `gen`, `seq` | Q | the same |
//! | `queue\|tombstone` | Q · gen `u64` | the same |
//! | `msg\|data` | Q · gen `u64` · ID | `p\|` Q `\|` · partition `u32` · gen `u64` · ID |
//! | `msg\|vis`, `byage` | Q · gen · ms `u64` · ID | `p\|` Q `\|` · partition · gen · ms · ID |
//! | `msg\|dedup` | Q · gen · dedup ID | `p\|` Q `\|` · partition · gen · group ID `\|` dedup ID |
//! | `msg\|group` | Q · gen · group ID | `p\|` Q `\|` · partition · gen · group ID |
//!
//! IDs are base64url too. A classic Q ends at the first byte that is not in base64url: the first byte of a generation below 2^56 is 0.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::memchr;

use crate::format::cursor::Cursor;
use crate::format::family::Family;
use crate::format::fault::{Fault, OrFault, Result};

/// What a partitioned key has before Q.
const PARTITIONED: &[u8] = b"p|";
/// Shortest tail of a partitioned key: partition and generation.
const PARTITIONED_TAIL: usize = 12;

/// Where the row of a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Q: the queue name, still encoded.
    pub queue: &'a [u8],
    /// Partition; `None` for a classic key.
    pub partition: Option<u32>,
    /// Generation of the queue.
    pub generation: u64,
}

/// Key of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataKey<'a> {
    /// Queue, partition and generation.
    pub place: Place<'a>,
    /// Message ID, still encoded.
    pub id: &'a [u8],
}

/// Key of an index row: by visibility or by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedKey<'a> {
    /// Queue, partition and generation.
    pub place: Place<'a>,
    /// When the message becomes visible, or was sent: Unix milliseconds, negative ones stored as 0.
    pub ms: u64,
    /// Message ID, still encoded.
    pub id: &'a [u8],
}

/// Key of a deduplication record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupKey<'a> {
    /// Queue, partition and generation.
    pub place: Place<'a>,
    /// Message group, still encoded; `None` for a classic key.
    pub group: Option<&'a [u8]>,
    /// Deduplication ID, still encoded.
    pub dedup: &'a [u8],
}

/// Key of a message group lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupKey<'a> {
    /// Queue, partition and generation.
    pub place: Place<'a>,
    /// Message group, still encoded.
    pub group: &'a [u8],
}

/// Key of a tombstone of a purged or deleted generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TombstoneKey<'a> {
    /// Q: the queue name, still encoded.
    pub queue: &'a [u8],
    /// The purged or deleted generation.
    pub generation: u64,
}

impl<'a> DataKey<'a> {
    /// Parses what follows `!sqs|msg|data|`.
    pub fn parse(suffix: &'a [u8]) -> Result<DataKey<'a>> {
        let (place, c) = place(suffix)?;
        Ok(DataKey { place, id: message_id(c)? })
    }
}

/// Parses keys of messages that are next to each other: the part that is the same as in the last key is not parsed again.
#[derive(Debug, Clone, Copy, Default)]
pub struct DataKeys<'a> {
    /// The bytes before the ID, and the place that they encode.
    last: Option<(&'a [u8], Place<'a>)>,
}

impl<'a> DataKeys<'a> {
    /// As [`DataKey::parse`].
    pub fn parse(&mut self, suffix: &'a [u8]) -> Result<DataKey<'a>> {
        if let Some((before, place)) = self.last
            && let Some(id) = suffix.strip_prefix(before)
        {
            return Ok(DataKey { place, id: message_id(Cursor::new(id))? });
        }
        let key = DataKey::parse(suffix)?;
        self.last = suffix.strip_suffix(key.id).map(|before| (before, key.place));
        Ok(key)
    }
}

impl<'a> TimedKey<'a> {
    /// Parses what follows `!sqs|msg|vis|` or `!sqs|msg|byage|`.
    pub fn parse(suffix: &'a [u8]) -> Result<TimedKey<'a>> {
        let (place, mut c) = place(suffix)?;
        let ms = c.u64_be().or_key("it ends inside its time")?;
        Ok(TimedKey { place, ms, id: message_id(c)? })
    }
}

impl<'a> DedupKey<'a> {
    /// Parses what follows `!sqs|msg|dedup|`.
    pub fn parse(suffix: &'a [u8]) -> Result<DedupKey<'a>> {
        let (place, c) = place(suffix)?;
        let (group, dedup) = match place.partition {
            None => (None, c.rest()),
            Some(_) => {
                let (group, dedup) = at_bar(c.rest()).or_key("it has no | after its message group ID")?;
                (Some(group), dedup)
            }
        };
        check_id(group.unwrap_or_default())?;
        check_id(dedup)?;
        Ok(DedupKey { place, group, dedup })
    }
}

impl<'a> GroupKey<'a> {
    /// Parses what follows `!sqs|msg|group|`.
    pub fn parse(suffix: &'a [u8]) -> Result<GroupKey<'a>> {
        let (place, c) = place(suffix)?;
        check_id(c.rest())?;
        Ok(GroupKey { place, group: c.rest() })
    }
}

impl<'a> TombstoneKey<'a> {
    /// Parses what follows `!sqs|queue|tombstone|`. Its last eight bytes are the generation, whatever their values.
    pub fn parse(suffix: &'a [u8]) -> Result<TombstoneKey<'a>> {
        let (queue, generation) = suffix.split_last_chunk().or_key("it has no generation of 8 bytes")?;
        if queue.is_empty() {
            return Err(Fault::Key("its queue name is empty"));
        }
        Ok(TombstoneKey { queue: checked_queue(queue)?, generation: u64::from_be_bytes(*generation) })
    }
}

/// Q of a queue-level row: what follows `!sqs|queue|meta|`, `gen|` or `seq|`. An empty one is accepted.
pub fn queue_row(suffix: &[u8]) -> Result<&[u8]> {
    checked_queue(suffix)
}

/// Q and partition of a side row of a message (`vis`, `byage`, `dedup`, `group`), with the few checks that the public decoder makes, for
/// rows that are passed on raw.
pub fn side_row(suffix: &[u8]) -> Result<(&[u8], Option<u32>)> {
    let (queue, mut c, partitioned) = split(suffix)?;
    match partitioned {
        false if c.is_empty() => Err(Fault::Key("nothing follows its queue name")),
        false => Ok((queue, None)),
        true if c.len() < PARTITIONED_TAIL => Err(Fault::Key("it ends inside its partition or generation")),
        true => Ok((queue, c.u32_be())),
    }
}

/// The generation of a side row of a message, if its key is long enough to have one.
pub fn side_generation(suffix: &[u8]) -> Option<u64> {
    place(suffix).ok().map(|(place, _)| place.generation)
}

/// Splits queue and tail; returns whether the key is partitioned.
fn split(suffix: &[u8]) -> Result<(&[u8], Cursor<'_>, bool)> {
    let (queue, tail, partitioned) = match suffix.strip_prefix(PARTITIONED) {
        Some(rest) => {
            let (queue, tail) = at_bar(rest).or_key("it has no | after its queue name")?;
            (queue, tail, true)
        }
        None => {
            let end = suffix.iter().position(|&b| sextet(b).is_none()).unwrap_or(suffix.len());
            let (queue, tail) = suffix.split_at_checked(end).unwrap_or_default();
            (queue, tail, false)
        }
    };
    if queue.is_empty() {
        return Err(Fault::Key("its queue name is empty"));
    }
    Ok((checked_queue(queue)?, Cursor::new(tail), partitioned))
}

/// Reads queue, partition and generation; returns what follows.
fn place(suffix: &[u8]) -> Result<(Place<'_>, Cursor<'_>)> {
    let (queue, mut c, partitioned) = split(suffix)?;
    let partition = partitioned.then(|| c.u32_be().or_key("it ends inside its partition")).transpose()?;
    let generation = c.u64_be().or_key("it ends inside its generation")?;
    Ok((Place { queue, partition, generation }, c))
}

/// The bytes before and after the first bar.
fn at_bar(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(memchr(b'|', bytes)?)?;
    Some((before, rest.get(1..)?))
}

fn message_id(c: Cursor<'_>) -> Result<&[u8]> {
    if c.is_empty() {
        return Err(Fault::Key("it has no message ID"));
    }
    check_id(c.rest())?;
    Ok(c.rest())
}

fn check_id(id: &[u8]) -> Result<()> {
    if is_base64url(id) { Ok(()) } else { Err(Fault::Key("an ID in it is not base64url without padding")) }
}

fn checked_queue(queue: &[u8]) -> Result<&[u8]> {
    is_base64url(queue).then_some(queue).or_key("its queue name is not base64url without padding")
}

/// The six bits of a base64url character.
const fn sextet(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter.wrapping_sub(b'A')),
        b'a'..=b'z' => Some(letter.wrapping_sub(b'a').wrapping_add(26)),
        b'0'..=b'9' => Some(letter.wrapping_sub(b'0').wrapping_add(52)),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

/// Whether `text` is base64url without padding in its only valid form: the unused bits of the last character are zero.
fn is_base64url(text: &[u8]) -> bool {
    let loose_bits = match text.len() & 3 {
        0 => 0,
        2 => 0b1111,
        3 => 0b11,
        _ => return false,
    };
    let last = text.last().and_then(|&b| sextet(b)).unwrap_or(0);
    last & loose_bits == 0 && text.iter().fold(true, |fine, &b| fine & is_letter(b))
}

/// Whether base64url has this character.
fn is_letter(b: u8) -> bool {
    const LETTERS: [bool; 256] = letters();
    LETTERS.get(usize::from(b)).copied().unwrap_or(false)
}

const fn letters() -> [bool; 256] {
    let mut letters = [false; 256];
    let mut rest: &mut [bool] = &mut letters;
    let mut b = 0_u8;
    while let [letter, others @ ..] = rest {
        *letter = sextet(b).is_some();
        b = b.wrapping_add(1);
        rest = others;
    }
    letters
}

/// The name of a queue from its Q.
pub fn queue_name(queue: &[u8]) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(queue).map_err(|_| Fault::Key("its queue name is not base64url without padding"))
}

/// Q of a queue name.
pub fn encode_queue(name: &[u8]) -> Vec<u8> {
    URL_SAFE_NO_PAD.encode(name).into_bytes()
}

/// The user key of a queue-level row of Q: `family` is one of `SqsQueue`, `SqsGen`, `SqsSeq`. For `SqsTombstone` it is the prefix of the
/// keys of all tombstones of Q; only keys with eight more bytes belong to Q.
pub fn queue_key(family: Family, queue: &[u8]) -> Vec<u8> {
    [family.prefix().as_bytes(), queue].concat()
}

/// The user key of the tombstone of one generation of Q.
pub fn tombstone_key(queue: &[u8], generation: u64) -> Vec<u8> {
    [Family::SqsTombstone.prefix().as_bytes(), queue, &generation.to_be_bytes()].concat()
}

/// The common prefix of the user keys of all classic message rows of Q, in a `msg|` family and one generation.
pub fn classic_prefix(family: Family, queue: &[u8], generation: u64) -> Vec<u8> {
    [family.prefix().as_bytes(), queue, &generation.to_be_bytes()].concat()
}

/// The common prefix of the user keys of all classic message rows of Q, in a `msg|` family and any generation below 2^56.
pub fn classic_prefix_any(family: Family, queue: &[u8]) -> Vec<u8> {
    [family.prefix().as_bytes(), queue, &[0]].concat()
}

/// The common prefix of the user keys of all partitioned message rows of Q, in a `msg|` family.
pub fn partitioned_prefix(family: Family, queue: &[u8]) -> Vec<u8> {
    [family.prefix().as_bytes(), PARTITIONED, queue, b"|"].concat()
}

impl Place<'_> {
    /// Starts the user key of a message row.
    fn begin(&self, family: Family) -> Vec<u8> {
        let mut key = match self.partition {
            None => queue_key(family, self.queue),
            Some(partition) => [&partitioned_prefix(family, self.queue)[..], &partition.to_be_bytes()].concat(),
        };
        key.extend_from_slice(&self.generation.to_be_bytes());
        key
    }
}

impl DataKey<'_> {
    /// The user key of a message.
    pub fn encode(&self) -> Vec<u8> {
        [&self.place.begin(Family::SqsData)[..], self.id].concat()
    }
}

impl TimedKey<'_> {
    /// The user key of an index row: `family` is `SqsVis` or `SqsByAge`.
    pub fn encode(&self, family: Family) -> Vec<u8> {
        [&self.place.begin(family)[..], &self.ms.to_be_bytes(), self.id].concat()
    }
}

impl DedupKey<'_> {
    /// The user key of a deduplication record. The group counts in a partitioned key only.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = self.place.begin(Family::SqsDedup);
        if let (Some(_), Some(group)) = (self.place.partition, self.group) {
            key.extend_from_slice(group);
            key.push(b'|');
        }
        key.extend_from_slice(self.dedup);
        key
    }
}

impl GroupKey<'_> {
    /// The user key of a lock of a message group.
    pub fn encode(&self) -> Vec<u8> {
        [&self.place.begin(Family::SqsGroup)[..], self.group].concat()
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests;
