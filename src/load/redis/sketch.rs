//! HyperLogLog sketches as Redis stores them: strings that begin with `HYLL`.
//!
//! | bytes | meaning |
//! |---|---|
//! | 4 | `HYLL` |
//! | 1 | 0: dense, 1: sparse |
//! | 3 | zeros |
//! | 8 | the cached count; the top bit of the last byte means that it is outdated |
//! | … | registers: 6 bits each (dense), or runs of equal ones (sparse) |
//!
//! The sparse form is used as long as a server with default configuration would use it.

const REGISTERS: usize = 1 << 14;
const INDEX_BITS: u32 = 14;
/// Bits of a hash in which zeros are counted.
const COUNTED: u32 = 50;
const SEED: u64 = 0xadc8_3b19;
const HEAD: &[u8; 4] = b"HYLL";
/// `hll-sparse-max-bytes` of a server.
const MOST_SPARSE: usize = 3000;
/// The largest register of the sparse form, and its longest runs.
const MOST_VALUE: u8 = 32;
const RUN_OF_VALUE: usize = 4;
const RUN_OF_ZEROS: usize = 64;

/// The registers of one sketch.
pub(super) struct Registers(Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Self {
        Registers(Box::new([0; REGISTERS]))
    }
}

impl Registers {
    /// Adds an element, as `PFADD` does.
    pub fn add(&mut self, element: &[u8]) {
        let hash = murmur64a(element);
        let zeros = ((hash >> INDEX_BITS) | 1 << COUNTED).trailing_zeros();
        let register = &mut self.0[hash as usize % REGISTERS];
        *register = (*register).max(zeros as u8 + 1);
    }

    /// Replaces `out` with the string.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.head(1, out);
        if !self.sparse(out) {
            self.head(0, out);
            self.dense(out);
        }
    }

    fn head(&self, encoding: u8, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(HEAD);
        out.extend_from_slice(&[encoding, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]);
    }

    fn sparse(&self, out: &mut Vec<u8>) -> bool {
        for run in self.0.chunk_by(|a, b| a == b) {
            match run[0] {
                0 => zeros(run.len(), out),
                value if value > MOST_VALUE => return false,
                value => {
                    let runs = run.chunks(RUN_OF_VALUE).map(|run| 0x80 | (value - 1) << 2 | (run.len() - 1) as u8);
                    out.extend(runs);
                }
            }
        }
        out.len() <= MOST_SPARSE
    }

    fn dense(&self, out: &mut Vec<u8>) {
        for four in self.0.chunks_exact(4) {
            let bits = four.iter().rev().fold(0u32, |bits, register| bits << 6 | u32::from(*register));
            out.extend_from_slice(&bits.to_le_bytes()[..3]);
        }
    }
}

/// A run of registers that are zero.
fn zeros(run: usize, out: &mut Vec<u8>) {
    let last = run - 1;
    if run <= RUN_OF_ZEROS {
        out.push(last as u8);
    } else {
        out.extend_from_slice(&[0x40 | (last >> 8) as u8, last as u8]);
    }
}

/// MurmurHash64A.
fn murmur64a(bytes: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |hash: u64, word: u64| {
        let word = word.wrapping_mul(M);
        (hash ^ (word ^ word >> 47).wrapping_mul(M)).wrapping_mul(M)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    let mut hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(M);
    hash ^ hash >> 47
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(members: u32) -> Vec<u8> {
        let (mut registers, mut out) = (Registers::default(), Vec::new());
        (0..members).for_each(|n| registers.add(format!("m{n}").as_bytes()));
        registers.encode(&mut out);
        out
    }

    /// The registers of either form.
    fn registers(sketch: &[u8]) -> Vec<u8> {
        let body = &sketch[16..];
        if sketch[4] == 0 {
            let bit = |at: usize| body[at / 8] >> (at % 8) & 1;
            return (0..REGISTERS).map(|n| (0..6).fold(0, |value, i| value | bit(n * 6 + i) << i)).collect();
        }
        let (mut all, mut rest) = (Vec::new(), body);
        while let Some((&first, behind)) = rest.split_first() {
            rest = behind;
            let (value, run) = match first {
                0..=0x3f => (0, usize::from(first)),
                0x40..=0x7f => {
                    let low = usize::from(rest[0]);
                    rest = &rest[1..];
                    (0, usize::from(first & 0x3f) << 8 | low)
                }
                _ => (((first >> 2) & 0x1f) + 1, usize::from(first & 3)),
            };
            all.extend(std::iter::repeat_n(value, run + 1));
        }
        all
    }

    #[test]
    fn both_forms_hold_the_registers() {
        for (members, encoding) in [(0, 1), (1, 1), (300, 1), (3000, 0), (100_000, 0)] {
            let (mut want, sketch) = (Registers::default(), sketch(members));
            (0..members).for_each(|n| want.add(format!("m{n}").as_bytes()));
            assert_eq!((&sketch[..4], sketch[4]), (&HEAD[..], encoding), "{members}");
            assert_eq!(registers(&sketch), want.0.as_slice(), "{members}");
        }
    }

    #[test]
    fn an_empty_sketch_is_one_run() {
        assert_eq!(sketch(0), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff");
    }
}
