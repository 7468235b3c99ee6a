//! Recognises whether a file is the one that was read earlier.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::Stamp;

/// Bytes at each end of the file that are compared.
const END: usize = 64;
/// File systems' clocks advance in steps of up to 10 ms: two writes within a step leave the same moment.
const STEP: Duration = Duration::from_millis(20);

/// Size, times and both ends of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Bytes of the file.
    pub len: u64,
    /// When its content was changed: seconds and nanoseconds.
    pub modified: (i64, i64),
    /// When anything of the inode was changed: this time cannot be set back.
    pub changed: (i64, i64),
    /// Its first bytes.
    pub head: Vec<u8>,
    /// Its last bytes, with the footer.
    pub tail: Vec<u8>,
}

impl Identity {
    pub(super) fn of(stamp: &Stamp, file: &[u8]) -> Identity {
        let end = END.min(file.len());
        let (head, tail) = (file[..end].to_vec(), file[file.len() - end..].to_vec());
        Identity { len: stamp.len, modified: stamp.modified, changed: stamp.changed, head, tail }
    }

    /// Whether size and ends are the same, so that it may be a copy.
    pub fn may_be_copy_of(&self, other: &Identity) -> bool {
        (self.len, &self.head, &self.tail) == (other.len, &other.head, &other.tail)
    }
}

/// Waits until the last change of each file is so long ago that a later one would have another time.
pub fn settle(files: &[PathBuf]) {
    for file in files {
        // A file that cannot be examined is reported when it is opened.
        let Ok(meta) = fs::metadata(file) else { continue };
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(meta.ctime()), u32::try_from(meta.ctime_nsec())) else {
            continue;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        // A time in the future says nothing.
        let age = changed.elapsed().unwrap_or(STEP);
        std::thread::sleep(STEP.saturating_sub(age));
    }
}
