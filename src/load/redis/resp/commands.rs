//! Turns keys into commands.

use super::lanes::{Batch, Lanes, Want};
use crate::error::Result;
use crate::format::adapter;
use crate::format::redis::stream::{IdText, StreamId};
use crate::load::redis::{Element, KeySink, Made};
use crate::model::redis::Type;
use crate::options::typed_name;

/// Bytes and commands of a batch.
const MOST_BYTES: usize = 256 << 10;
const MOST_COMMANDS: usize = 2000;
/// Maximum number of elements in one command, and of their bytes: a server does nothing else while it runs one.
const MOST_ELEMENTS: i64 = 1000;
const MOST_OF_COMMAND: usize = 64 << 10;
/// A consumer group that is created to make an empty stream, and removed again.
const GROUP: &[u8] = b"ekvsnap";

/// Sends keys to the lanes.
pub(super) struct Commands<'l> {
    lanes: Lanes<'l>,
    batch: Batch,
    /// Whether the target has no older keys of the same names.
    is_fresh: bool,
    /// Whether the server stores how many entries of a stream were added and deleted.
    with_history: bool,
    sent: Sent,
    /// The last complete key.
    last: Vec<u8>,
    /// The current command: its arguments, and their number.
    args: Vec<u8>,
    count: usize,
    /// Elements of the current command, and of the list so far.
    elements: i64,
    in_list: i64,
    is_middle: bool,
    kind: Type,
}

/// What was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub keys: u64,
    /// How many of them expire.
    pub expiring: u64,
}

impl<'l> Commands<'l> {
    pub fn new(lanes: Lanes<'l>, is_fresh: bool, with_history: bool) -> Commands<'l> {
        Commands {
            lanes,
            batch: Batch::default(),
            is_fresh,
            with_history,
            sent: Sent::default(),
            last: Vec::new(),
            args: Vec::new(),
            count: 0,
            elements: 0,
            in_list: 0,
            is_middle: false,
            kind: Type::String,
        }
    }

    /// Completes the load after all keys were given.
    pub fn finish(mut self) -> Result<Sent> {
        self.flush()?;
        Ok(self.sent)
    }

    fn arg(&mut self, text: &[u8]) {
        self.count += 1;
        let mut len = itoa::Buffer::new();
        self.args.push(b'$');
        self.args.extend_from_slice(len.format(text.len()).as_bytes());
        self.args.extend_from_slice(b"\r\n");
        self.args.extend_from_slice(text);
        self.args.extend_from_slice(b"\r\n");
    }

    /// Completes the current command.
    fn command(&mut self, want: Want) -> Result<()> {
        let mut count = itoa::Buffer::new();
        let bytes = &mut self.batch.bytes;
        bytes.push(b'*');
        bytes.extend_from_slice(count.format(self.count).as_bytes());
        bytes.extend_from_slice(b"\r\n");
        bytes.append(&mut self.args);
        self.batch.wants.push(want);
        self.count = 0;
        let is_full = bytes.len() >= MOST_BYTES || self.batch.wants.len() >= MOST_COMMANDS;
        if is_full && self.is_middle { self.flush() } else { Ok(()) }
    }

    fn send(&mut self, args: &[&[u8]], want: Want) -> Result<()> {
        args.iter().for_each(|arg| self.arg(arg));
        self.command(want)
    }

    fn flush(&mut self) -> Result<()> {
        if self.batch.wants.is_empty() {
            return Ok(());
        }
        if self.sent.keys > 0 {
            self.batch.complete = Some((typed_name(adapter::REDIS, &[&self.last]), self.sent.keys));
        }
        self.lanes.send(std::mem::take(&mut self.batch), self.is_middle)
    }

    /// Completes a key.
    fn complete(&mut self, name: &[u8], expire_at_ms: Option<u64>) -> Result<()> {
        self.sent.keys += 1;
        self.sent.expiring += u64::from(expire_at_ms.is_some());
        self.last.clear();
        self.last.extend_from_slice(name);
        self.is_middle = false;
        let is_full = self.batch.bytes.len() >= MOST_BYTES || self.batch.wants.len() >= MOST_COMMANDS;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Makes a command of the current elements.
    fn elements(&mut self) -> Result<()> {
        if self.elements == 0 {
            return Ok(());
        }
        let added = std::mem::take(&mut self.elements);
        self.in_list += added;
        let want = if self.kind == Type::List { self.in_list } else { added };
        self.command(Want::Number(want))
    }

    fn stream_end(&mut self, name: &[u8], made: Made) -> Result<()> {
        if made.elements == 0 {
            self.send(&[b"XGROUP", b"CREATE", name, GROUP, b"$", b"MKSTREAM"], Want::Any)?;
            self.send(&[b"XGROUP", b"DESTROY", name, GROUP], Want::Number(1))?;
        }
        let (last, none) = (IdText::of(made.last), IdText::of(StreamId::default()));
        [b"XSETID", name, last.as_bytes()].iter().for_each(|arg| self.arg(arg));
        if self.with_history {
            let mut added = itoa::Buffer::new();
            let added = added.format(made.elements).as_bytes();
            [b"ENTRIESADDED", added, b"MAXDELETEDID", none.as_bytes()].iter().for_each(|arg| self.arg(arg));
        }
        self.command(Want::Any)
    }
}

impl KeySink for Commands<'_> {
    const KEEPS_EXPIRED: bool = false;

    fn string(&mut self, name: &[u8], value: &[u8], expire_at_ms: Option<u64>) -> Result<()> {
        [b"SET", name, value].iter().for_each(|arg| self.arg(arg));
        if let Some(at) = expire_at_ms {
            let mut ms = itoa::Buffer::new();
            self.arg(b"PXAT");
            self.arg(ms.format(at).as_bytes());
        }
        self.command(Want::Any)?;
        self.complete(name, expire_at_ms)
    }

    fn begin(&mut self, name: &[u8], kind: Type) -> Result<()> {
        (self.kind, self.elements, self.in_list, self.is_middle) = (kind, 0, 0, true);
        if self.is_fresh { Ok(()) } else { self.send(&[b"DEL", name], Want::Any) }
    }

    fn element(&mut self, name: &[u8], element: Element<'_>) -> Result<()> {
        if let Element::Entry(id, entry) = element {
            [b"XADD", name, IdText::of(id).as_bytes()].iter().for_each(|arg| self.arg(arg));
            for (field, value) in entry.fields() {
                self.arg(field);
                self.arg(value);
            }
            return self.command(Want::Any);
        }
        if self.elements == 0 {
            self.arg(match self.kind {
                Type::Hash => b"HSET",
                Type::List => b"RPUSH",
                Type::Set => b"SADD",
                _ => b"ZADD",
            });
            self.arg(name);
        }
        match element {
            Element::Field(field, value) => {
                self.arg(field);
                self.arg(value);
            }
            Element::Item(one) | Element::Member(one) => self.arg(one),
            Element::Scored(member, score) => {
                self.arg(score_text(&mut zmij::Buffer::new(), score).as_bytes());
                self.arg(member);
            }
            Element::Entry(..) => {}
        }
        self.elements += 1;
        if self.elements >= MOST_ELEMENTS || self.args.len() >= MOST_OF_COMMAND { self.elements() } else { Ok(()) }
    }

    fn end(&mut self, name: &[u8], made: Made) -> Result<()> {
        self.elements()?;
        if made.kind == Type::Stream {
            self.stream_end(name, made)?;
        }
        if let Some(at) = made.expire_at_ms {
            let mut ms = itoa::Buffer::new();
            self.send(&[b"PEXPIREAT", name, ms.format(at).as_bytes()], Want::Any)?;
        }
        self.complete(name, made.expire_at_ms)
    }

    fn abandon(&mut self, name: &[u8]) -> Result<()> {
        (self.count, self.elements, self.is_middle) = (0, 0, false);
        self.args.clear();
        self.send(&[b"DEL", name], Want::Any)
    }
}

/// The shortest text that is read back as the same score.
fn score_text(buffer: &mut zmij::Buffer, score: f64) -> &str {
    if score == f64::INFINITY {
        "inf"
    } else if score == f64::NEG_INFINITY {
        "-inf"
    } else {
        buffer.format_finite(score)
    }
}
