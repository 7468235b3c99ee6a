//! TLS: one library for all clients, the one that the program also uses for checksums.

/// Makes it known; the first call counts.
pub(super) fn prepare() {
    // Whoever embeds the crate may have chosen another before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
