//! The JSON around bodies (`s3.md` §5, §5.1, `rules.md` §3, §6).

use serde_json::Value;

use super::super::json::Json;
use super::parts;

type Members = Vec<(&'static str, Json)>;

pub fn bucket(name: &[u8], record: &Value) -> Json {
    let mut all =
        vec![("format_version", Json::number(1)), ("name", Json::Text(String::from_utf8_lossy(name).into_owned()))];
    all.extend(["owner", "region", "acl"].into_iter().filter_map(|member| text(record, member, member)));
    all.extend(time(record, "created_at_hlc", "creation_time_iso"));
    all.extend(["generation", "created_at_hlc"].into_iter().filter_map(|member| {
        let n = record[member].as_u64().filter(|n| *n != 0)?;
        Some((member, Json::number(n)))
    }));
    Json::object(all)
}

pub fn sidecar(manifest: &Value) -> Json {
    let mut all = vec![("format_version", Json::number(1))];
    all.extend(members(manifest));
    Json::object(all)
}

pub fn index_line(key: &[u8], path: &[u8], manifest: &Value) -> Json {
    let mut all = vec![("key", Json::bytes(key)), ("path", Json::bytes(path))];
    all.extend(members(manifest));
    Json::object(all)
}

fn text(value: &Value, member: &str, name: &'static str) -> Option<(&'static str, Json)> {
    let text = value[member].as_str().filter(|text| !text.is_empty())?;
    Some((name, Json::text(text)))
}

/// The upper 48 bits of a hybrid clock are Unix milliseconds.
fn time(value: &Value, member: &str, name: &'static str) -> Option<(&'static str, Json)> {
    let millis = value[member].as_u64().filter(|hlc| *hlc != 0)? >> 16;
    let time = jiff::Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()?;
    Some((name, Json::Text(time.to_string())))
}

fn members(manifest: &Value) -> Members {
    let mut all: Members = text(manifest, "etag", "etag").into_iter().collect();
    all.push(("size_bytes", Json::number(manifest["size_bytes"].as_i64().unwrap_or(0))));
    all.extend(time(manifest, "last_modified_hlc", "last_modified"));
    let texts = ["content_type", "content_encoding", "cache_control", "content_disposition"];
    all.extend(texts.into_iter().filter_map(|member| text(manifest, member, member)));
    if let Some(metadata) = manifest["user_metadata"].as_object().filter(|all| !all.is_empty()) {
        let mut pairs: Vec<_> = metadata.iter().collect();
        pairs.sort_by_key(|(name, _)| *name);
        let pair = |(name, value): (&String, &Value)| (name.clone(), Json::text(value.as_str().unwrap_or("")));
        all.push(("user_metadata", Json::Object(pairs.into_iter().map(pair).collect())));
    }
    let composite = manifest["etag"].as_str().is_some_and(|etag| etag.contains('-'));
    if composite || manifest["parts"].as_array().is_some_and(|parts| parts.len() > 1) {
        let part = |part: super::Part| {
            Json::object([
                ("part_no", Json::number(part.number)),
                ("etag", Json::text(part.value["etag"].as_str().unwrap_or(""))),
                ("size_bytes", Json::number(part.value["size_bytes"].as_i64().unwrap_or(0))),
            ])
        };
        all.push(("parts", Json::List(parts(manifest).into_iter().map(part).collect())));
    }
    all
}
