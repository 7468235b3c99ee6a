//! Pauses before something is tried again: each is twice as long as the one before, up to a bound.

use std::time::Duration;

/// The longest pause.
const MOST: Duration = Duration::from_secs(10);

/// The pauses that are left.
pub(super) struct Backoff {
    pause: Duration,
    left: u32,
}

impl Backoff {
    /// So many pauses, the first one of this length.
    pub fn new(first: Duration, pauses: u32) -> Backoff {
        Backoff { pause: first, left: pauses }
    }

    /// Sleeps. Tells whether it did: not, where all pauses were made.
    pub fn wait(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(MOST);
        true
    }
}
