//! SQS messages as rows.

use super::{Cell, Columns, Kind, Rendered, Sink, column, signed_moment};
use crate::error::Result;
use crate::layouts::sqs::render;
use crate::model::sqs::{Message, RecordKind, SideRecord, Visitor};
use crate::output::out::Counted;
use crate::output::split::SpillWriter;

/// Attributes of this size are not kept in memory as JSON.
const LARGE: usize = 512 << 10;

/// The columns of messages.
pub fn columns() -> Columns {
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
    Columns::new(columns, 0)
}

/// The columns of bookkeeping rows.
pub fn side_columns() -> Columns {
    let columns =
        vec![column("prefix", Kind::Text).repeated(), column("key", Kind::Bytes), column("value", Kind::Bytes)];
    Columns::new(columns, 0)
}

/// The columns of records.
pub fn columns_of(kind: RecordKind) -> Columns {
    if kind == RecordKind::Side { side_columns() } else { columns() }
}

/// Makes rows of records of one kind.
pub struct Rows<S> {
    /// The receiver of the rows.
    to: S,
    set: usize,
    commit_ts: u64,
    /// Whether visibility and receive counts are included.
    preserve: bool,
    bytes: u64,
    json: Vec<u8>,
}

impl<S: Sink> Rows<S> {
    /// Passes rows to a data set of a sink; with `preserve`, visibility and receive counts too.
    pub fn new(to: S, set: usize, preserve: bool) -> Self {
        Rows { to, set, commit_ts: 0, preserve, bytes: 0, json: Vec::new() }
    }

    /// Switches to another data set.
    pub fn go_to(&mut self, set: usize) {
        self.set = set;
    }

    /// The sink, and the bytes of bodies and values.
    pub fn into_parts(self) -> (S, u64) {
        (self.to, self.bytes)
    }
}

impl<S: Sink> Visitor for Rows<S> {
    fn committed(&mut self, commit_ts: u64) {
        self.commit_ts = commit_ts;
    }

    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        let value = message.value;
        self.json.clear();
        let attributes = Attributes(value.message_attributes);
        let attributes = match attributes.stored() {
            0 => Cell::Null,
            LARGE.. => Cell::Rendered(&attributes),
            _ => {
                render::attributes(attributes.0, &mut self.json);
                Cell::Bytes(&self.json)
            }
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
        self.to.push(self.set, &row)
    }

    fn side_record(&mut self, record: &SideRecord<'_>) -> Result<()> {
        let prefix = Cell::Bytes(record.family.prefix().as_bytes());
        self.bytes += record.value.len() as u64;
        self.to.push(self.set, &[prefix, Cell::Bytes(record.key), Cell::Bytes(record.value)])
    }
}

/// Attributes of a message as JSON that is not kept in memory.
struct Attributes<'m>(&'m [(&'m str, &'m [u8])]);

impl Attributes<'_> {
    /// Their bytes as stored.
    fn stored(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

impl Rendered for Attributes<'_> {
    fn len(&self) -> u64 {
        let mut counted = Counted::default();
        render::attributes(self.0, &mut counted);
        counted.bytes()
    }

    fn write(&self, to: &mut SpillWriter<'_>) {
        render::attributes(self.0, to);
    }

    fn append(&self, to: &mut Vec<u8>) {
        render::attributes(self.0, to);
    }
}
