//! A tar archive, member by member.

use std::io::Read;
use std::path::Path;

use tar::{Archive, EntryType};

use super::{Content, Entry, Sparse, broken};
use crate::error::Result;
use crate::output::sumfile::is_below;

/// Gives every member that is no directory, in the order of the archive, and reads to the end of the stream: a
/// compressed one is known to be whole only there.
pub(super) fn members(name: &Path, stream: impl Read, each: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
    let failed = |e| broken(name, e);
    let mut archive = Archive::new(stream);
    for member in archive.entries().map_err(failed)? {
        give(&mut member.map_err(failed)?, name, each)?;
    }
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(failed)?;
    Ok(())
}

fn give(
    member: &mut tar::Entry<'_, impl Read>,
    name: &Path,
    each: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<()> {
    let failed = |e| broken(name, e);
    let sparse = sparse_member(member).map_err(failed)?;
    let path = sparse.as_ref().map_or_else(|| member.path_bytes().into_owned(), |(path, _)| path.clone());
    let path = path.strip_prefix(b"./").unwrap_or(&path);
    let (kind, len) = (member.header().entry_type(), member.size());
    match kind {
        EntryType::Directory | EntryType::XGlobalHeader => Ok(()),
        _ if !is_below(path) => each(Entry::Strange(path, "a member whose path leads out of the output")),
        EntryType::Regular | EntryType::Continuous => match sparse {
            Some((_, size)) => {
                let whole = Sparse::open(member, size).map_err(failed)?;
                each(Entry::File(path, Content::SparseInArchive(whole)))
            }
            None => each(Entry::File(path, Content::InArchive(member, len))),
        },
        EntryType::Link => {
            let target = member.link_name_bytes().unwrap_or_default().into_owned();
            each(Entry::Link(path, target.strip_prefix(b"./").unwrap_or(&target)))
        }
        _ => each(Entry::Strange(path, what(kind))),
    }
}

/// Path and size of a file in GNU's sparse format 1.0.
fn sparse_member(member: &mut tar::Entry<'_, impl Read>) -> std::io::Result<Option<(Vec<u8>, u64)>> {
    let Some(records) = member.pax_extensions()? else { return Ok(None) };
    let (mut path, mut size, mut major) = (None, None, false);
    for record in records {
        let record = record?;
        match record.key_bytes() {
            b"GNU.sparse.major" => major = record.value_bytes() == b"1",
            b"GNU.sparse.name" => path = Some(record.value_bytes().to_vec()),
            b"GNU.sparse.realsize" => size = record.value().ok().and_then(|value| value.parse().ok()),
            _ => {}
        }
    }
    Ok(path.zip(size).filter(|_| major))
}

fn what(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Fifo => "a pipe",
        _ => "no regular file",
    }
}
