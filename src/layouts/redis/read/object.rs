//! A key that is one JSON object. Its elements are given one by one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor as JsonVisitor};

use super::{Held, Session, served};
use crate::layouts::reading::{BytesSeed, Member, OncePerMember, expect_object};
use crate::layouts::redis::elements_of;
use crate::model::redis::{Key, StreamEnd, Type, Visitor};

/// All members of files and lines.
const MEMBERS: Member = Member(&["format_version", "key", "value", "fields", "items", "members", "expire_at_ms"]);
const VERSION: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;
const EXPIRY: usize = 6;

/// Where the key is.
pub(in crate::layouts) enum Named<'k> {
    /// In the file's name; the object is a document with its version.
    ByPath(&'k [u8]),
    /// In the first member of the line.
    InLine,
}

/// Reads a key and gives it to the visitor of a session.
pub(in crate::layouts) struct Object<'o, 's, V> {
    pub session: &'o mut Session<'s, V>,
    pub kind: Type,
    pub named: Named<'o>,
}

impl<'de, V: Visitor> DeserializeSeed<'de> for Object<'_, '_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, V: Visitor> JsonVisitor<'de> for Object<'_, '_, V> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expect_object(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Object { session, kind, named } = self;
        let is_string = matches!(kind, Type::String | Type::Hll);
        let elements = MEMBERS.0.iter().position(|name| !is_string && *name == elements_of(kind)).unwrap_or(VALUE);
        let in_line = matches!(named, Named::InLine);
        let (mut key, mut value, mut expire_at_ms) = (Vec::new(), Vec::new(), None);
        if let Named::ByPath(name) = named {
            key.extend_from_slice(name);
        }
        let mut seen = OncePerMember::default();
        while let Some(n) = members.next_key_seed(MEMBERS)? {
            seen.take(MEMBERS, n)?;
            match n {
                VERSION if !in_line => {
                    if members.next_value::<u64>()? != 1 {
                        return Err(A::Error::custom("its format_version is not 1: a newer program wrote it"));
                    }
                }
                KEY if in_line => members.next_value_seed(BytesSeed(&mut key))?,
                VALUE if is_string => members.next_value_seed(BytesSeed(&mut value))?,
                EXPIRY => expire_at_ms = members.next_value::<Option<u64>>()?.filter(|ms| *ms > 0),
                n if n == elements => {
                    if in_line {
                        seen.need(MEMBERS, KEY)?;
                    }
                    let (key, held) = (served(&key, kind, None), session.held);
                    held.keep(session.visitor.begin(&key))?;
                    members.next_value_seed(Elements { visitor: &mut *session.visitor, held, key })?;
                }
                n => return Err(A::Error::unknown_field(MEMBERS.0[n], &[])),
            }
        }
        [if in_line { KEY } else { VERSION }, elements, EXPIRY].into_iter().try_for_each(|n| seen.need(MEMBERS, n))?;
        let held = session.held;
        let mut key = served(&key, kind, expire_at_ms);
        if is_string {
            key.bare = kind == Type::String && held.keep(session.sidecars.is_bare(key.name))?;
            held.keep(session.visitor.string(&key, &value))
        } else {
            held.keep(session.visitor.end(&key, StreamEnd::default()))
        }
    }
}

/// The array of elements.
struct Elements<'e, 's, V> {
    visitor: &'e mut V,
    held: Held<'s>,
    key: Key<'e>,
}

impl<'de, V: Visitor> DeserializeSeed<'de> for Elements<'_, '_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, V: Visitor> JsonVisitor<'de> for Elements<'_, '_, V> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Elements { visitor, held, key } = self;
        let (mut first, mut second, mut score) = (Vec::new(), Vec::new(), 0.0);
        loop {
            let next = match key.kind {
                Type::Hash => elements.next_element_seed(Pair {
                    names: Member(&["name", "value"]),
                    first: &mut first,
                    second: BytesSeed(&mut second),
                })?,
                Type::Zset => elements.next_element_seed(Pair {
                    names: Member(&["member", "score"]),
                    first: &mut first,
                    second: Score(&mut score),
                })?,
                _ => elements.next_element_seed(BytesSeed(&mut first))?,
            };
            if next.is_none() {
                return Ok(());
            }
            held.budget.renew();
            held.keep(match key.kind {
                Type::Hash => visitor.field(&key, &first, &second),
                Type::Zset => visitor.scored(&key, &first, score),
                Type::List => visitor.item(&key, &first),
                _ => visitor.member(&key, &first),
            })?;
        }
    }
}

/// An element of two members, in any order.
struct Pair<'p, S> {
    names: Member,
    first: &'p mut Vec<u8>,
    second: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Pair<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> JsonVisitor<'de> for Pair<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expect_object(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Pair { names, first, second } = self;
        let (mut seen, mut second) = (OncePerMember::default(), Some(second));
        while let Some(n) = members.next_key_seed(names)? {
            seen.take(names, n)?;
            match second.take_if(|_| n == 1) {
                Some(second) => drop(members.next_value_seed(second)?),
                None => members.next_value_seed(BytesSeed(first))?,
            }
        }
        seen.need(names, 0)?;
        seen.need(names, 1)
    }
}

/// A score: a number, `"+inf"`, `"-inf"` or `"nan"`.
struct Score<'s>(&'s mut f64);

impl<'de> DeserializeSeed<'de> for Score<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl JsonVisitor<'_> for Score<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, \"+inf\", \"-inf\" or \"nan\"")
    }

    fn visit_f64<E: Error>(self, score: f64) -> Result<(), E> {
        *self.0 = score;
        Ok(())
    }

    fn visit_u64<E: Error>(self, score: u64) -> Result<(), E> {
        self.visit_f64(score as f64)
    }

    fn visit_i64<E: Error>(self, score: i64) -> Result<(), E> {
        self.visit_f64(score as f64)
    }

    fn visit_str<E: Error>(self, score: &str) -> Result<(), E> {
        self.visit_f64(match score {
            "+inf" => f64::INFINITY,
            "-inf" => f64::NEG_INFINITY,
            "nan" => f64::NAN,
            _ => return Err(E::custom("a score is a number, \"+inf\", \"-inf\" or \"nan\"")),
        })
    }
}
