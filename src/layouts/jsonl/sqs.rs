//! SQS as lines (`docs/format/rules.md` §6).
//!
//! | path below `sqs/` | what | when |
//! |---|---|---|
//! | `QUEUE.queue.json` | attributes | always |
//! | `QUEUE.jsonl` | live messages | always, empty if there are none |
//! | `QUEUE.side.jsonl` | bookkeeping rows | `Options::include_sqs_side_records`, empty if there are none |
//! | `_orphans/QUEUE.orphan/side.jsonl` | the same, of a queue without its record | the same |
//! | `_generations~.jsonl` | generations without a record | `Options::for_restore`, if there are any |
//! | `_orphans/QUEUE.orphan/generation-N.jsonl` | messages that are not live | `Options::include_orphans` |
//!
//! A queue named `X.side` is always written as `X%2Eside`; the side records of a queue `X` have the plain name. After
//! percent-decoding, both give the name of their queue.

use crate::adapters::sqs::{Queues, name_of};
use crate::error::Result;
use crate::layouts::sqs::{self, Place, names};
use crate::model::sqs::{Queue, RecordKind, Records};
use crate::options::Options;
use crate::output::split::SplitOutput;

/// The paths of lines.
pub(crate) struct Paths;

impl sqs::Paths for Paths {
    fn lines(&self, queues: &Queues<'_>, of: &Records<'_>) -> Place {
        let name = name_of(of.queue);
        let stem = || names::queue_stem(&name);
        let place = |scope: String, path, kind| Place { path: names::queue_path(path), scope, kind };
        match of.kind {
            RecordKind::Messages => place(stem(), &names::packed_messages(&stem()), "messages"),
            RecordKind::Stale(generation) => sqs::stale(&name, generation),
            RecordKind::Side if queues.has_record(of.queue) => {
                place(stem(), &names::packed_side(&stem()), "side_records")
            }
            RecordKind::Side => sqs::aside(&name, "side.jsonl", "side_records"),
        }
    }

    fn document(
        &self,
        queue: &Queue<'_>,
        document: &[u8],
        options: &Options,
        gets_lines: &dyn Fn(&Records<'_>) -> bool,
        out: &mut SplitOutput<'_>,
    ) -> Result<()> {
        let stem = sqs::write_packed(queue, document, out)?;
        let mut put_empty = |path: &str| {
            let log = out.log_in_parts(&names::queue_path(path));
            out.complete(log);
        };
        let gets_none = |kind| !gets_lines(&Records { queue: queue.encoded, kind });
        if gets_none(RecordKind::Messages) {
            put_empty(&names::packed_messages(&stem));
        }
        if options.include_sqs_side_records && gets_none(RecordKind::Side) {
            put_empty(&names::packed_side(&stem));
        }
        Ok(())
    }
}
