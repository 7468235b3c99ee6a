//! Numbers as text: their canonical form for file names and equality (`dynamodb.md` §4.3), and plain decimals.
//!
//! The canonical form of a number is its exact value in lowest terms: `100` for `1E2`, `-11/2` for `-5.50`. A text that is not a number is
//! its own canonical form. Equal numbers have the same form, unless they are beyond these bounds: such a text stays unchanged.
//!
//! [`MAX_POWER_OF_FIVE`] and [`MAX_POWER_OF_TWO`] are those of the server's decoder. [`MAX_BINARY_EXPONENT`] and [`MAX_QUOTIENT_DIGITS`]
//! [`MAX_POWER_OF_FIVE`] and [`MAX_POWER_OF_TWO`] are those of the public decoder. [`MAX_BINARY_EXPONENT`] and [`MAX_QUOTIENT_DIGITS`] are
//! our own, for forms that the server's own grammar of numbers does not have: 1p10000000 would take seconds, and the time for a quotient of
//! long numbers grows with the square of their length. Everything else takes about a second for a megabyte.

use std::borrow::Cow;

use super::ratio::{self, Product};
pub use super::ratio::{MAX_BINARY_EXPONENT, MAX_POWER_OF_FIVE, MAX_POWER_OF_TWO, MAX_QUOTIENT_DIGITS};

/// The canonical form of a number's text, borrowed if the text is canonical already.
pub fn canon(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if is_integer(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let exact = match product(text) {
        Some(product) => product.lowest_terms(),
        None => ratio::quotient(text.as_bytes()),
    };
    exact.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Whether the text is its own canonical form. The value is computed for quotients only: any other number is canonical only as an integer.
pub fn is_canonical(text: &str) -> bool {
    let text_bytes = text.as_bytes();
    is_integer(text_bytes)
        || (text.trim() == text
            && product(text).is_none()
            && (memchr::memchr(b'/', text_bytes).is_none() || canon(text) == text))
}

/// A number that is not a quotient, within the bounds; its value is not computed.
fn product(text: &str) -> Option<Product> {
    match Decimal::parse(text) {
        Some(decimal) => decimal.product(),
        None => ratio::number(text.as_bytes()),
    }
}

/// The number as a decimal that the server's own keys can have; `None` if it is not a number or has no finite decimal form, such as 1/3.
pub fn as_decimal(text: &str) -> Option<Cow<'_, str>> {
    if Decimal::parse(text.trim()).is_some() {
        return Some(Cow::Borrowed(text));
    }
    let exact = canon(text);
    let decimal = Decimal::parse(&exact).map(|_| exact.to_string());
    decimal.or_else(|| ratio::to_decimal(&exact)).map(Cow::Owned)
}

/// How many zeros [`plain`] writes before it uses an exponent.
const MOST_ZEROS: i64 = 40;

/// The only decimal text of a number: equal numbers have the same one, because DynamoDB treats them as equal. `1.50` is `1.5`, `1E2` is
/// `100`; an exponent replaces many zeros. A text that is not a decimal stays unchanged.
pub fn plain(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    if is_integer(trimmed.as_bytes()) && trimmed.len() <= MOST_ZEROS as usize {
        return Cow::Borrowed(trimmed);
    }
    let parts = Decimal::parse(trimmed).and_then(|decimal| Some((decimal, decimal.scale()?)));
    let Some((decimal, scale)) = parts else { return Cow::Borrowed(text) };
    let digits = String::from_utf8_lossy(&decimal.significant()).into_owned();
    if digits.is_empty() {
        return Cow::Borrowed("0");
    }
    let sign = if decimal.negative { "-" } else { "" };
    let len = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let behind = scale.saturating_sub(len);
    Cow::Owned(match usize::try_from(scale).ok().and_then(|scale| digits.split_at_checked(scale)) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) if !whole.is_empty() => format!("{sign}{whole}.{fraction}"),
        _ if (0..=MOST_ZEROS).contains(&behind) => format!("{sign}{digits}{}", zeros(behind)),
        _ if (-MOST_ZEROS..=0).contains(&scale) => format!("{sign}0.{}{digits}", zeros(scale)),
        _ => format!("{sign}0.{digits}e{scale}"),
    })
}

fn zeros(n: i64) -> String {
    "0".repeat(usize::try_from(n.unsigned_abs()).unwrap_or(0))
}

/// Digits without a leading zero, with `-` if negative: the form of nearly every number in a key.
fn is_integer(text: &[u8]) -> bool {
    match text.strip_prefix(b"-").unwrap_or(text) {
        b"0" => text == b"0",
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// A number in the grammar of the server's own keys: sign, digits with at most one point, power of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal<'a> {
    /// Whether it has a minus sign; zero may have one too.
    pub negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Parses a text without white space around it.
    pub fn parse(text: &'a str) -> Option<Decimal<'a>> {
        let (negative, text) = sign(text);
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let decimal = Decimal { negative, whole: whole.as_bytes(), fraction: fraction.as_bytes(), exponent };
        let digits = decimal.all_digits().all(|b| b.is_ascii_digit());
        (digits && !mantissa.is_empty() && mantissa != ".").then_some(decimal)
    }

    fn all_digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// The digits without leading and trailing zeros; none for zero.
    pub fn significant(&self) -> Vec<u8> {
        let leading = self.leading_zeros();
        let mut digits: Vec<u8> = self.all_digits().skip(leading).collect();
        let len = digits.iter().rposition(|&b| b != b'0').map_or(0, |at| at.saturating_add(1));
        digits.truncate(len);
        digits
    }

    fn leading_zeros(&self) -> usize {
        self.all_digits().take_while(|&b| b == b'0').count()
    }

    /// E in 0.DIGITS × 10^E, with the DIGITS of [`significant`](Self::significant); `None` beyond 64 bits.
    pub fn scale(&self) -> Option<i64> {
        let whole = i64::try_from(self.whole.len()).ok()?;
        let zeros = i64::try_from(self.leading_zeros()).ok()?;
        whole.checked_add(self.exponent)?.checked_sub(zeros)
    }

    /// Digits and power; `None` when the power of ten is beyond the bounds.
    fn product(&self) -> Option<Product> {
        let digits = self.significant();
        if digits.is_empty() {
            return Some(Product::ZERO);
        }
        // Digits after the point count before zeros are removed: the bounds apply to the text.
        let power = self.exponent.checked_sub(i64::try_from(self.fraction.len()).ok()?)?;
        if power.unsigned_abs() > MAX_POWER_OF_FIVE {
            return None;
        }
        let power = self.scale()?.checked_sub(i64::try_from(digits.len()).ok()?)?;
        Product::new(self.negative, digits, 10, (power, power))
    }
}

/// Removes one sign: whether it was a minus, and the rest.
pub(super) fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    #[test]
    fn plain_texts() {
        for (text, want) in [
            ("1", "1"),
            ("1.0", "1"),
            ("1.50", "1.5"),
            ("-5.50", "-5.5"),
            ("1E2", "100"),
            ("100", "100"),
            ("0.05", "0.05"),
            ("5e-2", "0.05"),
            (".5", "0.5"),
            ("-0.0", "0"),
            ("+7", "7"),
            ("007", "7"),
            ("123.456e1", "1234.56"),
            ("1e100", "0.1e101"),
            ("10e99", "0.1e101"),
            ("1e-100", "0.1e-99"),
            ("1e40", "10000000000000000000000000000000000000000"),
            ("10000000000000000000000000000000000000000", "10000000000000000000000000000000000000000"),
            ("1e99999999999999999999", "1e99999999999999999999"),
            ("1/3", "1/3"),
            ("abc", "abc"),
        ] {
            assert_eq!(plain(text), want, "{text}");
        }
    }
    use proptest::prelude::*;

    #[test]
    fn decimals_of_the_wide_grammar() {
        for (text, want) in [
            ("0.50", Some("0.50")),
            (" 1e3 ", Some(" 1e3 ")),
            ("1/2", Some("5e-1")),
            ("-11/4", Some("-275e-2")),
            ("0x10", Some("16")),
            ("0x1.8", Some("15e-1")),
            ("3/125", Some("24e-3")),
            ("7/80", Some("875e-4")),
            ("1_000", Some("1000")),
            ("1/3", None),
            ("1/6", None),
            ("abc", None),
            ("1e1000001x", None),
        ] {
            assert_eq!(as_decimal(text).as_deref(), want, "{text}");
        }
        assert_eq!(as_decimal(&format!("0x1p-{}", 1_001)), None);
    }

    #[test]
    fn canonical_forms() {
        for (text, want) in [
            ("0.1", "1/10"),
            ("-5.50", "-11/2"),
            ("3e-7", "3/10000000"),
            (".5", "1/2"),
            ("1E2", "100"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("010", "10"),
            ("5.", "5"),
            ("+5", "5"),
            ("1/3", "1/3"),
            ("0x10", "16"),
            ("0b11", "3"),
            ("0o7", "7"),
            ("1p3", "8"),
            ("1_000", "1000"),
            (" 7 ", "7"),
            ("\u{a0}\u{2003}7\u{85}", "7"),
            ("010/3", "8/3"),
            ("-010/0x3", "-8/3"),
            ("+6/4", "3/2"),
            ("-6/3", "-2"),
            ("0/5", "0"),
            ("-0/5", "0"),
            ("0_7/3", "7/3"),
            ("0x1e2", "482"),
            ("0X_1F", "31"),
            ("0x1.8", "3/2"),
            ("0x.8p1", "1"),
            ("0b1e3", "1000"),
            ("0o1.4", "3/2"),
            ("1.5p3", "12"),
            ("1p-2", "1/4"),
            ("1_0.0_1e1_0", "100100000000"),
            ("0e9223372036854775807", "0"),
            ("0x0p9223372036854775807", "0"),
            ("0.0e99999999", "0"),
            ("100", "100"),
            ("-100", "-100"),
            ("1.0", "1"),
            ("1.25e1", "25/2"),
            ("1200e-2", "12"),
            ("1200e-3", "6/5"),
            ("0.000125", "1/8000"),
            ("2.5e-3", "1/400"),
            ("7.450580596923828125", "1953125/262144"),
            ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ] {
            assert_eq!(canon(text), want, "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_numbers_stay() {
        const WORDS: &str = "abc Inf NaN - + . -. e5 1e 1e+ 1e5.0 1,5 --1 +-1 1__0 _1 1_ 1_.5 1._5 1e_5 1e5_ \
            0x 0b2 0o8 0x_ 0x1__0 1/0 1/ /2 1/-2 1/+2 1/2/3 08/3 1/08 0_/3 1.5/2 1e2/3 1p 0x1p1e1 0x.p1 1.2.3 0b1.2 ١ \
            1e9223372036854775808 0e9223372036854775808";
        for text in WORDS.split(' ').chain(["", "1 2"]) {
            assert_eq!(canon(text), text);
            assert!(is_canonical(text), "{text}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "a million digits take minutes")]
    fn the_largest_powers() {
        assert_eq!(canon("1e1000000").len(), 1_000_001);
        assert_eq!(canon("1e-1000000").len(), 1_000_003);
        assert_eq!(canon("10e999999").len(), 1_000_001);
        assert_eq!(canon("0.1e1000001").len(), 1_000_001);
        assert_eq!(canon("1.0e1000001").len(), 1_000_002);
        assert_eq!(canon("0b1e1000000"), canon("1e1000000"));
        assert_eq!(canon("1p100000").len(), 30_103);
        assert_eq!(canon("0x1p-100000").len(), 30_105);
        assert_eq!(canon(&("0.".to_owned() + &"0".repeat(1_000_001) + "e1000001")), "0");
    }

    #[test]
    fn bounds_of_the_powers() {
        assert_eq!(canon("1e40").len(), 41);
        for kept in ["1e1000001", "1e-1000001", "0.1e-1000000", "1p100001", "0x1p-100001", "1e-9223372036854775808"] {
            assert_eq!(canon(kept), kept);
            assert!(is_canonical(kept), "{kept}");
        }
        assert_eq!(canon("1p100").as_ref(), (1u128 << 100).to_string());
    }

    #[test]
    #[cfg_attr(miri, ignore = "a time that grows with the square of the digits")]
    fn the_longest_quotients() {
        let (most, more) = ("3".repeat(MAX_QUOTIENT_DIGITS), "3".repeat(MAX_QUOTIENT_DIGITS + 1));
        assert_eq!(canon(&format!("{most}/3")), most.replace('3', "1"));
        for kept in [format!("{more}/3"), format!("3/{more}")] {
            assert_eq!(canon(&kept), kept.as_str());
            assert!(is_canonical(&kept));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "megabytes of digits")]
    fn long_integers_need_no_arithmetic() {
        let digits = "7".repeat(3 << 20);
        assert!(matches!(canon(&digits), Cow::Borrowed(_)));
        assert_eq!(canon(&format!("+{digits}.0")), digits.as_str());
        let hostile = format!("0.{digits}");
        assert_eq!(canon(&hostile), hostile.as_str());
    }

    /// Numbers whose digits are a power of five: everything is cancelled, however many digits there are.
    #[test]
    fn long_numbers_are_reduced() {
        let power = |base: u32, exponent| num_bigint::BigUint::from(base).pow(exponent);
        for fives in [1u32, 26, 27, 28, 1000, 12_345].into_iter().take(if cfg!(miri) { 4 } else { 6 }) {
            let digits = power(5, fives).to_string();
            for more in [0, 1, 700] {
                let below = power(2, fives) * power(10, more);
                assert_eq!(canon(&format!("{digits}e-{}", fives + more)), format!("1/{below}"));
                assert_eq!(canon(&format!("-{digits}e{more}")), format!("-{digits}{}", "0".repeat(more as usize)));
            }
            // Fewer factors to cancel than there are.
            let (above, below) = (power(5, fives) * 7u32, power(2, fives / 3));
            let reduced = power(5, fives - fives / 3) * 7u32;
            let want = if fives < 3 { reduced.to_string() } else { format!("{reduced}/{below}") };
            assert_eq!(canon(&format!("{above}e-{}", fives / 3)), want);
        }
    }

    #[test]
    fn integers_are_borrowed() {
        for text in ["0", "7", "-7", " 42 "] {
            assert!(matches!(canon(text), Cow::Borrowed(_)), "{text}");
        }
        assert!(!is_canonical(" 42"));
        assert!(!is_canonical("-0"));
        assert!(is_canonical("1/3"));
    }

    proptest! {
        #[test]
        fn idempotent(text in "[-+]?(0[xbo])?[0-9a-f_]{0,6}[./]?[0-9_]{0,6}([eEpP][-+]?[0-9]{1,3})?") {
            let once = canon(&text).into_owned();
            prop_assert_eq!(canon(&once), once.as_str());
        }

        #[test]
        fn spellings_of_one_number(n in any::<i64>(), power in 0u32..=18, zeros in 0usize..4) {
            let divisor = 10i128.pow(power);
            let common = num_integer::gcd(i128::from(n), divisor);
            let (above, below) = (i128::from(n) / common, divisor / common);
            let want = if below == 1 { above.to_string() } else { format!("{above}/{below}") };
            let zeros = "0".repeat(zeros);
            let digits = format!("{:020}", n.unsigned_abs());
            let (whole, fraction) = digits.split_at(20 - power as usize);
            let sign = if n < 0 { "-" } else { "" };
            let decimal = format!("{sign}{zeros}{whole}.{fraction}{zeros}");
            for text in [decimal, format!("{n}e-{power}"), format!("{n}/{divisor}")] {
                prop_assert_eq!(canon(&text), want.as_str(), "{}", text);
            }
        }

        #[test]
        fn canonical_is_what_stays(text in "[-+ ]?(0[xbo])?[0-9a-f_]{0,6}[./]?[0-9_]{0,6}([eEpP][-+]?[0-9]{1,7})? ?") {
            prop_assert_eq!(is_canonical(&text), canon(&text) == text);
        }

        #[test]
        fn any_text(text in "\\PC{0,20}") {
            prop_assert!(canon(&text).len() <= text.len() + 2_000_010);
        }
    }
}
