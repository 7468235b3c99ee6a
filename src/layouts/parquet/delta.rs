//! Numbers as differences of neighbours (DELTA_BINARY_PACKED), each 32 of them in as few bits as the largest needs.
//!
//! Commit timestamps, times and positions differ little from their neighbours. In this form they take one to five bytes instead of eight,
//! and the compressor, which is slow at such numbers, has little left to do.

use super::page::varint;

/// Differences that share a minimum.
const BLOCK: usize = 128;
/// Differences that share a number of bits.
const MINI: usize = 32;

/// Appends numbers of 64 bits, which are stored as in the PLAIN encoding.
pub(super) fn append(values: &[u8], out: &mut Vec<u8>) {
    let (all, _) = values.as_chunks::<8>();
    let (first, rest) = all.split_first().map_or((0, all), |(first, rest)| (i64::from_le_bytes(*first), rest));
    [BLOCK, BLOCK / MINI, all.len()].iter().for_each(|n| varint(*n as u64, out));
    varint(zigzag(first), out);
    let mut last = first;
    for block in rest.chunks(BLOCK) {
        let mut deltas = [0; BLOCK];
        for (delta, bytes) in deltas.iter_mut().zip(block) {
            let n = i64::from_le_bytes(*bytes);
            *delta = n.wrapping_sub(last);
            last = n;
        }
        append_block(&mut deltas, block.len(), out);
    }
}

/// Appends the first `len` differences.
fn append_block(deltas: &mut [i64; BLOCK], len: usize, out: &mut Vec<u8>) {
    let least = deltas[..len].iter().copied().min().unwrap_or(0);
    varint(zigzag(least), out);
    let widths = out.len();
    out.extend_from_slice(&[0; BLOCK / MINI]);
    // The rest of the last group is filled up; groups after it are left out.
    deltas[len..].fill(least);
    let (groups, _) = deltas.as_chunks::<MINI>();
    for (n, group) in groups.iter().take(len.div_ceil(MINI)).enumerate() {
        let above = group.map(|delta| delta.wrapping_sub(least).cast_unsigned());
        let bits = u64::BITS - above.iter().fold(0, |all, n| all | n).leading_zeros();
        out[widths + n] = bits as u8;
        pack(&above, bits, out);
    }
}

/// Appends the lowest `bits` bits of each number, from the lowest bit of each byte.
fn pack(numbers: &[u64; MINI], bits: u32, out: &mut Vec<u8>) {
    let (mut word, mut filled) = (0, 0);
    for n in numbers.iter().filter(|_| bits > 0) {
        word |= n << filled;
        filled += bits;
        if let Some(over) = filled.checked_sub(u64::BITS) {
            out.extend_from_slice(&word.to_le_bytes());
            word = n.checked_shr(bits - over).unwrap_or(0);
            filled = over;
        }
    }
    // 32 numbers fill words of 32 bits.
    out.extend_from_slice(&word.to_le_bytes()[..filled as usize / 8]);
}

const fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63).cast_unsigned()
}
