//! Members of objects by their names, without a copy of the names.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// Reads the name of a member: its place in a list. A name that is not in it is an error, for what it says would be lost.
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

/// Refuses a member that comes twice: one of the two would be lost.
#[derive(Debug, Default)]
pub(in crate::layouts) struct OncePerMember(u64);

impl OncePerMember {
    /// Takes the place of a member in its list.
    pub fn take<E: Error>(&mut self, names: Member, n: usize) -> Result<(), E> {
        let bit = 1 << n;
        if self.0 & bit != 0 {
            return Err(E::duplicate_field(names.0[n]));
        }
        self.0 |= bit;
        Ok(())
    }

    /// Requires that a member has come.
    pub fn need<E: Error>(&self, names: Member, n: usize) -> Result<(), E> {
        if self.0 & (1 << n) != 0 { Ok(()) } else { Err(E::missing_field(names.0[n])) }
    }
}

/// What an error says of something that is no object.
pub(in crate::layouts) fn expect_object(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("an object")
}
