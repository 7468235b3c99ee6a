//! The documents of queues, and the other data that a restore needs.

use std::collections::BTreeSet;

use super::{Paths, names, paths, render};
use crate::adapters::sqs::{Queues, name_of};
use crate::error::Result;
use crate::format::adapter;
use crate::model::sqs::{Queue, Records};
use crate::output::json::{self, Escape};
use crate::output::observer::Object;
use crate::output::out::Out as _;
use crate::output::split::{SplitOutput, Writes};
use crate::run::{Job, engine};

/// Queues whose documents are written together.
const TOGETHER: usize = 64;

/// Writes the document of every queue that has its record. `filled`: the files that get lines.
///
/// # Errors
/// A failed write, or a record that cannot be read.
pub fn write(
    job: &mut Job<'_, '_, '_>,
    queues: &Queues<'_>,
    paths: &'static dyn Paths,
    filled: &[Records<'_>],
) -> Result<()> {
    let (set, tree, options) = (job.set, job.tree, job.options);
    let filled: BTreeSet<_> = filled.iter().copied().collect();
    let all = queues.wanted(&options.filter);
    let tasks: Vec<_> = all.chunks(TOGETHER).collect();
    let gets_lines = |records: &Records<'_>| filled.contains(records);
    let task = |queues_of_task: &[&[u8]]| {
        let (mut out, mut document) = (SplitOutput::new(tree), Vec::new());
        let mut findings = std::mem::take(&mut out.findings);
        queues.records(set, queues_of_task, &mut findings, |queue| {
            document.clear();
            render::queue_document(queue, &mut document);
            paths.document(queue, &document, options, &gets_lines, &mut out)
        })?;
        out.findings = findings;
        Ok(out)
    };
    let collector = &mut *job.collector;
    engine::run_with(tasks.len(), |i| task(tasks[i]), |out| collector.place(out), Writes::write)?;
    if options.for_restore { generations(job, queues) } else { Ok(()) }
}

/// Writes the document of a queue for the layouts that have no directory of the queue's own files. Returns the queue's stem.
///
/// # Errors
/// A failed write.
pub(in crate::layouts) fn write_packed(
    queue: &Queue<'_>,
    document: &[u8],
    out: &mut SplitOutput<'_>,
) -> Result<String> {
    let stem = names::queue_stem(queue.name);
    let dir = out.dir("sqs")?;
    out.put(&dir, names::packed_document(&stem).as_bytes(), document)?;
    out.tally.scope(adapter::SQS, &stem);
    if let Some(objects) = out.objects() {
        let value = objects.secret().map(|secret| secret.fingerprint(document));
        objects.add(&Object::scope(adapter::SQS, "queues", &stem, document.len() as u64, value));
    }
    Ok(stem)
}

/// Writes the generations that are not in any document, if there are any.
fn generations(job: &mut Job<'_, '_, '_>, queues: &Queues<'_>) -> Result<()> {
    let all = queues.generations(&job.options.filter);
    if all.is_empty() {
        return Ok(());
    }
    let mut out = SplitOutput::new(job.tree);
    let lines = out.lines(&paths::generations());
    for (queue, generation) in all {
        lines.extend_from_slice(b"{\"name\":");
        lines.bytes(&name_of(queue), Escape::Plain);
        lines.extend_from_slice(b",\"generation\":");
        json::integer(generation, lines);
        lines.extend_from_slice(b"}\n");
    }
    job.collector.take(out)
}
