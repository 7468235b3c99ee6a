//! Items and their typed values (`dynamodb.md` §2, §4.3).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::json::Json;
use super::super::{Damage, proto};
use super::text;

/// Attributes by name.
#[derive(Debug, Clone, Default)]
pub struct Item(pub BTreeMap<String, Value>);

/// An attribute's value.
#[derive(Debug, Clone)]
pub enum Value {
    S(String),
    N(String),
    B(Vec<u8>),
    Bool(bool),
    Null(bool),
    Texts(&'static str, Vec<String>),
    Binaries(Vec<Vec<u8>>),
    List(Vec<Value>),
    Map(Item),
    Unset,
}

/// The value of an item row.
pub fn item(body: &[u8]) -> Result<Item, Damage> {
    attributes(body.strip_prefix(b"\0DI\x01").ok_or("an item without magic")?)
}

fn attributes(message: &[u8]) -> Result<Item, Damage> {
    let mut all = BTreeMap::new();
    for pair in proto::strings(message, 1)? {
        all.insert(text(proto::string(&pair, 1)?)?, value(&proto::string(&pair, 2)?)?);
    }
    Ok(Item(all))
}

/// Of several members the last one counts.
fn value(message: &[u8]) -> Result<Value, Damage> {
    let texts = |set: &[u8]| proto::strings(set, 1)?.into_iter().map(text).collect::<Result<Vec<_>, _>>();
    let Some((number, last)) = proto::fields(message)?.pop() else { return Ok(Value::Unset) };
    Ok(match (number, last) {
        (1, proto::Value::Bytes(bytes)) => Value::S(text(bytes)?),
        (2, proto::Value::Bytes(bytes)) => Value::N(text(bytes)?),
        (3, proto::Value::Bytes(bytes)) => Value::B(bytes),
        (4, proto::Value::Varint(n)) => Value::Bool(n != 0),
        (5, proto::Value::Varint(n)) => Value::Null(n != 0),
        (6, proto::Value::Bytes(set)) => Value::Texts("SS", texts(&set)?),
        (7, proto::Value::Bytes(set)) => Value::Texts("NS", texts(&set)?),
        (8, proto::Value::Bytes(set)) => Value::Binaries(proto::strings(&set, 1)?),
        (9, proto::Value::Bytes(list)) => {
            Value::List(proto::strings(&list, 1)?.iter().map(|one| value(one)).collect::<Result<_, _>>()?)
        }
        (10, proto::Value::Bytes(map)) => Value::Map(attributes(&map)?),
        (number, _) => return Err(format!("value member {number}")),
    })
}

impl Item {
    pub fn json(&self) -> Json {
        Json::Object(self.0.iter().map(|(name, value)| (name.clone(), value.json())).collect())
    }
}

impl Value {
    fn json(&self) -> Json {
        let base64 = |bytes: &Vec<u8>| Json::Text(STANDARD.encode(bytes));
        let (kind, json) = match self {
            Value::S(text) => ("S", Json::text(text)),
            Value::N(text) => ("N", Json::text(text)),
            Value::B(bytes) => ("B", base64(bytes)),
            Value::Bool(truth) => ("BOOL", Json::Raw(truth.to_string())),
            Value::Null(truth) => ("NULL", Json::Raw(truth.to_string())),
            Value::Texts(kind, texts) => (*kind, Json::List(texts.iter().map(Json::text).collect())),
            Value::Binaries(all) => ("BS", Json::List(all.iter().map(base64).collect())),
            Value::List(all) => ("L", Json::List(all.iter().map(Value::json).collect())),
            Value::Map(all) => ("M", all.json()),
            Value::Unset => ("NULL", Json::Raw("true".into())),
        };
        Json::object([(kind, json)])
    }
}
