//! DynamoDB, S3 and SQS in moto: what was loaded is read back by boto3 (`tests/tools/loaded_aws.py`) and compared with an output.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::redis_server::free_port;
use crate::kit::command::{code, stderr};
use crate::kit::fixtures::{load as fixture, snapshots};

/// The Python environment in which `moto[server]` is installed.
pub(super) fn moto_bin(program: &str) -> PathBuf {
    std::env::var_os("MOTO_BIN").map_or_else(|| PathBuf::from(program), |bin| Path::new(&bin).join(program))
}

/// A separate server.
pub(super) struct Moto {
    child: Child,
    pub port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    fn start() -> Moto {
        Moto::with(&[], Path::new("."))
    }

    fn with(more: &[&str], dir: &Path) -> Moto {
        let mut command = Command::new(moto_bin("moto_server"));
        command.args(more).current_dir(dir);
        Moto::of(command)
    }

    /// The server that a command starts.
    pub fn of(mut command: Command) -> Moto {
        let port = free_port();
        let quiet = command.args(["-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().expect("moto_server is installed; MOTO_BIN names its directory");
        let (moto, begun) = (Moto { child, port }, Instant::now());
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    /// The target of an adapter's objects.
    fn target(&self, adapter: &str) -> String {
        format!("{adapter}://127.0.0.1:{}", self.port)
    }
}

fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ekvsnap"));
    let keys = [("AWS_ACCESS_KEY_ID", "t"), ("AWS_SECRET_ACCESS_KEY", "t"), ("AWS_REGION", "us-east-1")];
    command.current_dir(dir).envs(keys).stdin(Stdio::null());
    command
}

/// Runs the program with keys for the services.
pub(super) fn run(dir: &Path, args: &[&str]) -> Output {
    program(dir).args(args).output().unwrap()
}

#[track_caller]
pub(super) fn fine(dir: &Path, args: &[&str]) -> Vec<u8> {
    let out = run(dir, args);
    assert_eq!(code(&out), 0, "{args:?}: {}", stderr(&out));
    out.stdout
}

/// Reads everything back.
#[track_caller]
pub(super) fn compare(dir: &Path, moto: &Moto, adapter: &str, told: &[u8]) {
    std::fs::write(dir.join("told"), told).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/loaded_aws.py");
    let endpoint = format!("http://127.0.0.1:{}", moto.port);
    let mut python = Command::new(moto_bin("python3"));
    let out = python.arg(script).args([adapter, &endpoint, "lines", "told"]).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), stderr(&out));
}

/// The snapshot of a corpus as `x.fsm`, and an output of it in lines.
pub(super) fn prepare(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.fsm"), &snapshots(&fixture(name))[0]).unwrap();
    fine(dir.path(), &["decode", "x.fsm", "-o", "lines", "--layout", "jsonl"]);
    dir
}

#[test]
#[ignore = "needs moto"]
fn every_corpus_is_read_back() {
    for adapter in ["dynamodb", "s3", "sqs"] {
        for corpus in ["small", "nasty"] {
            let dir = prepare(&format!("{adapter}-{corpus}"));
            for input in ["x.fsm", "lines"] {
                let moto = Moto::start();
                let target = moto.target(adapter);
                fine(dir.path(), &["load", input, "--to", &target, "--dry-run"]);
                let told = fine(dir.path(), &["load", input, "--to", &target, "--json"]);
                compare(dir.path(), &moto, adapter, &told);
            }
        }
    }
}

/// What is there is not touched without a word.
#[test]
#[ignore = "needs moto"]
fn a_target_that_is_not_empty_is_refused() {
    for adapter in ["dynamodb", "s3", "sqs"] {
        let (dir, moto) = (prepare(&format!("{adapter}-nasty")), Moto::start());
        let target = moto.target(adapter);
        fine(dir.path(), &["load", "x.fsm", "--to", &target]);
        let again = run(dir.path(), &["load", "x.fsm", "--to", &target]);
        assert_eq!(code(&again), 1, "{}", stderr(&again));
        assert!(stderr(&again).contains("--merge loads into a server that is not empty"), "{}", stderr(&again));
        if adapter != "sqs" {
            let told = fine(dir.path(), &["load", "lines", "--to", &target, "--merge", "--json"]);
            compare(dir.path(), &moto, adapter, &told);
        }
        let strict = run(dir.path(), &["load", "x.fsm", "--to", &Moto::start().target(adapter), "--strict"]);
        assert_eq!(code(&strict), 4, "something of every nasty corpus is told: {}", stderr(&strict));
    }
}

#[test]
#[ignore = "needs moto"]
fn a_killed_load_is_resumed() {
    for (adapter, rate) in [("dynamodb", "2KiB"), ("s3", "8MiB"), ("sqs", "100KiB")] {
        let (dir, moto) = (prepare(&format!("{adapter}-nasty")), Moto::start());
        let target = moto.target(adapter);
        let mut command = program(dir.path());
        command.args(["load", "x.fsm", "--to", &target, "--json", "--rate-limit", rate]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut told = Vec::new();
        let mut position = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            told.extend(line.into_bytes());
            told.push(b'\n');
            if event["event"] == "loading" {
                position = event["position"].as_str().map(str::to_owned);
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let position = position.expect("it tells a position");
        told.extend(fine(dir.path(), &["load", "x.fsm", "--to", &target, "--json", "--start-after", &position]));
        if adapter != "sqs" {
            // A standard queue may have messages twice that were sent when the run was killed.
            compare(dir.path(), &moto, adapter, &told);
        }
    }
}

/// Encrypted, and only to a service whose certificate is trusted.
#[test]
#[ignore = "needs moto and openssl"]
fn an_encrypted_connection() {
    let dir = prepare("s3-small");
    super::certificate(dir.path());
    let moto = Moto::with(&["-s", "-c", "cert.pem", "-k", "key.pem"], dir.path());
    let target = format!("s3+https://localhost:{}", moto.port);
    let mut command = program(dir.path());
    command.args(["load", "x.fsm", "--to", &target]).env("SSL_CERT_FILE", dir.path().join("cert.pem"));
    let trusted = command.output().unwrap();
    assert_eq!(code(&trusted), 0, "{}", stderr(&trusted));
    let distrusted = command.env_remove("SSL_CERT_FILE").arg("--merge").output().unwrap();
    assert_eq!((code(&distrusted), stderr(&distrusted).contains("certificate")), (1, true), "{}", stderr(&distrusted));
}

#[test]
fn keys_are_needed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy("testdata/redis-small.fsm", dir.path().join("x.fsm")).unwrap();
    let mut command = program(dir.path());
    let out =
        command.env_remove("AWS_ACCESS_KEY_ID").args(["load", "x.fsm", "--to", "s3://127.0.0.1:1"]).output().unwrap();
    assert_eq!((code(&out), stderr(&out).contains("set AWS_ACCESS_KEY_ID")), (1, true), "{}", stderr(&out));
    let out = program(dir.path()).args(["load", "x.fsm", "--to", "s3://h/bucket"]).output().unwrap();
    assert_eq!(code(&out), 64, "{}", stderr(&out));
}
