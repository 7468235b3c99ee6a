//! Flags that choose objects; the same for every command that has them.

use super::parse::{self, Adapters, Offering};
use crate::decode::filter::{Filter, Pattern};
use crate::format::Adapter;

/// The grammar of patterns, shown under the help of every command that takes them.
const PATTERNS: &str = "\
Patterns: redis:KEY, dynamodb:TABLE[/PK[/SK]], s3:BUCKET[/KEY], sqs:QUEUE[/ID], fs:PATH.
  * is any bytes (/ too), ? one byte, [a-z] one of these, [!a-z] any other, {a,b} a or b; \\x is x
  itself (\\/ in the name of a table, bucket or queue), as are braces without a comma: redis:{u1}:*.
  An S3 KEY that is plain or ends in / takes all keys that begin with it, a PATH all below it.
  A name that ls prints takes its object; base64: is followed by bytes in base64.";

/// The grammar and a table of exit codes.
pub(super) fn help(exit_codes: &str) -> String {
    format!("{PATTERNS}\n\n{exit_codes}")
}

/// What is wanted of a snapshot.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Choosing objects")]
pub(super) struct Choice {
    /// Only these: dynamodb, s3, redis, sqs, fs
    #[arg(long, value_name = "LIST", default_value = "all", hide_default_value = true,
          value_parser = parse::adapter_list(), hide_possible_values = true)]
    adapter: Adapters,

    /// Only what matches, such as redis:user:*
    ///
    /// Can be repeated, or be a list with commas.
    #[arg(long, value_name = "PATTERNS", value_parser = pattern_list(), hide_possible_values = true)]
    scope: Vec<Patterns>,

    /// Leave out what matches; patterns as for --scope.
    #[arg(long, value_name = "PATTERNS", value_parser = pattern_list(), hide_possible_values = true)]
    exclude: Vec<Patterns>,

    /// Only these Redis types: string, hll, list, hash, set, zset, stream.
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',', value_parser = type_names(), hide_possible_values = true)]
    types: Vec<&'static str>,

    /// Only objects of at least this size
    ///
    /// The size of a string's value, of another Redis key as JSON, of an S3 object or a file, of an item as the server stores it.
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    min_size: Option<u64>,

    /// Only objects of at most this size
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    max_size: Option<u64>,

    /// Leave out Redis keys expired by WHEN: now, Unix ms, or a date.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "now",
          value_parser = parse::moment)]
    pub drop_expired: Option<u64>,
}

/// The patterns of one flag.
#[derive(Debug, Clone)]
struct Patterns(Vec<Pattern>);

impl Patterns {
    fn parse(text: &str) -> Result<Patterns, String> {
        patterns(text).map(Patterns)
    }
}

impl Choice {
    /// The adapters that are asked for.
    pub fn adapters(&self) -> Vec<Adapter> {
        self.adapter.0.clone()
    }

    /// The filter that the flags ask for.
    pub fn filter(&self) -> Filter {
        let all = |flags: &[Patterns]| flags.iter().flat_map(|list| list.0.clone()).collect();
        Filter {
            include: all(&self.scope),
            exclude: all(&self.exclude),
            types: self.types.iter().map(|t| (*t).to_owned()).collect(),
            min_size: self.min_size.unwrap_or(0),
            max_size: self.max_size.unwrap_or(u64::MAX),
            changes: None,
        }
    }
}

/// A parser of patterns, which offers their prefixes for completion.
fn pattern_list() -> Offering<Patterns> {
    Offering::new(Patterns::parse, || BEGINNINGS.to_vec())
}

/// Types of Redis keys.
fn type_names() -> Offering<&'static str> {
    Offering::new(redis_type, || TYPES.to_vec())
}

/// A list of patterns. A comma ends one only if another one begins after it: globs may contain commas too.
pub(super) fn patterns(text: &str) -> Result<Vec<Pattern>, String> {
    let mut list: Vec<String> = Vec::new();
    for part in text.split(',') {
        match list.last_mut() {
            Some(last) if !begins_pattern(part) => {
                last.push(',');
                last.push_str(part);
            }
            _ => list.push(part.to_owned()),
        }
    }
    let parsed = list.iter().map(|p| p.parse().map_err(|e| format!("{p}: {e}")));
    parsed.collect()
}

fn begins_pattern(part: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| part.starts_with(beginning))
}

/// Prefixes of patterns.
const BEGINNINGS: [&str; 5] = ["redis:", "dynamodb:", "s3:", "sqs:", "fs:"];

/// Names of Redis types on the command line.
const TYPES: [&str; 7] = ["string", "hll", "list", "hash", "set", "zset", "stream"];

/// The folder of a Redis type, by either of its names.
fn redis_type(text: &str) -> Result<&'static str, String> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "string" | "strings" => "strings",
        "hll" | "hyperloglog" => "hll",
        "list" | "lists" => "lists",
        "hash" | "hashes" => "hashes",
        "set" | "sets" => "sets",
        "zset" | "zsets" => "zsets",
        "stream" | "streams" => "streams",
        _ => return Err("unknown type: want string, hll, list, hash, set, zset or stream".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas() {
        for (text, want) in [("redis:a,b", 1), ("redis:a,s3:b", 2), ("redis:{a,b},sqs:q,dynamodb:t", 3)] {
            assert_eq!(patterns(text).unwrap().len(), want, "{text}");
        }
        assert!(patterns("x").is_err());
        assert!(patterns("redis:a,").is_ok());
    }
}
