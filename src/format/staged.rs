//! Rows that a migration between groups has copied but not yet promoted (`future.md` F4).
//!
//! `!dist|migstage|` · `u64be` job · `|` · user key of any family. A staged row is a version of the key after the job, at its own commit
//! timestamp. Within a job, rows are in the order of those keys, as in a separate store.

use super::Family;

/// Bytes before the inner key: prefix, job and bar.
pub const PREFIX: usize = 24;

/// A staged key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedKey<'a> {
    /// The migration.
    pub job: u64,
    /// The user key whose version the row is.
    pub inner: &'a [u8],
}

impl<'a> StagedKey<'a> {
    /// Splits a user key; `None` if it is not a staged key.
    pub fn parse(user_key: &'a [u8]) -> Option<StagedKey<'a>> {
        let rest = user_key.strip_prefix(Family::Staged.prefix().as_bytes())?;
        let (job, rest) = rest.split_first_chunk()?;
        let inner = rest.strip_prefix(b"|")?;
        // Staged rows are never staged again.
        let copied = !inner.starts_with(Family::Staged.prefix().as_bytes());
        copied.then_some(StagedKey { job: u64::from_be_bytes(*job), inner })
    }

    /// Appends the user key.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(Family::Staged.prefix().as_bytes());
        out.extend(self.job.to_be_bytes());
        out.push(b'|');
        out.extend(self.inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn encoded_keys_are_parsed(job: u64, inner: Vec<u8>) {
            let (key, mut out) = (StagedKey { job, inner: &inner }, Vec::new());
            key.encode(&mut out);
            proptest::prop_assert_eq!(StagedKey::parse(&out), Some(key));
            proptest::prop_assert_eq!(&out[PREFIX..], &inner[..]);
            proptest::prop_assert_eq!(Family::of(&out), Family::Staged);
        }
    }

    #[test]
    fn other_keys() {
        for key in [
            "",
            "!dist|migstage|",
            "!dist|migstage|1234567",
            "!dist|migstage|12345678",
            "!dist|migstage|12345678x",
            "!dist|migstage|12345678|!dist|migstage|12345678|k",
        ] {
            assert_eq!(StagedKey::parse(key.as_bytes()), None, "{key}");
            assert_eq!(
                Family::of(key.as_bytes()),
                if key.is_empty() { Family::Bare } else { Family::Unknown },
                "{key}"
            );
        }
    }
}
