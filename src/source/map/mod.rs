//! The only module with `unsafe`: memory maps, the handling of truncated ones, and a setting of the allocator.
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

    /// Whether some of them were lost after they were mapped.
    pub fn is_torn(&self) -> bool {
        self.guard.is_torn()
    }
}

/// Size of an allocation that gets its own mapping.
#[cfg(all(target_env = "gnu", feature = "cli"))]
const OWN_MAPPING: libc::c_int = 4 << 20;

/// Lets the allocator return large buffers to the system when they are freed, for the rest of the process.
///
/// By default glibc raises the size from which an allocation gets its own mapping, up to 32 MiB, after such an allocation is freed. Later
/// buffers of that size are then in the heap, which keeps them, and a buffer that grows there is in memory twice while it is copied.
#[cfg(feature = "cli")]
pub fn return_large_buffers() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the function takes two numbers and sets numbers of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * OWN_MAPPING);
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

// Miri cannot map files: AddressSanitizer covers these tests.
#[cfg(all(test, not(miri)))]
mod tests {
    use std::io::Write as _;
    use std::sync::Mutex;

    use super::*;
    use crate::sync::lock;

    const PAGE: usize = 64 << 10;
    /// One test takes many places, another expects few.
    static GUARDS: Mutex<()> = Mutex::new(());

    fn file_of(pages: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; pages * PAGE]).unwrap();
        file
    }

    #[test]
    fn all_bytes_of_a_file() {
        let map = map(&file_of(3)).unwrap();
        assert!(map.bytes().len() == 3 * PAGE && map.bytes().iter().all(|byte| *byte == 7));
        assert!(!map.is_torn());
    }

    /// Lost pages read as zeros, and the map reports it; other maps do not, before and after.
    #[test]
    fn a_file_that_is_cut() {
        let _alone = lock(&GUARDS);
        survive_torn_maps();
        survive_torn_maps();
        for _ in 0..3 {
            let (cut, whole) = (file_of(3), file_of(3));
            let (torn, sound) = (map(&cut).unwrap(), map(&whole).unwrap());
            cut.set_len(PAGE as u64).unwrap();
            assert!(!torn.is_torn(), "nobody has read what is lost");
            assert!(torn.bytes()[..PAGE].iter().all(|byte| *byte == 7));
            assert!(torn.bytes()[2 * PAGE..].iter().all(|byte| *byte == 0));
            assert!(torn.is_torn() && !sound.is_torn());
            assert!(torn.bytes()[PAGE..].iter().all(|byte| *byte == 0), "all behind the cut");
            assert!(sound.bytes().iter().all(|byte| *byte == 7));
        }
    }

    /// However many maps there are, the loss of a page of any of them is survived; places are reused.
    #[test]
    fn many_maps() {
        let _alone = lock(&GUARDS);
        survive_torn_maps();
        for _ in 0..2 {
            let files: Vec<File> = (0..300).map(|_| file_of(2)).collect();
            let maps: Vec<Map> = files.iter().map(|file| map(file).unwrap()).collect();
            for (file, map) in files.iter().zip(&maps).step_by(23) {
                file.set_len(PAGE as u64).unwrap();
                assert!(map.bytes()[PAGE - 1] == 7 && !map.is_torn());
                assert!(map.bytes()[PAGE] == 0 && map.is_torn());
            }
            assert_eq!(maps.iter().filter(|map| map.is_torn()).count(), 300_usize.div_ceil(23));
        }
    }

    #[test]
    fn nothing_can_be_mapped_of_nothing() {
        assert!(map(&tempfile::tempfile().unwrap()).map_or(true, |map| map.bytes().is_empty()));
    }
}
