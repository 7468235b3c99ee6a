//! Reports files and directories to an observer. Nothing is written.

use super::digest::Summer;
use super::places::Named;
use super::plan::Planned;
use super::render::Content;
use super::write::Task;
use crate::adapters::fs::Extents;
use crate::error::{Error, Result};
use crate::format::adapter;
use crate::output::observer::Object;

impl Task<'_, '_, '_> {
    /// The content of a file.
    pub(super) fn looked_at(&mut self, planned: &Planned) -> Result<Content> {
        let mut sum = None;
        if let Some(secret) = self.out.objects().and_then(|objects| objects.secret()) {
            let hasher = secret.hasher();
            sum = Some(Summer::marking(self.holes(planned)?, hasher));
        }
        let (mut extents, mut stored) = (Extents::new(self.cx.set, &planned.node), 0);
        while let Some((offset, bytes)) = extents.next()? {
            sum.iter_mut().for_each(|sum| sum.add(offset, bytes));
            stored += bytes.len() as u64;
        }
        let fingerprint = sum.map(|sum| sum.fingerprint(planned.node.inode.size));
        Ok(Content { sum: None, stored, fingerprint })
    }

    /// Reports something that has a path. The times of the last access and of the last inode change say nothing about it: they are left out
    /// of the fingerprint, and so is what only the server's bookkeeping needs.
    pub(super) fn tell(&mut self, planned: &Planned, content: Option<&Content>) -> Result<()> {
        let Some(objects) = self.out.objects() else { return Ok(()) };
        let key = match (&planned.named, &planned.key) {
            (Named::Nowhere, _) => return Ok(()),
            (Named::Whole(path), _) => path,
            (Named::Below(..), Some(key)) => key,
            (Named::Below(..), None) => return Err(Error::internal("a directory was told behind what is in it")),
        };
        let inode = &planned.node.inode;
        let kind = if inode.kind.is_dir() { "directories" } else { "files" };
        let (value, rest) = match objects.secret() {
            None => (None, None),
            Some(secret) => {
                let fingerprint = content.and_then(|content| content.fingerprint).unwrap_or_default();
                let value =
                    secret.fingerprint(&[&fingerprint[..], kind.as_bytes(), &inode.size.to_le_bytes()].concat());
                let owner = [inode.mode, inode.uid, inode.gid].map(u32::to_le_bytes);
                let rest = secret.fingerprint(&[owner.as_flattened(), &inode.mtime.to_le_bytes()].concat());
                (Some(value), Some(rest))
            }
        };
        let (adapter, scope, size) = (adapter::FS, "tree", content.map_or(0, |content| content.stored));
        objects.add(&Object { adapter, scope, kind, key, range: None, size, expire_at_ms: None, value, rest });
        Ok(())
    }
}
