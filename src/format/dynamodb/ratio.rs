//! Exact fractions, and the wide grammar of numbers (`dynamodb.md` §4.3), which only tables of the old key encoding
//! hold.
//!
//! | part | grammar |
//! |---|---|
//! | fraction | `a/b`: integers, `a` with an optional sign, `b` not zero; a bare leading `0` means octal |
//! | number | sign, digits with at most one point, exponent: `e` (of ten) or `p` (of two) and decimal digits |
//! | digits | decimal, or `0b`, `0o`, `0x` and digits of that base; one `_` between two digits or behind the prefix |

// Big integers grow instead of wrapping; the machine integers here use checked methods.
#![allow(clippy::arithmetic_side_effects)]

use num_bigint::BigUint;
use num_integer::Integer;

use super::number::{MAX_POWER_OF_FIVE, MAX_POWER_OF_TWO};

/// Most digits that are turned into a big integer. No user key is longer than 1 MiB, so no key of a real row has more;
/// beyond it a text counts as no number, which keeps the work on a hostile value bounded.
const MAX_DIGITS: usize = 1 << 20;
/// Most decimal places of a number of the old grammar that is looked up among those of the new one; each step is a
/// long division, so this bounds the work on a hostile value.
const MAX_PLACES: u64 = 1_000;
/// 5^27, the largest power of five in 64 bits.
const FIVES: u64 = 7_450_580_596_923_828_125;

/// The canonical form of a text in the wide grammar; `None` when it is not in it or beyond the bounds.
pub fn parse(text: &[u8]) -> Option<String> {
    let (negative, text) = sign(text);
    match memchr::memchr(b'/', text) {
        Some(at) => quotient(negative, text.get(..at)?, text.get(at.checked_add(1)?..)?),
        None => number(negative, text),
    }
}

/// The canonical form of DIGITS × 10^power.
pub fn decimal(negative: bool, digits: &[u8], power: i64) -> Option<String> {
    Some(Product { mantissa: big(digits, 10)?, fives: power, twos: power }.lowest_terms(negative))
}

/// A fraction in lowest terms as digits and a power of ten; `None` for what is no such fraction, or has no end.
pub fn to_decimal(fraction: &str) -> Option<String> {
    let (above, below) = fraction.split_once('/')?;
    let mut rest = big(below.as_bytes(), 10)?;
    let twos = rest.trailing_zeros()?;
    rest >>= twos;
    let mut fives = 0u64;
    while fives <= MAX_PLACES && (&rest % 5u32) == BigUint::ZERO {
        rest /= 5u32;
        fives = fives.saturating_add(1);
    }
    let places = twos.max(fives);
    if rest != BigUint::from(1u32) || places > MAX_PLACES {
        return None;
    }
    let (negative, above) = sign(above.as_bytes());
    let missing = |have: u64| positive(i64::try_from(places.saturating_sub(have)).unwrap_or_default());
    let digits = decimal_text(big(above, 10)?, missing(fives), missing(twos));
    Some(format!("{}{digits}e-{places}", if negative { "-" } else { "" }))
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn quotient(negative: bool, above: &[u8], below: &[u8]) -> Option<String> {
    let [above, below] = [whole(above)?, whole(below)?];
    if below == BigUint::ZERO {
        return None;
    }
    let common = above.gcd(&below);
    Some(fraction(negative, (above / &common).to_string(), (below / common).to_string()))
}

/// One side of a fraction.
fn whole(text: &[u8]) -> Option<BigUint> {
    let (base, text) = match split_prefix(text) {
        (None, [b'0', ..]) => (8, text),
        (prefix, rest) => (prefix.unwrap_or(10), rest),
    };
    let scanned = Scanned::new(text, base, base != 10, false)?;
    if scanned.rest.is_empty() { big(&scanned.digits, base) } else { None }
}

fn number(negative: bool, text: &[u8]) -> Option<String> {
    let (prefix, text) = split_prefix(text);
    let base = prefix.unwrap_or(10);
    let scanned = Scanned::new(text, base, prefix.is_some(), true)?;
    let (power_of, exponent) = exponent(scanned.rest)?;
    let mantissa = big(&scanned.digits, base)?;
    if mantissa == BigUint::ZERO {
        return Some("0".into());
    }
    let behind_point = i64::try_from(scanned.behind_point).ok()?;
    // Digits behind the point divide by a power of the base, that is by twos and, if it is ten, as many fives.
    let (fives, twos) = match base {
        10 => (-behind_point, -behind_point),
        base => (0, behind_point.checked_mul(-i64::from(base.ilog2()))?),
    };
    let fives = if power_of == 10 { exponent.checked_add(fives)? } else { fives };
    let twos = exponent.checked_add(twos)?;
    let fine = fives.unsigned_abs() <= MAX_POWER_OF_FIVE && twos.unsigned_abs() <= MAX_POWER_OF_TWO;
    fine.then(|| Product { mantissa, fives, twos }.lowest_terms(negative))
}

/// Takes off `0b`, `0o` or `0x`.
fn split_prefix(text: &[u8]) -> (Option<u32>, &[u8]) {
    match text {
        [b'0', b'b' | b'B', rest @ ..] => (Some(2), rest),
        [b'0', b'o' | b'O', rest @ ..] => (Some(8), rest),
        [b'0', b'x' | b'X', rest @ ..] => (Some(16), rest),
        _ => (None, text),
    }
}

/// Digits of one base from the front of a text.
struct Scanned<'a> {
    digits: Vec<u8>,
    behind_point: usize,
    rest: &'a [u8],
}

/// What stood before the character at hand; a separator is allowed behind a digit only.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Before {
    Digit,
    Separator,
    Other,
}

impl<'a> Scanned<'a> {
    /// `prefixed`: a separator may stand at the front; `point`: one point is allowed.
    fn new(text: &'a [u8], base: u32, prefixed: bool, point: bool) -> Option<Scanned<'a>> {
        let mut digits = Vec::new();
        let mut point_at = None;
        let mut before = if prefixed { Before::Digit } else { Before::Other };
        let mut rest = text;
        while let [b, tail @ ..] = rest {
            before = match b {
                b'.' if point && point_at.is_none() && before != Before::Separator => {
                    point_at = Some(digits.len());
                    Before::Other
                }
                b'_' if before == Before::Digit => Before::Separator,
                b if char::from(*b).is_digit(base) => {
                    digits.push(*b);
                    Before::Digit
                }
                _ => break,
            };
            rest = tail;
        }
        let behind_point = point_at.map_or(0, |at| digits.len().saturating_sub(at));
        let fine = !digits.is_empty() && before != Before::Separator;
        fine.then_some(Scanned { digits, behind_point, rest })
    }
}

/// Base and value of the exponent, which must be all that is left.
fn exponent(text: &[u8]) -> Option<(u32, i64)> {
    let (base, text) = match text {
        [] => return Some((10, 0)),
        [b'e' | b'E', rest @ ..] => (10, rest),
        [b'p' | b'P', rest @ ..] => (2, rest),
        _ => return None,
    };
    let (negative, text) = sign(text);
    let Scanned { mut digits, rest: [], .. } = Scanned::new(text, 10, false, false)? else { return None };
    if negative {
        digits.insert(0, b'-');
    }
    Some((base, str::from_utf8(&digits).ok()?.parse().ok()?))
}

/// A big integer from ASCII digits.
fn big(digits: &[u8], base: u32) -> Option<BigUint> {
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    match digits.get(zeros..)? {
        [] => Some(BigUint::ZERO),
        significant if significant.len() > MAX_DIGITS => None,
        significant => BigUint::parse_bytes(significant, base),
    }
}

/// mantissa × 5^fives × 2^twos, the mantissa not zero.
struct Product {
    mantissa: BigUint,
    fives: i64,
    twos: i64,
}

impl Product {
    /// Cancels first, so that neither side is ever larger than it is shown.
    fn lowest_terms(mut self, negative: bool) -> String {
        self.cancel_twos();
        self.cancel_fives();
        let above = decimal_text(self.mantissa, positive(self.fives), positive(self.twos));
        let below =
            decimal_text(1u32.into(), positive(self.fives.saturating_neg()), positive(self.twos.saturating_neg()));
        fraction(negative, above, below)
    }

    /// Moves all twos out of the mantissa.
    fn cancel_twos(&mut self) {
        let twos = self.mantissa.trailing_zeros().unwrap_or_default();
        self.mantissa >>= twos;
        self.twos = self.twos.saturating_add_unsigned(twos);
    }

    /// Moves fives out of the mantissa as long as there is a denominator to cancel.
    fn cancel_fives(&mut self) {
        for (divisor, count) in [(FIVES, 27), (5, 1)] {
            while self.fives <= -count && (&self.mantissa % divisor) == BigUint::ZERO {
                self.mantissa /= divisor;
                self.fives = self.fives.saturating_add(count);
            }
        }
    }
}

fn positive(power: i64) -> u32 {
    u32::try_from(power).unwrap_or_default()
}

/// n × 5^fives × 2^twos in decimal; powers of ten become zeros without being multiplied out.
fn decimal_text(n: BigUint, fives: u32, twos: u32) -> String {
    let tens = fives.min(twos);
    let rest = (n * BigUint::from(5u32).pow(fives.saturating_sub(tens))) << twos.saturating_sub(tens);
    let mut text = rest.to_string();
    text.extend(std::iter::repeat_n('0', usize::try_from(tens).unwrap_or_default()));
    text
}

fn fraction(negative: bool, above: String, below: String) -> String {
    let sign = if negative && above != "0" { "-" } else { "" };
    if below == "1" { format!("{sign}{above}") } else { format!("{sign}{above}/{below}") }
}
