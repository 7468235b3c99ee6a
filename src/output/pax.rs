//! Members of a tar archive with extended headers (POSIX pax): names of any bytes and length, 64-bit owners and times in
//! nanoseconds; files with holes as GNU tar's sparse format 1.0 has them.
//!
//! A sparse member's content begins with a map: the number of stretches, then offset and length of each, decimal, a line
//! feed after every number, filled up with zeros to a block. A file that ends in a hole has an empty last stretch
//! at its end. The stretches follow without the holes between them. They begin and end at blocks of the file, as far as
//! it goes: GNU tar fills up the last block of each stretch, others do not.

use std::io::{self, Read as _, Write};

use super::checksums::Place;
use super::members::{Attributes, Member, MemberKind};
use super::spool::{HOLE, Spool};

const BLOCK: usize = 512;
/// Largest numbers of a header's octal fields: 12 bytes for sizes and times, 8 for owners.
const MOST_SIZE: u64 = 0o77_777_777_777;
const MOST_OWNER: u32 = 0o7_777_777;
/// Longest path and directory of a plain header.
const MOST_PATH: usize = 100;
const MOST_PREFIX: usize = 155;
/// Header name that programs without pax support see.
const EXTENDED: &[u8] = b"PaxHeaders/member";
const SPARSE: &[u8] = b"GNUSparseFile.0/member";

/// Writes one member.
pub fn write(member: &Member, spool: &Spool, out: &mut impl Write) -> io::Result<()> {
    let stretches = match member.kind {
        MemberKind::File(place) => Some(Stretches::of(spool, place)?),
        _ => None,
    };
    let sparse = stretches.as_ref().filter(|stretches| stretches.holes);
    let size = match (&stretches, sparse) {
        (_, Some(sparse)) => sparse.map_bytes() + sparse.data,
        (Some(whole), None) => whole.data,
        (None, _) => 0,
    };
    let mut records = Records::default();
    let path = records.path(member, sparse.map(|sparse| sparse.size));
    let linkname = records.link(&member.link);
    records.attributes(&member.attributes, size);
    let kind = match member.kind {
        MemberKind::Directory => b'5',
        MemberKind::File(_) => b'0',
        MemberKind::Link => b'1',
    };
    if !records.bytes.is_empty() {
        let header = header((b"", EXTENDED), b'x', records.bytes.len() as u64, &Attributes::default(), b"");
        out.write_all(&header)?;
        out.write_all(&records.bytes)?;
        pad(records.bytes.len() as u64, out)?;
    }
    out.write_all(&header(path, kind, size, &member.attributes, linkname))?;
    if let MemberKind::File(place) = member.kind {
        if let Some(sparse) = sparse {
            write_map(spool, place, sparse, out)?;
        }
        write_data(spool, place, out)?;
        pad(size, out)?;
    }
    Ok(())
}

/// Fills the last block with zeros.
fn pad(written: u64, out: &mut impl Write) -> io::Result<()> {
    let over = (written % BLOCK as u64) as usize;
    out.write_all(&[0; BLOCK][..if over == 0 { 0 } else { BLOCK - over }])
}

/// What a file consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stretches {
    /// Whether there are any holes.
    holes: bool,
    /// Number of stretches, with the empty one at the end.
    many: u64,
    /// Bytes of their numbers, with line feeds.
    digits: u64,
    /// Bytes of all stretches.
    data: u64,
    /// Bytes of the file.
    size: u64,
}

impl Stretches {
    fn of(spool: &Spool, place: Place) -> io::Result<Stretches> {
        let mut all = Stretches { holes: has_holes(spool, place)?, ..Stretches::default() };
        each_stretch(spool, place, |offset, len| {
            all.many += 1;
            all.digits += digits(offset) + digits(len);
            all.data += len;
            all.size = offset + len;
            Ok(())
        })?;
        Ok(all)
    }

    /// Bytes of the map, in whole blocks.
    fn map_bytes(&self) -> u64 {
        (digits(self.many) + self.digits).next_multiple_of(BLOCK as u64)
    }
}

fn has_holes(spool: &Spool, place: Place) -> io::Result<bool> {
    let mut pieces = spool.pieces(place);
    while let Some((at, _)) = pieces.next()? {
        if at == HOLE {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Bytes of a number and its line feed.
fn digits(n: u64) -> u64 {
    u64::from(n.checked_ilog10().unwrap_or(0)) + 2
}

/// Gives offset and length of each stretch, in whole blocks; adjacent pieces are joined.
fn each_stretch(spool: &Spool, place: Place, mut each: impl FnMut(u64, u64) -> io::Result<()>) -> io::Result<()> {
    const BLOCK: u64 = self::BLOCK as u64;
    let (mut pieces, mut at, mut run) = (spool.pieces(place), 0u64, None::<u64>);
    while let Some((from, len)) = pieces.next()? {
        match (from == HOLE, run) {
            (true, Some(start)) => {
                // A hole is longer than a block, so that this does not reach the next stretch.
                let end = at.next_multiple_of(BLOCK).min(place.len);
                each(start, end - start)?;
                run = None;
            }
            (false, None) => run = Some(at / BLOCK * BLOCK),
            _ => {}
        }
        at += len;
    }
    // A file that ends in a hole, or is only a hole.
    let start = run.unwrap_or(at);
    each(start, at - start)
}

fn write_map(spool: &Spool, place: Place, all: &Stretches, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", all.many)?;
    each_stretch(spool, place, |offset, len| write!(out, "{offset}\n{len}\n"))?;
    pad(digits(all.many) + all.digits, out)
}

fn write_data(spool: &Spool, place: Place, out: &mut impl Write) -> io::Result<()> {
    let (mut reader, mut at) = (spool.reader(place), 0);
    each_stretch(spool, place, |offset, len| {
        reader.skip(offset - at)?;
        at = offset + len;
        let copied = io::copy(&mut (&mut reader).take(len), out)?;
        let whole = copied == len;
        whole.then_some(()).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the spool was cut"))
    })
}

/// Records of an extended header.
#[derive(Default)]
struct Records {
    bytes: Vec<u8>,
}

impl Records {
    /// `length name=value` and a line feed; the length counts itself.
    fn add(&mut self, name: &str, value: &[u8]) {
        let rest = name.len() + value.len() + 3;
        let mut len = rest + 1;
        while len.to_string().len() + rest != len {
            len = len.to_string().len() + rest;
        }
        self.bytes.extend_from_slice(format!("{len} {name}=").as_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.push(b'\n');
    }

    /// The name of a member, and its directory and name for the plain header. `realsize`: size of a file with holes.
    fn path<'m>(&mut self, member: &'m Member, realsize: Option<u64>) -> (&'m [u8], &'m [u8]) {
        if let Some(size) = realsize {
            self.charset(&member.path);
            self.add("GNU.sparse.major", b"1");
            self.add("GNU.sparse.minor", b"0");
            self.add("GNU.sparse.name", &member.path);
            self.add("GNU.sparse.realsize", size.to_string().as_bytes());
            return (b"", SPARSE);
        }
        let fits = split(&member.path);
        if fits.is_none() {
            self.charset(&member.path);
            self.add("path", &member.path);
        }
        fits.unwrap_or((b"", EXTENDED))
    }

    fn link<'m>(&mut self, link: &'m [u8]) -> &'m [u8] {
        let fits = link.len() <= MOST_PATH;
        if !fits {
            self.charset(link);
            self.add("linkpath", link);
        }
        // Without a link name bsdtar takes the member for an empty file.
        &link[..link.len().min(MOST_PATH)]
    }

    /// Names are UTF-8, and some programs compose their letters, unless this record says that they are bytes.
    fn charset(&mut self, name: &[u8]) {
        if !name.is_ascii() {
            self.add("hdrcharset", b"BINARY");
        }
    }

    fn attributes(&mut self, attributes: &Attributes, size: u64) {
        for (name, time) in [("mtime", attributes.mtime), ("atime", attributes.atime), ("ctime", attributes.ctime)] {
            self.add(name, seconds(time).as_bytes());
        }
        for (name, owner) in [("uid", attributes.uid), ("gid", attributes.gid)] {
            if owner > MOST_OWNER {
                self.add(name, owner.to_string().as_bytes());
            }
        }
        if size > MOST_SIZE {
            self.add("size", size.to_string().as_bytes());
        }
    }
}

/// A time as decimal seconds.
fn seconds(nanos: i64) -> String {
    let (sign, whole) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let text = format!("{sign}{}.{:09}", whole / 1_000_000_000, whole % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Directory and name as the two fields of a plain header.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= MOST_PATH {
        return Some((b"", path));
    }
    let slash = memchr::memchr_iter(b'/', path).find(|slash| path.len() - slash - 1 <= MOST_PATH)?;
    (slash <= MOST_PREFIX && slash + 1 < path.len()).then(|| (&path[..slash], &path[slash + 1..]))
}

fn header(
    (prefix, name): (&[u8], &[u8]),
    kind: u8,
    size: u64,
    attributes: &Attributes,
    linkname: &[u8],
) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    let owner = |id: u32| if id > MOST_OWNER { 0 } else { id };
    let time = u64::try_from(attributes.mtime.div_euclid(1_000_000_000)).unwrap_or(0);
    put(0, name);
    put(100, format!("{:07o}", attributes.mode & 0o7777).as_bytes());
    put(108, format!("{:07o}", owner(attributes.uid)).as_bytes());
    put(116, format!("{:07o}", owner(attributes.gid)).as_bytes());
    put(124, format!("{:011o}", if size > MOST_SIZE { 0 } else { size }).as_bytes());
    put(136, format!("{:011o}", time.min(MOST_SIZE)).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, linkname);
    put(257, b"ustar\x0000");
    put(345, prefix);
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_lengths_count_themselves() {
        for len in 0..2_000 {
            let mut records = Records::default();
            records.add("path", &vec![b'x'; len]);
            let text = String::from_utf8(records.bytes.clone()).unwrap();
            let (stated, _) = text.split_once(' ').unwrap();
            assert_eq!(stated.parse::<usize>().unwrap(), records.bytes.len());
        }
    }

    #[test]
    fn times() {
        for (nanos, want) in [
            (0, "0"),
            (1, "0.000000001"),
            (1_500_000_000, "1.5"),
            (-1_500_000_000, "-1.5"),
            (-1, "-0.000000001"),
            (1_234_567_890_123_456_789, "1234567890.123456789"),
            (10_000_000_000, "10"),
            (i64::MIN, "-9223372036.854775808"),
        ] {
            assert_eq!(seconds(nanos), want);
        }
    }

    #[test]
    fn paths_in_plain_headers() {
        let long = |n| vec![b'n'; n];
        let dir = |d: usize, n: usize| [long(d), b"/".to_vec(), long(n)].concat();
        assert_eq!(split(&long(100)).unwrap(), (&b""[..], &long(100)[..]));
        assert_eq!(split(&dir(155, 100)).unwrap(), (&long(155)[..], &long(100)[..]));
        for bad in [long(101), dir(156, 100), dir(10, 101), [long(120), b"/".to_vec()].concat()] {
            assert_eq!(split(&bad), None);
        }
    }
}
