//! Opens the inputs of a plan, and compares them with the plan.

use std::path::{Path, PathBuf};

use super::task;
use crate::decode::{Indexed, Options, Progress, index};
use crate::error::{Error, Result};
use crate::index::View;
use crate::index::saved::Plan;
use crate::run::shards::DIGEST;
use crate::source::Source;

/// A plan that was read.
pub struct Planned {
    plan: Plan,
    /// The options of the decode, for one thread per core.
    pub options: Options,
    /// The digest that identifies the plan.
    pub digest: [u8; DIGEST],
    /// What to do about an input that differs from the plan.
    pub(super) remedy: String,
}

impl Planned {
    /// Reads a plan.
    ///
    /// # Errors
    /// A file that cannot be read, or is not a plan of this version.
    pub fn read(path: &Path) -> Result<Planned> {
        let (plan, digest) = Plan::read(path)?.ok_or_else(|| {
            let path = path.display();
            Error::usage(format!(
                "{path} is not a plan of this version of ekvsnap, or it is damaged: make it again with ekvsnap plan"
            ))
        })?;
        let remedy = "make the plan again, and run all shards with it".to_owned();
        Ok(Planned { options: task::decode(&plan.task)?, plan, digest, remedy })
    }

    /// The files of the inputs, with their names as given.
    pub fn inputs(&self) -> Vec<PathBuf> {
        self.plan.inputs.iter().map(|input| input.path.clone()).collect()
    }

    /// Whether it was made from these sources, with their names, and these options.
    ///
    /// # Errors
    /// Options of a decode that cannot be divided among shards.
    pub(super) fn is_of(&self, sources: &[Source], options: &Options) -> Result<bool> {
        let named = self.plan.inputs.iter().map(|input| input.path.as_path());
        Ok(named.eq(sources.iter().map(Source::path)) && self.plan.task == task::encode(options)?)
    }

    /// Gives the sources of the inputs the indexes of the plan, if they are known to be valid. A copy of a planned file is read once more:
    /// its times say nothing.
    ///
    /// # Errors
    /// A source that differs from the plan.
    pub fn attach(&self, sources: &mut [Source]) -> Result<()> {
        if sources.len() != self.plan.inputs.len() {
            return Err(Error::usage(
                "the inputs are not those of the plan: name each of them, in the order of the plan",
            ));
        }
        for (source, input) in sources.iter_mut().zip(&self.plan.inputs) {
            let (now, planned) = (source.identity(), input.identity.as_ref());
            let is_same = now.as_ref() == planned;
            let may_be_copy = now.as_ref().zip(planned).is_some_and(|(now, planned)| now.may_be_copy_of(planned));
            // A decrypted copy has no identity, and without keys there is no such copy. The index compares lengths and checksums.
            let may_lack_keys = planned.is_none() && now.is_some() && input.crc32c.is_some();
            if !is_same && !may_be_copy && !may_lack_keys {
                return Err(self.other(source));
            }
            let Some(index) = &input.index else { continue };
            if !is_same {
                self.check_copy(source)?;
            }
            source.set_saved_index(index.clone());
        }
        Ok(())
    }

    /// Indexes the sources.
    ///
    /// # Errors
    /// A source that differs from the plan, or that is damaged.
    pub fn index<'s>(&self, sources: &'s [Source], progress: &dyn Progress) -> Result<Indexed<'s>> {
        let mut indexed = index(sources, &self.options, progress)?;
        indexed.columns = Some(self.plan.columns.clone());
        for (group, input) in indexed.set.inputs().zip(&self.plan.inputs) {
            if (group.source.file().len() as u64, group.index.crc32c) != (input.len, input.crc32c) {
                return Err(self.other(group.source));
            }
        }
        Ok(indexed)
    }

    /// Reads a whole copy. If it has the checksum and the length of a planned file, it has the same content.
    fn check_copy(&self, source: &Source) -> Result<()> {
        let view = View { as_of: u64::MAX, read_ts: 0, lenient: false };
        let (index, _) = crate::index::index(source, view, self.options.granularity)?;
        let planned = self.plan.inputs.iter().find(|input| input.path == source.path());
        match index.crc32c {
            Some(crc) if planned.is_some_and(|input| input.crc32c == Some(crc)) => Ok(()),
            _ => Err(self.other(source)),
        }
    }

    fn other(&self, source: &Source) -> Error {
        let (path, remedy) = (source.path().display(), &self.remedy);
        Error::usage(format!("{path} is not the file that the plan was made of: {remedy}"))
    }
}
