//! The rows of all objects of the inputs, in the order of their keys.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::adapters::rows::RowSink;
use crate::adapters::sqs::encode::Told;
use crate::encode::shift::Shift;
use crate::encode::{self, Objects, rows_of, twice};
use crate::error::Result;
use crate::format::Family;
use crate::format::adapter::Adapter;
use crate::format::family::Class;
use crate::format::mvcc::hlc_millis;
use crate::load::{Input, Options, input};
use crate::report::Findings;
use crate::run::Progress;
use crate::run::spill::{Sorted, Spill};
use crate::source::Source;

/// Objects by adapter and kind.
type Counts = Vec<(Adapter, &'static str, u64)>;

/// The rows, with the counts and findings of their objects.
pub(super) struct Rows {
    sorted: Sorted,
    last: Vec<u8>,
    /// Adapters that have rows.
    pub adapters: BTreeSet<Adapter>,
    pub objects: Counts,
    /// Findings about the inputs.
    pub findings: Findings,
}

impl Rows {
    /// Makes the rows of all objects of the inputs.
    ///
    /// # Errors
    /// Inputs that cannot be read or are damaged; rows that cannot be sorted.
    pub fn of(
        input: &Input,
        adapters: &[Adapter],
        options: &Options,
        last_commit_ts: u64,
        shift: Shift,
        progress: &dyn Progress,
    ) -> Result<Rows> {
        let sink = Sink::new();
        let (objects, findings) = match input {
            Input::Outputs(paths) => {
                let asked = encode::Options {
                    adapters: Some(adapters.to_vec()),
                    threads: options.decode.threads,
                    shift_to_ms: options.shift_to_ms,
                    ..encode::Options::default()
                };
                let encoded = rows_of(paths, &asked, &&sink, progress)?;
                (encoded.objects, encoded.findings)
            }
            Input::Snapshots(sources) => {
                let now_ms = hlc_millis(last_commit_ts).cast_signed().saturating_add(shift.0);
                of_snapshots(sources, adapters, options, now_ms, shift, &sink, progress)?
            }
        };
        let Sink(taken) = sink;
        let Taken { spill, adapters } = taken.into_inner();
        Ok(Rows { sorted: spill.finish()?, last: Vec::new(), adapters, objects, findings })
    }

    /// The next row: its key, and its value as the server's front ends store it.
    ///
    /// # Errors
    /// Rows that cannot be read back; two rows with one key.
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let Some((key, value)) = self.sorted.next()? else { return Ok(None) };
        // No row has an empty key.
        if key == self.last {
            return Err(twice(key));
        }
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(Some((key, value)))
    }
}

/// Makes the rows of snapshots, which contain all information: nothing is derived.
fn of_snapshots(
    sources: &[Source],
    adapters: &[Adapter],
    options: &Options,
    now_ms: i64,
    shift: Shift,
    sink: &Sink,
    progress: &dyn Progress,
) -> Result<(Counts, Findings)> {
    let told = Told { all: true, side_records: true, visibility: true, now_ms };
    let wanted = options.decode.clone().for_restore();
    let mut objects = Objects::new(sink, told, shift, None, &std::env::temp_dir());
    let findings = input::of_snapshots(sources, adapters, &wanted, progress, &mut objects)?;
    Ok((objects.finish()?.totals(), findings))
}

/// Takes rows.
struct Sink(RefCell<Taken>);

struct Taken {
    spill: Spill,
    adapters: BTreeSet<Adapter>,
}

impl Sink {
    fn new() -> Sink {
        Sink(RefCell::new(Taken { spill: Spill::new(&std::env::temp_dir()), adapters: BTreeSet::new() }))
    }
}

impl RowSink for &Sink {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let Taken { spill, adapters } = &mut *self.0.borrow_mut();
        if let Class::Adapter(adapter) = Family::of(key).class() {
            adapters.insert(adapter);
        }
        spill.push(key, value)
    }
}
