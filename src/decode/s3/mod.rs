//! S3: object names, body plans, integrity checks and the JSON around bodies. Pure: no I/O.

pub mod etag;
pub mod names;
pub mod plan;
pub mod render;
