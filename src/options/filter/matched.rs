//! What the patterns, types and adapters of a run matched: those without a match are reported.

use super::Filter;
use crate::error::{Error, Result, Shown};
use crate::format::adapter::{self, Adapter};
use crate::output::split::Tally;

/// Maximum number of them in an error.
const MOST_NAMED: usize = 20;

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// Those without a match, each after its kind: `scope redis:a*`, `type sets`.
    pub unmet: Vec<String>,
    /// Whether none of the requested objects, tables, buckets and queues exists.
    pub nothing: bool,
}

impl Matched {
    /// The result of a run for these adapters and this filter, according to its counts. `has_rows`: whether there are any rows of an
    /// adapter.
    pub(crate) fn of(
        adapters: &[Adapter],
        filter: &Filter,
        tally: &Tally,
        has_rows: impl Fn(Adapter) -> bool,
    ) -> Matched {
        if filter.changes.is_some() {
            // No changes is a valid result; whether anything exists was checked before.
            return Matched { unmet: filter.unmet().collect(), nothing: false };
        }
        let chosen = adapters.len() < adapter::all().count();
        // If there are rows, perhaps only the other conditions matched none of them.
        let is_there =
            |adapter: Adapter| tally.of(adapter).next().is_some() || (has_rows(adapter) && !filter.is_trivial());
        let missing = |adapter: &&Adapter| chosen && !is_there(**adapter);
        let mut unmet: Vec<String> =
            adapters.iter().filter(missing).map(|adapter| format!("adapter {}", adapter.name())).collect();
        let has_type = |folder: &str| {
            let is_kind = |(kind, objects, _): &(&str, u64, u64)| *kind == folder && *objects > 0;
            tally.of(adapter::REDIS).any(|(_, kinds)| kinds.iter().any(is_kind))
        };
        unmet.extend(filter.types.iter().filter(|folder| !has_type(folder)).map(|folder| format!("type {folder}")));
        unmet.extend(filter.unmet());
        let without_scope = filter.met_nothing() || !tally.has_scopes();
        // A store without objects is valid, unless some of them were requested or excluded.
        let asked = chosen || filter.asks_or_met_exclusions();
        let nothing = asked && tally.is_empty() && (filter.has_sizes() || without_scope);
        Matched { unmet, nothing }
    }

    /// Rejects an empty output.
    ///
    /// # Errors
    /// An error that names the conditions without a match.
    pub fn check(&self) -> Result<()> {
        if !self.nothing {
            return Ok(());
        }
        let named: Vec<String> =
            self.unmet.iter().take(MOST_NAMED).map(|words| Shown(words.as_bytes()).to_string()).collect();
        let more = self.unmet.len().saturating_sub(MOST_NAMED);
        Err(Error::usage(match (named.join(", "), more) {
            (none, _) if none.is_empty() => "no object matches".to_owned(),
            (named, 0) => format!("nothing matches {named}"),
            (named, more) => format!("nothing matches {named} and {more} more"),
        }))
    }
}
