//! Sends batches of messages, repeats messages that the service has not accepted, and reports the outcome of each message.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Answer, Service};
use crate::error::Result;
use crate::load::backoff::Backoff;

/// How often messages are sent again that the service could not accept, and the pause before the first time; it doubles.
const ROUNDS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);

/// A batch that was sent.
#[derive(Default)]
pub(super) struct Sent {
    /// The name of its last message.
    pub last: String,
    /// Messages that are in the queue.
    pub messages: u64,
    /// Messages that the service refuses, and why.
    pub left_out: Vec<(String, String)>,
    /// Messages that are stored in another form, and how.
    pub changed: Vec<(String, String)>,
}

/// A message that waits for its batch.
pub(super) struct Held {
    /// Its name in messages.
    pub name: String,
    pub md5: String,
    /// The entry that is sent, without its number in the batch.
    pub entry: Map<String, Value>,
}

/// Calls the service.
pub(super) fn call(service: &Service, operation: &str, body: &Value) -> Result<Answer> {
    service.call(&format!("AmazonSQS.{operation}"), &body.to_string())
}

/// Sends a batch.
pub(super) fn send(service: &Service, url: &str, batch: Vec<Held>) -> Result<Sent> {
    let last = batch.last().map(|held| held.name.clone()).unwrap_or_default();
    let mut sent = Sent { last, ..Sent::default() };
    sent.all(service, url, batch)?;
    Ok(sent)
}

impl Sent {
    /// Sends messages, and again those that the service could not accept.
    fn all(&mut self, service: &Service, url: &str, mut batch: Vec<Held>) -> Result<()> {
        let mut backoff = Backoff::new(PAUSE, ROUNDS);
        loop {
            batch = self.once(service, url, batch)?;
            let Some(first) = batch.first() else { return Ok(()) };
            match backoff.pause() {
                Some(pause) => service.pause(pause),
                None => {
                    let words = format!("it did not accept {}, and does not say why", first.name);
                    return Err(service.failed(&words));
                }
            }
        }
    }

    /// Sends messages once and returns those that the service could not accept.
    fn once(&mut self, service: &Service, url: &str, batch: Vec<Held>) -> Result<Vec<Held>> {
        let numbered = batch.iter().enumerate().map(|(n, held)| {
            let mut entry = held.entry.clone();
            entry.insert("Id".into(), n.to_string().into());
            Value::from(entry)
        });
        let body = json!({ "QueueUrl": url, "Entries": numbered.collect::<Vec<_>>() });
        let answer = call(service, "SendMessageBatch", &body)?;
        if !answer.is_fine() {
            if let [held] = &batch[..] {
                self.refused(service, held, &answer)?;
            } else {
                batch.into_iter().try_for_each(|held| self.all(service, url, vec![held]))?;
            }
            return Ok(Vec::new());
        }
        let told = service.json("send messages", &answer)?;
        let fates = fates(&told, batch.len()).map_err(|why| service.failed(&why))?;
        self.tell_overtaken(&batch, &fates);
        let mut again = Vec::new();
        for (held, fate) in batch.into_iter().zip(fates) {
            match fate {
                Fate::Sent { md5 } => self.one(held, md5.as_deref()),
                Fate::Refused(why) => self.left_out.push((held.name, why)),
                Fate::Later => again.push(held),
            }
        }
        Ok(again)
    }

    fn one(&mut self, held: Held, md5: Option<&str>) {
        self.messages += 1;
        if md5.is_some_and(|md5| md5 != held.md5 && !held.md5.is_empty()) {
            self.changed.push((held.name, "its body has another MD5 than the one that was sent".to_owned()));
        }
    }

    /// Reports messages of a FIFO queue that are sent again: they come after messages of their group that were accepted now.
    fn tell_overtaken(&mut self, batch: &[Held], fates: &[Fate]) {
        let group = |held: &Held| held.entry.get("MessageGroupId").cloned();
        for (n, held) in batch.iter().enumerate().filter(|(n, _)| fates[*n] == Fate::Later) {
            let is_overtaken = |(later, fate): (&Held, &Fate)| {
                matches!(fate, Fate::Sent { .. }) && group(later).is_some() && group(later) == group(held)
            };
            if batch.iter().zip(fates).skip(n + 1).any(is_overtaken) {
                let how = "a later message of its group arrived before it";
                self.changed.push((held.name.clone(), how.to_owned()));
            }
        }
    }

    /// Handles a refused message that was sent alone.
    fn refused(&mut self, service: &Service, held: &Held, answer: &Answer) -> Result<()> {
        if answer.status == 403 || answer.code().contains("NonExistentQueue") {
            return Err(service.refused("send a message", answer));
        }
        self.left_out.push((held.name.clone(), answer.words()));
        Ok(())
    }
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Sent { md5: Option<String> },
    Refused(String),
    Later,
}

/// The outcome of each message of a batch, from an answer.
///
/// # Errors
/// A message: the answer does not give the outcome of each of them exactly once.
fn fates(told: &Value, messages: usize) -> std::result::Result<Vec<Fate>, String> {
    let mut fates = vec![None; messages];
    let lines = |name: &str| told[name].as_array().into_iter().flatten();
    let sent = lines("Successful").map(|line| {
        let md5 = line["MD5OfMessageBody"].as_str().map(str::to_owned);
        (line, Fate::Sent { md5 })
    });
    let failed = lines("Failed").map(|line| match &line["SenderFault"] {
        Value::Bool(true) => (line, Fate::Refused(format!("{}: {}", line["Code"], line["Message"]))),
        _ => (line, Fate::Later),
    });
    for (line, fate) in sent.chain(failed) {
        let at = line["Id"].as_str().and_then(|id| id.parse::<usize>().ok()).and_then(|n| fates.get_mut(n));
        match at {
            Some(at @ None) => *at = Some(fate),
            Some(Some(_)) => return Err(format!("its answer has a message twice: {line}")),
            None => return Err(format!("its answer has a message that was not sent: {line}")),
        }
    }
    let all: Option<Vec<Fate>> = fates.into_iter().collect();
    all.ok_or_else(|| "its answer does not have the result of every message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_one_fate() {
        let sent = |id: &str| json!({ "Id": id, "MD5OfMessageBody": "m" });
        let failed = |id: &str, fault: bool| json!({ "Id": id, "SenderFault": fault, "Code": "C", "Message": "M" });
        let fine = json!({ "Successful": [sent("2"), sent("0")], "Failed": [failed("3", true), failed("1", false)] });
        let md5 = Some("m".to_owned());
        let want = vec![
            Fate::Sent { md5: md5.clone() },
            Fate::Later,
            Fate::Sent { md5 },
            Fate::Refused("\"C\": \"M\"".to_owned()),
        ];
        assert_eq!(fates(&fine, 4), Ok(want));
        for (told, messages) in [
            (json!({}), 1),
            (json!({ "Successful": [sent("0")] }), 2),
            (json!({ "Successful": [sent("0"), sent("0")] }), 2),
            (json!({ "Successful": [sent("0")], "Failed": [failed("0", true)] }), 1),
            (json!({ "Successful": [sent("1")] }), 1),
            (json!({ "Successful": [sent("x")] }), 1),
            (json!({ "Successful": "0" }), 1),
        ] {
            assert!(fates(&told, messages).is_err(), "{told}");
        }
    }
}
