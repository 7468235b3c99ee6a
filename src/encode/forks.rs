//! Takes the lines of a file on several threads: each block of lines has encoders, rows and fingerprints of its own.

use super::fingerprints::Fingerprints;
use super::objects::{Objects, Settings};
use super::rows::{RowBlock, RowForm, Rows};
use crate::adapters::sqs::encode::{Derived, Encoder, Seed as SqsSeed};
use crate::error::{Error, Result};
use crate::layouts::reading::Forked;
use crate::output::split::Tally;
use crate::run::engine::Done;

/// What forks begin with.
pub(crate) struct Seed {
    form: RowForm,
    settings: Settings,
    sqs: SqsSeed,
    /// The queue of the current records, if it exists.
    of: Option<String>,
    fingerprints: Option<Fingerprints>,
}

/// What a fork took.
pub(crate) struct Taken {
    rows: RowBlock,
    counts: Tally,
    sqs: Derived,
    broken: Option<Error>,
}

impl Done for Taken {
    fn held(&self) -> usize {
        self.rows.held()
    }
}

impl Forked for Objects<Rows> {
    type Seed = Seed;
    type Taken = Taken;

    fn seed(&self) -> Seed {
        let fingerprints = self.fingerprints.as_ref().map(Fingerprints::fork);
        let (form, sqs, of) = (self.rows.form(), self.sqs.seed(), self.of.clone());
        Seed { form, settings: self.settings, sqs, of, fingerprints }
    }

    fn fork(seed: &Seed) -> Result<Self> {
        let rows = seed.form.fork()?;
        let sqs = Encoder::fork(rows.clone(), &seed.sqs);
        let fingerprints = seed.fingerprints.as_ref().map(Fingerprints::fork);
        let mut fork = Objects::with(rows, sqs, seed.settings, fingerprints);
        fork.of.clone_from(&seed.of);
        Ok(fork)
    }

    fn taken(mut self) -> Result<Taken> {
        self.fingerprints.iter_mut().for_each(Fingerprints::settle);
        let (sqs, counts, broken) = (self.sqs.derived(), self.counts.all(), self.broken);
        Ok(Taken { rows: self.rows.into_block(), counts, sqs, broken })
    }

    fn join(&mut self, taken: Taken) -> Result<()> {
        let Taken { rows, counts, sqs, broken } = taken;
        self.counts.merge(counts);
        if self.broken.is_none() {
            self.broken = broken;
        }
        self.sqs.join(sqs)?;
        self.rows.join(rows)
    }
}
