//! `load`: objects into running systems. Tests that need a server are `#[ignore]`d, and run by `.ci/run`.

mod answers;
mod aws;
mod aws_server;
mod ekv;
mod ekv_server;
mod import;
mod rdb;
mod rdb_reader;
mod redis_answers;
mod redis_server;
mod s3_answers;
mod truth;

use std::path::Path;
use std::process::Command;

/// A key and a self-signed certificate for `localhost`: `key.pem` and `cert.pem` in the directory.
fn certificate(dir: &Path) {
    let names = ["subjectAltName=DNS:localhost,IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"];
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]);
    openssl.args(["-days", "2", "-subj", "/CN=localhost", "-addext", names[0], "-addext", names[1]]);
    let made = openssl.current_dir(dir).output().expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
