//! SQS as a tree (`docs/format/sqs.md` §4).
//!
//! | path below `sqs/` | content | when |
//! |---|---|---|
//! | `QUEUE/_queue.json` | attributes | always |
//! | `QUEUE/messages.jsonl` | live messages | if there are any |
//! | `QUEUE/_internals/side_records.jsonl` | bookkeeping rows of all generations | `Options::include_sqs_side_records` |
//! | `Q.orphan/_internals/side_records.jsonl` | the same, for a queue without its record | the same |
//! | `_generations~.jsonl` | generations that are not in any record | `Options::for_restore`, if there are any |
//! | `_orphans/QUEUE.orphan/generation-N.jsonl` | messages that are not live, as in `messages.jsonl` | `Options::include_orphans` |
//!
//! `QUEUE` is the encoded name, `Q` its base64url. A queue may be named `_orphans`: its own files are next to the directories there, which
//! all end in `.orphan`. If a queue has the name `Q.orphan` of another one, side records of the latter go to
//! `_orphans/Q.orphan/_internals`.

use crate::adapters::sqs::{Queues, name_of};
use crate::error::Result;
use crate::format::adapter;
use crate::format::sqs::key;
use crate::layouts::sqs::paths::{DOCUMENT, MESSAGES, SIDE};
use crate::layouts::sqs::{self, Place, names};
use crate::model::sqs::{Queue, RecordKind, Records};
use crate::options::Options;
use crate::output::split::SplitOutput;

/// The paths of a tree.
pub(crate) struct Paths;

impl sqs::Paths for Paths {
    fn lines(&self, queues: &Queues<'_>, of: &Records<'_>) -> Place {
        let name = name_of(of.queue);
        match of.kind {
            RecordKind::Messages => {
                let scope = names::queue_directory(&name);
                Place { path: format!("{}/{MESSAGES}", names::queue_path(&scope)), scope, kind: "messages" }
            }
            RecordKind::Stale(generation) => sqs::stale(&name, generation),
            RecordKind::Side => side(queues, of.queue, &name),
        }
    }

    fn document(
        &self,
        queue: &Queue<'_>,
        document: &[u8],
        _: &Options,
        _: &dyn Fn(&Records<'_>) -> bool,
        out: &mut SplitOutput<'_>,
    ) -> Result<()> {
        let directory = names::queue_directory(queue.name);
        let dir = out.tree().make_dir(names::queue_path(&directory).as_bytes())?;
        out.put(&dir, DOCUMENT.as_bytes(), document)?;
        out.tally.scope(adapter::SQS, &directory);
        Ok(())
    }
}

fn side(queues: &Queues<'_>, queue: &[u8], name: &[u8]) -> Place {
    let (directory, scope) = if queues.has_record(queue) {
        let directory = names::queue_directory(name);
        (directory.clone(), directory)
    } else {
        (orphan_directory(queues, queue), names::ORPHANS.into())
    };
    let path = format!("{}/{SIDE}", names::queue_path(&directory));
    Place { path, scope, kind: "side_records" }
}

/// Directory of the side records of a queue without its record: the public decoder's, unless a queue has that name.
fn orphan_directory(queues: &Queues<'_>, queue: &[u8]) -> String {
    let directory = names::orphan_directory(queue);
    let taken = queues.has_record(&key::encode_queue(directory.as_bytes()));
    if taken { format!("{}/{directory}", names::ORPHANS) } else { directory }
}
