//! Counts what a run wrote, by scope and kind.

use std::collections::BTreeMap;

use crate::format::Adapter;

/// Objects and bytes by kind, sorted. There are few kinds, and there may be many scopes.
type Kinds = Vec<(&'static str, u64, u64)>;

/// Objects and bytes by scope (`db_0`, a table, a bucket, a queue) and kind (`hashes`, `items`, …).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    scopes: BTreeMap<(Adapter, String), Kinds>,
}

impl Tally {
    /// Adds a scope, even without objects.
    pub fn scope(&mut self, adapter: Adapter, scope: &str) {
        self.scopes.entry((adapter, scope.to_owned())).or_default();
    }

    /// Counts `objects` of a kind with their bytes.
    pub fn add(&mut self, adapter: Adapter, scope: &str, kind: &'static str, objects: u64, bytes: u64) {
        let kinds = self.scopes.entry((adapter, scope.to_owned())).or_default();
        match kinds.binary_search_by_key(&kind, |(kind, ..)| kind) {
            Ok(at) => {
                let (_, n, size) = &mut kinds[at];
                (*n, *size) = (*n + objects, *size + bytes);
            }
            Err(at) => {
                kinds.reserve_exact(1);
                kinds.insert(at, (kind, objects, bytes));
            }
        }
    }

    /// Whether there are no objects at all.
    pub fn is_empty(&self) -> bool {
        self.scopes.values().flatten().all(|(_, objects, _)| *objects == 0)
    }

    /// Whether there is any scope.
    pub fn has_scopes(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: Tally) {
        for ((adapter, scope), kinds) in other.scopes {
            self.scope(adapter, &scope);
            for (kind, objects, bytes) in kinds {
                self.add(adapter, &scope, kind, objects, bytes);
            }
        }
    }

    /// The scopes of an adapter with their kinds: `(name, [(kind, objects, bytes)])`.
    pub fn of(&self, adapter: Adapter) -> impl Iterator<Item = (&str, &[(&'static str, u64, u64)])> {
        self.scopes
            .iter()
            .filter(move |((a, _), _)| *a == adapter)
            .map(|((_, scope), kinds)| (scope.as_str(), kinds.as_slice()))
    }
}
