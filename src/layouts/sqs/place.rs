//! The content of queues' files.

use crate::format::adapter::SQS;
use crate::layouts::place::{Place, Shape, split};
use crate::options::Layout;
use crate::output::names::is_for_restore;

/// The content of a file, by its path below `sqs/`; `None`: no objects.
pub fn place(layout: Layout, below: &[u8]) -> Option<Place> {
    if layout.is_packed() {
        let no_queue = |name: &str| name.contains('/') || name.ends_with(".side.jsonl") || is_for_restore(name);
        let name = std::str::from_utf8(below).ok().filter(|name| !no_queue(name))?;
        let record = name.strip_suffix(".queue.json").map(|queue| Place::new(SQS, queue, "queues", Shape::Scope));
        let messages = || name.strip_suffix(".jsonl").map(|queue| Place::new(SQS, queue, "messages", Shape::Message));
        return record.or_else(messages);
    }
    let (queue, rest) = split(below)?;
    match rest {
        b"KEYMAP.jsonl" => None,
        b"_queue.json" => Some(Place::new(SQS, &queue, "queues", Shape::Scope)),
        b"messages.jsonl" => Some(Place::new(SQS, &queue, "messages", Shape::Message)),
        _ => Some(Place::whole(SQS, &queue, "others", rest)),
    }
}
