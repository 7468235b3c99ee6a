//! `wal/<sequence %016x>-<index %016x>.wal`: the log of a node, in segments.
//!
//! A segment is a sequence of frames: `u64le` length, with `(0x80 | pad) << 56` if the record is padded to eight bytes; the record, a
//! protobuf {1: kind, 2: crc, 3: data}; the padding. The checksum of a record covers all data of the log up to its end. A server allocates
//! a segment before it fills it, so zeros follow the last frame.

use prost::Message as _;

use super::snap::hex16;
use super::{ConfState, HardState, Result, What, fault};
use crate::format::container::Checksum;
use crate::format::cursor::Cursor;

/// The name of a log's first segment.
pub const FIRST: &str = "0000000000000000-0000000000000000.wal";

/// Frames begin at multiples of it.
const ALIGN: usize = 8;
/// No record of a server is longer: an entry of the log is far smaller.
const MAX_RECORD: u64 = 1 << 30;
/// The mark of a padded record, in the top byte of the length.
const PADDED: u64 = 0x80 << 56;

const METADATA: i64 = 1;
const ENTRY: i64 = 2;
const STATE: i64 = 3;
const CRC: i64 = 4;
const SNAPSHOT: i64 = 5;

/// A record.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Record {
    #[prost(int64, optional, tag = "1")]
    kind: Option<i64>,
    #[prost(uint32, optional, tag = "2")]
    crc: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "3")]
    data: Option<Vec<u8>>,
}

/// The position of a snapshot in the log.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Mark {
    /// The last index that is in the snapshot.
    #[prost(uint64, optional, tag = "1")]
    pub index: Option<u64>,
    /// Its term.
    #[prost(uint64, optional, tag = "2")]
    pub term: Option<u64>,
    /// The members at that moment.
    #[prost(message, optional, tag = "3")]
    pub conf_state: Option<ConfState>,
}

impl Mark {
    /// Index and term.
    pub fn position(&self) -> (u64, u64) {
        (self.index.unwrap_or_default(), self.term.unwrap_or_default())
    }
}

/// The content of a log, read segment by segment.
#[derive(Debug, Default)]
pub struct Log {
    /// The snapshots in the log, in its order. The first of a new log has index 0.
    pub marks: Vec<Mark>,
    /// The last promise.
    pub state: Option<HardState>,
    /// Number of entries of the log.
    pub entries: u64,
    crc: Checksum,
    /// Whether a segment was read.
    begun: bool,
}

impl Log {
    /// Reads the next segment. An incomplete frame at the end, which a killed process left, is cut off by a server. So its position is
    /// returned, and it is not a fault.
    ///
    /// # Errors
    /// Checksums that do not match, messages that cannot be decoded.
    pub fn read(&mut self, segment: &[u8]) -> Result<Option<usize>> {
        let mut at = 0;
        let torn = loop {
            match frame(segment, at)? {
                Frame::Record(record, end) => {
                    self.take(&record, at)?;
                    at = end;
                }
                Frame::End => break None,
                Frame::Torn => break Some(at),
            }
        };
        self.begun = true;
        Ok(torn)
    }

    fn take(&mut self, record: &Record, at: usize) -> Result<()> {
        let (kind, stored) = (record.kind.unwrap_or_default(), record.crc.unwrap_or_default());
        let data = record.data.as_deref().unwrap_or_default();
        if kind == CRC {
            // A segment begins with the checksum of those before it.
            let computed = self.crc.value();
            if self.begun && stored != computed {
                return fault(at, What::Crc { stored, computed });
            }
            self.crc = Checksum::from_value(stored);
            return Ok(());
        }
        self.crc.update(data);
        let computed = self.crc.value();
        if stored != computed {
            return fault(at, What::Crc { stored, computed });
        }
        let message = |_| super::RaftFault { offset: at, what: What::Message };
        match kind {
            METADATA => {}
            ENTRY => self.entries = self.entries.saturating_add(1),
            STATE => self.state = Some(HardState::decode(data).map_err(message)?),
            SNAPSHOT => self.marks.push(Mark::decode(data).map_err(message)?),
            other => return fault(at, What::Kind(other.cast_unsigned())),
        }
        Ok(())
    }
}

/// The content at a position of a segment.
enum Frame {
    Record(Record, usize),
    /// The end of what was written.
    End,
    /// A frame that is not complete.
    Torn,
}

fn frame(segment: &[u8], at: usize) -> Result<Frame> {
    let mut c = Cursor::new(segment.get(at..).unwrap_or_default());
    let len = match c.u64_le() {
        None if c.is_empty() => return Ok(Frame::End),
        None => return Ok(Frame::Torn),
        Some(0) => return Ok(Frame::End),
        Some(len) => len,
    };
    let pad = if len & PADDED == 0 { 0 } else { (len >> 56) & 7 };
    let len = len & !(0xff << 56);
    if len > MAX_RECORD {
        return fault(at, What::TooLarge(len));
    }
    let (Some(bytes), Some(_)) = (c.take_u64(len), c.take_u64(pad)) else { return Ok(Frame::Torn) };
    let Ok(record) = Record::decode(bytes) else { return fault(at, What::Message) };
    Ok(Frame::Record(record, segment.len().saturating_sub(c.len())))
}

/// The log of a node that begins with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The index of the snapshot, up to which everything is committed.
    pub index: u64,
    /// The term.
    pub term: u64,
    /// The members.
    pub members: ConfState,
}

impl Seed {
    /// Appends the first and only segment. A server does not need the zeros that it would have written after it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let number = |n| Some(n);
        let nothing = Mark { index: number(0), term: number(0), conf_state: None };
        let mark = Mark { index: number(self.index), term: number(self.term), conf_state: Some(self.members.clone()) };
        let state = HardState { term: number(self.term), vote: None, commit: number(self.index) };
        let mut crc = Checksum::default();
        for (kind, data) in [
            (CRC, None),
            (METADATA, None),
            (SNAPSHOT, Some(nothing.encode_to_vec())),
            (SNAPSHOT, Some(mark.encode_to_vec())),
            (STATE, Some(state.encode_to_vec())),
        ] {
            crc.update(data.as_deref().unwrap_or_default());
            frame_into(&Record { kind: Some(kind), crc: Some(crc.value()), data }, out);
        }
    }
}

fn frame_into(record: &Record, out: &mut Vec<u8>) {
    let record = record.encode_to_vec();
    let pad = record.len().next_multiple_of(ALIGN).saturating_sub(record.len());
    let mark = if pad == 0 { 0 } else { (0x80 | pad as u64) << 56 };
    out.extend((record.len() as u64 | mark).to_le_bytes());
    out.extend(record);
    out.extend(std::iter::repeat_n(0, pad));
}

/// Sequence and index in the name of a segment.
pub fn of_name(name: &str) -> Option<(u64, u64)> {
    let (sequence, index) = name.strip_suffix(".wal")?.split_once('-')?;
    Some((hex16(sequence)?, hex16(index)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::encoded;

    fn seed(index: u64, term: u64, voters: Vec<u64>) -> Seed {
        Seed { index, term, members: ConfState { voters, ..ConfState::default() } }
    }

    proptest! {
        #[test]
        fn encoded_seeds_are_read(index: u64, term: u64, voters: Vec<u64>, zeros in 0..40_usize, flip: usize, cut: usize) {
            let seed = seed(index, term, voters);
            let segment = encoded(|out| seed.encode(out));
            prop_assert_eq!(segment.len() % ALIGN, 0);
            let mut log = Log::default();
            let padded = [&segment[..], &vec![0; zeros]].concat();
            // Zeros that are too few for a length are an incomplete frame.
            let torn = (zeros % ALIGN != 0 && zeros < ALIGN).then_some(segment.len());
            prop_assert_eq!(log.read(&padded), Ok(torn));
            let state = HardState { term: Some(term), vote: None, commit: Some(index) };
            prop_assert_eq!((log.state, log.entries, log.marks.len()), (Some(state), 0, 2));
            prop_assert_eq!(log.marks[0].position(), (0, 0));
            prop_assert_eq!((log.marks[1].position(), &log.marks[1].conf_state), ((index, term), &Some(seed.members)));
            let len = cut % segment.len();
            let whole = Log::default().read(&segment[..len]).is_ok_and(|torn| torn.is_none());
            prop_assert!(!whole || len == 0 || len % ALIGN == 0);
            let mut flipped = segment;
            let at = flip % flipped.len();
            flipped[at] ^= 1;
            let mut read = Log::default();
            let seen = read.read(&flipped) != Ok(None) || read.marks != log.marks || read.state != log.state;
            // The bytes of the padding have no meaning, and changes of the first frame can go undetected.
            prop_assert!(seen || flipped[at] == 1 || at < 2 * ALIGN, "{at}");
        }

        #[test]
        fn nothing_panics(segment: Vec<u8>, len in 0..40_u64) {
            let _ = Log::default().read(&segment);
            let _ = Log::default().read(&[&len.to_le_bytes()[..], &segment].concat());
        }
    }

    /// A log of several segments, with entries and a torn end.
    #[test]
    fn segments_hold_together() {
        let first = encoded(|out| seed(5, 1, vec![7]).encode(out));
        let mut log = Log::default();
        assert_eq!(log.read(&first), Ok(None));
        let crc = log.crc.value();
        let next = |stored: u32| {
            let mut crc = Checksum::from_value(stored);
            let mut out = encoded(|out| frame_into(&Record { kind: Some(CRC), crc: Some(stored), data: None }, out));
            crc.update(b"entry");
            frame_into(&Record { kind: Some(ENTRY), crc: Some(crc.value()), data: Some(b"entry".to_vec()) }, &mut out);
            out
        };
        let bad = next(crc ^ 1);
        assert!(matches!(log.read(&bad), Err(fault) if matches!(fault.what, What::Crc { .. })));
        let mut good = next(crc);
        let len = good.len();
        good.extend([9, 0, 0]);
        assert_eq!(log.read(&good), Ok(Some(len)));
        assert_eq!(log.entries, 1);
        assert_eq!(of_name(FIRST), Some((0, 0)));
        assert_eq!(of_name("0.tmp"), None);
    }

    #[test]
    fn absurd_lengths() {
        for (len, want) in [(MAX_RECORD + 1, fault(0, What::TooLarge(MAX_RECORD + 1))), (MAX_RECORD, Ok(Some(0)))] {
            assert_eq!(Log::default().read(&len.to_le_bytes()), want);
        }
    }
}
