//! The protobuf messages of rows, for writing (`redis.md` §2.3, `dynamodb.md` §2).
//!
//! Reading does not use them: the hot path reads the wire format as borrowed slices ([`proto`](super::proto)). Strings that a client
//! chooses are declared as bytes, which is the same in the wire format.

use std::collections::BTreeMap;

use prost::Message;

/// Appends a message.
pub fn append(message: &impl Message, out: &mut Vec<u8>) {
    message.encode_raw(out);
}

/// A hash in one value.
#[derive(Clone, PartialEq, Message)]
pub struct RedisHashValue {
    /// Fields with their values.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<RedisHashEntry>,
}

/// A field of a hash, as an entry of a protobuf map.
#[derive(Clone, PartialEq, Message)]
pub struct RedisHashEntry {
    /// Name.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// Value.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// A set in one value; also the payload of a HyperLogLog.
#[derive(Clone, PartialEq, Message)]
pub struct RedisSetValue {
    /// Members.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub members: Vec<Vec<u8>>,
}

/// A sorted set in one value.
#[derive(Clone, PartialEq, Message)]
pub struct RedisZSetValue {
    /// Members with their scores.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<RedisZSetEntry>,
}

/// A member of a sorted set.
#[derive(Clone, PartialEq, Message)]
pub struct RedisZSetEntry {
    /// Member.
    #[prost(bytes = "vec", tag = "1")]
    pub member: Vec<u8>,
    /// Score.
    #[prost(double, tag = "2")]
    pub score: f64,
}

/// An entry of a stream.
#[derive(Clone, PartialEq, Message)]
pub struct RedisStreamEntry {
    /// `<ms>-<seq>` in decimal.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// Name, value, name, value …
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub fields: Vec<Vec<u8>>,
}

/// A table of DynamoDB.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoTableSchema {
    /// Name.
    #[prost(string, tag = "1")]
    pub table_name: String,
    /// Attribute name to `S`, `N` or `B`.
    #[prost(btree_map = "string, string", tag = "2")]
    pub attribute_definitions: BTreeMap<String, String>,
    /// Key attributes.
    #[prost(message, optional, tag = "3")]
    pub primary_key: Option<DynamoKeySchema>,
    /// Indexes by name.
    #[prost(btree_map = "string, message", tag = "4")]
    pub global_secondary_indexes: BTreeMap<String, DynamoGlobalSecondaryIndex>,
    /// How primary keys are encoded in row keys.
    #[prost(uint64, tag = "5")]
    pub key_encoding_version: u64,
    /// Generation that a migration still copies from; 0 = none.
    #[prost(uint64, tag = "6")]
    pub migrating_from_generation: u64,
    /// The live generation.
    #[prost(uint64, tag = "7")]
    pub generation: u64,
}

/// Key attributes of a table or index.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoKeySchema {
    /// Hash attribute.
    #[prost(string, tag = "1")]
    pub hash_key: String,
    /// Range attribute; empty = none.
    #[prost(string, tag = "2")]
    pub range_key: String,
}

/// A global secondary index.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoGlobalSecondaryIndex {
    /// Its key attributes.
    #[prost(message, optional, tag = "1")]
    pub key_schema: Option<DynamoKeySchema>,
    /// What it stores in addition to the keys.
    #[prost(message, optional, tag = "2")]
    pub projection: Option<DynamoGsiProjection>,
}

/// What an index stores in addition to its keys.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoGsiProjection {
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    #[prost(string, tag = "1")]
    pub projection_type: String,
    /// What `INCLUDE` adds.
    #[prost(string, repeated, tag = "2")]
    pub non_key_attributes: Vec<String>,
}

/// An item of a table.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoItem {
    /// Attributes by name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub attributes: BTreeMap<String, DynamoAttributeValue>,
}

/// A value of an attribute.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoAttributeValue {
    /// Exactly one, if the server wrote it.
    #[prost(oneof = "DynamoValue", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub value: Option<DynamoValue>,
}

/// The kinds of values.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum DynamoValue {
    /// String.
    #[prost(string, tag = "1")]
    S(String),
    /// Number, as text.
    #[prost(string, tag = "2")]
    N(String),
    /// Binary.
    #[prost(bytes, tag = "3")]
    B(Vec<u8>),
    /// Boolean.
    #[prost(bool, tag = "4")]
    Bool(bool),
    /// Null.
    #[prost(bool, tag = "5")]
    Null(bool),
    /// String set.
    #[prost(message, tag = "6")]
    Ss(DynamoTexts),
    /// Number set.
    #[prost(message, tag = "7")]
    Ns(DynamoTexts),
    /// Binary set.
    #[prost(message, tag = "8")]
    Bs(DynamoBinaries),
    /// List.
    #[prost(message, tag = "9")]
    L(DynamoList),
    /// Map.
    #[prost(message, tag = "10")]
    M(DynamoMap),
}

/// A set of strings or numbers.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoTexts {
    /// Members, in their order.
    #[prost(string, repeated, tag = "1")]
    pub values: Vec<String>,
}

/// A set of binaries.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoBinaries {
    /// Members, in their order.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub values: Vec<Vec<u8>>,
}

/// A list.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoList {
    /// Values, in their order.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<DynamoAttributeValue>,
}

/// A map.
#[derive(Clone, PartialEq, Message)]
pub struct DynamoMap {
    /// Values by name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub values: BTreeMap<String, DynamoAttributeValue>,
}
