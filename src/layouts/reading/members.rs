//! Members of objects by their names, without copying the names.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// Reads the name of a member: its position in a list. An unknown name is an error, because its value would be lost.
#[derive(Debug, Clone, Copy)]
pub(in crate::layouts) struct Member(pub &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Member {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<usize, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Member {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.0.iter().position(|known| *known == name).ok_or_else(|| E::unknown_field(name, self.0))
    }
}

/// Rejects a repeated member: one of the two values would be lost.
#[derive(Debug, Default)]
pub(in crate::layouts) struct OncePerMember(u64);

impl OncePerMember {
    /// Records a member by its position in the list.
    pub fn take<E: Error>(&mut self, names: Member, n: usize) -> Result<(), E> {
        let bit = 1 << n;
        if self.0 & bit != 0 {
            return Err(E::duplicate_field(names.0[n]));
        }
        self.0 |= bit;
        Ok(())
    }

    /// Requires that a member occurred.
    pub fn need<E: Error>(&self, names: Member, n: usize) -> Result<(), E> {
        if self.0 & (1 << n) != 0 { Ok(()) } else { Err(E::missing_field(names.0[n])) }
    }
}

/// The text of an error about something that is not an object.
pub(in crate::layouts) fn expect_object(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("an object")
}
