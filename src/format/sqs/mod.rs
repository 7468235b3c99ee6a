//! SQS keys and values (`sqs.md` §1 and §2).

mod canonical;
pub mod counter;
pub mod guard;
pub mod key;
pub mod message;
pub mod partition;
pub mod queue;

pub(crate) use canonical::both_ways as message_both_ways;
pub use message::{Head, Message};
pub use queue::Queue;
