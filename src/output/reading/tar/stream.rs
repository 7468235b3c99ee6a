//! The blocks of an archive, member by member.
//!
//! What programs read in different ways is refused: two sizes, two names, repeated records. Names and extended headers
//! are bounded before memory is reserved for them.

use std::io::{self, BufReader, Read, Seek};

use super::header::{BLOCK, Block, Header};
use super::records::Records;
use crate::output::reading::Attributes;

/// Longest name, and most bytes of an extended header: a path of an archive has at most 4 KiB.
const MOST: u64 = 1 << 20;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    /// None of these.
    Other(&'static str),
}

/// A member, before its content.
#[derive(Debug)]
pub(super) struct Member {
    pub kind: Kind,
    pub path: Vec<u8>,
    /// Target path of a link.
    pub link: Vec<u8>,
    /// Bytes of content.
    pub size: u64,
    /// Size of a file with holes, whose content begins with their map.
    pub sparse: Option<u64>,
    pub attributes: Attributes,
    /// Something that no decode writes.
    pub odd: Option<&'static str>,
}

/// What comes next.
pub(super) enum Next {
    Member(Member),
    /// A header for all members that follow. Its content was skipped.
    Global,
    /// Two blocks of zeros.
    End,
    /// The archive is cut off or damaged here.
    Cut(&'static str),
}

/// What the headers before a member say about it.
#[derive(Default)]
struct Before {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Option<Records>,
}

/// Passes over bytes; returns how many there were.
type Pass<R> = fn(&mut R, u64) -> io::Result<u64>;

/// Reads an archive.
pub(super) struct Stream<R> {
    bytes: R,
    pass: Pass<R>,
}

impl<R: Read + Seek> Stream<BufReader<R>> {
    /// A stream that passes over contents without reading them. The end of the file is not checked there.
    pub fn seeking(bytes: BufReader<R>) -> Self {
        Stream { bytes, pass: |bytes, n| bytes.seek_relative(n.try_into().unwrap_or(i64::MAX)).map(|()| n) }
    }
}

impl<R: Read + Send> Stream<R> {
    pub fn new(bytes: R) -> Stream<R> {
        Stream { bytes, pass: |bytes, n| io::copy(&mut bytes.take(n), &mut io::sink()) }
    }

    /// The next member; its content must be read with [`content`](Self::content) before the next.
    pub fn next(&mut self) -> io::Result<Next> {
        let mut before = Before::default();
        loop {
            let Some(block) = self.block()? else {
                return Ok(Next::Cut("it has no end: it may have been cut"));
            };
            if block.iter().all(|byte| *byte == 0) {
                return self.end(&before);
            }
            let header = Header::of(&block).map_err(broken)?;
            let size = header.size().ok_or_else(|| broken("the size of a member is not a number"))?;
            match header.kind() {
                b'L' => once(&mut before.path, self.name(size)?)?,
                b'K' => once(&mut before.link, self.name(size)?)?,
                b'x' => once(&mut before.records, Records::of(&self.held(size)?).map_err(broken)?)?,
                b'g' => {
                    self.skip(size)?;
                    return Ok(Next::Global);
                }
                _ => return self.member(&header, size, before).map(Next::Member),
            }
        }
    }

    fn end(&mut self, before: &Before) -> io::Result<Next> {
        if before.path.is_some() || before.link.is_some() || before.records.is_some() {
            return Err(broken("it ends after an extended header, and the member of that header is missing"));
        }
        Ok(match self.block()? {
            None => Next::Cut("it has one block of zeros at its end, not two: it may have been cut"),
            Some(block) if block.iter().all(|byte| *byte == 0) => Next::End,
            Some(_) => Next::Cut("there are bytes after a block of zeros, which ends an archive"),
        })
    }

    fn member(&mut self, header: &Header<'_>, in_header: u64, before: Before) -> io::Result<Member> {
        let records = before.records.unwrap_or_default();
        let mut odd = records.odd;
        let size = records.size.unwrap_or(in_header);
        if in_header != size && in_header != 0 {
            odd = Some("its headers have two sizes");
        }
        if before.path.is_some() && (records.path.is_some() || records.sparse_path.is_some()) {
            odd = Some("its headers have two names");
        }
        if before.link.is_some() && records.link.is_some() {
            odd = Some("its headers have two link targets");
        }
        let attributes = attributes(header, &records);
        let sparse = records.sparse_size.filter(|_| records.is_sparse());
        let path = records.sparse_path.or(records.path).or(before.path).unwrap_or_else(|| header.path());
        let link = records.link.or(before.link).unwrap_or_else(|| header.link().to_vec());
        let kind = self.kind(header, &path)?;
        if size > 0 && matches!(kind, Kind::Link | Kind::Directory) {
            odd = Some("it has content, but it is not a file");
        }
        if sparse.is_some() && kind != Kind::File {
            odd = Some("it has holes, but it is not a file");
        }
        Ok(Member { kind, path, link, size, sparse, attributes, odd })
    }

    fn kind(&mut self, header: &Header<'_>, path: &[u8]) -> io::Result<Kind> {
        Ok(match header.kind() {
            // Old programs marked directories by the slash, and some still do.
            b'0' | 0 | b'7' if path.ends_with(b"/") => Kind::Other("a file whose name ends in a slash"),
            b'0' | 0 | b'7' => Kind::File,
            b'1' => Kind::Link,
            b'2' => Kind::Other("a symbolic link"),
            b'5' => Kind::Directory,
            b'6' => Kind::Other("a pipe"),
            b'S' => {
                let mut more = header.is_extended();
                while more {
                    let block = self.block()?.ok_or(io::ErrorKind::UnexpectedEof)?;
                    more = block[504] != 0;
                }
                Kind::Other("a file in GNU tar's old form for holes: pack it in the pax format")
            }
            _ => Kind::Other("not a regular file"),
        })
    }

    /// Gives the content of a member, and whether the padding of its last block is zeros.
    pub fn content<T, E: From<io::Error>>(
        &mut self,
        size: u64,
        read: impl FnOnce(&mut (dyn Read + Send)) -> Result<T, E>,
    ) -> Result<(T, bool), E> {
        let mut content = (&mut self.bytes).take(size);
        let given = read(&mut content)?;
        // The caller may not have read all of it.
        let left = content.limit();
        if left > 0 && (self.pass)(&mut self.bytes, left)? < left {
            return Err(E::from(io::ErrorKind::UnexpectedEof.into()));
        }
        let padding = self.padding(size)?;
        Ok((given, padding))
    }

    fn padding(&mut self, size: u64) -> io::Result<bool> {
        let over = (size % BLOCK as u64) as usize;
        let mut padding = [0; BLOCK];
        let padding = &mut padding[..if over == 0 { 0 } else { BLOCK - over }];
        self.bytes.read_exact(padding)?;
        Ok(padding.iter().all(|byte| *byte == 0))
    }

    /// Whether all remaining bytes are zeros. Reads to the end: only there a compressed archive is known to be intact.
    pub fn rest_is_zeros(&mut self) -> io::Result<bool> {
        let (mut zeros, mut buffer) = (true, vec![0; 64 << 10]);
        loop {
            match self.bytes.read(&mut buffer) {
                Ok(0) => return Ok(zeros),
                Ok(n) => zeros &= buffer[..n].iter().all(|byte| *byte == 0),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// The next block; `None` at the end.
    fn block(&mut self) -> io::Result<Option<Block>> {
        let mut block = [0; BLOCK];
        let mut held = 0;
        while held < BLOCK {
            match self.bytes.read(&mut block[held..]) {
                Ok(0) if held == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => held += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Some(block))
    }

    fn skip(&mut self, size: u64) -> io::Result<()> {
        self.content::<(), io::Error>(size, |_| Ok(())).map(drop)
    }

    fn held(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MOST {
            return Err(broken(format!("a name or extended header has {size} bytes, more than {MOST}")));
        }
        let (held, _) = self.content(size, |content| {
            let mut held = Vec::new();
            content.read_to_end(&mut held).map(|_| held)
        })?;
        Ok(held)
    }

    /// The content of a header that is a name, terminated by a NUL.
    fn name(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut name = self.held(size)?;
        if name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }
}

/// Refuses a header that occurs twice before a member.
fn once<T>(slot: &mut Option<T>, value: T) -> io::Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(broken("a member has two extended headers of one kind")),
    }
}

fn attributes(header: &Header<'_>, records: &Records) -> Attributes {
    let [uid, gid] = header.owners();
    let seconds = header.mtime().and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1_000_000_000));
    let small = |n: Option<u64>| n.and_then(|n| u32::try_from(n).ok());
    Attributes {
        mode: small(header.mode()).map(|mode| mode & 0o7777),
        uid: small(records.uid.or(uid)),
        gid: small(records.gid.or(gid)),
        mtime: records.mtime.or(seconds),
        named: header.names_owner(),
    }
}

fn broken(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}
