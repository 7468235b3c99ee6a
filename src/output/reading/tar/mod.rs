//! Reads a tar archive, member by member, as strictly as the programs that extract it.
//!
//! It reads the headers that a decode writes, and those of GNU tar and bsdtar for an output that was extracted and
//! packed again. Everything else that an extractor would act on is reported as odd: it can change the extracted files.

mod header;
mod records;
mod stream;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::{Content, Entry, Sparse, broken};
use crate::error::Result;
use crate::output::sumfile::is_below;
use stream::{Kind, Member, Next, Stream};

/// Gives every member, in the order of the archive, and reads to the end of the stream.
pub(super) fn members(
    name: &Path,
    stream: impl Read + Send,
    each: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<()> {
    members_of(name, Stream::new(stream), each)
}

/// The same for a file, in which contents that `each` does not read are passed over.
pub(super) fn members_of_file(name: &Path, file: File, each: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
    members_of(name, Stream::seeking(BufReader::new(file)), each)
}

fn members_of(
    name: &Path,
    mut stream: Stream<impl Read + Send>,
    each: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<()> {
    let failed = |e| broken(name, e);
    loop {
        match stream.next().map_err(failed)? {
            Next::Member(member) => give(&mut stream, &member, name, each)?,
            Next::Global => each(Entry::Odd(b"", "it has a global header for all members, which no decode writes"))?,
            Next::End => break,
            Next::Cut(why) => {
                each(Entry::Odd(b"", why))?;
                break;
            }
        }
    }
    if !stream.rest_is_zeros().map_err(failed)? {
        each(Entry::Odd(b"", "there are bytes after its end"))?;
    }
    Ok(())
}

fn give(
    stream: &mut Stream<impl Read + Send>,
    member: &Member,
    name: &Path,
    each: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<()> {
    let path = cleaned(&member.path, member.kind);
    if let Some(why) = member.odd {
        each(Entry::Odd(path, why))?;
    }
    let failed = |e| Failed::Ours(broken(name, e));
    let given = stream.content(member.size, |content| match member.kind {
        Kind::Other(what) => each(Entry::NonRegular(path, what)).map_err(Failed::Ours),
        Kind::Directory if path.is_empty() => Ok(()),
        _ if !is_below(path) => {
            each(Entry::NonRegular(path, "a member whose path is outside of the output")).map_err(Failed::Ours)
        }
        kind => {
            each(Entry::Attributes(path, &member.attributes)).map_err(Failed::Ours)?;
            let entry = match (kind, member.sparse) {
                (Kind::Directory, _) => Entry::Directory(path),
                (Kind::Link, _) => Entry::Link(path, member.link.strip_prefix(b"./").unwrap_or(&member.link)),
                (_, Some(size)) => {
                    let whole = Sparse::open(content, member.size, size).map_err(failed)?;
                    Entry::File(path, Content::SparseInArchive(whole))
                }
                (_, None) => Entry::File(path, Content::InArchive(content, member.size)),
            };
            each(entry).map_err(Failed::Ours)
        }
    });
    match given {
        Ok(((), true)) => Ok(()),
        Ok(((), false)) => each(Entry::Odd(path, "there are bytes between its content and the next member")),
        Err(Failed::Ours(error)) => Err(error),
        Err(Failed::Read(e)) => Err(broken(name, e)),
    }
}

/// A path as CHECKSUMS has it. The path of the output itself is empty.
fn cleaned(path: &[u8], kind: Kind) -> &[u8] {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    match (kind, path) {
        (Kind::Directory, b"." | b"") => b"",
        (Kind::Directory, path) => path.strip_suffix(b"/").unwrap_or(path),
        _ => path,
    }
}

/// A failed read of the archive, or an error of the caller.
enum Failed {
    Read(std::io::Error),
    Ours(crate::error::Error),
}

impl From<std::io::Error> for Failed {
    fn from(e: std::io::Error) -> Failed {
        Failed::Read(e)
    }
}
