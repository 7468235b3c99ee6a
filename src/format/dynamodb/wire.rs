//! Builds protobuf for tests.

use proptest::prelude::*;

/// A varint.
pub fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 0x7f {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// A length-delimited field.
pub fn field(number: u64, payload: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(payload.len() as u64), payload.to_vec()].concat()
}

/// A map entry.
pub fn pair(key: &[u8], value: &[u8]) -> Vec<u8> {
    [field(1, key), field(2, value)].concat()
}

/// One attribute of an item, or one member of a map: its map field.
pub fn member(name: &str, value: &[u8]) -> Vec<u8> {
    field(1, &pair(name.as_bytes(), value))
}

/// An item value from its attributes.
pub fn item(members: &[Vec<u8>]) -> Vec<u8> {
    [super::item::MAGIC.to_vec(), members.concat()].concat()
}

/// A string attribute value.
pub fn s(text: &str) -> Vec<u8> {
    field(1, text.as_bytes())
}

/// A number attribute value.
pub fn n(text: &str) -> Vec<u8> {
    field(2, text.as_bytes())
}

/// A binary attribute value.
pub fn b(bytes: &[u8]) -> Vec<u8> {
    field(3, bytes)
}

/// A list inside lists, `levels` deep in all.
pub fn nested(levels: usize) -> Vec<u8> {
    (1..levels).fold(field(9, b""), |inner, _| field(9, &field(1, &inner)))
}

/// Any attribute value as protobuf.
pub fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<String>().prop_map(|text| s(&text)),
        any::<Vec<u8>>().prop_map(|bytes| b(&bytes)),
        any::<bool>().prop_map(|flag| vec![0x20, u8::from(flag)]),
        prop::collection::vec(any::<String>(), 0..3)
            .prop_map(|set| field(6, &set.iter().flat_map(|text| field(1, text.as_bytes())).collect::<Vec<_>>())),
        Just(vec![]),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let map = prop::collection::vec((any::<String>(), inner), 0..4);
        prop_oneof![
            list.prop_map(|values| field(9, &values.iter().flat_map(|v| field(1, v)).collect::<Vec<_>>())),
            map.prop_map(|members| {
                field(10, &members.iter().flat_map(|(name, v)| member(name, v)).collect::<Vec<_>>())
            }),
        ]
    })
}
