//! Columns in a plan (`plan.md` §2): the types of attributes as bytes.

use super::{AllColumns, Attributes, Noted};
use crate::format::wire::{self, Reader};
use crate::layouts::rows::dynamodb::decimal::{MOST_DIGITS, Width};

impl AllColumns {
    /// Appends the records about all tables.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        wire::number(self.tables.len() as u64, out);
        for (place, attributes) in &self.tables {
            wire::number(*place as u64, out);
            wire::number(attributes.len() as u64, out);
            for (name, noted) in attributes {
                wire::bytes(name.as_bytes(), out);
                noted.encode(out);
            }
        }
    }

    /// Reads it.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<AllColumns> {
        let mut all = AllColumns::default();
        for _ in 0..reader.count()? {
            let (place, mut attributes) = (reader.size()?, Attributes::new());
            for _ in 0..reader.count()? {
                let name = std::str::from_utf8(reader.bytes()?).ok()?;
                attributes.insert(name.into(), Noted::decode(reader)?);
            }
            all.tables.insert(place, attributes);
        }
        reader.is_empty().then_some(all)
    }
}

impl Noted {
    fn encode(self, out: &mut Vec<u8>) {
        match self {
            Noted::Text => out.push(0),
            Noted::Number(width) => {
                out.push(1);
                width.encode(out);
            }
            Noted::Binary => out.push(2),
            Noted::Flag => out.push(3),
            Noted::Other => out.push(4),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Noted> {
        Some(match reader.byte()? {
            0 => Noted::Text,
            1 => Noted::Number(Width::decode(reader)?),
            2 => Noted::Binary,
            3 => Noted::Flag,
            4 => Noted::Other,
            _ => return None,
        })
    }
}

impl Width {
    /// Appends it.
    fn encode(self, out: &mut Vec<u8>) {
        [self.whole, self.scale].iter().for_each(|digits| wire::number(u64::from(*digits), out));
    }

    /// Reads one that a column can have.
    fn decode(reader: &mut Reader<'_>) -> Option<Width> {
        let mut digits = || u32::try_from(reader.number()?).ok().filter(|digits| *digits <= MOST_DIGITS);
        Some(Width { whole: digits()?, scale: digits()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let number = |whole, scale| Noted::Number(Width { whole, scale });
        let of_table =
            [("a", Noted::Text), ("b", number(3, 38)), ("", Noted::Binary), ("d", Noted::Flag), ("e", Noted::Other)];
        let attributes = |all: &[(&str, Noted)]| all.iter().map(|(name, noted)| ((*name).into(), *noted)).collect();
        let tables = [(0, attributes(&of_table)), (7, attributes(&[])), (300, attributes(&of_table[1..2]))];
        let all = AllColumns { tables: tables.into_iter().collect() };
        let mut bytes = Vec::new();
        all.encode(&mut bytes);
        assert_eq!(AllColumns::decode(&mut Reader::new(&bytes)).unwrap().tables, all.tables);
        for at in 0..bytes.len() {
            assert!(AllColumns::decode(&mut Reader::new(&bytes[..at])).is_none(), "cut at {at}");
        }
        assert!(AllColumns::decode(&mut Reader::new(&[&bytes[..], b"\0"].concat())).is_none());
        // A width that no column can have.
        let wide = AllColumns { tables: [(0, attributes(&[("a", number(39, 0))]))].into_iter().collect() };
        bytes.clear();
        wide.encode(&mut bytes);
        assert!(AllColumns::decode(&mut Reader::new(&bytes)).is_none());
    }
}
