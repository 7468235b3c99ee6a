//! Streams in an RDB file: entries in *nodes*, each a listpack after the ID of its first entry.
//!
//! A listpack is `u32le` bytes · `u16le` elements · the elements · `FF`. The elements of a node are
//!
//! ```text
//! count deleted fields name … 0                       of all entries: their number, and the names of the first one
//! flags ms-diff seq-diff (fields name) value … steps   of each entry; without names if they are those of the first
//! ```

use super::super::Made;
use super::encode::{length_into, string_into};
use crate::format::redis::stream::{StreamEntry, StreamId};

/// `stream-node-max-bytes` and `stream-node-max-entries` of a server.
const MOST_BYTES: usize = 4096;
const MOST_ENTRIES: i64 = 100;
/// Maximum bytes of an entry: a server must load its listpack, and the other parts need space in addition to the fields.
const MOST_ENTRY: usize = (1 << 30) - (1 << 16);
/// The listpack does not state how many elements it has.
const UNCOUNTED: u16 = u16::MAX;
const SAME_FIELDS: i64 = 2;

/// The nodes of one stream.
#[derive(Default)]
pub(super) struct Nodes {
    nodes: u64,
    first: Option<StreamId>,
    last: StreamId,
    node: Option<Node>,
    scratch: Vec<u8>,
}

/// A node that is being filled.
struct Node {
    master: StreamId,
    /// The names of the first entry, as elements of a listpack.
    names: Vec<u8>,
    fields: i64,
    entries: i64,
    /// The elements of entries.
    body: Vec<u8>,
    /// The number of elements.
    elements: u64,
}

impl Nodes {
    /// Adds an entry; full nodes go to `out`.
    ///
    /// # Errors
    /// Why a server would not load the entry.
    pub fn entry(&mut self, id: StreamId, entry: &StreamEntry<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let bytes: usize = entry.fields().map(|(name, value)| name.len() + value.len() + 2 * MOST_FRAME).sum();
        if bytes > MOST_ENTRY {
            return Err("it is larger than 1 GiB, and no server loads it");
        }
        if id <= self.last {
            return Err("its ID is not greater than that of the entry before it");
        }
        self.last = id;
        let is_full = |node: &Node| node.entries >= MOST_ENTRIES || node.body.len() + bytes > MOST_BYTES;
        if self.node.as_ref().is_some_and(is_full) {
            self.finish(out);
        }
        self.first.get_or_insert(id);
        self.scratch.clear();
        let mut fields = 0;
        for (name, _) in entry.fields() {
            fields += 1;
            element(name, &mut self.scratch);
        }
        let node = self.node.get_or_insert_with(|| Node::new(id, fields, &self.scratch));
        node.add(id, fields, &self.scratch, entry);
        Ok(())
    }

    /// Writes the current node to `out` and returns the number of nodes.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> u64 {
        if let Some(node) = self.node.take() {
            self.nodes += 1;
            let mut master = Vec::with_capacity(size_of::<StreamId>());
            node.master.encode(&mut master);
            string_into(&master, out);
            string_into(&node.listpack(), out);
        }
        self.nodes
    }

    /// Writes what follows the nodes: length, last ID, first ID, greatest deleted ID, number of entries ever added, no groups.
    pub fn tail(&self, made: Made, out: &mut Vec<u8>) {
        let (first, deleted) = (self.first.unwrap_or_default(), StreamId::default());
        length_into(made.elements, out);
        for id in [made.last, first, deleted] {
            length_into(id.ms, out);
            length_into(id.seq, out);
        }
        length_into(made.elements, out);
        length_into(0, out);
    }
}

impl Node {
    fn new(master: StreamId, fields: i64, names: &[u8]) -> Node {
        Node { master, names: names.to_vec(), fields, entries: 0, body: Vec::new(), elements: 0 }
    }

    fn add(&mut self, id: StreamId, fields: i64, names: &[u8], entry: &StreamEntry<'_>) {
        let is_same = fields == self.fields && names == self.names;
        let body = &mut self.body;
        integer(if is_same { SAME_FIELDS } else { 0 }, body);
        // As a server subtracts: a value that wraps here wraps back there.
        integer(id.ms.wrapping_sub(self.master.ms).cast_signed(), body);
        integer(id.seq.wrapping_sub(self.master.seq).cast_signed(), body);
        if !is_same {
            integer(fields, body);
        }
        for (name, value) in entry.fields() {
            if !is_same {
                element(name, body);
            }
            element(value, body);
        }
        // Number of elements of the entry without this one: a server uses it to step backwards.
        let steps = if is_same { fields + 3 } else { 2 * fields + 4 };
        integer(steps, body);
        self.elements += steps.cast_unsigned() + 1;
        self.entries += 1;
    }

    fn listpack(&self) -> Vec<u8> {
        let mut pack = vec![0; 6];
        integer(self.entries, &mut pack);
        integer(0, &mut pack);
        integer(self.fields, &mut pack);
        pack.extend_from_slice(&self.names);
        integer(0, &mut pack);
        pack.extend_from_slice(&self.body);
        pack.push(0xff);
        let elements = self.elements + self.fields.cast_unsigned() + 4;
        let counted = u16::try_from(elements).unwrap_or(UNCOUNTED);
        // An entry is bounded, so this cannot overflow.
        let bytes = pack.len() as u32;
        pack[..4].copy_from_slice(&bytes.to_le_bytes());
        pack[4..6].copy_from_slice(&counted.to_le_bytes());
        pack
    }
}

/// Maximum bytes around a string in a listpack.
const MOST_FRAME: usize = 5 + 5;

/// Appends a string, with its length before and after it.
fn element(text: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    match text.len() {
        len @ 0..=63 => out.push(0x80 | len as u8),
        len @ 64..=4095 => out.extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
        len => {
            out.push(0xf0);
            out.extend_from_slice(&(len as u32).to_le_bytes());
        }
    }
    out.extend_from_slice(text);
    back_length(out.len() - from, out);
}

/// Appends an integer.
fn integer(n: i64, out: &mut Vec<u8>) {
    let from = out.len();
    match n {
        0..=127 => out.push(n as u8),
        -4096..=4095 => out.extend_from_slice(&[0xc0 | (n >> 8) as u8 & 0x1f, n as u8]),
        _ => {
            out.push(0xf4);
            out.extend_from_slice(&n.to_le_bytes());
        }
    }
    back_length(out.len() - from, out);
}

/// Appends the length of an element for reading backwards: groups of 7 bits, the top bit set in all but the first. For most sizes a server
/// uses one value less than would fit, and checks it.
fn back_length(len: usize, out: &mut Vec<u8>) {
    let groups = match len {
        0..=0x7f => 1,
        0x80..=0x3ffe => 2,
        0x3fff..=0x1f_fffe => 3,
        0x1f_ffff..=0xfff_fffe => 4,
        _ => 5,
    };
    for group in (0..groups).rev() {
        let bits = (len >> (7 * group)) as u8 & 0x7f;
        out.push(if group + 1 == groups { bits } else { bits | 0x80 });
    }
}
