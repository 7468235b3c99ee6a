//! What all targets share: which objects are loaded, what is reported about them, and the rate limit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Listener, Options, Outcome};
use crate::decode::filter::{Filter, Matched};
use crate::decode::findings::of_choice;
use crate::encode::shift::Shift;
use crate::error::{Error, Result};
use crate::format::adapter::{self, Adapter};
use crate::options::typed_name;
use crate::output::split::Tally;
use crate::report::{Finding, Findings, kinds};

kinds! {
    Warning LEFT_OUT "load_left_out" "objects that the target cannot store; they were left out";
    Warning CHANGED "load_changed" "objects that the target stores in another form";
    Warning NOTHING "load_nothing" "the inputs have no objects that the target takes: nothing was loaded";
    Note EXPIRED "load_expired" "keys that have expired were not loaded";
    Warning UNCOUNTED "load_uncounted" "the server does not report how many keys it has: their number was not compared with what was loaded";
}

/// Maximum bytes between two readings of the clock.
const LOOK: u64 = 64 << 10;
/// How much time a load that is slower than its limit may catch up.
const CREDIT: Duration = Duration::from_secs(1);

/// The state of one load, which all targets share.
pub(super) struct Course<'c> {
    /// The adapters whose objects the target takes, and the first of them: most targets take only one.
    adapters: Vec<Adapter>,
    pub adapter: Adapter,
    pub shift: Shift,
    pub listener: &'c dyn Listener,
    /// Unix milliseconds when the load began.
    pub now_ms: u64,
    /// The object after which the load begins, as long as it was not found.
    before: Option<String>,
    limit: Option<Limit>,
    counts: BTreeMap<&'static str, u64>,
    /// Objects that the target has stored, of those that have a position.
    stored: u64,
    passed_over: u64,
    left_out: u64,
    bytes: u64,
    looked: u64,
    /// The filter for objects, unless the code that reads the inputs checks what it matched.
    chosen: Option<&'c Filter>,
    /// Number of objects in the inputs, loaded or not, and whether there was a table, bucket or queue.
    met: BTreeMap<(Adapter, &'static str), u64>,
    has_scopes: bool,
    findings: Findings,
}

impl<'c> Course<'c> {
    /// `chosen`: the filter for objects, unless the code that reads the inputs checks what it matched.
    pub fn new(
        adapters: &[Adapter],
        options: &Options,
        chosen: Option<&'c Filter>,
        shift: Shift,
        listener: &'c dyn Listener,
    ) -> Course<'c> {
        let limit = options.rate_limit.filter(|_| !options.dry_run);
        Course {
            adapters: adapters.to_vec(),
            adapter: adapters.first().copied().unwrap_or(adapter::REDIS),
            shift,
            listener,
            now_ms: u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0),
            before: options.start_after.clone(),
            limit: limit.map(Limit::new),
            counts: BTreeMap::new(),
            stored: 0,
            passed_over: 0,
            left_out: 0,
            bytes: 0,
            looked: 0,
            chosen,
            met: BTreeMap::new(),
            has_scopes: false,
            findings: Findings::default(),
        }
    }

    /// Notes that a table, bucket or queue came.
    pub fn meets_scope(&mut self) {
        self.has_scopes = true;
    }

    /// Whether an object must be loaded; its name is `parts`.
    #[inline]
    pub fn takes(&mut self, kind: &'static str, parts: &[&[u8]]) -> bool {
        let adapter = self.adapter;
        self.meets(adapter, kind, 1);
        self.is_behind(|| typed_name(adapter, parts))
    }

    /// Counts objects that came.
    #[inline]
    pub fn meets(&mut self, adapter: Adapter, kind: &'static str, objects: u64) {
        *self.met.entry((adapter, kind)).or_default() += objects;
    }

    /// Whether the object of this name comes after those that an earlier run has loaded.
    #[inline]
    pub fn is_behind(&mut self, name: impl FnOnce() -> String) -> bool {
        let Some(before) = &self.before else { return true };
        self.passed_over += 1;
        if name() == *before {
            self.before = None;
        }
        false
    }

    /// The name of an object.
    pub fn name(&self, parts: &[&[u8]]) -> String {
        typed_name(self.adapter, parts)
    }

    /// Counts bytes of an object that are sent, and waits if they exceed the rate.
    #[inline]
    pub fn sends(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.bytes - self.looked >= self.limit.as_ref().map_or(LOOK, Limit::step) {
            self.look();
        }
    }

    #[cold]
    fn look(&mut self) {
        let bytes = self.bytes - self.looked;
        self.looked = self.bytes;
        self.listener.bytes(self.bytes);
        if let Some(limit) = &mut self.limit {
            std::thread::sleep(limit.pause(bytes, Instant::now()));
        }
    }

    /// Counts an object that was given to the target.
    #[inline]
    pub fn loaded(&mut self, kind: &'static str) {
        self.loaded_all(kind, 1);
    }

    /// Counts objects that were given to the target.
    pub fn loaded_all(&mut self, kind: &'static str, objects: u64) {
        *self.counts.entry(kind).or_default() += objects;
    }

    /// Counts objects that the target has stored: all objects up to `last` are loaded.
    pub fn stored(&mut self, kind: &'static str, objects: u64, last: &str) {
        self.stored += objects;
        self.loaded_all(kind, objects);
        self.listener.position(last, self.stored);
    }

    /// Reports an object, or a part of it, that the target cannot store.
    pub fn left_out(&mut self, parts: &[&[u8]], why: impl Into<String>) {
        let name = self.name(parts);
        self.left_out_named(&name, why);
    }

    /// As [`left_out`](Self::left_out), by the name of the object.
    #[cold]
    pub fn left_out_named(&mut self, name: &str, why: impl Into<String>) {
        let why = why.into();
        self.left_out += 1;
        self.listener.left_out(name, &why);
        self.findings.add(Finding::new(&LEFT_OUT).with("name", name).with("why", why));
    }

    /// Reports an object, or a part of it, that the target stores in another form.
    pub fn changed(&mut self, parts: &[&[u8]], how: impl Into<String>) {
        let name = self.name(parts);
        self.changed_named(&name, how);
    }

    /// As [`changed`](Self::changed), by the name of the object.
    #[cold]
    pub fn changed_named(&mut self, name: &str, how: impl Into<String>) {
        let how = how.into();
        self.listener.changed(name, &how);
        self.findings.add(Finding::new(&CHANGED).with("name", name).with("how", how));
    }

    /// Counts an object that has expired.
    #[cold]
    pub fn expired(&mut self, parts: &[&[u8]]) {
        let name = self.name(parts);
        self.findings.add(Finding::new(&EXPIRED).with("name", name));
    }

    /// Reports that the target does not say how many objects it has.
    #[cold]
    pub fn uncounted(&mut self) {
        self.findings.add(Finding::new(&UNCOUNTED));
    }

    /// Adds findings about the inputs.
    pub fn noticed(&mut self, findings: Findings) {
        self.findings.merge(findings);
    }

    /// The objects that came, counted as a decode counts them.
    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        if self.has_scopes {
            tally.scope(self.adapter, "");
        }
        for ((adapter, kind), objects) in &self.met {
            tally.add(*adapter, "", kind, *objects, 0);
        }
        tally
    }

    /// Ends the load.
    ///
    /// # Errors
    /// The object after which the load should begin was not found, or the filter matched nothing.
    pub fn finish(mut self) -> Result<Outcome> {
        if let Some(before) = self.before {
            return Err(Error::usage(format!(
                "{before}: the inputs do not have this object, after which the load should continue: give the same inputs and flags as before"
            )));
        }
        if self.met.is_empty() && !self.has_scopes {
            let names: Vec<&str> = self.adapters.iter().map(|adapter| adapter.name()).collect();
            self.findings.add(Finding::new(&NOTHING).with("adapter", names.join(",")));
        }
        if let Some(filter) = self.chosen {
            // The target chose the adapter, not an option.
            let all: Vec<Adapter> = adapter::all().collect();
            let matched = Matched::of(&all, filter, &self.tally(), |_| true);
            matched.check()?;
            of_choice(&matched, &mut self.findings);
        }
        Ok(Outcome {
            objects: self.counts.into_iter().collect(),
            left_out: self.left_out,
            passed_over: self.passed_over,
            bytes: self.bytes,
            findings: self.findings,
            ..Outcome::default()
        })
    }
}

/// A rate limit in bytes per second.
struct Limit {
    rate: u64,
    /// When the bytes so far may have been sent; `None`: there were none.
    due: Option<Instant>,
}

impl Limit {
    fn new(rate: u64) -> Limit {
        Limit { rate: rate.max(1), due: None }
    }

    /// Bytes between two readings of the clock: at most those of a second.
    fn step(&self) -> u64 {
        LOOK.min(self.rate)
    }

    /// How long to wait at `now` before these bytes are sent.
    ///
    /// The clock starts with the first bytes, not with the load, which reads its inputs before. Little of the time that a slow target costs
    /// is caught up: otherwise, the bytes that it has missed would be sent at once.
    fn pause(&mut self, bytes: u64, now: Instant) -> Duration {
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        let begin = self.due.map_or(now, |due| due.max(earliest));
        let takes = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        let due = begin.checked_add(takes).unwrap_or(begin);
        self.due = Some(due);
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that come in one second each, after the seconds before, and for how many seconds they wait.
    #[test]
    fn no_rate_is_saved_up() {
        let begun = Instant::now();
        for (at, want) in [
            // The inputs were read for a minute.
            (&[60, 61, 62][..], &[1, 1, 1][..]),
            (&[0, 0, 0], &[1, 2, 3]),
            // A stall of a minute: one second of it is caught up.
            (&[0, 60, 60, 60], &[1, 0, 1, 2]),
        ] {
            let mut limit = Limit::new(1000);
            let waited: Vec<u64> =
                at.iter().map(|at| limit.pause(1000, begun + Duration::from_secs(*at)).as_secs()).collect();
            assert_eq!(waited, want, "{at:?}");
        }
    }

    #[test]
    fn small_limits_are_kept_too() {
        for (rate, want) in [(0, 1), (2048, 2048), (1 << 30, LOOK)] {
            assert_eq!(Limit::new(rate).step(), want);
        }
    }
}
