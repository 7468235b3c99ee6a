//! SQS: queues and their messages (`sqs.md` §3 and §4).

pub mod generation;
pub mod names;
pub mod render;
