//! S3 keys and values (`docs/format/s3.md` §1 and §2).

pub mod chunk;
pub mod chunkref;
pub mod etag;
pub mod key;
pub mod manifest;
pub mod record;

pub use chunkref::ChunkRef;
pub use key::{ChunkKey, ObjectKey, PartKey, UploadKey};
pub use manifest::{Manifest, Part};
pub use record::{BucketRecord, UploadRecord};
