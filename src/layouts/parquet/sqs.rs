//! SQS messages as rows: `sqs/QUEUE/part-….parquet`, in the order of sending, with `sqs/QUEUE.queue.json` as in the packed layout.

use super::sets::To;
use crate::adapters::sqs::{Queues, Read, Reader, name_of};
use crate::error::Result;
use crate::index::Granularity;
use crate::layouts::rows::Sink as _;
use crate::layouts::rows::sqs::{Rows, columns, columns_of};
use crate::layouts::sqs::{self, Entry, Place, names};
use crate::model::sqs::{Queue, RecordKind, Records};
use crate::options::Options;
use crate::output::split::SplitOutput;

/// Bytes of messages in a row group.
const CHUNK: usize = 4 << 20;

/// The paths of data sets.
pub(crate) struct Paths;

impl sqs::Paths for Paths {
    fn lines(&self, queues: &Queues<'_>, of: &Records<'_>) -> Place {
        let name = name_of(of.queue);
        let stem = names::queue_stem(&name);
        match of.kind {
            RecordKind::Messages => Place { path: names::queue_path(&stem), scope: stem, kind: "messages" },
            RecordKind::Side if queues.has_record(of.queue) => {
                Place { path: format!("{}/side", names::queue_path(&stem)), scope: stem, kind: "side_records" }
            }
            RecordKind::Side => sqs::aside(&name, "side", "side_records"),
            RecordKind::Stale(generation) => sqs::aside(&name, &format!("generation-{generation}"), "orphans"),
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
        let mut to = To::new(out, options.parquet_size());
        if !gets_lines(&Records { queue: queue.encoded, kind: RecordKind::Messages }) {
            to.set(&names::queue_path(&stem), columns)?;
        }
        to.finish().map(drop)
    }

    /// Independent of the granularity: chunks are visible as row groups.
    fn chunk(&self, _: Granularity) -> usize {
        CHUNK
    }

    fn write<'a>(
        &self,
        reader: &Reader<'_, 'a>,
        of: &Records<'a>,
        rows: &[Entry],
        place: &Place,
        options: &Options,
        out: &mut SplitOutput<'_>,
    ) -> Result<(Read, u64)> {
        let mut to = To::new(out, options.parquet_size());
        let set = to.set(&place.path, || columns_of(of.kind))?;
        let mut rows_out = Rows::new(to, set, options.preserve_sqs_visibility);
        let read = reader.read(of, rows, &mut rows_out)?;
        let (to, bytes) = rows_out.into_parts();
        to.finish()?;
        Ok((read, bytes))
    }
}
