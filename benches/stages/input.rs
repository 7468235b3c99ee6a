//! The input of the benches: generated snapshots in memory, and a directory to write to.

#[path = "../../examples/gen_snapshot/generator/mod.rs"]
mod generator;

use std::path::Path;

use ekvsnap::source::Source;
use generator::{Form, Spec, WORKLOADS};
use tempfile::TempDir;

/// A snapshot, and its properties.
pub struct Input {
    pub sources: [Source; 1],
    pub rows: u64,
    pub bytes: u64,
}

impl Input {
    /// A twentieth of `scale` when the benches are only tested.
    pub fn new(workload: &str, scale: u64) -> Input {
        assert!(WORKLOADS.contains(&workload), "{workload} is no workload");
        let scale = if testing() { scale.div_ceil(20) } else { scale };
        let mut bytes = Vec::new();
        let spec = Spec { workload, scale, seed: 1, form: Form::Stream, object_size: None };
        let written = generator::write(spec, &mut bytes).expect("memory can be written to");
        Input { sources: [Source::from_bytes(workload, bytes)], rows: written.rows, bytes: written.bytes }
    }
}

/// Whether each bench runs only once.
pub fn testing() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// A folder in memory if there is one: benches compare code, not disks.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}
