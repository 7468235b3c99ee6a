//! Pauses between attempts: each is twice as long as the one before, up to a bound.

use std::time::Duration;

/// The longest pause.
const MOST: Duration = Duration::from_secs(10);

/// The remaining pauses.
pub(super) struct Backoff {
    pause: Duration,
    left: u32,
}

impl Backoff {
    /// This number of pauses, the first one of this length.
    pub fn new(first: Duration, pauses: u32) -> Backoff {
        Backoff { pause: first, left: pauses }
    }

    /// The next pause; `None`: there are no more.
    pub fn pause(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let pause = self.pause;
        self.pause = (pause * 2).min(MOST);
        Some(pause)
    }

    /// Sleeps for the next pause. `false`: there is none.
    pub fn wait(&mut self) -> bool {
        self.pause().map(std::thread::sleep).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut backoff = Backoff::new(Duration::from_secs(3), 4);
        let pauses: Vec<u64> = std::iter::from_fn(|| backoff.pause()).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [3, 6, 10, 10]);
        assert!(!backoff.wait());
    }
}
