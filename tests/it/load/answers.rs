//! Answers of DynamoDB and SQS that moto does not give.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::aws::run;
use super::aws_server::{Asked, Server, fails, load, summary};
use crate::kit::build::Snapshot;
use crate::kit::command::{code, ekvsnap, stderr};
use crate::kit::fixtures::{load as fixture, snapshots};

/// Creates queues; the test chooses the answers to batches.
fn queues(mut batch: impl FnMut(&[Value]) -> String + Send + 'static) -> Server {
    Server::start(move |asked| {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        match asked.operation.as_str() {
            "GetQueueUrl" => (400, None, json!({ "__type": "x#QueueDoesNotExist" }).to_string()),
            "SendMessageBatch" => (200, None, batch(body["Entries"].as_array().unwrap())),
            _ => (200, None, json!({ "QueueUrl": "u", "Attributes": {} }).to_string()),
        }
    })
}

fn sent(entries: &[Value]) -> Vec<Value> {
    entries.iter().map(|entry| json!({ "Id": entry["Id"] })).collect()
}

/// A message that is missing in an answer was not sent, whatever the status of the answer.
#[test]
fn messages_that_an_answer_does_not_tell_of() {
    for (answer, words) in [
        ("{}", "does not have the result of every message"),
        (r#"{"Successful":[{"Id":"99"}]}"#, "has a message that was not sent"),
        ("<html>fine</html>", "send messages"),
        ("", "send messages"),
    ] {
        let server = queues(move |_| answer.to_owned());
        fails(&load("sqs-small", "sqs", &server, &[]), words);
    }
}

/// What a busy service does not take is sent again, until all of it is there once.
#[test]
fn messages_that_the_service_takes_later() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let bodies = Arc::clone(&taken);
    let mut calls = 0;
    let server = queues(move |entries| {
        calls += 1;
        let some = if calls % 3 == 1 { entries.len() / 2 } else { entries.len() };
        bodies.lock().unwrap().extend(entries[..some].iter().map(|entry| entry["MessageBody"].to_string()));
        let later: Vec<Value> = entries[some..]
            .iter()
            .map(|entry| json!({ "Id": entry["Id"], "SenderFault": false, "Code": "Busy", "Message": "later" }))
            .collect();
        json!({ "Successful": sent(&entries[..some]), "Failed": later }).to_string()
    });
    let out = load("sqs-small", "sqs", &server, &[]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    let told = summary(&out);
    assert_eq!(told["left_out"], 0, "{told}");
    assert_eq!(told["objects"]["messages"], taken.lock().unwrap().len(), "{told}");
}

/// A message that the service always rejects without a reason ends the run: it is not skipped.
#[test]
fn a_message_that_is_never_taken() {
    let server = queues(|entries| {
        let line = |entry: &Value| json!({ "Id": entry["Id"], "SenderFault": false, "Code": "Busy", "Message": "no" });
        json!({ "Successful": sent(&entries[1..]), "Failed": [line(&entries[0])] }).to_string()
    });
    fails(&load("sqs-small", "sqs", &server, &[]), "it did not accept sqs:");
}

/// Messages in flight and delayed are messages.
#[test]
fn a_queue_whose_messages_are_hidden_is_not_empty() {
    let server = Server::start(|asked| match asked.operation.as_str() {
        "GetQueueAttributes" => {
            let counts = json!({ "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "2" });
            (200, None, json!({ "Attributes": counts }).to_string())
        }
        _ => (200, None, json!({ "QueueUrl": "u" }).to_string()),
    });
    fails(&load("sqs-small", "sqs", &server, &[]), "is not empty (messages: 2) (--merge loads");
}

/// A queue is empty only if the service says so.
#[test]
fn queues_that_may_have_messages() {
    let url = json!({ "QueueUrl": "u" });
    for (status, found, words) in [
        (400, json!({ "__type": "x#QueueDoesNotExist" }), None),
        (400, json!({ "__type": "x#AWS.SimpleQueueService.NonExistentQueue" }), None),
        (403, json!({ "__type": "x#AccessDenied" }), Some("look for the queue")),
        (200, json!({}), Some("look for the queue")),
        (200, url, Some("does not report how many messages the queue")),
    ] {
        let server = Server::start(move |asked| match asked.operation.as_str() {
            "GetQueueUrl" => (status, None, found.to_string()),
            "SendMessageBatch" => {
                let body: Value = serde_json::from_str(&asked.body).unwrap();
                (200, None, json!({ "Successful": sent(body["Entries"].as_array().unwrap()) }).to_string())
            }
            "GetQueueAttributes" => {
                let counts = json!({ "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0" });
                (200, None, json!({ "Attributes": counts }).to_string())
            }
            _ => (200, None, json!({ "QueueUrl": "u" }).to_string()),
        });
        let out = load("sqs-small", "sqs", &server, &[]);
        match words {
            Some(words) => fails(&out, words),
            None => assert_eq!(code(&out), 0, "{}", stderr(&out)),
        }
    }
}

#[test]
fn an_answer_of_dynamodb_that_is_no_json() {
    let server = Server::start(|asked| match asked.operation.as_str() {
        "BatchWriteItem" => (200, None, "<html>fine</html>".to_owned()),
        "DescribeTable" => (200, None, json!({ "Table": { "TableStatus": "ACTIVE" } }).to_string()),
        _ => (200, None, "{}".to_owned()),
    });
    fails(&load("dynamodb-small", "dynamodb", &server, &[]), "write to the table");
}

/// Batches are written at the same time, and the first is the slowest. If a later one fails, the run reports the last item before which all
/// are written, and a run that continues after it leaves none out.
#[test]
fn what_is_written_out_of_order_is_resumed() {
    let written = Arc::new(Mutex::new(BTreeSet::new()));
    let mut batches = 0;
    let tables = |refused: u32, written: Arc<Mutex<BTreeSet<String>>>| {
        let mut batch = 0;
        move |asked: &Asked| match asked.operation.as_str() {
            "BatchWriteItem" => {
                batch += 1;
                if batch == refused {
                    return (400, None, json!({ "__type": "x#AccessDeniedException" }).to_string());
                }
                let body: Value = serde_json::from_str(&asked.body).unwrap();
                for (table, items) in body["RequestItems"].as_object().unwrap() {
                    let items = items.as_array().unwrap().iter().map(|item| format!("{table}: {item}"));
                    written.lock().unwrap().extend(items);
                }
                (200, None, "{}".to_owned())
            }
            "DescribeTable" => (200, None, json!({ "Table": { "TableStatus": "ACTIVE" } }).to_string()),
            _ => (200, None, "{}".to_owned()),
        }
    };
    let server = Server::late(tables(6, Arc::clone(&written)), move |asked| {
        batches += u64::from(asked.operation == "BatchWriteItem");
        if batches == 1 { 300 } else { 0 }
    });
    let broken = load("dynamodb-nasty", "dynamodb", &server, &[]);
    fails(&broken, "AccessDenied");
    let told = stderr(&broken);
    let hint = told.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap();
    let position = hint.split("--start-after ").nth(1).unwrap().trim_matches('\'');
    let all = Arc::new(Mutex::new(BTreeSet::new()));
    let other = Server::start(tables(0, Arc::clone(&all)));
    assert_eq!(code(&load("dynamodb-nasty", "dynamodb", &other, &[])), 0);
    let before = written.lock().unwrap().len();
    assert!(before > 0 && before < all.lock().unwrap().len());
    let rest = Server::start(tables(0, Arc::clone(&written)));
    let resumed = load("dynamodb-nasty", "dynamodb", &rest, &["--start-after", position]);
    assert_eq!(code(&resumed), 0, "{}", stderr(&resumed));
    assert!(summary(&resumed)["passed_over"].as_u64() > Some(0));
    assert_eq!(*written.lock().unwrap(), *all.lock().unwrap());
}

/// The messages of a FIFO queue have an order: no batch is sent before the one in front of it was answered.
#[test]
fn batches_of_a_fifo_queue_come_one_by_one() {
    const LATE: u64 = 60;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.fsm"), &snapshots(&fixture("sqs-small"))[0]).unwrap();
    assert_eq!(code(&ekvsnap(dir.path(), &["decode", "x.fsm", "-o", "out", "--layout", "jsonl"])), 0);
    many_messages(&dir.path().join("out"), "sqs/fifo.fifo.jsonl", 35);
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&arrived);
    let server = Server::late(
        move |asked| {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            match asked.operation.as_str() {
                "GetQueueUrl" => (400, None, json!({ "__type": "x#QueueDoesNotExist" }).to_string()),
                "SendMessageBatch" => {
                    let entries = body["Entries"].as_array().unwrap();
                    if body["QueueUrl"] == "fifo.fifo" {
                        seen.lock().unwrap().push((Instant::now(), entries.len()));
                    }
                    (200, None, json!({ "Successful": sent(entries) }).to_string())
                }
                _ => (200, None, json!({ "QueueUrl": body["QueueName"], "Attributes": {} }).to_string()),
            }
        },
        |asked| if asked.operation == "SendMessageBatch" { LATE } else { 0 },
    );
    let target = format!("sqs://127.0.0.1:{}", server.port);
    let out = run(dir.path(), &["load", "out", "--to", &target]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    let arrived = arrived.lock().unwrap();
    assert!(arrived.len() >= 4, "{arrived:?}");
    let apart = arrived.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0));
    assert!(apart.min() >= Some(Duration::from_millis(LATE)), "{arrived:?}");
}

/// Appends copies of the first message of a file, each with its own ID.
fn many_messages(output: &Path, file: &str, copies: usize) {
    let text = std::fs::read_to_string(output.join(file)).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let copy = |n: usize| {
        let id = format!("{n:032x}");
        text.lines().next().unwrap().replace(first["message_id"].as_str().unwrap(), &id) + "\n"
    };
    let longer = text.clone() + &(0..copies).map(copy).collect::<String>();
    let digest = |text: &str| ekvsnap::format::hex::text(&Sha256::digest(text));
    let sums = std::fs::read_to_string(output.join("CHECKSUMS")).unwrap();
    assert!(sums.contains(&digest(&text)));
    std::fs::write(output.join("CHECKSUMS"), sums.replace(&digest(&text), &digest(&longer))).unwrap();
    std::fs::write(output.join(file), longer).unwrap();
}

/// An index that is still made cannot be written to.
#[test]
fn a_table_is_ready_when_its_indexes_are() {
    let mut calls = 0;
    let server = Server::start(move |asked| match asked.operation.as_str() {
        "DescribeTable" => {
            calls += 1;
            let status = if calls % 2 == 1 { "CREATING" } else { "ACTIVE" };
            let indexes = json!([{ "IndexStatus": status }]);
            let table = json!({ "TableStatus": "ACTIVE", "GlobalSecondaryIndexes": indexes });
            (200, None, json!({ "Table": table }).to_string())
        }
        _ => (200, None, "{}".to_owned()),
    });
    let out = load("dynamodb-small", "dynamodb", &server, &[]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    let asked = server.asked();
    let count = |operation: &str| asked.iter().filter(|name| *name == operation).count();
    assert_eq!(count("DescribeTable"), 2 * count("CreateTable"), "{asked:?}");
}

#[test]
fn secrets_of_an_address_are_not_printed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy("testdata/redis-small.fsm", dir.path().join("x.fsm")).unwrap();
    let out = run(dir.path(), &["load", "x.fsm", "--to", "s3://id:verysecret@host"]);
    assert_eq!((code(&out), stderr(&out).contains("verysecret")), (64, false), "{}", stderr(&out));
}

/// As in a decode: flags that took nothing are named, and nothing is written when nothing is left.
#[test]
fn flags_that_take_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy("testdata/redis-small.fsm", dir.path().join("x.fsm")).unwrap();
    let load = |more: &[&str]| ekvsnap(dir.path(), &[&["load", "x.fsm", "--to", "x.rdb"], more].concat());
    fails(&load(&["--scope", "redis:nobody*"]), "nothing matches scope redis:nobody*");
    assert!(!dir.path().join("x.rdb").exists());
    let some = load(&["--type", "hash", "--scope", "redis:*", "--exclude", "redis:nobody"]);
    assert_eq!(code(&some), 0, "{}", stderr(&some));
    assert!(stderr(&some).contains("asked=\"exclude redis:nobody\""), "{}", stderr(&some));
    // A store without keys is loaded: it has none.
    std::fs::write(dir.path().join("none.fsm"), Snapshot::new().build()).unwrap();
    let none = ekvsnap(dir.path(), &["load", "none.fsm", "--to", "none.rdb"]);
    assert_eq!(code(&none), 0, "{}", stderr(&none));
}

/// What a decode warns of, a load does too.
#[test]
fn warnings_of_the_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = snapshots(&fixture("two-groups-pending"));
    let names: Vec<String> = (0..inputs.len()).map(|n| format!("{n}.fsm")).collect();
    for (name, bytes) in names.iter().zip(&inputs) {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let warnings = |args: &[&str]| {
        let told = stderr(&ekvsnap(dir.path(), &[&args[..1], &names[..], &args[1..]].concat()));
        told.lines().filter(|line| line.starts_with("warning:")).map(str::to_owned).collect::<Vec<_>>()
    };
    let decode = warnings(&["decode", "--adapter", "redis", "-o", "out"]);
    let load = warnings(&["load", "--to", "x.rdb"]);
    assert!(!decode.is_empty());
    assert_eq!(load, decode);
}
