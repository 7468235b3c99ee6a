//! The partition of a queue that a message belongs to (`sqs.md` §1).

use super::{Message, Queue};

/// The value of `fifo_throughput_limit` for a queue that is throttled, and filled, as a whole.
const PER_QUEUE: &str = "perQueue";

/// FNV-1a with 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(2_166_136_261, |hash, &b| (hash ^ u32::from(b)).wrapping_mul(16_777_619))
}

/// The partition of a message group in a queue of `count` partitions, a power of two; 0 without partitions or group.
pub fn of_group(group: &[u8], count: u32) -> u32 {
    if group.is_empty() { 0 } else { fnv1a(group) & count.saturating_sub(1) }
}

/// The partition of `queue` to which `message` belongs.
pub fn expected(queue: &Queue<'_>, message: &Message<'_>) -> u32 {
    let count = if queue.fifo_throughput_limit == PER_QUEUE { 1 } else { queue.partition_count };
    of_group(message.message_group_id.as_bytes(), count)
}

/// Whether a message that was read from `partition` (`None`: a classic key) is in the right one.
pub fn agrees(queue: &Queue<'_>, message: &Message<'_>, partition: Option<u32>) -> bool {
    match partition {
        Some(found) => queue.partition_count > 1 && found == expected(queue, message),
        None => queue.partition_count <= 1,
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    #[test]
    fn hash_vectors() {
        for (text, want) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fnv1a(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn groups() {
        for (group, count, want) in [("", 8, 0), ("a", 0, 0), ("a", 1, 0), ("a", 8, 4), ("foobar", 32, 8)] {
            assert_eq!(of_group(group.as_bytes(), count), want, "{group} {count}");
        }
    }

    #[test]
    fn a_message_knows_its_place() {
        let queue =
            |partition_count, limit| Queue { partition_count, fifo_throughput_limit: limit, ..Queue::default() };
        let message = Message { message_group_id: "a", ..Message::default() };
        for (queue, found, want) in [
            (queue(0, ""), None, true),
            (queue(1, ""), Some(0), false),
            (queue(8, "perMessageGroupId"), Some(4), true),
            (queue(8, ""), Some(0), false),
            (queue(8, ""), None, false),
            (queue(8, "perQueue"), Some(0), true),
            (queue(8, "perQueue"), Some(4), false),
        ] {
            assert_eq!(agrees(&queue, &message, found), want, "{queue:?} {found:?}");
        }
    }
}
