//! The definition that creates a table in a service with the DynamoDB interface.

use serde_json::{Value, json};

use crate::format::dynamodb::Schema;
use crate::format::dynamodb::schema::{Index, KeyNames};

/// The definition of a table: its keys and indexes, and the attributes that they use.
pub fn definition(name: &str, schema: &Schema) -> Value {
    let mut used: Vec<&str> = Vec::new();
    let keys = std::iter::once(&schema.key).chain(schema.indexes.values().map(|index| &index.key));
    used.extend(keys.flat_map(|key| [key.hash.as_str(), key.range.as_str()]).filter(|name| !name.is_empty()));
    used.sort_unstable();
    used.dedup();
    let attributes: Vec<Value> = used
        .iter()
        .map(|name| json!({ "AttributeName": name, "AttributeType": schema.declared(name).unwrap_or("S") }))
        .collect();
    let mut definition = json!({
        "TableName": name,
        "AttributeDefinitions": attributes,
        "KeySchema": key_schema(&schema.key),
        "BillingMode": "PAY_PER_REQUEST",
    });
    if !schema.indexes.is_empty() {
        let index = |(name, index): (&String, &Index)| {
            let kind = if index.projection.is_empty() { "ALL" } else { &index.projection };
            let mut projection = json!({ "ProjectionType": kind });
            if !index.non_key_attributes.is_empty() {
                projection["NonKeyAttributes"] = json!(index.non_key_attributes);
            }
            json!({ "IndexName": name, "KeySchema": key_schema(&index.key), "Projection": projection })
        };
        definition["GlobalSecondaryIndexes"] = schema.indexes.iter().map(index).collect();
    }
    definition
}

fn key_schema(key: &KeyNames) -> Value {
    let mut parts = vec![json!({ "AttributeName": key.hash, "KeyType": "HASH" })];
    if !key.range.is_empty() {
        parts.push(json!({ "AttributeName": key.range, "KeyType": "RANGE" }));
    }
    parts.into()
}
