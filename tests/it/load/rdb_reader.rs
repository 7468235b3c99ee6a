//! A reader of RDB files, written from the format's description and not from the writer.

use std::collections::{BTreeMap, BTreeSet};

use super::truth::{Keys, Value};

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn len(&mut self) -> u64 {
        let first = self.byte();
        match first >> 6 {
            0 => u64::from(first),
            1 => u64::from(first & 0x3f) << 8 | u64::from(self.byte()),
            2 if first == 0x80 => u64::from(u32::from_be_bytes(self.take(4).try_into().unwrap())),
            2 if first == 0x81 => u64::from_be_bytes(self.take(8).try_into().unwrap()),
            _ => panic!("a length of an encoding that is not used: {first:02x}"),
        }
    }

    fn string(&mut self) -> &'b [u8] {
        let len = self.len() as usize;
        self.take(len)
    }

    fn strings(&mut self, count: u64) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.string().to_vec()).collect()
    }

    fn value(&mut self, kind: u8) -> Value {
        if kind == 0 {
            return Value::String(self.string().to_vec());
        }
        let count = self.len();
        match kind {
            1 => Value::List(self.strings(count)),
            2 => {
                let members: BTreeSet<_> = self.strings(count).into_iter().collect();
                assert_eq!(members.len() as u64, count);
                Value::Set(members)
            }
            4 => {
                let fields: BTreeMap<_, _> =
                    (0..count).map(|_| (self.string().to_vec(), self.string().to_vec())).collect();
                assert_eq!(fields.len() as u64, count);
                Value::Hash(fields)
            }
            5 => {
                let mut scored = || (self.string().to_vec(), u64::from_le_bytes(self.take(8).try_into().unwrap()));
                Value::Zset((0..count).map(|_| scored()).collect())
            }
            19 => self.stream(count),
            _ => panic!("type {kind}"),
        }
    }

    fn id(&mut self) -> (u64, u64) {
        (self.len(), self.len())
    }

    fn stream(&mut self, nodes: u64) -> Value {
        let mut entries = Vec::new();
        for _ in 0..nodes {
            let key = self.string();
            let half = |at: usize| u64::from_be_bytes(key[at..at + 8].try_into().unwrap());
            node((half(0), half(8)), self.string(), &mut entries);
        }
        let (len, last, first, deleted, added, groups) =
            (self.len(), self.id(), self.id(), self.id(), self.len(), self.len());
        assert_eq!((len, deleted, added, groups), (entries.len() as u64, (0, 0), len, 0));
        assert_eq!(entries.first().map_or((0, 0), |(id, _)| *id), first);
        assert!(entries.is_sorted_by(|a, b| a.0 < b.0), "entries ascend");
        assert!(entries.last().is_none_or(|(id, _)| *id <= last));
        let text = |(ms, seq): (u64, u64)| format!("{ms}-{seq}");
        Value::Stream(entries.into_iter().map(|(id, fields)| (text(id), fields)).collect(), text(last))
    }
}

type Entry = ((u64, u64), Vec<Vec<u8>>);

/// The entries of one node.
fn node(master: (u64, u64), pack: &[u8], entries: &mut Vec<Entry>) {
    let elements = listpack(pack);
    let mut at = elements.iter();
    let mut number = || -> i64 { std::str::from_utf8(at.next().unwrap()).unwrap().parse().unwrap() };
    let (count, deleted, fields) = (number(), number(), number());
    assert_eq!(deleted, 0);
    let mut at = elements[3..].iter();
    let names: Vec<&Vec<u8>> = at.by_ref().take(fields as usize).collect();
    assert_eq!(at.next().unwrap(), b"0");
    for _ in 0..count {
        let before = at.len();
        let mut number = || -> i64 { std::str::from_utf8(at.next().unwrap()).unwrap().parse().unwrap() };
        let (flags, ms, seq) = (number(), number(), number());
        let id = (master.0.wrapping_add(ms as u64), master.1.wrapping_add(seq as u64));
        let pairs: Vec<Vec<u8>> = match flags {
            2 => names.iter().flat_map(|name| [(*name).clone(), at.next().unwrap().clone()]).collect(),
            0 => {
                let own = number() as usize;
                at.by_ref().take(2 * own).cloned().collect()
            }
            _ => panic!("flags {flags}"),
        };
        let steps: usize = std::str::from_utf8(at.next().unwrap()).unwrap().parse().unwrap();
        assert_eq!(steps, before - at.len() - 1);
        entries.push((id, pairs));
    }
    assert_eq!(at.len(), 0);
}

/// The elements of a listpack, numbers as their digits.
fn listpack(pack: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(u32::from_le_bytes(pack[..4].try_into().unwrap()) as usize, pack.len());
    let counted = u16::from_le_bytes(pack[4..6].try_into().unwrap());
    let (mut elements, mut rest) = (Vec::new(), &pack[6..]);
    while rest[0] != 0xff {
        let mut reader = Reader(rest);
        let first = reader.byte();
        let element = match first {
            0..=0x7f => first.to_string().into_bytes(),
            0x80..=0xbf => reader.take(usize::from(first & 0x3f)).to_vec(),
            0xc0..=0xdf => {
                let bits = i32::from(first & 0x1f) << 8 | i32::from(reader.byte());
                (if bits < 4096 { bits } else { bits - 8192 }).to_string().into_bytes()
            }
            0xe0..=0xef => {
                let len = usize::from(first & 0xf) << 8 | usize::from(reader.byte());
                reader.take(len).to_vec()
            }
            0xf0 => {
                let len = u32::from_le_bytes(reader.take(4).try_into().unwrap());
                reader.take(len as usize).to_vec()
            }
            0xf4 => i64::from_le_bytes(reader.take(8).try_into().unwrap()).to_string().into_bytes(),
            _ => panic!("element {first:02x}"),
        };
        let len = rest.len() - reader.0.len();
        // As Redis computes it, thresholds included.
        let size = [127, 16383, 2_097_151, 268_435_455]
            .iter()
            .filter(|most| len > **most || (**most > 127 && len == **most))
            .count()
            + 1;
        let back = reader.take(size).iter().fold(0, |len, byte| len << 7 | usize::from(byte & 0x7f));
        assert_eq!(back, len);
        elements.push(element);
        rest = reader.0;
    }
    assert_eq!(rest.len(), 1);
    assert_eq!(usize::from(counted), elements.len().min(65535));
    elements
}

/// All keys of a file; that its checksum is right.
pub fn read(file: &[u8]) -> Keys {
    let (body, crc) = file.split_at(file.len() - 8);
    assert_eq!(crc, crc64(body).to_le_bytes(), "the checksum");
    let mut reader = Reader(body);
    assert_eq!(reader.take(9), b"REDIS0010");
    let (mut keys, mut expiry) = (Keys::new(), None);
    loop {
        match reader.byte() {
            0xfa => drop((reader.string(), reader.string())),
            0xfe => assert_eq!(reader.len(), 0),
            0xfc => expiry = Some(u64::from_le_bytes(reader.take(8).try_into().unwrap())),
            0xff => break,
            kind => {
                let name = reader.string().to_vec();
                let value = reader.value(kind);
                assert!(keys.insert(name, (value, expiry.take())).is_none());
            }
        }
    }
    assert!(reader.0.is_empty());
    keys
}

/// CRC-64 of Redis (Jones), bit by bit.
fn crc64(bytes: &[u8]) -> u64 {
    const REVERSED: u64 = 0x95ac_9329_ac4b_c9b5;
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { REVERSED } else { 0 })
    })
}
