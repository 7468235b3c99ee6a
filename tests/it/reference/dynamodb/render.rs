//! `_schema.json` (`dynamodb.md` §4.2, `rules.md` §3).

use super::super::json::Json;
use super::{KeyNames, Schema};

pub fn schema(schema: &Schema) -> Json {
    let mut members = vec![
        ("format_version", Json::number(1)),
        ("table_name", Json::text(&schema.name)),
        ("primary_key", key(schema, &schema.key)),
        ("attribute_definitions", definitions(schema)),
    ];
    if !schema.indexes.is_empty() {
        members.push(("global_secondary_indexes", indexes(schema)));
    }
    let ours = [
        ("generation", schema.generation),
        ("key_encoding_version", schema.version),
        ("migrating_from_generation", schema.from),
    ];
    members.extend(ours.into_iter().filter(|(_, n)| *n != 0).map(|(name, n)| (name, Json::number(n))));
    Json::object(members)
}

fn key(schema: &Schema, (hash, range): &KeyNames) -> Json {
    let attribute = |name: &String| {
        let kind = schema.types.get(name).filter(|kind| !kind.is_empty());
        let members =
            [("name", Some(name).filter(|name| !name.is_empty())), ("type", kind.filter(|_| !name.is_empty()))];
        Json::object(members.into_iter().filter_map(|(member, value)| Some((member, Json::text(value?)))))
    };
    Json::object([("hash_key", attribute(hash)), ("range_key", attribute(range))])
}

fn definitions(schema: &Schema) -> Json {
    let one = |(name, kind): (&String, &String)| Json::object([("name", Json::text(name)), ("type", Json::text(kind))]);
    Json::List(schema.types.iter().map(one).collect())
}

fn indexes(schema: &Schema) -> Json {
    let all = schema.indexes.iter().map(|(name, index)| {
        let mut projection = vec![("type", Json::text(&index.projection))];
        if !index.others.is_empty() {
            projection.push(("non_key_attributes", Json::List(index.others.iter().map(Json::text).collect())));
        }
        let key = key(schema, &index.key);
        Json::object([("name", Json::text(name)), ("key_schema", key), ("projection", Json::object(projection))])
    });
    Json::List(all.collect())
}
