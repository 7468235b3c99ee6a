//! TLS: one library for all clients, which the program also uses for checksums.

/// Installs the library. Only the first call has an effect.
pub(super) fn prepare() {
    // The embedding program may have installed another one before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
