//! How messages are counted.

use super::names::{ORPHANS, queue_directory, queue_stem};
use crate::adapters::sqs::name_of;
use crate::layouts::counted::{Counts, Difference, FileCount, ReadBack, in_file, in_folder, sum};

const MESSAGES: &str = "messages";

/// Messages, in the lines of their queues.
#[derive(Debug)]
pub struct Messages;

impl Counts for Messages {
    fn kinds(&self) -> &'static [&'static str] {
        &[MESSAGES]
    }

    fn file<'p>(&self, below: &'p [u8]) -> Option<FileCount<'p>> {
        let queue = match in_folder(below) {
            Some((queue, rest)) => (rest == b"messages.jsonl").then_some(queue)?,
            None => in_file(below).filter(|queue| !queue.ends_with(b".side"))?,
        };
        Some(FileCount::lines(queue, MESSAGES))
    }

    /// Queue by queue: an output that is read has the encoded name of the queue.
    fn difference(&self, of: &ReadBack<'_>) -> Option<Difference> {
        let queues = of.told.iter().filter(|told| told.kind == MESSAGES && told.scope != ORPHANS);
        queues.into_iter().find_map(|told| {
            let is_it = |encoded: &str| {
                let queue = name_of(encoded.as_bytes());
                queue_directory(&queue) == told.scope || queue_stem(&queue) == told.scope
            };
            let found = sum(of.found.iter().filter(|found| is_it(found.scope)), MESSAGES);
            (told.objects != found).then(|| (format!("messages of the queue {}", told.scope), told.objects, found))
        })
    }
}
