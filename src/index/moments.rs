//! The read timestamps for which the counts of an index are valid.

/// Derived from the expiries in value headers: a row is present before its expiry, and absent from it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moments {
    /// The largest expiry of an absent row; 0 = there is none.
    pub(super) last_absent: u64,
    /// The smallest expiry of a present row; `u64::MAX` = none expires.
    pub(super) first_present: u64,
}

impl Default for Moments {
    fn default() -> Self {
        Moments { last_absent: 0, first_present: u64::MAX }
    }
}

impl Moments {
    /// Records a row that expires.
    #[inline]
    pub(super) fn note(&mut self, expire_at: u64, is_present: bool) {
        if is_present {
            self.first_present = self.first_present.min(expire_at);
        } else {
            self.last_absent = self.last_absent.max(expire_at);
        }
    }

    /// Adds those of another part.
    pub(super) fn append(&mut self, other: Moments) {
        self.last_absent = self.last_absent.max(other.last_absent);
        self.first_present = self.first_present.min(other.first_present);
    }

    /// Whether the same rows are present at this read timestamp.
    pub fn hold_at(self, read_ts: u64) -> bool {
        self.last_absent <= read_ts && read_ts < self.first_present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_hold_between_two_expiries() {
        let mut moments = Moments::default();
        assert!([0, 5, u64::MAX - 1].into_iter().all(|ts| moments.hold_at(ts)));
        moments.note(10, false);
        let mut other = Moments::default();
        other.note(20, true);
        other.note(15, true);
        moments.append(other);
        for (ts, hold) in [(9, false), (10, true), (14, true), (15, false), (20, false)] {
            assert_eq!(moments.hold_at(ts), hold, "{ts}");
        }
    }
}
