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
    let plain = plain(text);
    let is_plain = matches!(plain, Cow::Borrowed(same) if same.len() == text.len()) || *plain == *text;
    of_plain(&plain).map(|decimal| (decimal, is_plain))
}

fn of_plain(text: &str) -> Option<Decimal> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() > MOST_DIGITS as usize + 1
        || !is_digits(whole)
        || !is_digits(fraction)
        || whole.is_empty()
    {
        return None;
    }
    let digit = |digits: i128, byte: u8| digits * 10 + i128::from(byte - b'0');
    let digits = whole.bytes().chain(fraction.bytes()).fold(0, digit);
    let (scale, whole) = (fraction.len() as u32, if whole == "0" { 0 } else { whole.len() as u32 });
    let fits = whole + scale <= MOST_DIGITS;
    fits.then_some(Decimal { digits: if negative { -digits } else { digits }, scale, whole })
}

/// The required width of a column's decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Width {
    pub(super) whole: u32,
    pub(super) scale: u32,
}

impl Width {
    /// Extends it for the number of a text, if it is a decimal.
    pub fn add(&mut self, text: &str) {
        if let Some((Decimal { scale, whole, .. }, _)) = parse(text) {
            self.merge(Width { whole, scale });
        }
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

    #[test]
    fn columns() {
        let kind = |texts: &[&str]| {
            let mut width = Width::default();
            texts.iter().for_each(|text| width.add(text));
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
