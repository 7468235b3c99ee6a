//! Records in the order of the inputs, for runs that only count lines or report records one by one.

use std::collections::BTreeMap;

use super::Paths;
use super::index::{self, Found};
use super::lines::Renderer;
use crate::adapters::sqs::{Counts, Queues, Reader, heads, past_retention};
use crate::error::Result;
use crate::model::sqs::Records;
use crate::output::split::{SplitOutput, Writes};
use crate::run::engine::{self, Done};
use crate::run::{Job, note_shared, step};

/// The result of a split.
struct Rendered<'a, 't> {
    out: SplitOutput<'t>,
    /// Its records, and how many messages among them are past their retention.
    records: Vec<(Records<'a>, u64)>,
    counts: Counts<'a>,
}

impl Done for Rendered<'_, '_> {
    fn held(&self) -> usize {
        self.out.held() + self.counts.held() + self.records.capacity() * size_of::<(Records<'_>, u64)>()
    }
}

/// Writes all lines; returns the files that got some, and the number of records.
///
/// # Errors
/// The first damaged row in the order of families and keys, or a failed write.
pub(super) fn write<'a>(
    job: &mut Job<'_, 'a, '_>,
    queues: &Queues<'a>,
    paths: &'static dyn Paths,
) -> Result<(Vec<Records<'a>>, Counts<'a>)> {
    let (set, options, tree, progress) = (job.set, job.options, job.tree, job.progress);
    let renderer = Renderer { reader: Reader::new(set, queues), tree, queues, files: &[], paths, options };
    let (mut counts, mut past) = (Counts::default(), BTreeMap::<Records<'a>, u64>::new());
    for family in heads::families(options) {
        let splits = heads::splits(set, family)?;
        progress.begin("sqs lines", splits.len() as u64);
        let collector = &mut *job.collector;
        engine::run_with(
            splits.len(),
            |i| {
                let found = index::split(set, queues, family, &splits[i], options, None)?;
                render(&renderer, found, SplitOutput::new(tree))
            },
            |mut rendered| {
                step(progress, tree);
                note_shared(rendered.counts.shared.take().into_iter().collect(), &mut collector.findings);
                counts.merge(rendered.counts);
                rendered.records.into_iter().for_each(|(of, messages)| *past.entry(of).or_default() += messages);
                collector.place(rendered.out)
            },
            Writes::write,
        )?;
    }
    for (of, messages) in &past {
        past_retention(of.queue, *messages).into_iter().for_each(|finding| job.collector.findings.add(finding));
    }
    Ok((past.into_keys().collect(), counts))
}

fn render<'a, 't>(
    renderer: &Renderer<'_, 'a, 't>,
    found: Found<'a>,
    mut out: SplitOutput<'t>,
) -> Result<Rendered<'a, 't>> {
    let mut records = Vec::new();
    for run in &found.runs {
        let past = renderer.piece(&run.of, &run.entries, &mut out)?;
        match records.last_mut() {
            Some((last, messages)) if *last == run.of => *messages += past,
            _ => records.push((run.of, past)),
        }
    }
    Ok(Rendered { out, records, counts: found.counts })
}
