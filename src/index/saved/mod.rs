//! Indexes stored in a file, so that a later run need not read the whole snapshot again (`plan.md`).
//!
//! A saved index is used only for the same file, and only if the index pass would give the same result. Anything that does not match leads
//! to that pass, never to an error.

mod codec;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Granularity, Index, View};
use crate::error::{Error, Result};
use crate::format::wire::{self, Reader};
use crate::source::{Identity, Source};

/// The first bytes of a plan file.
pub const MAGIC: &[u8; 8] = b"EKVPLAN1";
/// The suffix of a side-car's name, after the name of its snapshot.
pub const SUFFIX: &str = ".ekvindex";
/// Maximum size of a file that is written or read.
pub const MOST: usize = 64 << 20;
/// Approximate maximum bytes of checkpoints; a checkpoint takes two to three.
const CHECKPOINTS: usize = 48 << 20;
const CHECKPOINT: usize = 3;
/// Maximum number of inputs in a plan.
const MOST_INPUTS: usize = 4096;
/// Bytes of the digest at the end.
pub const DIGEST: usize = 32;

/// One input of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name as given.
    pub path: PathBuf,
    /// The identity of the file, if it can be determined.
    pub identity: Option<Identity>,
    /// Its size.
    pub len: u64,
    /// Its verified footer.
    pub crc32c: Option<u32>,
    /// The result of its index, if it can be saved.
    pub index: Option<Vec<u8>>,
}

/// A plan file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The inputs, in their order.
    pub inputs: Vec<Input>,
    /// How they are decoded, in JSON; empty: there are only the indexes.
    pub task: Vec<u8>,
    /// The columns of tables, in a layout that has some: no shard knows all rows.
    pub columns: Vec<u8>,
}

impl Plan {
    /// The indexes of some sources, which were made for a moment and with a granularity.
    pub fn of<'s>(
        indexed: impl Iterator<Item = (&'s Source, &'s Index)> + Clone,
        as_of: u64,
        granularity: Granularity,
    ) -> Plan {
        let all: usize = indexed.clone().map(|(_, index)| index.checkpoints.positions().len()).sum();
        let every = (all * CHECKPOINT).div_ceil(CHECKPOINTS).max(1);
        let input = |(source, index): (&Source, &Index)| {
            let (path, identity) = (source.path().to_path_buf(), source.identity());
            let (len, crc32c) = (source.file().len() as u64, index.crc32c);
            let index = identity.as_ref().filter(|_| codec::can_be_saved(index)).map(|_| {
                let mut bytes = Vec::new();
                codec::encode(index, (as_of, granularity), every, &mut bytes);
                bytes
            });
            Input { path, identity, len, crc32c, index }
        };
        Plan { inputs: indexed.map(input).collect(), ..Plan::default() }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// The file would be too large.
    pub fn encode(&self) -> Result<Vec<u8>> {
        if self.inputs.len() > MOST_INPUTS {
            return Err(Error::usage(format!("there are {} inputs, more than {MOST_INPUTS}", self.inputs.len())));
        }
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&codec::families().to_le_bytes());
        wire::bytes(env!("CARGO_PKG_VERSION").as_bytes(), &mut out);
        wire::number(self.inputs.len() as u64, &mut out);
        for Input { path, identity, len, crc32c, index } in &self.inputs {
            wire::bytes(path.as_os_str().as_bytes(), &mut out);
            out.push(u8::from(identity.is_some()));
            identity.iter().for_each(|identity| encode_identity(identity, &mut out));
            wire::number(*len, &mut out);
            out.push(u8::from(crc32c.is_some()));
            crc32c.iter().for_each(|crc| wire::number(u64::from(*crc), &mut out));
            out.push(u8::from(index.is_some()));
            index.iter().for_each(|index| wire::bytes(index, &mut out));
        }
        wire::bytes(&self.task, &mut out);
        wire::bytes(&self.columns, &mut out);
        let digest = Sha256::digest(&out);
        out.extend_from_slice(&digest);
        if out.len() > MOST {
            return Err(Error::usage(format!("the index would have {} bytes, more than {MOST}", out.len())));
        }
        Ok(out)
    }

    /// Reads the bytes of a file; `None`: they are damaged, or from another version of this program.
    pub fn decode(file: &[u8]) -> Option<Plan> {
        let (body, digest) = file.split_last_chunk::<DIGEST>()?;
        let rest = body.strip_prefix(MAGIC)?.strip_prefix(&codec::families().to_le_bytes())?;
        if Sha256::digest(body)[..] != digest[..] {
            return None;
        }
        let mut reader = Reader::new(rest);
        if reader.bytes()? != env!("CARGO_PKG_VERSION").as_bytes() {
            return None;
        }
        let mut inputs = Vec::new();
        for _ in 0..reader.count().filter(|n| *n <= MOST_INPUTS)? {
            let path = PathBuf::from(OsStr::from_bytes(reader.bytes()?));
            let identity = if reader.flag()? { Some(decode_identity(&mut reader)?) } else { None };
            let len = reader.number()?;
            let crc32c = if reader.flag()? { Some(u32::try_from(reader.number()?).ok()?) } else { None };
            let index = if reader.flag()? { Some(reader.bytes()?.to_vec()) } else { None };
            inputs.push(Input { path, identity, len, crc32c, index });
        }
        let (task, columns) = (reader.bytes()?.to_vec(), reader.bytes()?.to_vec());
        reader.is_empty().then_some(Plan { inputs, task, columns })
    }

    /// Reads a file of at most [`MOST`] bytes; returns its digest too.
    ///
    /// # Errors
    /// A file that cannot be read. `None` as for [`decode`](Plan::decode).
    pub fn read(path: &Path) -> Result<Option<(Plan, [u8; DIGEST])>> {
        let failed = |e| Error::io("read", path, e);
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(MOST as u64 + 1).read_to_end(&mut bytes)).map_err(failed)?;
        let plan = if bytes.len() > MOST { None } else { Plan::decode(&bytes) };
        Ok(plan.zip(bytes.last_chunk().copied()))
    }

    /// Gives each source the index of its file, if the plan has it. Returns the number of such sources.
    pub fn attach(&self, sources: &mut [Source]) -> usize {
        let mut attached = 0;
        for source in sources {
            let Some(identity) = source.identity() else { continue };
            let found = self.inputs.iter().find(|input| input.identity.as_ref() == Some(&identity));
            if let Some(index) = found.and_then(|input| input.index.clone()) {
                source.set_saved_index(index);
                attached += 1;
            }
        }
        attached
    }
}

/// The name of the side-car of a snapshot.
pub fn beside(snapshot: &Path) -> PathBuf {
    let mut name = snapshot.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// Whether a file is a plan, according to its first bytes.
pub fn is_plan(path: &Path) -> bool {
    let mut head = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok_and(|()| head == *MAGIC)
}

/// The saved index of a source, if the pass would find the same.
pub(super) fn known(source: &Source, view: View, granularity: Granularity) -> Option<Index> {
    let (index, as_of, interval) = codec::decode(source.saved_index()?, source.file())?;
    let is_same_moment = view.as_of == as_of || view.as_of.min(as_of) >= index.max_commit_ts;
    let counts_hold = is_same_moment && index.moments.hold_at(view.read_ts);
    (counts_hold && interval == granularity.checkpoint_interval).then_some(index)
}

fn encode_identity(identity: &Identity, out: &mut Vec<u8>) {
    let Identity { len, modified, changed, head, tail } = identity;
    wire::number(*len, out);
    for n in [modified.0, modified.1, changed.0, changed.1] {
        wire::number(n.cast_unsigned(), out);
    }
    wire::bytes(head, out);
    wire::bytes(tail, out);
}

fn decode_identity(reader: &mut Reader<'_>) -> Option<Identity> {
    let len = reader.number()?;
    let mut signed = || reader.number().map(u64::cast_signed);
    let (modified, changed) = ((signed()?, signed()?), (signed()?, signed()?));
    Some(Identity { len, modified, changed, head: reader.bytes()?.to_vec(), tail: reader.bytes()?.to_vec() })
}
