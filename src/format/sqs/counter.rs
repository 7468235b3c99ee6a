//! Values that are one number: generation, sequence, tombstone.

use crate::format::cursor;
use crate::format::fault::{Fault, OrFault, Result};

/// Maximum number of partitions of a queue.
pub const MAX_PARTITIONS: u32 = 32;

/// Parses the value of a `queue|gen` or `queue|seq` row: a decimal `u64`, white space around it allowed.
pub fn decimal(value: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(value).map_err(|_| Fault::Value("it is not a decimal number"))?.trim();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().or_value("it is not a decimal number below 2^64")
}

/// Reads the value of a `queue|tombstone` row: how many partitions the generation had. Any value is valid: only eight bytes with a
/// big-endian number of 2 to 32 mean more than 1.
pub fn tombstone(value: &[u8]) -> u32 {
    let count = cursor::u64_be(value).and_then(|n| u32::try_from(n).ok());
    count.filter(|n| (1..=MAX_PARTITIONS).contains(n)).unwrap_or(1)
}

/// Appends the value of a `queue|gen` or `queue|seq` row.
pub fn decimal_into(n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Appends the value of a `queue|tombstone` row.
pub fn tombstone_into(partitions: u32, out: &mut Vec<u8>) {
    match partitions {
        0 | 1 => out.push(1),
        more => out.extend_from_slice(&u64::from(more).to_be_bytes()),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for (text, want) in [
            ("0", Some(0)),
            ("1", Some(1)),
            (" \t12\n\u{85}\u{a0}\u{2003}", Some(12)),
            ("0012", Some(12)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            (" ", None),
            ("+1", None),
            ("-1", None),
            ("1_0", None),
            ("1 2", None),
            ("0x1", None),
            ("1.0", None),
            ("١", None),
        ] {
            assert_eq!(decimal(text.as_bytes()).ok(), want, "{text}");
        }
        assert!(decimal(b"1\xff").is_err());
    }

    #[test]
    fn tombstones() {
        let eight = |n: u64| n.to_be_bytes().to_vec();
        for (value, want) in [
            (vec![1], 1),
            (vec![], 1),
            (vec![4], 1),
            (eight(0), 1),
            (eight(1), 1),
            (eight(4), 4),
            (eight(32), 32),
            (eight(33), 1),
            (eight(4 | 1 << 32), 1),
            ([eight(4), vec![0]].concat(), 1),
        ] {
            assert_eq!(tombstone(&value), want, "{value:?}");
        }
    }

    #[test]
    fn encoded_values_are_parsed() {
        for n in [0, 1, 1234567890, u64::MAX] {
            assert_eq!(decimal(&crate::format::encoded(|out| decimal_into(n, out))), Ok(n));
        }
        for n in 1..=MAX_PARTITIONS {
            assert_eq!(tombstone(&crate::format::encoded(|out| tombstone_into(n, out))), n);
        }
    }
}
