//! Encryption of connections: one library for all clients, that which the rest of the program has for its checksums.

/// Makes it known; the first call counts.
pub(super) fn prepare() {
    // Whoever embeds the crate may have chosen another before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
