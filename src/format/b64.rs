//! Base64 of values, with vector instructions where the machine has them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurposeConfig, NO_PAD, PAD};

/// The encoder and decoder.
pub type Engine = fast::Engine;

/// Standard base64 with padding.
pub static STANDARD: LazyLock<Engine> = LazyLock::new(|| fast::standard(PAD));
/// The same with the tolerance of the server, which ignores the unused bits of the last character.
pub static LENIENT: LazyLock<Engine> = LazyLock::new(|| fast::standard(LOOSE_BITS));
/// Base64url without padding.
pub static URL_SAFE: LazyLock<Engine> = LazyLock::new(|| fast::url_safe(NO_PAD));

/// Appends bytes in base64.
pub fn append(engine: &Engine, bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start.saturating_add(bytes.len().div_ceil(3).saturating_mul(4)), 0);
    let written = engine.encode_slice(bytes, out.get_mut(start..).unwrap_or_default()).unwrap_or_default();
    out.truncate(start.saturating_add(written));
}

const LOOSE_BITS: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
mod fast {
    pub use base64::engine::Simd as Engine;
    use base64::engine::general_purpose::GeneralPurposeConfig;

    pub fn standard(config: GeneralPurposeConfig) -> Engine {
        Engine::standard(config)
    }

    pub fn url_safe(config: GeneralPurposeConfig) -> Engine {
        Engine::url_safe(config)
    }
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
mod fast {
    use base64::alphabet;
    pub use base64::engine::general_purpose::GeneralPurpose as Engine;
    use base64::engine::general_purpose::GeneralPurposeConfig;

    pub fn standard(config: GeneralPurposeConfig) -> Engine {
        Engine::new(&alphabet::STANDARD, config)
    }

    pub fn url_safe(config: GeneralPurposeConfig) -> Engine {
        Engine::new(&alphabet::URL_SAFE, config)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{self, GeneralPurpose};
    use proptest::prelude::*;

    use super::*;

    const PLAIN: [GeneralPurpose; 3] = [
        general_purpose::STANDARD,
        GeneralPurpose::new(&base64::alphabet::STANDARD, LOOSE_BITS),
        general_purpose::URL_SAFE_NO_PAD,
    ];

    proptest! {
        #[test]
        fn every_engine_is_the_plain_one(bytes: Vec<u8>, at: prop::sample::Index, odd: u8) {
            for (fast, plain) in [&STANDARD, &LENIENT, &URL_SAFE].into_iter().zip(PLAIN) {
                let mut text = plain.encode(&bytes).into_bytes();
                prop_assert_eq!(fast.encode(&bytes).into_bytes(), text.clone());
                prop_assert_eq!(fast.decode(&text), Ok(bytes.clone()));
                if !text.is_empty() {
                    let at = at.index(text.len());
                    text[at] = odd;
                    prop_assert_eq!(fast.decode(&text), plain.decode(&text));
                }
            }
        }
    }
}
