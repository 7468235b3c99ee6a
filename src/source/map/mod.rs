//! The one module with `unsafe`: memory maps, and what happens when one is torn.
#![allow(unsafe_code)]

mod torn;

use std::fs::File;
use std::io;

use memmap2::{Advice, Mmap};
use torn::Guard;
pub use torn::install as survive_torn_maps;

/// A mapped file.
pub(super) struct Map {
    /// Dropped first.
    guard: Guard,
    map: Mmap,
}

impl Map {
    /// All bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Whether some of them were lost after they had been mapped.
    pub fn is_torn(&self) -> bool {
        self.guard.is_torn()
    }
}

/// Maps a whole file for reading.
///
/// The bytes are borrowed by every later stage. A file that another process truncates while it is mapped makes
/// access to the lost pages fault ([`torn`]); callers compare length and modification time before and after
/// (`Source::check_unchanged`), and `--no-mmap` avoids the map altogether.
pub(super) fn map(file: &File) -> io::Result<Map> {
    // SAFETY: the map is read-only and private to this process. Undefined behaviour needs another process that
    // changes the file while we hold references into it. A server writes a snapshot once, under a temporary name,
    // and never touches it again; we only ever read plain bytes (no value of the map is trusted to stay the same
    // between two reads where memory safety would depend on it: every access is a bounds-checked slice access).
    let map = unsafe { Mmap::map(file)? };
    // Advice is a hint: a kernel that refuses it costs speed, not correctness.
    let _ = map.advise(Advice::WillNeed);
    Ok(Map { guard: Guard::new(&map), map })
}
