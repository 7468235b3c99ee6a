//! Protobuf messages, field by field.

use super::Damage;
use super::container::Take;

/// The value of a field.
#[derive(Debug, Clone)]
pub enum Value {
    Varint(u64),
    Fixed(u64),
    Bytes(Vec<u8>),
}

/// All fields of a message in their order.
pub fn fields(message: &[u8]) -> Result<Vec<(u64, Value)>, Damage> {
    let mut take = Take(message);
    let mut all = Vec::new();
    while !take.0.is_empty() {
        let tag = varint(&mut take)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut take)?),
            1 => Value::Fixed(take.le()?),
            2 => {
                let len = varint(&mut take)?;
                Value::Bytes(take.bytes(len)?.to_vec())
            }
            wire => return Err(format!("wire type {wire}")),
        };
        all.push((tag >> 3, value));
    }
    Ok(all)
}

fn varint(take: &mut Take<'_>) -> Result<u64, Damage> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let byte = take.byte()?;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(n);
        }
    }
    Err("varint".into())
}

/// The byte strings of all fields with this number.
pub fn strings(message: &[u8], number: u64) -> Result<Vec<Vec<u8>>, Damage> {
    let of = |(n, value): (u64, Value)| match value {
        Value::Bytes(bytes) if n == number => Some(bytes),
        _ => None,
    };
    Ok(fields(message)?.into_iter().filter_map(of).collect())
}

/// The last byte string with this number; empty if there is none.
pub fn string(message: &[u8], number: u64) -> Result<Vec<u8>, Damage> {
    Ok(strings(message, number)?.pop().unwrap_or_default())
}

/// The number in the last field with this number; 0 if there is none.
pub fn number(message: &[u8], wanted: u64) -> Result<u64, Damage> {
    let of = |(n, value): (u64, Value)| match value {
        Value::Varint(x) | Value::Fixed(x) if n == wanted => Some(x),
        _ => None,
    };
    Ok(fields(message)?.into_iter().filter_map(of).next_back().unwrap_or_default())
}
