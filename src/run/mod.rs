//! How work is run: in ordered tasks on all threads, with sorters that spill, and somebody who hears how far it is.

pub mod engine;
pub mod scratch;
pub mod sort;
pub mod spill;
pub mod table;

use crate::dataset::{DataSet, Shared};
use crate::format::Family;
use crate::options::Options;
use crate::output::tree::Tree;
use crate::output::unit::Collector;
use crate::report::{Finding, Findings, kinds};
pub use scratch::Scratch;

kinds! {
    Warning KEY_IN_GROUPS "key_in_several_groups" "rows of one key in several inputs; the newest version of all was taken";
}

/// Hears how far a decode is.
pub trait Progress: Sync {
    /// A stage begins, of so many steps.
    fn begin(&self, stage: &'static str, steps: u64);
    /// Steps are done.
    fn advance(&self, steps: u64);
    /// So many bytes were written until now; of a verification, read.
    fn bytes(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &'static str, _: u64) {}
    fn advance(&self, _: u64) {}
}

/// A step of a stage that writes is done.
pub(crate) fn step(progress: &dyn Progress, tree: &Tree) {
    progress.advance(1);
    progress.bytes(tree.written().1);
}

/// What the adapters work on.
pub(crate) struct Job<'j, 'a, 't> {
    pub set: &'j DataSet<'a>,
    pub options: &'j Options,
    pub tree: &'t Tree,
    pub progress: &'j dyn Progress,
    pub collector: &'j mut Collector<'t>,
}

/// Reports keys that have rows in more than one input.
pub(crate) fn note_shared(shared: Vec<Shared>, findings: &mut Findings) {
    for keys in shared {
        let family = Family::of(&keys.example).prefix();
        let finding = Finding::new(&KEY_IN_GROUPS).with("keys", keys.count).with("family", family);
        findings.add(finding.with("key", keys.example.as_slice()));
    }
}
