//! Values of flags.

use crate::format::Adapter;

/// `--as-of`: an HLC timestamp (decimal or `0x…`), or a date: all commits up to and in that millisecond.
pub(super) fn hlc(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).map_err(|e| e.to_string());
    }
    if let Ok(n) = text.parse() {
        return Ok(n);
    }
    let millis = millis(text)?;
    if millis >= 1 << 48 {
        return Err("the date is beyond what an HLC timestamp can hold".into());
    }
    Ok(millis << 16 | 0xffff)
}

/// A date as RFC 3339 has it, in Unix milliseconds.
pub(super) fn millis(text: &str) -> Result<u64, String> {
    let time: jiff::Timestamp =
        text.parse().map_err(|_| "neither a number nor a date such as 2026-11-24T08:30:00Z".to_owned())?;
    u64::try_from(time.as_millisecond()).map_err(|_| "the date is before 1970".into())
}

/// `--drop-expired=WHEN`: `now`, Unix milliseconds, or a date.
pub(super) fn moment(text: &str) -> Result<u64, String> {
    match text {
        "now" => u64::try_from(jiff::Timestamp::now().as_millisecond()).map_err(|e| e.to_string()),
        _ => text.parse().or_else(|_| millis(text)),
    }
}

/// `--adapter`: a list of names, `all` or nothing for all of them.
pub(super) fn adapters(text: &str) -> Result<Adapters, String> {
    if text.is_empty() || text.eq_ignore_ascii_case("all") {
        return Ok(Adapters(Adapter::SELECTABLE.to_vec()));
    }
    let mut chosen = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let known = Adapter::SELECTABLE.into_iter().find(|a| a.name().eq_ignore_ascii_case(name));
        chosen.push(known.ok_or_else(|| format!("{name}: unknown adapter name (dynamodb, s3, redis, sqs)"))?);
    }
    if chosen.is_empty() {
        return Err("selects no adapter".into());
    }
    Ok(Adapters(chosen))
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
        assert_eq!(hlc("1970-01-01T00:00:00.030Z"), Ok(30 << 16 | 0xffff));
        assert!(hlc("yesterday").is_err());
        assert!(hlc("1969-12-31T23:59:59Z").is_err());
        assert_eq!(moment("5"), Ok(5));
    }

    #[test]
    fn adapter_lists() {
        let names = |text| adapters(text).map(|a| a.0);
        assert_eq!(names("Redis, s3,"), Ok(vec![Adapter::Redis, Adapter::S3]));
        assert_eq!(names("all").unwrap().len(), 4);
        assert!(names("redsi").is_err());
        assert!(names(" ,").is_err());
    }
}
