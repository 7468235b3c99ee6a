//! Numbers as decimals, if a text has an exact value in 38 digits.

use std::borrow::Cow;

use crate::format::dynamodb::number::plain;
use crate::layouts::rows::{Kind, SHORT_DECIMAL};

/// Maximum digits of a decimal that all readers support.
pub(super) const MOST_DIGITS: u32 = 38;

/// A number: its digits without the point, and the number of digits after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i128,
    scale: u32,
    /// Digits before the point.
    whole: u32,
}

/// The value of a text, and whether this value is always written as this text.
pub(super) fn parse(text: &str) -> Option<(Decimal, bool)> {
    // Nearly all numbers are stored in the plain form.
    if let Some(decimal) = of_plain(text) {
        return Some((decimal, true));
    }
    let plain = plain(text);
    let is_plain = matches!(plain, Cow::Borrowed(same) if same.len() == text.len()) || *plain == *text;
    of_plain(&plain).map(|decimal| (decimal, is_plain))
}

/// The value of a text in the form of [`plain`]; `None`: it has another form, an exponent, or too many digits.
fn of_plain(text: &str) -> Option<Decimal> {
    let (negative, text) = match text.as_bytes() {
        [b'-', text @ ..] => (true, text),
        text => (false, text),
    };
    if text.len() > MOST_DIGITS as usize + 2 {
        return None;
    }
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &b""[..]),
    };
    let is_plain = match (whole, fraction) {
        ([b'0'] | [b'1'..=b'9', ..], [.., b'1'..=b'9']) => true,
        ([b'1'..=b'9', ..], []) => whole.len() == text.len(),
        ([b'0'], []) => !negative && text.len() == 1,
        _ => false,
    };
    let (scale, len) = (fraction.len() as u32, if whole == b"0" { 0 } else { whole.len() as u32 });
    if !is_plain || scale + len > MOST_DIGITS {
        return None;
    }
    let digits = append_digits(append_digits(0, whole)?, fraction)?;
    Some(Decimal { digits: if negative { -digits } else { digits }, scale, whole: len })
}

/// The number followed by these digits; there must not be more than [`MOST_DIGITS`] altogether.
fn append_digits(number: i128, digits: &[u8]) -> Option<i128> {
    // Arithmetic of 128 bits is slow: it is needed only once for this number of digits.
    const AT_ONCE: usize = 16;
    digits.chunks(AT_ONCE).try_fold(number, |number, some| {
        let (eights, rest) = some.as_chunks();
        let value = eights.iter().try_fold(0, |value, eight| Some(value * 100_000_000 + eight_digits(*eight)?))?;
        let digit = |value: u64, byte: &u8| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0'));
        let value = rest.iter().try_fold(value, digit)?;
        Some(number * i128::from(10u64.pow(some.len() as u32)) + i128::from(value))
    })
}

/// The number of eight digits: neighbours are added at the same time, first digits, then pairs, then fours.
fn eight_digits(digits: [u8; 8]) -> Option<u64> {
    const EACH: u64 = u64::MAX / 0xff;
    let all = u64::from_le_bytes(digits);
    // A digit is 0x30 to 0x39: adding 6 must not change its upper half.
    let (upper, after) = (all & (EACH * 0xf0), (all.wrapping_add(EACH * 6)) & (EACH * 0xf0));
    if upper != EACH * 0x30 || after != upper {
        return None;
    }
    let pairs = (all & (EACH * 0x0f)).wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// The required width of a column's decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Width {
    pub(super) whole: u32,
    pub(super) scale: u32,
}

impl Width {
    /// The width of a number's text; of no digits if it is not a decimal.
    pub fn of(text: &str) -> Width {
        parse(text).map_or_else(Width::default, |(Decimal { scale, whole, .. }, _)| Width { whole, scale })
    }

    /// Whether nothing changes if it is extended by another width.
    pub fn contains(self, other: Width) -> bool {
        other.whole <= self.whole && other.scale <= self.scale
    }

    /// Extends it by another width.
    pub fn merge(&mut self, other: Width) {
        *self = Width { whole: self.whole.max(other.whole), scale: self.scale.max(other.scale) };
    }

    /// The column: with as many digits after the point as needed, unless the digits before it leave no room; and with 18 digits or 38, so
    /// that the type does not change with every snapshot.
    pub fn kind(self) -> Kind {
        let scale = self.scale.min(MOST_DIGITS - self.whole);
        let short = SHORT_DECIMAL.unsigned_abs();
        let digits = if self.whole + scale <= short { short } else { MOST_DIGITS };
        Kind::Decimal(digits as u8, scale as u8)
    }
}

impl Decimal {
    /// The digits with `scale` digits after the point; `None`: it has more.
    pub fn at_scale(self, scale: u8) -> Option<i128> {
        let zeros = u32::from(scale).checked_sub(self.scale)?;
        let digits = self.digits.checked_mul(10i128.checked_pow(zeros)?)?;
        (digits.unsigned_abs() < 10u128.pow(MOST_DIGITS)).then_some(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        let nines = "9".repeat(38);
        for (text, want) in [
            ("0", Some((0, 0, true))),
            ("-0", Some((0, 0, false))),
            ("7", Some((7, 0, true))),
            ("-12.5", Some((-125, 1, true))),
            ("0.001", Some((1, 3, true))),
            ("1.50", Some((15, 1, false))),
            ("1E2", Some((100, 0, false))),
            ("007", Some((7, 0, false))),
            (nines.as_str(), Some((10i128.pow(38) - 1, 0, true))),
            ("1e38", None),
            ("1e300", None),
            ("1/3", None),
            ("", None),
            ("abc", None),
        ] {
            let got = parse(text).map(|(decimal, is_plain)| (decimal.digits, decimal.scale, is_plain));
            assert_eq!(got, want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn plain_numbers(text in "-?0?[0-9]{0,20}(0{0,21})(\\.0{0,20}[0-9]{0,20})?", number: i128, fraction: u64) {
            for text in [text, number.to_string(), format!("{}.{fraction}", number >> 80)] {
                let digits: i128 = text.replace('.', "").parse().unwrap_or(i128::MAX);
                let is_plain = plain(&text) == text && digits.unsigned_abs() < 10u128.pow(MOST_DIGITS);
                let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len() as u32);
                let want = (is_plain && scale <= MOST_DIGITS).then_some((digits, scale));
                prop_assert_eq!(of_plain(&text).map(|decimal| (decimal.digits, decimal.scale)), want, "{}", text);
            }
        }
    }

    #[test]
    fn columns() {
        let kind = |texts: &[&str]| {
            let mut width = Width::default();
            texts.iter().for_each(|text| width.merge(Width::of(text)));
            width.kind()
        };
        let long = "1".repeat(37);
        assert_eq!(kind(&[]), Kind::Decimal(18, 0));
        assert_eq!(kind(&["1", "-2.25"]), Kind::Decimal(18, 2));
        assert_eq!(kind(&["1e20", "0.5", "x"]), Kind::Decimal(38, 1));
        assert_eq!(kind(&[&long, "0.125"]), Kind::Decimal(38, 1));
        let at = |text: &str, scale| parse(text).and_then(|(decimal, _)| decimal.at_scale(scale));
        assert_eq!((at("1.5", 2), at("1.25", 1), at(&long, 2)), (Some(150), None, None));
    }
}
