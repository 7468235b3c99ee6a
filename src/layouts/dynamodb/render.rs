//! `_schema.json`, item files and packed lines (`dynamodb.md` §4, `rules.md` §3 and §6).

use crate::format::dynamodb::item::{Entry, Item, Map, Value};
use crate::format::dynamodb::schema::KeyNames;
use crate::format::dynamodb::stored::{StoredIndex, StoredSchema};
use crate::output::json::{self, Escape};
use crate::output::nested::Nested;
use crate::output::out::Out;

/// Appends `_schema.json`: the public decoder's document, then ekvsnap's own members. No newline at the end. `for_restore`: generation
/// and key encoding are written even if they are 0, because a document of the public decoder, which never has them, is that of a new table.
pub fn schema(schema: &StoredSchema<'_>, for_restore: bool, out: &mut impl Out) {
    let head = &schema.head;
    Nested::<true, _>::new(out).object(|w| {
        w.integer_member("format_version", 1);
        w.text_member("table_name", &head.table_name);
        w.member("primary_key");
        key_names(schema, &head.key, w);
        attribute_definitions(schema, w);
        indexes(schema, w);
        for (name, value) in [("generation", head.generation), ("key_encoding_version", head.key_encoding_version)] {
            if for_restore { w.integer_member(name, value) } else { w.nonzero_member(name, value) }
        }
        w.nonzero_member("migrating_from_generation", head.migrating_from_generation);
    });
}

type Indented<'o, O> = Nested<'o, true, O>;

fn key_names(schema: &StoredSchema<'_>, key: &KeyNames, w: &mut Indented<'_, impl Out>) {
    w.object(|w| {
        w.member("hash_key");
        key_attribute(schema, &key.hash, w);
        w.member("range_key");
        key_attribute(schema, &key.range, w);
    });
}

/// A key attribute with its declared type; `{}` if the key does not have one.
fn key_attribute(schema: &StoredSchema<'_>, name: &str, w: &mut Indented<'_, impl Out>) {
    w.object(|w| {
        if !name.is_empty() {
            w.text_member("name", name);
            let declared = schema.declared(name).filter(|kind| !kind.is_empty());
            declared.into_iter().for_each(|kind| w.text_member("type", kind));
        }
    });
}

fn attribute_definitions(schema: &StoredSchema<'_>, w: &mut Indented<'_, impl Out>) {
    w.member("attribute_definitions");
    w.array(|w| {
        for (name, kind) in schema.attributes() {
            w.element();
            w.object(|w| {
                w.text_member("name", name);
                w.text_member("type", kind);
            });
        }
    });
}

fn indexes(schema: &StoredSchema<'_>, w: &mut Indented<'_, impl Out>) {
    if schema.indexes().len() == 0 {
        return;
    }
    w.member("global_secondary_indexes");
    w.array(|w| {
        for (name, index) in schema.indexes() {
            w.element();
            w.object(|w| {
                w.text_member("name", name);
                w.member("key_schema");
                key_names(schema, &index.key(), w);
                projection(index, w);
            });
        }
    });
}

fn projection(index: StoredIndex<'_>, w: &mut Indented<'_, impl Out>) {
    w.member("projection");
    w.object(|w| {
        w.text_member("type", index.projection());
        let mut any = false;
        index.each_non_key(|_| any = true);
        if any {
            w.member("non_key_attributes");
            w.array(|w| {
                index.each_non_key(|name| {
                    w.element();
                    w.text(name);
                });
            });
        }
    });
}

/// Renders items; reuses the memory for sorting names.
#[derive(Debug, Default)]
pub struct ItemRenderer<'a> {
    entries: Vec<Entry<'a>>,
    untyped: u64,
}

impl<'a> ItemRenderer<'a> {
    /// Number of values without a type that were written since the last call.
    pub fn take_untyped(&mut self) -> u64 {
        std::mem::take(&mut self.untyped)
    }

    /// The memory for sorting names, for other uses between two items.
    pub fn names(&mut self) -> &mut Vec<Entry<'a>> {
        &mut self.entries
    }

    /// Appends the body of an item file: indented, no newline at the end.
    pub fn file(&mut self, item: Item<'a>, out: &mut impl Out) {
        self.map(item.attributes(), &mut Nested::<true, _>::new(out));
    }

    /// Appends the line of a packed file: `{"Item":{…}}` and a line feed.
    pub fn line(&mut self, item: Item<'a>, out: &mut impl Out) {
        Nested::<false, _>::new(out).object(|w| self.member("Item", item, w));
        out.buffer().push(b'\n');
    }

    /// Appends a member of a line whose value is an item; its name needs no escapes.
    pub fn member(&mut self, name: &str, item: Item<'a>, w: &mut Nested<'_, false, impl Out>) {
        w.plain_member(name);
        self.map(item.attributes(), w);
    }

    /// The same for an item whose row key has more than its attributes: `{"key":…,"Item":{…}}`.
    pub fn line_with_key(&mut self, key: &[u8], item: Item<'a>, out: &mut impl Out) {
        Nested::<false, _>::new(out).object(|w| {
            w.member("key");
            w.out().bytes(key, Escape::Html);
            self.member("Item", item, w);
        });
        out.buffer().push(b'\n');
    }

    /// Appends some attributes on one line: `{"a":{"S":"x"}}`.
    pub fn object(&mut self, entries: &[Entry<'a>], out: &mut impl Out) {
        Nested::<false, _>::new(out).object(|w| {
            for entry in entries {
                w.member(entry.name);
                self.value(entry.value(), w);
            }
        });
    }

    fn map<const INDENTED: bool, O: Out>(&mut self, map: Map<'a>, w: &mut Nested<'_, INDENTED, O>) {
        let from = self.entries.len();
        map.push_sorted(&mut self.entries);
        let to = self.entries.len();
        w.object(|w| {
            for at in from..to {
                let entry = self.entries[at];
                w.member(entry.name);
                self.value(entry.value(), w);
            }
        });
        self.entries.truncate(from);
    }

    /// A value in its type's envelope. One without a type is written as null, as the public decoder does.
    fn value<const INDENTED: bool, O: Out>(&mut self, value: Value<'a>, w: &mut Nested<'_, INDENTED, O>) {
        w.object(|w| {
            w.plain_member(kind(value));
            match value {
                Value::S(text) | Value::N(text) => w.text(text),
                Value::B(bytes) => blob(bytes, w),
                Value::Bool(flag) | Value::Null(flag) => boolean(flag, w),
                Value::Ss(set) | Value::Ns(set) => texts(set.iter(), w),
                Value::Bs(set) => w.array(|w| {
                    for bytes in set.iter() {
                        w.element();
                        blob(bytes, w);
                    }
                }),
                Value::L(list) => w.array(|w| {
                    for value in list.iter() {
                        w.element();
                        self.value(value, w);
                    }
                }),
                Value::M(map) => self.map(map, w),
                Value::Unset => {
                    self.untyped += 1;
                    boolean(true, w);
                }
            }
        });
    }
}

const fn kind(value: Value<'_>) -> &'static str {
    match value {
        Value::S(_) => "S",
        Value::N(_) => "N",
        Value::B(_) => "B",
        Value::Bool(_) => "BOOL",
        Value::Null(_) | Value::Unset => "NULL",
        Value::Ss(_) => "SS",
        Value::Ns(_) => "NS",
        Value::Bs(_) => "BS",
        Value::L(_) => "L",
        Value::M(_) => "M",
    }
}

fn texts<'t, const INDENTED: bool, O: Out>(texts: impl Iterator<Item = &'t str>, w: &mut Nested<'_, INDENTED, O>) {
    w.array(|w| {
        for text in texts {
            w.element();
            w.text(text);
        }
    });
}

fn blob<const INDENTED: bool, O: Out>(bytes: &[u8], w: &mut Nested<'_, INDENTED, O>) {
    let out = w.out();
    out.buffer().push(b'"');
    out.encoded(bytes, json::base64);
    out.buffer().push(b'"');
}

fn boolean<const INDENTED: bool, O: Out>(flag: bool, w: &mut Nested<'_, INDENTED, O>) {
    w.out().buffer().extend_from_slice(if flag { b"true" } else { b"false" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::dynamodb::Schema;
    use crate::format::dynamodb::item::MAX_NESTING;
    use crate::format::dynamodb::schema::Index;
    use crate::format::dynamodb::wire::{any_value, b, field, item, member, n, nested, s};
    use proptest::prelude::*;

    const SCHEMA: &str = r#"{
  "format_version": 1,
  "table_name": "orders",
  "primary_key": {
    "hash_key": {
      "name": "pk",
      "type": "S"
    },
    "range_key": {}
  },
  "attribute_definitions": [
    {
      "name": "pk",
      "type": "S"
    }
  ],
  "global_secondary_indexes": [
    {
      "name": "gsi1",
      "key_schema": {
        "hash_key": {
          "name": "g"
        },
        "range_key": {}
      },
      "projection": {
        "type": "INCLUDE",
        "non_key_attributes": [
          "b",
          "a"
        ]
      }
    },
    {
      "name": "gsi2",
      "key_schema": {
        "hash_key": {},
        "range_key": {}
      },
      "projection": {
        "type": ""
      }
    }
  ],
  "generation": 9,
  "key_encoding_version": 2,
  "migrating_from_generation": 7
}"#;

    const BARE: &str = r#"{
  "format_version": 1,
  "table_name": "\u003ct\u003e",
  "primary_key": {
    "hash_key": {},
    "range_key": {
      "name": "r"
    }
  },
  "attribute_definitions": []
}"#;

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn key(hash: &str, range: &str) -> KeyNames {
        KeyNames { hash: hash.into(), range: range.into() }
    }

    #[test]
    fn schemas() {
        let gsi =
            Index { key: key("g", ""), projection: "INCLUDE".into(), non_key_attributes: vec!["b".into(), "a".into()] };
        let full = Schema {
            table_name: "orders".into(),
            attributes: [("pk".into(), "S".into())].into(),
            key: key("pk", ""),
            indexes: [("gsi2".into(), Index::default()), ("gsi1".into(), gsi)].into(),
            key_encoding_version: 2,
            migrating_from_generation: 7,
            generation: 9,
        };
        let shown = |whole: &Schema| {
            let value = crate::format::encoded(|out| whole.encode(out));
            shown(|o| schema(&StoredSchema::parse(&value).unwrap(), false, o))
        };
        assert_eq!(shown(&full), SCHEMA);
        let bare = Schema { table_name: "<t>".into(), key: key("", "r"), ..Schema::default() };
        assert_eq!(shown(&bare), BARE);
    }

    /// Renders one attribute `a` on one line, without what is around it.
    fn rendered(value: &[u8]) -> String {
        let row = item(&[member("a", value)]);
        let line = shown(|o| ItemRenderer::default().line(Item::parse(&row).unwrap(), o));
        let inside = line.strip_prefix(r#"{"Item":{"a":"#).and_then(|rest| rest.strip_suffix("}}\n"));
        inside.unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    #[test]
    fn values() {
        let cases: &[(Vec<u8>, &str)] = &[
            (s("<\u{2028}/é\u{7f}\u{1}\n"), "{\"S\":\"\\u003c\\u2028/é\u{7f}\\u0001\\n\"}"),
            (s(""), r#"{"S":""}"#),
            (n(" 1.50 "), r#"{"N":" 1.50 "}"#),
            (b(b"\xff\xfe"), r#"{"B":"//4="}"#),
            (b(b""), r#"{"B":""}"#),
            (b"\x20\x01".to_vec(), r#"{"BOOL":true}"#),
            (b"\x20\x00".to_vec(), r#"{"BOOL":false}"#),
            (b"\x28\x01".to_vec(), r#"{"NULL":true}"#),
            (b"\x28\x00".to_vec(), r#"{"NULL":false}"#),
            (vec![], r#"{"NULL":true}"#),
            (field(6, &[field(1, b"b"), field(1, b"a")].concat()), r#"{"SS":["b","a"]}"#),
            (field(6, b""), r#"{"SS":[]}"#),
            (field(7, &[field(1, b"2"), field(1, b"1.0")].concat()), r#"{"NS":["2","1.0"]}"#),
            (field(8, &[field(1, b"\0"), field(1, b"")].concat()), r#"{"BS":["AA==",""]}"#),
            (field(8, b""), r#"{"BS":[]}"#),
            (field(9, &[field(1, &s("x")), field(1, b"")].concat()), r#"{"L":[{"S":"x"},{"NULL":true}]}"#),
            (field(9, b""), r#"{"L":[]}"#),
            (
                field(10, &[member("z", &n("1")), member("a", &n("2"))].concat()),
                r#"{"M":{"a":{"N":"2"},"z":{"N":"1"}}}"#,
            ),
            (field(10, b""), r#"{"M":{}}"#),
        ];
        for (value, want) in cases {
            assert_eq!(rendered(value), *want);
        }
    }

    #[test]
    fn files() {
        let map = field(10, &[member("l", &field(9, &field(1, &b(b"\0")))), member("e", &field(9, b""))].concat());
        let row = item(&[member("z", &n("1")), member("m", &map), member("é", &s("x")), member("z", &n("2"))]);
        let file = shown(|o| ItemRenderer::default().file(Item::parse(&row).unwrap(), o));
        let want = r#"{
  "m": {
    "M": {
      "e": {
        "L": []
      },
      "l": {
        "L": [
          {
            "B": "AA=="
          }
        ]
      }
    }
  },
  "z": {
    "N": "2"
  },
  "é": {
    "S": "x"
  }
}"#;
        assert_eq!(file, want);
        let empty = item(&[]);
        assert_eq!(shown(|o| ItemRenderer::default().file(Item::parse(&empty).unwrap(), o)), "{}");
        assert_eq!(shown(|o| ItemRenderer::default().line(Item::parse(&empty).unwrap(), o)), "{\"Item\":{}}\n");
    }

    #[test]
    fn the_deepest_value_fits_the_stack() {
        let row = item(&[member("a", &nested(MAX_NESTING))]);
        let item = Item::parse(&row).unwrap();
        let file = shown(|o| ItemRenderer::default().file(item, o));
        assert_eq!(file.matches("\"L\"").count(), MAX_NESTING);
        let line = shown(|o| ItemRenderer::default().line(item, o));
        assert_eq!(line.len(), r#"{"Item":{"a":}}"#.len() + 1 + MAX_NESTING * r#"{"L":[]}"#.len());
    }

    proptest! {
        #[test]
        fn both_styles_are_the_same_json(members in prop::collection::vec((any::<String>(), any_value()), 0..4)) {
            let row = item(&members.iter().map(|(name, value)| member(name, value)).collect::<Vec<_>>());
            let parsed = Item::parse(&row).unwrap();
            let mut renderer = ItemRenderer::default();
            let file: serde_json::Value = serde_json::from_str(&shown(|o| renderer.file(parsed, o))).unwrap();
            let line: serde_json::Value = serde_json::from_str(&shown(|o| renderer.line(parsed, o))).unwrap();
            prop_assert_eq!(&file, &line["Item"]);
            for (name, _) in &members {
                prop_assert!(file.get(name).is_some());
            }
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let value = [&b"\0DI\x01"[..], &bytes].concat();
            if let Ok(parsed) = Item::parse(&value) {
                shown(|o| ItemRenderer::default().file(parsed, o));
            }
        }
    }
}
