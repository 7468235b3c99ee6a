//! SQS keys and values (`sqs.md` §1 and §2).

pub mod counter;
pub mod key;
pub mod message;
pub mod partition;
pub mod queue;
mod straight;

pub use message::{Head, Message};
pub use queue::Queue;
pub(crate) use straight::both_ways as message_both_ways;
