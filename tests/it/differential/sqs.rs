//! SQS: queues that are purged, deleted and created again, with messages of all their lives.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ekvsnap::format::{Family, adapter};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::history::{Operation, Row, history};
use super::{ask, changes, comes_back, compare, config, manner};
use crate::kit::build::be;
use crate::sqs::rows::{Msg, message_key, msg, q, queue_key, record};

/// A row, or what is in one.
#[derive(Debug, Clone)]
enum Op {
    Record(String, u64, Value),
    Generation(String, u64),
    Sequence(String, u64),
    Tombstone(String, u64),
    Message { queue: String, partition: Option<u32>, generation: u64, id: &'static str, members: Value },
    Side { family: Family, queue: String, partition: Option<u32>, numbers: Vec<u64>, id: &'static str },
}

impl Operation for Op {
    fn rows(&self) -> Vec<Row> {
        vec![match self {
            Op::Record(queue, generation, members) => {
                (queue_key(Family::SqsQueue, queue), record(*generation, members.clone()))
            }
            Op::Generation(queue, n) => (queue_key(Family::SqsGen, queue), n.to_string().into()),
            Op::Sequence(queue, n) => (queue_key(Family::SqsSeq, queue), n.to_string().into()),
            Op::Tombstone(queue, generation) => {
                (ekvsnap::format::sqs::key::tombstone_key(&q(queue), *generation), vec![1])
            }
            Op::Message { queue, partition, generation, id, members } => {
                let Value::Object(members) = members.clone() else { unreachable!() };
                let message =
                    members.into_iter().fold(msg(queue, *generation, id), |m, (name, value)| m.set(&name, value));
                let message = Msg { partition: *partition, ..message };
                (message.key(), message.value())
            }
            Op::Side { family, queue, partition, numbers, id } => {
                let id = URL_SAFE_NO_PAD.encode(id);
                let rest = match (family, partition) {
                    (Family::SqsDedup, Some(_)) => format!("{id}|{id}"),
                    _ => id,
                };
                let (generation, numbers) = numbers.split_first().unwrap();
                let rest = [be(numbers), rest.into()].concat();
                (message_key(*family, queue.as_bytes(), *partition, *generation, rest), b"\xffside".to_vec())
            }
        }]
    }
}

/// Names that are prefixes of one another, need an escape, or are those of ekvsnap's own directories.
fn queue() -> impl Strategy<Value = String> {
    let long = "n".repeat(241);
    let names =
        ["q", "qa", "qab", "p", "q.fifo", "..", "a.side", "cQ.orphan", "_orphans", "x/<&>", "b64.x", "\u{fc}\n", &long];
    prop::sample::select(names.map(str::to_owned).to_vec())
}

fn words() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "<&>\u{2028}\"\\\n\u{1}", "\u{fc}\u{1f600}", "{\"x\":1}"])
}

fn signed() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -2..4i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn unsigned() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..4u64, 1 => Just(u64::MAX), 1 => Just((1 << 53) + 1)]
}

/// An object with some of these members.
fn some_of(all: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Value> {
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let values: Vec<_> = all.into_iter().map(|(_, value)| prop::option::weighted(0.3, value)).collect();
    values.prop_map(move |values| {
        let there = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Object(there.collect::<Map<_, _>>())
    })
}

fn texts() -> BoxedStrategy<Value> {
    words().prop_map(Value::from).boxed()
}

fn integers() -> BoxedStrategy<Value> {
    signed().prop_map(Value::from).boxed()
}

fn naturals() -> BoxedStrategy<Value> {
    unsigned().prop_map(Value::from).boxed()
}

fn truths() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn queue_members() -> impl Strategy<Value = Value> {
    let rate = prop::sample::select(vec![0.0, 1.0, 0.5, 1e21, 1e-7]).prop_map(Value::from).boxed();
    let tags = prop::collection::vec((words(), words()), 0..3);
    let tags = tags.prop_map(|tags| Value::Object(tags.into_iter().map(|(n, v)| (n.to_owned(), v.into())).collect()));
    let throttle = some_of(vec![("send_capacity", rate.clone()), ("default_refill_per_second", rate)]);
    some_of(vec![
        ("name", texts()),
        ("is_fifo", truths()),
        ("content_based_dedup", truths()),
        ("incarnation", naturals()),
        ("created_at_hlc", naturals()),
        ("created_at_millis", integers()),
        ("last_modified_at_millis", integers()),
        ("last_purged_at_millis", integers()),
        ("delay_seconds", integers()),
        ("receive_message_wait_seconds", integers()),
        ("redrive_policy", texts()),
        ("partition_count", (0..5u32).prop_map(Value::from).boxed()),
        ("fifo_throughput_limit", texts()),
        ("tags", tags.boxed()),
        ("throttle", throttle.boxed()),
        ("nobody_knows", texts()),
    ])
}

fn message_members() -> impl Strategy<Value = Value> {
    let body =
        prop_oneof![words().prop_map(|text| text.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..90)];
    let token = prop::collection::vec(any::<u8>(), 0..17).prop_map(|token| STANDARD.encode(token).into());
    let attribute = words().prop_map(|text| json!({ "DataType": "String", "StringValue": text }));
    let attributes = prop::collection::btree_map(words().prop_map(str::to_owned), attribute, 0..3);
    let attributes = attributes.prop_map(|all| Value::Object(all.into_iter().collect()));
    some_of(vec![
        ("body", body.prop_map(|body| STANDARD.encode(body).into()).boxed()),
        ("md5_of_message_attributes", texts()),
        ("message_attributes", attributes.boxed()),
        ("sender_id", texts()),
        ("send_timestamp_millis", integers()),
        ("available_at_millis", integers()),
        ("visible_at_millis", integers()),
        ("receive_count", integers()),
        ("first_receive_millis", integers()),
        ("current_receipt_token", token.boxed()),
        ("queue_generation", (0..4u64).prop_map(Value::from).boxed()),
        ("message_group_id", texts()),
        ("message_deduplication_id", texts()),
        ("sequence_number", naturals()),
        ("dead_letter_source_arn", texts()),
        (
            "message_id",
            prop::sample::select(vec!["", "a", "same sixteen bytes and more", "same sixteen bytes \u{fc}"])
                .prop_map(Value::from)
                .boxed(),
        ),
    ])
}

fn partition() -> impl Strategy<Value = Option<u32>> {
    prop::option::weighted(0.3, prop_oneof![0..3u32, Just(u32::MAX)])
}

fn id() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "ab", "\u{fc}", "abc", "0123456789abcdef0123456789abcdef"])
}

/// IDs that are no prefix of another in base64: side records keep the order of raw keys in one input, of keys in several.
fn short_id() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "ab"])
}

fn side() -> impl Strategy<Value = Op> {
    let family = prop::sample::select(vec![Family::SqsVis, Family::SqsByAge, Family::SqsDedup, Family::SqsGroup]);
    (family, queue(), partition(), 0..4u64, 0..3u64, short_id()).prop_map(
        |(family, queue, partition, generation, ms, id)| {
            let timed = matches!(family, Family::SqsVis | Family::SqsByAge);
            let numbers = if timed { vec![generation, ms] } else { vec![generation] };
            Op::Side { family, queue, partition, numbers, id }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let message = (queue(), partition(), 0..4u64, id(), message_members());
    prop_oneof![
        4 => (queue(), 0..4u64, queue_members()).prop_map(|(q, n, members)| Op::Record(q, n, members)),
        3 => (queue(), 0..5u64).prop_map(|(q, n)| Op::Generation(q, n)),
        1 => (queue(), unsigned()).prop_map(|(q, n)| Op::Sequence(q, n)),
        1 => (queue(), 0..4u64).prop_map(|(q, n)| Op::Tombstone(q, n)),
        8 => message.prop_map(|(queue, partition, generation, id, members)| {
            Op::Message { queue, partition, generation, id, members }
        }),
        3 => side(),
    ]
}

proptest! {
    #![proptest_config(config(60))]
    #[test]
    fn both_decoders_agree(history in history(op(), 60), ask in ask(), manner in manner()) {
        compare(adapter::SQS, &history, ask, &manner)?;
    }
}

proptest! {
    #![proptest_config(config(60))]
    #[test]
    fn what_is_encoded_is_decoded_alike(history in history(op(), 60), manner in manner()) {
        comes_back(adapter::SQS, &history, &manner)?;
    }
}

proptest! {
    #![proptest_config(config(20))]
    #[test]
    fn lines_of_changes_lead_from_one_state_to_another(
        history in history(op(), 60), span in changes::span(), shown: bool, manner in manner(),
    ) {
        changes::lead_on(adapter::SQS, &history, span, shown, &manner)?;
    }
}
