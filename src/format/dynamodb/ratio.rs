//! Exact fractions, and the wide grammar of numbers (`dynamodb.md` §4.3), which only tables of the old key encoding have.
//!
//! | part | grammar |
//! |---|---|
//! | fraction | `a/b`: integers, `a` with an optional sign, `b` not zero; a bare leading `0` means octal |
//! | number | sign, digits with at most one point, exponent: `e` (of ten) or `p` (of two) and decimal digits |
//! | digits | decimal, or `0b`, `0o`, `0x` and digits of that base; one `_` between two digits or after the prefix |

// Big integers grow instead of wrapping; the machine integers here use checked methods.
#![allow(clippy::arithmetic_side_effects)]

use num_bigint::BigUint;
use num_integer::Integer;

/// Largest power of five, positive or negative, that a number may have in addition to its digits.
pub const MAX_POWER_OF_FIVE: u64 = 1_000_000;
/// Largest power of two, positive or negative, that a number may have in addition to its digits.
pub const MAX_POWER_OF_TWO: u64 = 10_000_000;

/// Largest exponent of two, positive or negative, in a text.
pub const MAX_BINARY_EXPONENT: u64 = 100_000;
/// Maximum number of digits on each side of a quotient.
pub const MAX_QUOTIENT_DIGITS: usize = 1 << 14;

/// Maximum number of digits that are turned into a big integer. No user key is longer than 1 MiB, so no key of a real row has more. A text
/// beyond it does not count as a number, which bounds the work on a hostile value.
const MAX_DIGITS: usize = 1 << 20;
/// Maximum number of decimal places of a number of the old grammar that is looked up among those of the new one. Each step is a long
/// division, so this bounds the work on a hostile value.
const MAX_PLACES: u64 = 1_000;
/// Digits that are turned into an integer at once; longer numbers are assembled from pieces.
const PIECE: usize = 1024;

/// The canonical form of a quotient; `None` if the text is not one or is beyond the bounds.
pub fn quotient(text: &[u8]) -> Option<String> {
    let (negative, text) = sign(text);
    let slash = memchr::memchr(b'/', text)?;
    let (above, below) = (text.get(..slash)?, text.get(slash.checked_add(1)?..)?);
    let [above, below] = [whole(above)?, whole(below)?];
    if below == BigUint::ZERO {
        return None;
    }
    let common = above.gcd(&below);
    Some(fraction(negative, (above / &common).to_string(), (below / common).to_string()))
}

/// A fraction in lowest terms as digits and a power of ten; `None` if it is not such a fraction, or has no finite decimal form.
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

/// One side of a fraction.
fn whole(text: &[u8]) -> Option<BigUint> {
    let (base, text) = match split_prefix(text) {
        (None, [b'0', ..]) => (8, text),
        (prefix, rest) => (prefix.unwrap_or(10), rest),
    };
    let scanned = Scanned::new(text, base, base != 10, false)?;
    let fine = scanned.rest.is_empty() && without_zeros(&scanned.digits).len() <= MAX_QUOTIENT_DIGITS;
    if fine { big(&scanned.digits, base) } else { None }
}

/// A number of the wide grammar; `None` if the text is not one or is beyond the bounds.
pub fn number(text: &[u8]) -> Option<Product> {
    let (negative, text) = sign(text);
    let (prefix, text) = split_prefix(text);
    let base = prefix.unwrap_or(10);
    let scanned = Scanned::new(text, base, prefix.is_some(), true)?;
    let (power_of, exponent) = exponent(scanned.rest)?;
    if scanned.digits.iter().all(|&b| b == b'0') {
        return Some(Product::ZERO);
    }
    let behind_point = i64::try_from(scanned.behind_point).ok()?;
    // Digits after the point divide by a power of the base, that is by twos and, in base ten, by as many fives.
    let (fives, twos) = match base {
        10 => (-behind_point, -behind_point),
        base => (0, behind_point.checked_mul(-i64::from(base.ilog2()))?),
    };
    let fives = if power_of == 10 { exponent.checked_add(fives)? } else { fives };
    let twos = exponent.checked_add(twos)?;
    let stated = if power_of == 2 { exponent.unsigned_abs() } else { 0 };
    let fine = fives.unsigned_abs() <= MAX_POWER_OF_FIVE
        && twos.unsigned_abs() <= MAX_POWER_OF_TWO
        && stated <= MAX_BINARY_EXPONENT;
    if fine { Product::new(negative, scanned.digits, base, (fives, twos)) } else { None }
}

/// Removes `0b`, `0o` or `0x`.
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

/// What is before the current character; a separator is allowed after a digit only.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Before {
    Digit,
    Separator,
    Other,
}

impl<'a> Scanned<'a> {
    /// `prefixed`: a separator may come first; `point`: one point is allowed.
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

/// Base and value of the exponent, which must be the whole rest.
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

/// A big integer from ASCII digits; `None` for too many of them.
fn big(digits: &[u8], base: u32) -> Option<BigUint> {
    let significant = without_zeros(digits);
    match significant.len() {
        0 => Some(BigUint::ZERO),
        1..=MAX_DIGITS if base == 10 => big_decimal(significant),
        1..=MAX_DIGITS => BigUint::parse_bytes(significant, base),
        _ => None,
    }
}

/// Joins neighbouring pieces, then the results, and so on: far fewer steps than digit by digit if there are many.
fn big_decimal(digits: &[u8]) -> Option<BigUint> {
    let pieces = digits.rchunks(PIECE).map(|piece| BigUint::parse_bytes(piece, 10));
    let mut pieces = pieces.collect::<Option<Vec<_>>>()?;
    let mut weight = BigUint::from(10u32).pow(PIECE as u32);
    while pieces.len() > 1 {
        let pairs = pieces.chunks(2).map(|pair| match pair {
            [low, high] => high * &weight + low,
            one => one.iter().sum(),
        });
        pieces = pairs.collect();
        if pieces.len() > 1 {
            weight = &weight * &weight;
        }
    }
    pieces.pop()
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// DIGITS × 5^fives × 2^twos; no digits for zero.
#[derive(Debug)]
pub struct Product {
    negative: bool,
    digits: Vec<u8>,
    base: u32,
    fives: i64,
    twos: i64,
}

impl Product {
    /// Zero.
    pub const ZERO: Product = Product { negative: false, digits: Vec::new(), base: 10, fives: 0, twos: 0 };

    /// From ASCII digits of a base; `None` for more digits than can be computed with, unless they are written without any computation.
    pub fn new(negative: bool, digits: Vec<u8>, base: u32, (fives, twos): (i64, i64)) -> Option<Product> {
        let product = Product { negative, digits, base, fives, twos };
        let fine = product.is_integer() || without_zeros(&product.digits).len() <= MAX_DIGITS;
        fine.then_some(product)
    }

    /// Whether it consists of its digits and zeros after them.
    fn is_integer(&self) -> bool {
        self.base == 10 && self.fives == self.twos && self.fives >= 0
    }

    /// The canonical form.
    pub fn lowest_terms(self) -> Option<String> {
        if self.digits.is_empty() {
            return Some("0".into());
        }
        if self.is_integer() {
            return Some(shown(self.negative, &self.digits, self.fives));
        }
        // Nothing to cancel.
        if self.base == 10 && self.fives == self.twos && matches!(self.digits.last(), Some(b'1' | b'3' | b'7' | b'9')) {
            let above = shown(self.negative, &self.digits, 0);
            return Some(above + "/" + &shown(false, b"1", self.fives.saturating_neg()));
        }
        let mantissa = big(&self.digits, self.base)?;
        Some(Reduced { mantissa, fives: self.fives, twos: self.twos }.text(self.negative))
    }
}

/// Digits with a sign before and zeros after them; leading zeros are removed.
fn shown(negative: bool, digits: &[u8], zeros: i64) -> String {
    let digits = without_zeros(digits).iter().map(|b| char::from(*b));
    let zeros = std::iter::repeat_n('0', usize::try_from(zeros).unwrap_or_default());
    negative.then_some('-').into_iter().chain(digits).chain(zeros).collect()
}

/// mantissa × 5^fives × 2^twos, the mantissa not zero.
struct Reduced {
    mantissa: BigUint,
    fives: i64,
    twos: i64,
}

impl Reduced {
    /// Cancels first, so that neither side is ever larger than in the result.
    fn text(mut self, negative: bool) -> String {
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

    /// Moves fives out of the mantissa as long as there is a denominator to cancel: by larger and larger powers, then by the smaller ones
    /// again.
    fn cancel_fives(&mut self) {
        let mut powers = vec![(1, BigUint::from(5u32))];
        while let Some((count, power)) = powers.last().filter(|(count, power)| self.divide(*count, power)).cloned() {
            powers.push((count.saturating_mul(2), &power * &power));
        }
        for (count, power) in powers.iter().rev().skip(1) {
            self.divide(*count, power);
        }
    }

    /// Divides by 5^count, if there is no remainder and there are as many fives to cancel.
    fn divide(&mut self, count: i64, power: &BigUint) -> bool {
        if self.fives > count.saturating_neg() {
            return false;
        }
        let (quotient, rest) = self.mantissa.div_rem(power);
        if rest != BigUint::ZERO {
            return false;
        }
        self.mantissa = quotient;
        self.fives = self.fives.saturating_add(count);
        true
    }
}

fn positive(power: i64) -> u32 {
    u32::try_from(power).unwrap_or_default()
}

/// n × 5^fives × 2^twos in decimal; powers of ten become zeros without a multiplication.
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
