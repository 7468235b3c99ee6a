//! MD5 of eight texts at once (RFC 1321).
//!
//! Every message states the MD5 of its body, and every one is checked. A single MD5 cannot be made fast, because each
//! step depends on the previous one. Eight in parallel take little more time than one.

use wide::u32x8;

use crate::format::hex;

/// Number of parallel texts.
const LANES: usize = 8;
/// Bytes of a block.
const BLOCK: usize = 64;

/// An MD5.
pub type Digest = [u8; 16];

const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
/// Rotations, by round and step.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
/// Whole parts of 2^32 · |sin(n)|, n from 1.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// The digests of some texts, in their order.
pub fn digests(texts: &[&[u8]]) -> Vec<Digest> {
    texts.chunks(LANES).flat_map(side_by_side).collect()
}

/// Whether `text` is a digest in hex, of either case.
pub fn is_hex_of(text: &str, digest: Digest) -> bool {
    digest.map(hex::byte).as_flattened().eq_ignore_ascii_case(text.as_bytes())
}

/// The digests of up to eight texts.
fn side_by_side(texts: &[&[u8]]) -> impl Iterator<Item = Digest> {
    let longest = texts.iter().map(|text| blocks(text)).max().unwrap_or(0);
    let mut state = START.map(u32x8::splat);
    let mut done = [[0; 4]; LANES];
    for n in 0..longest {
        add_block(&mut state, &words(texts, n));
        let columns = state.map(u32x8::to_array);
        for (lane, _) in texts.iter().enumerate().filter(|(_, text)| blocks(text) == n + 1) {
            done[lane] = columns.map(|column| column[lane]);
        }
    }
    done.into_iter().take(texts.len()).map(|words| {
        let mut digest = [0; 16];
        digest.as_chunks_mut().0.iter_mut().zip(words).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
        digest
    })
}

/// The number of blocks of a text with its end marker and its length.
fn blocks(text: &[u8]) -> usize {
    (text.len() + 8) / BLOCK + 1
}

/// Block `n` of every text, by words. After the end of a text the content does not matter.
fn words(texts: &[&[u8]], n: usize) -> [u32x8; 16] {
    let mut columns = [[0; LANES]; 16];
    for (lane, text) in texts.iter().enumerate() {
        let padded;
        let block = match text.get(n * BLOCK..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
            Some(block) => block,
            None => {
                padded = last_block(text, n);
                &padded
            }
        };
        for (column, word) in columns.iter_mut().zip(block.as_chunks().0) {
            column[lane] = u32::from_le_bytes(*word);
        }
    }
    columns.map(u32x8::new)
}

/// A block that the text does not fill: the rest of the text, the byte 0x80, zeros, and in the very last block the length in bits.
fn last_block(text: &[u8], n: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let rest = text.get(n * BLOCK..).unwrap_or_default();
    block[..rest.len()].copy_from_slice(rest);
    if let Some(mark) = (n * BLOCK..).zip(&mut block).find_map(|(at, byte)| (at == text.len()).then_some(byte)) {
        *mark = 0x80;
    }
    if blocks(text) == n + 1 {
        block[BLOCK - 8..].copy_from_slice(&(text.len() as u64).wrapping_mul(8).to_le_bytes());
    }
    block
}

fn add_block(state: &mut [u32x8; 4], words: &[u32x8; 16]) {
    let before = *state;
    round(0, state, words, |step| step, |b, c, d| (b & c) | (!b & d));
    round(1, state, words, |step| 5 * step + 1, |b, c, d| (d & b) | (!d & c));
    round(2, state, words, |step| 3 * step + 5, |b, c, d| b ^ c ^ d);
    round(3, state, words, |step| 7 * step, |b, c, d| c ^ (b | !d));
    state.iter_mut().zip(before).for_each(|(word, before)| *word += before);
}

/// Sixteen steps; `word` gives the index of the word that each step uses, modulo 16.
#[inline(always)]
fn round(
    round: usize,
    [a, b, c, d]: &mut [u32x8; 4],
    words: &[u32x8; 16],
    word: impl Fn(usize) -> usize,
    mix: impl Fn(u32x8, u32x8, u32x8) -> u32x8,
) {
    for step in 0..16 {
        let sum = *a + mix(*b, *c, *d) + u32x8::splat(SINES[16 * round + step]) + words[word(step) % 16];
        let turn = TURNS[round][step % 4];
        let turned = (sum << turn) | (sum >> (32 - turn));
        (*a, *b, *c, *d) = (*d, *b + turned, *b, *c);
    }
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;
    use proptest::prelude::*;

    use super::*;

    fn check(texts: &[Vec<u8>]) {
        let borrowed: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let want: Vec<Digest> = texts.iter().map(|text| md5::Md5::digest(text).into()).collect();
        assert_eq!(digests(&borrowed), want);
    }

    #[test]
    fn every_length_near_a_block() {
        let texts: Vec<Vec<u8>> =
            (0..3 * BLOCK + 2).map(|len| (0..len).map(|n| (n * 7 + len) as u8).collect()).collect();
        check(&texts);
        texts.chunks(1).for_each(check);
        check(&[]);
        check(&[vec![0xff; 100_000], vec![], vec![1; 64]]);
    }

    #[test]
    fn digests_in_hex() {
        for (text, want) in [
            ("49f68a5c8493ec2c0bf489821c21fc3b", true),
            ("49F68A5C8493EC2C0BF489821C21FC3B", true),
            ("49f68a5c8493ec2c0bf489821c21fc3c", false),
            ("49f6", false),
            ("", false),
        ] {
            assert_eq!(is_hex_of(text, digests(&[b"hi"])[0]), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn as_one_by_one(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            check(&texts);
        }
    }
}
