//! Runs tasks in order on all threads; sorters that spill; progress.

pub mod engine;
pub mod pieces;
mod pool;
pub mod scratch;
pub mod shards;
pub mod sort;
pub mod spill;
mod stop;
pub mod table;

use crate::dataset::{DataSet, Shared};
use crate::format::Family;
use crate::options::{ObjectName, Options};
use crate::output::split::Collector;
use crate::output::tree::Tree;
use crate::report::{Finding, Findings, kinds};
pub use pool::on_threads;
pub use scratch::Scratch;
use shards::Role;
pub use stop::Stop;
pub(crate) use stop::{adopt, current};

kinds! {
    Warning KEY_IN_GROUPS "key_in_several_groups" "keys with rows in several inputs; the newest version was taken";
}

/// Is notified about the progress of a decode.
pub trait Progress: Sync {
    /// A stage begins, with this number of steps.
    fn begin(&self, stage: &'static str, steps: u64);
    /// This number of steps is done.
    fn advance(&self, steps: u64);
    /// Total bytes written so far; in a verification, read so far.
    fn bytes(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// Ignores all notifications.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &'static str, _: u64) {}
    fn advance(&self, _: u64) {}
}

/// Reports that a step of a stage that writes is done.
pub(crate) fn step(progress: &dyn Progress, tree: &Tree) {
    progress.advance(1);
    progress.bytes(tree.written().1);
}

/// The work of the adapters.
pub struct Job<'j, 'a, 't> {
    /// The inputs, as one store.
    pub set: &'j DataSet<'a>,
    /// What the user asked for.
    pub options: &'j Options,
    /// Where files are written.
    pub tree: &'t Tree,
    /// Who is notified about the progress.
    pub progress: &'j dyn Progress,
    /// Takes everything that has an order: lines, digests, findings and counts.
    pub collector: &'j mut Collector<'t>,
    /// Which part of the work this run does.
    pub(crate) role: Role<'j>,
    /// Columns from the plan of a sharded run.
    pub(crate) columns: Option<&'j [u8]>,
}

impl<'a, 't> Job<'_, 'a, 't> {
    /// Runs `work` with the same job, but a filter for one object or for the contents of its scope.
    pub(crate) fn only<R>(&mut self, name: &ObjectName, work: impl FnOnce(&mut Job<'_, 'a, 't>) -> R) -> R {
        let options = &Options { filter: name.filter(), ..self.options.clone() };
        let Job { set, tree, progress, role, columns, .. } = *self;
        work(&mut Job { set, options, tree, progress, collector: &mut *self.collector, role, columns })
    }

    /// The splits that this run reads, of `all` splits.
    pub(crate) fn own_splits(&self, all: usize) -> std::ops::Range<usize> {
        match self.role {
            Role::All => 0..all,
            Role::Shard(recorder) => recorder.share().splits(all),
            Role::Merge(_) => 0..0,
        }
    }

    /// Whether the run only executes splits and records their results. The merge does the work outside of splits.
    pub(crate) fn is_shard(&self) -> bool {
        matches!(self.role, Role::Shard(_))
    }
}

impl std::fmt::Debug for Job<'_, '_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a job with {:?}", self.options)
    }
}

/// Reports keys that have rows in more than one input.
pub(crate) fn note_shared(shared: Vec<Shared>, findings: &mut Findings) {
    for keys in shared {
        let family = Family::of(&keys.example).prefix();
        let finding = Finding::new(&KEY_IN_GROUPS).with("keys", keys.count).with("family", family);
        findings.add(finding.with("key", keys.example.as_slice()));
    }
}
