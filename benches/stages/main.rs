//! Speed of each stage separately: `cargo bench --bench stages -- FILTER`.
//!
//! Every bench asserts its result. `cargo bench --bench stages -- --test` runs each once on small inputs and measures nothing. Figures are
//! for one thread, unless the name says otherwise, and in bytes of the input: of the snapshot, or of text before it is escaped.

mod decoding;
mod emitting;
mod input;
mod reading;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// Short, because versions are compared on one quiet machine; ratios are measured by `benches/ratios`.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = stages;
    config = short();
    targets = reading::index, reading::checksum, decoding::decode, emitting::escape, emitting::names, emitting::tree,
        emitting::lines
}
criterion_main!(stages);
