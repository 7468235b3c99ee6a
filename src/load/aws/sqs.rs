//! SQS: queues are created with their attributes and tags, and messages are sent in batches of 10. Batches of standard queues are sent in
//! parallel (`flight.rs`); those of a FIFO queue one after the other, because its messages have an order.
//!
//! Messages get new IDs, send times and sequence numbers, and none is in flight. The rest of a delay is kept. A FIFO message without a
//! deduplication ID gets its message ID, never a hash of its body: equal bodies would be lost. If a whole batch is refused, its messages
//! are sent one by one.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::flight::Flight;
use super::run::Target;
use super::sqs_batch::{Held, Sent, call, send};
use super::{Answer, Service};
use crate::error::{Remedy, Result};
use crate::format::sqs::key::queue_name;
use crate::format::sqs::{self, Queue as Record};
use crate::load::course::Course;
use crate::load::pass::passes_over;
use crate::load::{Input, Options, Outcome};
use crate::model::sqs::{Message, Queue, QueueVisitor, RecordKind, Records, SideRecord, Visitor};

/// Maximum number of messages in a batch, and of the bytes of their bodies and attributes.
const MOST_MESSAGES: usize = 10;
const MOST_BYTES: usize = 256 << 10;
/// Attributes of a queue with the number of messages that are visible, in flight, and delayed.
const COUNTS: [&str; 3] =
    ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"];
/// The longest delay, in seconds.
const MOST_DELAY: i64 = 900;

/// Creates all queues of the inputs, and sends their messages.
pub(in crate::load) fn load(input: &Input, url: &str, options: &Options, course: Course<'_>) -> Result<Outcome> {
    let service = Service::of(url, "sqs", options.connections)?;
    std::thread::scope(|scope| {
        let mut queues = Queues {
            service: &service,
            flight: Flight::new(scope, &service, service.connections),
            course,
            dry_run: options.dry_run,
            merges: options.merges(),
            known: BTreeMap::new(),
            name: Vec::new(),
            are_messages: false,
            batch: Vec::new(),
            bytes: 0,
        };
        queues.read(input, options)?;
        queues.redrive()?;
        queues.course.finish()
    })
}

struct Queues<'c> {
    service: &'c Service,
    flight: Flight<Sent>,
    course: Course<'c>,
    dry_run: bool,
    /// Whether queues may have messages already.
    merges: bool,
    known: BTreeMap<Vec<u8>, Known>,
    /// The queue of the current messages.
    name: Vec<u8>,
    are_messages: bool,
    batch: Vec<Held>,
    bytes: usize,
}

/// A queue of the inputs.
#[derive(Default)]
struct Known {
    /// Its URL in the service; `None`: the service refuses it.
    url: Option<String>,
    is_fifo: bool,
    /// The target of failed messages: set when all queues exist.
    redrive: String,
}

impl Queues<'_> {
    fn call(&self, operation: &str, body: &Value) -> Result<Answer> {
        call(self.service, operation, body)
    }

    fn create(&mut self, queue: &Queue<'_>) -> Result<Option<String>> {
        let name = String::from_utf8_lossy(queue.name);
        if !self.merges {
            self.refuse_full(&name)?;
        }
        let tags: Map<String, Value> =
            queue.record.tags.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let mut body = json!({ "QueueName": name, "Attributes": attributes(queue.record) });
        if !tags.is_empty() {
            body["tags"] = tags.into();
        }
        let mut answer = self.call("CreateQueue", &body)?;
        if answer.code().ends_with("QueueNameExists") || answer.code().ends_with("QueueAlreadyExists") {
            self.course.changed(&[queue.name], "it exists already, and keeps its attributes");
            answer = self.call("GetQueueUrl", &json!({ "QueueName": name }))?;
        }
        if answer.is_fine() {
            return Ok(member(&answer, "QueueUrl"));
        }
        if matches!(answer.status, 403) {
            return Err(self.service.refused(&format!("create the queue {name}"), &answer));
        }
        self.course.left_out(&[queue.name], answer.words());
        Ok(None)
    }

    /// Refuses to add messages to a queue that has some.
    fn refuse_full(&self, name: &str) -> Result<()> {
        let found = self.call("GetQueueUrl", &json!({ "QueueName": name }))?;
        if found.is_rejection() {
            // There is no such queue.
            return Ok(());
        }
        let Some(url) = member(&found, "QueueUrl").filter(|_| found.is_fine()) else {
            return Err(self.service.refused(&format!("look for the queue {name}"), &found));
        };
        let asked = json!({ "QueueUrl": url, "AttributeNames": COUNTS });
        let answer = self.call("GetQueueAttributes", &asked)?;
        let told = self.service.json(&format!("ask for the attributes of the queue {name}"), &answer)?;
        let counts = COUNTS.map(|attribute| told["Attributes"][attribute].as_str()?.parse::<u64>().ok());
        let why = match counts.iter().flatten().sum::<u64>() {
            0 if !counts.contains(&None) => return Ok(()),
            0 => format!("it does not report how many messages the queue {name} has, which may not be empty"),
            some => format!("the queue {name} is not empty (messages: {some})"),
        };
        Err(self.service.failed(&why).with_remedy(Remedy::Merge))
    }

    /// Sets the target of failed messages for each queue: the queue of the same name in this service.
    fn redrive(&mut self) -> Result<()> {
        for (name, known) in &self.known {
            let Some(url) = known.url.as_ref().filter(|_| !known.redrive.is_empty()) else { continue };
            let mut policy: Value = serde_json::from_str(&known.redrive).unwrap_or_default();
            let dead =
                policy["deadLetterTargetArn"].as_str().and_then(|arn| arn.rsplit(':').next()).unwrap_or_default();
            let there = self.known.get(dead.as_bytes()).and_then(|dead| dead.url.as_ref());
            let arn = match there {
                Some(url) => {
                    let asked = json!({ "QueueUrl": url, "AttributeNames": ["QueueArn"] });
                    let answer = self.call("GetQueueAttributes", &asked)?;
                    let told = self.service.json("ask for the ARN of a queue", &answer)?;
                    told["Attributes"]["QueueArn"].as_str().map(str::to_owned)
                }
                None => None,
            };
            if let Some(arn) = arn {
                policy["deadLetterTargetArn"] = arn.into();
            }
            let set = json!({ "QueueUrl": url, "Attributes": { "RedrivePolicy": policy.to_string() } });
            let answer = self.call("SetQueueAttributes", &set)?;
            if !answer.is_fine() {
                self.course.changed(&[name], format!("its redrive policy is not set: {}", answer.words()));
            }
        }
        Ok(())
    }

    /// The entry of a message in a batch.
    fn entry(&mut self, value: &sqs::Message<'_>, is_fifo: bool) -> std::result::Result<Map<String, Value>, String> {
        let body = std::str::from_utf8(value.body).map_err(|_| "its body is not text".to_owned())?;
        let mut entry = Map::new();
        entry.insert("MessageBody".into(), body.into());
        let mut attributes = Map::new();
        for (name, stored) in value.message_attributes {
            let parsed = serde_json::from_slice::<&RawValue>(stored).and_then(|raw| serde_json::from_str(raw.get()));
            attributes.insert((*name).to_owned(), parsed.map_err(|e| format!("its attribute {name}: {e}"))?);
        }
        if !attributes.is_empty() {
            entry.insert("MessageAttributes".into(), attributes.into());
        }
        if is_fifo {
            let dedup = Some(value.message_deduplication_id).filter(|id| !id.is_empty()).unwrap_or(value.message_id);
            entry.insert("MessageGroupId".into(), value.message_group_id.into());
            entry.insert("MessageDeduplicationId".into(), dedup.into());
        } else {
            let left = value.available_at_millis.saturating_sub(self.course.now_ms.cast_signed());
            let seconds = left.max(0).div_euclid(1000) + i64::from(left.max(0) % 1000 > 0);
            if seconds > MOST_DELAY {
                let name = self.name.clone();
                let how = format!("its delay has {seconds} seconds left, and 900 are the maximum");
                self.course.changed(&[&name, value.message_id.as_bytes()], how);
            }
            entry.insert("DelaySeconds".into(), seconds.min(MOST_DELAY).into());
        }
        Ok(entry)
    }
}

impl<'c> Target<'c, Sent> for Queues<'c> {
    fn course(&mut self) -> &mut Course<'c> {
        &mut self.course
    }

    fn flight(&mut self) -> &mut Flight<Sent> {
        &mut self.flight
    }

    fn take(&mut self, sent: Sent) {
        sent.changed.into_iter().for_each(|(name, how)| self.course.changed_named(&name, how));
        sent.left_out.into_iter().for_each(|(name, why)| self.course.left_out_named(&name, why));
        self.course.stored("messages", sent.messages, &sent.last);
    }

    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        if self.dry_run {
            self.course.loaded_all("messages", batch.len() as u64);
            return Ok(());
        }
        let Some(known) = self.known.get(&self.name) else { return Ok(()) };
        let (Some(url), is_fifo) = (known.url.clone(), known.is_fifo) else { return Ok(()) };
        self.begin_request(move |service| send(service, &url, batch))?;
        if is_fifo { self.take_all() } else { Ok(()) }
    }
}

fn member(answer: &Answer, name: &str) -> Option<String> {
    let told: Value = serde_json::from_str(&answer.text).ok()?;
    told[name].as_str().map(str::to_owned)
}

/// The attributes of a queue, except for its redrive policy.
fn attributes(record: &Record<'_>) -> Value {
    let mut all = json!({
        "VisibilityTimeout": record.visibility_timeout_seconds.to_string(),
        "MessageRetentionPeriod": record.message_retention_seconds.to_string(),
        "DelaySeconds": record.delay_seconds.to_string(),
        "ReceiveMessageWaitTimeSeconds": record.receive_message_wait_seconds.to_string(),
    });
    if record.maximum_message_size > 0 {
        all["MaximumMessageSize"] = record.maximum_message_size.to_string().into();
    }
    if record.is_fifo {
        all["FifoQueue"] = "true".into();
        all["ContentBasedDeduplication"] = record.content_based_dedup.to_string().into();
        for (name, value) in
            [("DeduplicationScope", record.deduplication_scope), ("FifoThroughputLimit", record.fifo_throughput_limit)]
        {
            if !value.is_empty() {
                all[name] = value.into();
            }
        }
    }
    if !record.redrive_allow_policy.is_empty() {
        all["RedriveAllowPolicy"] = record.redrive_allow_policy.into();
    }
    all
}

impl Visitor for Queues<'_> {
    fn message(&mut self, message: &Message<'_>) -> Result<()> {
        if !self.are_messages {
            return Ok(());
        }
        let value = &self.course.shift.message(message.value);
        let name = self.name.clone();
        let parts = [&name[..], value.message_id.as_bytes()];
        if !self.course.takes("messages", &parts) {
            return Ok(());
        }
        let is_fifo = self.known.get(&name).is_some_and(|known| known.is_fifo);
        if !self.dry_run && self.known.get(&name).is_none_or(|known| known.url.is_none()) {
            self.course.left_out(&parts, "its queue was not taken");
            return Ok(());
        }
        let entry = match self.entry(value, is_fifo) {
            Ok(entry) => entry,
            Err(why) => {
                self.course.left_out(&parts, why);
                return Ok(());
            }
        };
        let attributes: usize = value.message_attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = value.body.len() + attributes;
        if self.batch.len() >= MOST_MESSAGES || self.bytes + bytes > MOST_BYTES {
            self.flush()?;
        }
        self.bytes += bytes;
        self.course.sends(bytes);
        let (name, md5) = (self.course.name(&parts), value.md5_of_body.to_owned());
        self.batch.push(Held { name, md5, entry });
        Ok(())
    }

    fn side_record(&mut self, _: &SideRecord<'_>) -> Result<()> {
        Ok(())
    }
}

impl QueueVisitor for Queues<'_> {
    fn queue(&mut self, queue: &Queue<'_>) -> Result<()> {
        self.course.meets_scope();
        let url = if self.dry_run { None } else { self.create(queue)? };
        if queue.record.partition_count > 1 {
            self.course.changed(&[queue.name], "it has partitions, which the service manages itself");
        }
        let is_there = self.dry_run || url.is_some();
        let redrive = queue.record.redrive_policy.to_owned();
        self.known.insert(queue.name.to_vec(), Known { url, is_fifo: queue.record.is_fifo, redrive });
        if is_there {
            self.course.loaded("queues");
        }
        Ok(())
    }

    fn records(&mut self, of: &Records<'_>) -> Result<()> {
        self.flush()?;
        self.are_messages = of.kind == RecordKind::Messages;
        self.name = queue_name(of.queue).unwrap_or_default();
        Ok(())
    }

    fn generation(&mut self, _: &[u8], _: u64) -> Result<()> {
        Ok(())
    }
}

passes_over!(['c] Queues<'c>: redis, dynamodb, s3, fs, added);
