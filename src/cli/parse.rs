//! Parses the values of flags.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use crate::dataset::AHEAD;
use crate::format::adapter::{self, Adapter};
use crate::options::Layout;

/// The names of layouts. A program without Parquet knows its name too, and reports that it is missing.
pub(super) fn layouts() -> clap::builder::PossibleValuesParser {
    const PARQUET: &str = "parquet";
    let built = Layout::all().map(Layout::name).filter(|name| *name != PARQUET);
    clap::builder::PossibleValuesParser::new(built.chain([PARQUET]))
}

/// `--as-of`: a commit timestamp (decimal or `0x…`), or a date: everything that was committed by then.
pub(super) fn hlc(text: &str) -> Result<u64, String> {
    // Our JSON has timestamps in quotes.
    let text = text.trim().trim_matches('"');
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).map_err(|e| e.to_string());
    }
    if let Ok(n) = text.parse() {
        return Ok(n);
    }
    let millis = millis(text)?.saturating_add(AHEAD >> 16);
    if millis >= 1 << 48 {
        return Err("the date is beyond what a commit timestamp can hold".into());
    }
    Ok(millis << 16 | 0xffff)
}

/// A date in RFC 3339, or only its day (midnight, UTC), in Unix milliseconds.
pub(super) fn millis(text: &str) -> Result<u64, String> {
    let time = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
    let time: jiff::Timestamp =
        time.map_err(|_| "neither a number nor a date such as 2026-11-24T08:30:00Z or 2026-11-24".to_owned())?;
    u64::try_from(time.as_millisecond()).map_err(|_| "the date is before 1970".into())
}

/// `--drop-expired=WHEN`: `now`, Unix milliseconds, or a date.
pub(super) fn moment(text: &str) -> Result<u64, String> {
    match text {
        "now" => u64::try_from(jiff::Timestamp::now().as_millisecond()).map_err(|e| e.to_string()),
        _ => match text.parse() {
            // As milliseconds these are in 1970; as seconds they are in our time.
            Ok(seconds @ 1_000_000_000..=9_999_999_999_u64) => {
                Err(format!("it looks like Unix seconds: in milliseconds it is {seconds}000"))
            }
            Ok(millis) => Ok(millis),
            Err(_) => millis(text),
        },
    }
}

/// `--threads`: more than four times the number of cores gains nothing, and a typo such as 5000 costs minutes. Eight are always accepted.
pub(super) fn threads(text: &str) -> Result<usize, String> {
    const ALWAYS: usize = 8;
    let threads: usize = text.parse().map_err(|_| "not a number of threads".to_owned())?;
    if threads <= ALWAYS {
        return Ok(threads);
    }
    let most = 4 * std::thread::available_parallelism().map_or(1, usize::from);
    if threads <= most { Ok(threads) } else { Err(format!("at most {} are of use here", most.max(ALWAYS))) }
}

/// A size in bytes: `67108864`, `64M`, `64MiB` (powers of 1024), `64MB` (powers of 1000). Not zero.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let unit = unit.trim().to_ascii_lowercase();
    let factor = match unit.as_str() {
        "" | "b" => Some(1),
        _ => power_of(&unit),
    };
    let bytes = factor.and_then(|factor: u64| digits.parse::<u64>().ok()?.checked_mul(factor));
    bytes.filter(|n| *n > 0).ok_or_else(|| "not a size such as 64MiB, 64M or 67108864".into())
}

fn power_of(unit: &str) -> Option<u64> {
    let power = "kmgt".find(unit.chars().next()?)? as u32 + 1;
    match &unit[1..] {
        "" | "ib" => 1024u64.checked_pow(power),
        "b" => 1000u64.checked_pow(power),
        _ => None,
    }
}

/// `--adapter`: a list of names, `all` or nothing for all of them.
pub(super) fn adapters(text: &str) -> Result<Adapters, String> {
    if text.is_empty() || text.eq_ignore_ascii_case("all") {
        return Ok(Adapters(adapter::all().collect()));
    }
    let mut chosen = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let known = adapter::all().find(|a| a.name().eq_ignore_ascii_case(name));
        chosen.push(known.ok_or_else(|| format!("{name}: unknown adapter name (dynamodb, s3, redis, sqs, fs)"))?);
    }
    if chosen.is_empty() {
        return Err("selects no adapter".into());
    }
    Ok(Adapters(chosen))
}

/// A parser that offers some texts to completion scripts. It accepts other texts too.
#[derive(Clone)]
pub(super) struct Offering<T> {
    parse: fn(&str) -> Result<T, String>,
    words: fn() -> Vec<&'static str>,
}

/// A parser of a list of adapter names.
pub(super) fn adapter_list() -> Offering<Adapters> {
    Offering::new(adapters, || adapter::all().map(|adapter| adapter.name()).collect())
}

impl<T> Offering<T> {
    /// A parser that accepts what `parse` does and offers `words`.
    pub fn new(parse: fn(&str) -> Result<T, String>, words: fn() -> Vec<&'static str>) -> Offering<T> {
        Offering { parse, words }
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Offering<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        self.parse.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.words)().into_iter().map(PossibleValue::new)))
    }
}

/// The adapters that one `--adapter` names.
#[derive(Debug, Clone)]
pub(super) struct Adapters(pub Vec<Adapter>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        assert_eq!(hlc("1966080"), Ok(1_966_080));
        assert_eq!(hlc("0x1e0000"), Ok(1_966_080));
        assert_eq!(hlc("\"117668384251052033\""), Ok(117_668_384_251_052_033));
        // Commit timestamps run ahead of the clock.
        assert_eq!(hlc("1970-01-01T00:00:00.030Z"), Ok(10_030 << 16 | 0xffff));
        assert_eq!(hlc("1970-01-02"), Ok(86_410_000 << 16 | 0xffff));
        for bad in ["1970-01", "1970-01-32", "1970-01-01T", "\"\"", "10889-08-02T05:31:50.655Z"] {
            assert!(hlc(bad).is_err(), "{bad}");
        }
        assert_eq!(moment("1970-01-02"), Ok(86_400_000));
        assert!(hlc("yesterday").is_err());
        assert!(hlc("1969-12-31T23:59:59Z").is_err());
        assert_eq!(moment("5"), Ok(5));
        assert_eq!(moment("1764000000000"), Ok(1_764_000_000_000));
        assert!(moment("1764000000").is_err_and(|why| why.contains("1764000000000")));
    }

    #[test]
    fn sizes() {
        let cases: &[(&str, Option<u64>)] = &[
            ("1", Some(1)),
            ("67108864", Some(64 << 20)),
            ("64M", Some(64 << 20)),
            ("64MiB", Some(64 << 20)),
            (" 64 mib ", Some(64 << 20)),
            ("64MB", Some(64_000_000)),
            ("2k", Some(2048)),
            ("3TiB", Some(3 << 40)),
            ("100B", Some(100)),
            ("0", None),
            ("", None),
            ("M", None),
            ("64Mi", None),
            ("64P", None),
            ("-1", None),
            ("1.5M", None),
            ("64é", None),
            ("99999999999T", None),
        ];
        for (text, want) in cases {
            assert_eq!(size(text).ok(), *want, "{text}");
        }
    }

    #[test]
    fn adapter_lists() {
        let names = |text| adapters(text).map(|a| a.0);
        assert_eq!(names("Redis, s3,"), Ok(vec![adapter::REDIS, adapter::S3]));
        assert_eq!(names("all").unwrap().len(), 5);
        assert!(names("redsi").is_err());
        assert!(names(" ,").is_err());
    }
}
