//! SQS queues, messages and side records (`sqs.md`, `rules.md` §2, §3, §4, §6).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::json::{Html, Json, base64url};
use super::names::{directory, fallback};
use super::{Ask, Damage, Rows, Set, Tree, of};

/// Families of side records, in their order; `queue|seq` and `queue|tombstone` have data for the decoder too.
const SIDE: [&str; 6] = [
    "!sqs|msg|byage|",
    "!sqs|msg|dedup|",
    "!sqs|msg|group|",
    "!sqs|msg|vis|",
    "!sqs|queue|seq|",
    "!sqs|queue|tombstone|",
];

/// The data of one Q.
#[derive(Default)]
struct Queue {
    record: Option<Value>,
    generation: u64,
    sequence: u64,
    messages: Vec<Message>,
    /// Lines of side records.
    side: Vec<String>,
}

struct Message {
    partition: Option<u32>,
    value: Value,
}

/// Writes everything below `sqs/`.
pub fn decode(set: &Set, ask: &Ask, tree: &mut Tree) -> Result<(), Damage> {
    let queues = gather(&set.live)?;
    for (q, queue) in &queues {
        let name = URL_SAFE_NO_PAD.decode(q).map_err(|e| format!("Q {q}: {e}"))?;
        let (live, left): (Vec<_>, Vec<_>) = queue.messages.iter().partition(|message| queue.has(message));
        if queue.record.is_some() {
            queue.files(&name, &live, ask, tree);
        } else if ask.side_records && !queue.side.is_empty() {
            let path = match ask.packed {
                true => format!("sqs/_orphans/{}.orphan/side.jsonl", directory(&name)),
                false => format!("sqs/{}/_internals/side_records.jsonl", orphan_directory(q, &queues)),
            };
            tree.insert(path.into(), queue.side.concat().into());
        }
        if ask.orphans {
            left_behind(&name, &left, ask, tree);
        }
    }
    Ok(())
}

/// The directory of side records without a queue: Q unchanged if it is short enough, unless a queue has that name.
fn orphan_directory(q: &str, queues: &BTreeMap<String, Queue>) -> String {
    let q = if q.len() > 240 { &fallback(q.as_bytes()) } else { q };
    let peers = format!("{q}.orphan");
    let same_name = queues.get(&URL_SAFE_NO_PAD.encode(&peers));
    if same_name.is_some_and(|queue| queue.record.is_some()) { format!("_orphans/{peers}") } else { peers }
}

fn left_behind(name: &[u8], left: &[&Message], ask: &Ask, tree: &mut Tree) {
    let mut by_generation: BTreeMap<u64, Vec<&Message>> = BTreeMap::new();
    for message in left {
        by_generation.entry(message.number("queue_generation")).or_default().push(message);
    }
    for (generation, messages) in by_generation {
        let path = format!("sqs/_orphans/{}.orphan/generation-{generation}.jsonl", directory(name));
        tree.insert(path.into(), lines(&messages, ask).into());
    }
}

fn gather(rows: &Rows) -> Result<BTreeMap<String, Queue>, Damage> {
    let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
    for (q, body) in of(rows, "!sqs|queue|meta|") {
        let json = body.strip_prefix(b"\0SQ\x01").ok_or("a queue without magic")?;
        let record = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        queues.entry(text(q)?).or_default().record = Some(record);
    }
    for (q, body) in of(rows, "!sqs|queue|gen|") {
        queues.entry(text(q)?).or_default().generation = decimal(body)?;
    }
    for (q, body) in of(rows, "!sqs|queue|seq|") {
        queues.entry(text(q)?).or_default().sequence = decimal(body)?;
    }
    for (rest, body) in of(rows, "!sqs|msg|data|") {
        let (q, partition) = queue_of(rest)?;
        let json = body.strip_prefix(b"\0SM\x01").ok_or("a message without magic")?;
        let value = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        queues.entry(q).or_default().messages.push(Message { partition, value });
    }
    for prefix in SIDE {
        for (rest, body) in of(rows, prefix) {
            let q = if prefix == "!sqs|queue|seq|" { text(rest)? } else { queue_of(rest)?.0 };
            let key: String = prefix.bytes().chain(rest.iter().copied()).map(|b| format!("{b:02x}")).collect();
            let line = Json::object([
                ("prefix", Json::text(prefix)),
                ("key_hex", Json::Text(key)),
                ("value_b64", Json::Text(base64url(body))),
            ]);
            queues.entry(q).or_default().side.push(line.line(Html::Plain) + "\n");
        }
    }
    Ok(queues)
}

fn text(bytes: &[u8]) -> Result<String, Damage> {
    String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string())
}

fn decimal(body: &[u8]) -> Result<u64, Damage> {
    text(body)?.trim().parse().map_err(|e| format!("{e}"))
}

/// Q and partition of a message-level key (`sqs.md` §1).
fn queue_of(rest: &[u8]) -> Result<(String, Option<u32>), Damage> {
    let is_q = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let until = |bytes: &[u8]| bytes.iter().position(|b| !is_q(b)).ok_or("a key without an end of Q");
    if let Some(rest) = rest.strip_prefix(b"p|") {
        let end = until(rest)?;
        let partition = rest.get(end + 1..end + 5).and_then(|four| four.try_into().ok()).ok_or("no partition")?;
        return Ok((text(&rest[..end])?, Some(u32::from_be_bytes(partition))));
    }
    Ok((text(&rest[..until(rest)?])?, None))
}

impl Queue {
    /// Whether a message is of the live generation: that of the record, otherwise of the row, otherwise any (`rules.md` §4).
    fn has(&self, message: &Message) -> bool {
        let Some(record) = &self.record else { return false };
        let said = [record["generation"].as_u64().unwrap_or(0), self.generation];
        let live = said.into_iter().find(|generation| *generation != 0);
        live.is_none_or(|live| live == message.number("queue_generation"))
    }

    fn files(&self, name: &[u8], live: &[&Message], ask: &Ask, tree: &mut Tree) {
        let (document, lines) = (self.document(name), lines(live, ask));
        let mut put = |path: String, body: String| tree.insert(path.into_bytes(), body.into_bytes());
        let directory = directory(name);
        if ask.packed {
            let stem = directory.strip_suffix(".side").map_or(directory.clone(), |front| format!("{front}%2Eside"));
            put(format!("sqs/{stem}.queue.json"), document);
            put(format!("sqs/{stem}.jsonl"), lines);
            if ask.side_records {
                put(format!("sqs/{stem}.side.jsonl"), self.side.concat());
            }
            return;
        }
        put(format!("sqs/{directory}/_queue.json"), document);
        if !live.is_empty() {
            put(format!("sqs/{directory}/messages.jsonl"), lines);
        }
        if ask.side_records && !self.side.is_empty() {
            put(format!("sqs/{directory}/_internals/side_records.jsonl"), self.side.concat());
        }
    }

    /// `_queue.json` (`sqs.md` §4.1, `rules.md` §3).
    fn document(&self, name: &[u8]) -> String {
        let record = self.record.as_ref().unwrap_or(&Value::Null);
        let given = string(record, "name").unwrap_or_else(|| String::from_utf8_lossy(name).into_owned());
        let mut all = vec![("format_version", Json::number(1)), ("name", Json::Text(given))];
        let truth = |member: &str| (record[member] == true).then(|| Json::Raw("true".into()));
        let always = |member: &str| Some(Json::number(record[member].as_i64().unwrap_or(0)));
        let number = |member: &str| record[member].as_i64().filter(|n| *n != 0).map(Json::number);
        let unsigned = |member: &str| record[member].as_u64().filter(|n| *n != 0).map(Json::number);
        let words = |member: &str| string(record, member).map(Json::Text);
        let members = [
            ("fifo", truth("is_fifo")),
            ("content_based_deduplication", truth("content_based_dedup")),
            ("visibility_timeout_seconds", always("visibility_timeout_seconds")),
            ("message_retention_seconds", always("message_retention_seconds")),
            ("delay_seconds", always("delay_seconds")),
            ("receive_message_wait_seconds", number("receive_message_wait_seconds")),
            ("maximum_message_size", number("maximum_message_size")),
            ("redrive_policy", words("redrive_policy")),
            ("redrive_allow_policy", words("redrive_allow_policy")),
            ("partition_count", number("partition_count")),
            ("fifo_throughput_limit", words("fifo_throughput_limit")),
            ("deduplication_scope", words("deduplication_scope")),
            ("generation", unsigned("generation")),
            ("incarnation", unsigned("incarnation")),
            ("created_at_hlc", unsigned("created_at_hlc")),
            ("created_at_millis", number("created_at_millis")),
            ("last_modified_at_millis", number("last_modified_at_millis")),
            ("last_purged_at_millis", number("last_purged_at_millis")),
            ("tags", tags(record)),
            ("throttle", throttle(record)),
            ("last_sequence_number", Some(self.sequence).filter(|n| *n != 0).map(Json::number)),
        ];
        all.extend(members.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Json::object(all).indented(Html::Escaped)
    }
}

/// A text member, if it exists and is not empty.
fn string(value: &Value, member: &str) -> Option<String> {
    value[member].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn tags(record: &Value) -> Option<Json> {
    let mut tags: Vec<_> = record["tags"].as_object()?.iter().collect();
    tags.sort_by_key(|(name, _)| *name);
    let all = tags.into_iter().map(|(name, value)| (name.clone(), Json::text(value.as_str().unwrap_or("")))).collect();
    Some(Json::Object(all)).filter(|tags| !matches!(tags, Json::Object(all) if all.is_empty()))
}

fn throttle(record: &Value) -> Option<Json> {
    let names = [
        "send_capacity",
        "send_refill_per_second",
        "recv_capacity",
        "recv_refill_per_second",
        "default_capacity",
        "default_refill_per_second",
    ];
    let rate = |name: &str| record["throttle"][name].as_f64().filter(|rate| *rate != 0.0);
    let all: Vec<_> = names.iter().filter_map(|name| Some(((*name).to_owned(), Json::score(rate(name)?)))).collect();
    (!all.is_empty()).then_some(Json::Object(all))
}

/// Messages by send time, sequence and ID (`sqs.md` §4.2).
fn lines(messages: &[&Message], ask: &Ask) -> String {
    let mut sorted = messages.to_vec();
    let order = |m: &&Message| {
        let time = m.value["send_timestamp_millis"].as_i64().unwrap_or(0);
        (time, m.number("sequence_number"), string(&m.value, "message_id").unwrap_or_default())
    };
    sorted.sort_by_key(order);
    sorted.iter().map(|message| message.line(ask)).collect()
}

impl Message {
    fn number(&self, member: &str) -> u64 {
        self.value[member].as_u64().unwrap_or(0)
    }

    fn line(&self, ask: &Ask) -> String {
        let value = &self.value;
        let body = STANDARD.decode(value["body"].as_str().unwrap_or("")).unwrap();
        let words = |member: &str| string(value, member).map(|text| Json::Text(text).line(Html::Plain));
        let signed = |member: &str| value[member].as_i64().unwrap_or(0);
        let preserved = |n: i64| Some(if ask.preserve_visibility { n } else { 0 }.to_string());
        let shown = |member: &'static str| Some(member).filter(|_| ask.preserve_visibility);
        let all = [
            ("message_id", Some(Json::Text(string(value, "message_id").unwrap_or_default()).line(Html::Plain))),
            ("body", Some(Json::bytes(&body).line(Html::Escaped))),
            ("md5_of_body", words("md5_of_body")),
            ("md5_of_message_attributes", words("md5_of_message_attributes")),
            ("message_attributes", attributes(value)),
            ("sender_id", words("sender_id")),
            ("send_timestamp_millis", Some(signed("send_timestamp_millis").to_string())),
            ("available_at_millis", Some(signed("available_at_millis").to_string())),
            ("visible_at_millis", preserved(signed("visible_at_millis"))),
            ("receive_count", preserved(signed("receive_count"))),
            (
                "first_receive_millis",
                shown("first_receive_millis").map(signed).filter(|n| *n != 0).map(|n| n.to_string()),
            ),
            ("current_receipt_token", shown("current_receipt_token").and_then(words)),
            ("queue_generation", Some(self.number("queue_generation").to_string())),
            ("message_group_id", words("message_group_id")),
            ("message_deduplication_id", words("message_deduplication_id")),
            ("sequence_number", Some(self.number("sequence_number")).filter(|n| *n != 0).map(|n| n.to_string())),
            ("dead_letter_source_arn", words("dead_letter_source_arn")),
            ("partition", self.partition.map(|n| n.to_string())),
        ];
        let members = all.into_iter().filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)));
        format!("{{{}}}\n", members.collect::<Vec<_>>().join(","))
    }
}

/// Attributes by name, each as stored; the test stores them without white space, members in order.
fn attributes(value: &Value) -> Option<String> {
    let mut all: Vec<_> = value["message_attributes"].as_object().filter(|all| !all.is_empty())?.iter().collect();
    all.sort_by_key(|(name, _)| *name);
    let one = |(name, value): (&String, &Value)| format!("{}:{value}", Json::text(name).line(Html::Plain));
    Some(format!("{{{}}}", all.into_iter().map(one).collect::<Vec<_>>().join(",")))
}
