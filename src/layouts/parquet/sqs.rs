//! SQS messages as rows: `sqs/QUEUE/part-….parquet`, in the order of sending, beside `sqs/QUEUE.queue.json` as with lines.

use super::chunk::refused;
use super::rows::Cell;
use super::schema::{Kind, Schema, column};
use super::sets::Sets;
use super::signed_moment;
use crate::adapters::sqs::{Queues, Read, Reader, name_of};
use crate::error::Result;
use crate::format::{adapter, rawjson};
use crate::layouts::sqs::{self, Entry, Place, names};
use crate::model::sqs::{Message, Queue, RecordKind, Records, SideRecord, Visitor};
use crate::options::Options;
use crate::output::json::{self, Escape};
use crate::output::split::SplitOutput;

/// Bytes of messages that are a row group.
const CHUNK: usize = 4 << 20;

pub(super) fn schema() -> Result<Schema> {
    let text = |name| column(name, Kind::Text);
    let millis = |name: &str| [column(name, Kind::Millis).or_null(), column(&format!("{name}_ms"), Kind::I64)];
    let mut columns = vec![text("message_id"), column("body", Kind::Bytes), text("md5_of_body")];
    columns.extend([text("md5_of_message_attributes"), column("message_attributes", Kind::Json).or_null()]);
    columns.push(text("sender_id").repeated());
    columns.extend(["sent", "available", "visible", "first_received"].map(millis).into_iter().flatten());
    columns.extend([column("receive_count", Kind::I64), column("queue_generation", Kind::U64)]);
    columns.extend(["message_group_id", "message_deduplication_id"].map(text));
    columns.extend([column("sequence_number", Kind::U64), text("dead_letter_source_arn").repeated()]);
    columns.extend([column("partition", Kind::U64).or_null(), column("commit_ts", Kind::U64)]);
    Schema::new(columns, 0).map_err(|error| refused(&error))
}

pub(super) fn side_schema() -> Result<Schema> {
    let columns =
        vec![column("prefix", Kind::Text).repeated(), column("key", Kind::Bytes), column("value", Kind::Bytes)];
    Schema::new(columns, 0).map_err(|error| refused(&error))
}

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
            RecordKind::Side => {
                let path = format!("{}/side", names::stale_path(&name));
                Place { path, scope: names::ORPHANS.into(), kind: "side_records" }
            }
            RecordKind::Stale(generation) => {
                let path = format!("{}/generation-{generation}", names::stale_path(&name));
                Place { path, scope: names::ORPHANS.into(), kind: "orphans" }
            }
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
        let stem = names::queue_stem(queue.name);
        let dir = out.dir("sqs")?;
        out.put(&dir, format!("{stem}.queue.json").as_bytes(), document)?;
        out.tally.scope(adapter::SQS, &stem);
        let mut sets = Sets::new(options.part_size);
        if !gets_lines(&Records { queue: queue.encoded, kind: RecordKind::Messages }) {
            let schema = schema()?;
            sets.number(&names::queue_path(&stem), || schema);
        }
        sets.finish(out)
    }

    fn chunk(&self) -> usize {
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
        let mut sets = Sets::new(options.part_size);
        let schema = if of.kind == RecordKind::Side { side_schema()? } else { schema()? };
        let set = sets.number(&place.path, || schema);
        let preserve = options.preserve_sqs_visibility;
        let mut rows_out = Rows { out, sets, set, commit_ts: 0, preserve, bytes: 0, json: Vec::new() };
        let read = reader.read(of, rows, &mut rows_out)?;
        let Rows { out, sets, bytes, .. } = rows_out;
        sets.finish(out)?;
        Ok((read, bytes))
    }
}

struct Rows<'o, 't> {
    out: &'o mut SplitOutput<'t>,
    sets: Sets,
    set: usize,
    commit_ts: u64,
    /// Whether visibility and receive counts are told.
    preserve: bool,
    bytes: u64,
    json: Vec<u8>,
}

impl Visitor for Rows<'_, '_> {
    fn committed(&mut self, commit_ts: u64) {
        self.commit_ts = commit_ts;
    }

    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        let value = message.value;
        self.json.clear();
        for (n, (name, attribute)) in value.message_attributes.iter().enumerate() {
            self.json.push(if n == 0 { b'{' } else { b',' });
            json::string(name, Escape::Plain, &mut self.json);
            self.json.push(b':');
            rawjson::compact(attribute, &mut self.json);
        }
        let attributes = if self.json.is_empty() {
            Cell::Null
        } else {
            self.json.push(b'}');
            Cell::Bytes(&self.json)
        };
        let live = |n: i64| if self.preserve { n } else { 0 };
        let [sent, sent_ms] = signed_moment(value.send_timestamp_millis);
        let [available, available_ms] = signed_moment(value.available_at_millis);
        let [visible, visible_ms] = signed_moment(live(value.visible_at_millis));
        let [first, first_ms] = signed_moment(live(value.first_receive_millis));
        let row = [
            Cell::Bytes(value.message_id.as_bytes()),
            Cell::Bytes(value.body),
            Cell::Bytes(value.md5_of_body.as_bytes()),
            Cell::Bytes(value.md5_of_message_attributes.as_bytes()),
            attributes,
            Cell::Bytes(value.sender_id.as_bytes()),
            sent,
            sent_ms,
            available,
            available_ms,
            visible,
            visible_ms,
            first,
            first_ms,
            Cell::I64(live(value.receive_count)),
            Cell::U64(value.queue_generation),
            Cell::Bytes(value.message_group_id.as_bytes()),
            Cell::Bytes(value.message_deduplication_id.as_bytes()),
            Cell::U64(value.sequence_number),
            Cell::Bytes(value.dead_letter_source_arn.as_bytes()),
            message.partition.map_or(Cell::Null, |partition| Cell::U64(partition.into())),
            Cell::U64(self.commit_ts),
        ];
        self.bytes += value.body.len() as u64;
        self.sets.push(self.set, &row, self.out)
    }

    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()> {
        let prefix = Cell::Bytes(record.family.prefix().as_bytes());
        self.bytes += record.value.len() as u64;
        self.sets.push(self.set, &[prefix, Cell::Bytes(record.key), Cell::Bytes(record.value)], self.out)
    }
}
