//! Targets with the interfaces of AWS: signed HTTP requests on several connections. They are repeated while the target is busy.
//!
//! Objects are read by one thread (`run.rs`), which hands requests to others (`flight.rs`). When the target is busy, all of them pause.
//!
//! An address is `SERVICE://HOST:PORT` without encryption or `SERVICE+https://HOST`. Keys and region come from the environment, as for
//! other clients.

mod flight;
mod run;
mod sign;

pub mod dynamodb;
pub mod s3;
mod s3_parts;
mod s3_put;
pub mod sqs;
mod sqs_batch;

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ureq::http::{Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::backoff::Backoff;
use super::target::without_password;
use super::tls;
use crate::error::{Error, ErrorKind, Result};
use sign::{Keys, Signed};

/// How often a request is repeated, and the pause before the first time.
const AGAIN: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);
/// How long a target may take to accept a connection, and then to accept the next bytes or to give some.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(300);
/// Maximum bytes of an answer that are read.
const MOST_ANSWER: u64 = 64 << 20;
/// Bytes of an error that are shown if it is neither JSON nor XML.
const SHOWN: usize = 300;

/// A service at an address.
pub(super) struct Service {
    agent: Agent,
    /// Scheme, host and port.
    base: String,
    host: String,
    name: &'static str,
    keys: Keys,
    pub region: String,
    /// The number of parallel requests.
    pub connections: usize,
    /// When the target accepts requests again, from any connection.
    quiet_until: Mutex<Option<Instant>>,
}

/// A request.
#[derive(Clone)]
pub(super) struct Request<'r> {
    pub method: &'static str,
    /// As it is sent: percent-encoded.
    pub path: &'r str,
    /// Names and values, not encoded.
    pub query: &'r [(&'r str, &'r str)],
    pub headers: &'r [(&'r str, &'r [u8])],
    pub content: Content<'r>,
}

/// The body of a request.
#[derive(Clone, Copy)]
pub(super) enum Content<'r> {
    Bytes(&'r [u8]),
    /// A file from its beginning, with its length and its SHA-256 in hex.
    File(&'r File, u64, &'r str),
}

/// An answer.
pub(super) struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub text: String,
}

impl Answer {
    pub fn is_fine(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the service rejects the request itself: the keys are valid for it, and the service is not busy.
    pub fn is_rejection(&self) -> bool {
        (400..500).contains(&self.status) && !matches!(self.status, 401 | 403) && !is_busy(self)
    }

    /// The code of an error: `ValidationException`, `NoSuchBucket`.
    pub fn code(&self) -> &str {
        // JSON: "__type":"prefix#Code"; XML: <Code>Code</Code>.
        let json = between(&self.text, "\"__type\":", ",").or_else(|| between(&self.text, "\"__type\":", "}"));
        let code = json.or_else(|| between(&self.text, "<Code>", "</Code>")).unwrap_or_default();
        code.trim().trim_matches('"').rsplit('#').next().unwrap_or_default()
    }

    /// Code and message of an error.
    pub fn words(&self) -> String {
        let value: Option<serde_json::Value> = serde_json::from_str(&self.text).ok();
        let json = value
            .and_then(|value| Some(["message", "Message"].iter().find_map(|name| value[name].as_str())?.to_owned()));
        let message = json.or_else(|| between(&self.text, "<Message>", "</Message>").map(str::to_owned));
        match message {
            Some(message) => format!("{}: {message}", self.code()),
            None if self.text.trim_start().starts_with('<') => format!("HTTP {}", self.status),
            None => format!("HTTP {} {}", self.status, self.text.chars().take(SHOWN).collect::<String>()),
        }
    }
}

/// The text between two markers.
pub(super) fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    let rest = &text[text.find(from)? + from.len()..];
    Some(&rest[..rest.find(to)?])
}

impl Service {
    /// A service at an address such as `s3://localhost:9000`; 0 connections mean the default.
    ///
    /// # Errors
    /// No address, or no keys in the environment.
    pub fn of(url: &str, name: &'static str, connections: usize) -> Result<Service> {
        tls::prepare();
        let (scheme, host) = url.split_once("://").unwrap_or_default();
        let host = host.trim_end_matches('/');
        if host.is_empty() || host.contains(['/', '@', '?']) {
            let shown = without_password(url);
            return Err(Error::command_line(format!("{shown}: want {name}://HOST:PORT or {name}+https://HOST")));
        }
        let connections = flight::connections(connections);
        let http = if scheme.ends_with("+https") { "https" } else { "http" };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(ANSWER))
            .timeout_per_write(Some(ANSWER))
            .tls_config(TlsConfig::builder().root_certs(roots(http == "https")?).build())
            .build();
        let variable = |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok());
        Ok(Service {
            agent: config.into(),
            base: format!("{http}://{host}"),
            host: host.to_owned(),
            name,
            keys: Keys::of_environment()?,
            region: variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| "us-east-1".to_owned()),
            connections,
            quiet_until: Mutex::new(None),
        })
    }

    /// A service that nothing is sent to.
    #[cfg(test)]
    fn nowhere() -> Service {
        Service {
            agent: Agent::new_with_defaults(),
            base: String::new(),
            host: String::new(),
            name: "none",
            keys: Keys::none(),
            region: String::new(),
            connections: 1,
            quiet_until: Mutex::new(None),
        }
    }

    /// Calls a service whose operations take and return JSON. `target`: version and name of the operation.
    ///
    /// # Errors
    /// As [`send`](Service::send).
    pub fn call(&self, target: &str, body: &str) -> Result<Answer> {
        self.send(&Request {
            method: "POST",
            path: "/",
            query: &[],
            headers: &[("content-type", b"application/x-amz-json-1.0"), ("x-amz-target", target.as_bytes())],
            content: Content::Bytes(body.as_bytes()),
        })
    }

    /// Sends a request, and repeats it if the target is busy or unreachable. An answer with an error status is an answer.
    ///
    /// # Errors
    /// A target that cannot be reached, or that stays busy.
    pub fn send(&self, request: &Request<'_>) -> Result<Answer> {
        let mut backoff = Backoff::new(PAUSE, AGAIN);
        loop {
            self.keep_quiet();
            let answer = self.once(request);
            let is_passing = answer.as_ref().map_or(true, is_busy);
            match backoff.pause().filter(|_| is_passing) {
                Some(pause) => self.pause(pause),
                None => return answer.map_err(|e| self.failed(&e.to_string())),
            }
        }
    }

    /// Makes all connections pause: requests of other connections would keep a busy target busy.
    pub fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut quiet = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        *quiet = (*quiet).max(Some(until));
    }

    /// Waits as long as the target asks for a pause.
    fn keep_quiet(&self) {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
        }
    }

    fn once(&self, request: &Request<'_>) -> std::result::Result<Answer, ureq::Error> {
        let query = sign::query(request.query);
        let digest = match request.content {
            Content::Bytes(bytes) => sign::sha256(bytes),
            Content::File(_, _, digest) => digest.to_owned(),
        };
        let signed = Signed {
            method: request.method,
            host: &self.host,
            path: request.path,
            query: &query,
            headers: request.headers,
            digest: &digest,
            region: &self.region,
            service: self.name,
            moment: Timestamp::now(),
        };
        let url = format!("{}{}{}{query}", self.base, request.path, if query.is_empty() { "" } else { "?" });
        let mut http = ureq::http::Request::builder().method(request.method).uri(url);
        for (name, value) in signed.headers(&self.keys) {
            http = http.header(name, value);
        }
        for (name, value) in request.headers {
            http = http.header(*name, *value);
        }
        match request.content {
            Content::Bytes([]) if matches!(request.method, "GET" | "HEAD" | "DELETE") => {
                answer(self.agent.run(http.body(())?)?)
            }
            Content::Bytes(bytes) => answer(self.agent.run(http.body(bytes)?)?),
            Content::File(file, len, _) => {
                let mut file = file;
                file.rewind()?;
                let http = http.header(header::CONTENT_LENGTH, len).body(SendBody::from_reader(&mut file))?;
                answer(self.agent.run(http)?)
            }
        }
    }

    /// An error of the target.
    #[cold]
    pub fn failed(&self, words: &str) -> Error {
        Error::new(ErrorKind::Target(format!("{}: {words}", self.base)))
    }

    /// The content of an answer: a success, in JSON.
    ///
    /// # Errors
    /// It is an error, or not JSON: then the outcome of the request is unknown.
    pub fn json(&self, doing: &str, answer: &Answer) -> Result<serde_json::Value> {
        match serde_json::from_str(&answer.text) {
            Ok(told @ serde_json::Value::Object(_)) if answer.is_fine() => Ok(told),
            _ => Err(self.refused(doing, answer)),
        }
    }

    /// The error of an answer that must be a success.
    #[cold]
    pub fn refused(&self, doing: &str, answer: &Answer) -> Error {
        self.failed(&format!("{doing}: {}", answer.words()))
    }
}

fn answer(mut response: Response<Body>) -> std::result::Result<Answer, ureq::Error> {
    let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
    let etag = etag.map(|etag| etag.trim_matches('"').to_owned());
    let mut bytes = Vec::new();
    response.body_mut().as_reader().take(MOST_ANSWER).read_to_end(&mut bytes)?;
    Ok(Answer { status: response.status().as_u16(), etag, text: String::from_utf8_lossy(&bytes).into_owned() })
}

/// Whether a request can succeed later.
fn is_busy(answer: &Answer) -> bool {
    const CODES: [&str; 6] = [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "InternalServerError",
    ];
    matches!(answer.status, 429 | 500 | 502 | 503 | 504) || (!answer.is_fine() && CODES.contains(&answer.code()))
}

/// The certificate authorities that the system trusts.
fn roots(needed: bool) -> Result<RootCerts> {
    if !needed {
        return Ok(RootCerts::Specific(Arc::new(Vec::new())));
    }
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(Error::usage("the system has no certificates of certificate authorities: install ca-certificates"));
    }
    let all: Vec<Certificate<'static>> =
        found.certs.iter().map(|one| Certificate::from_der(one.as_ref()).to_owned()).collect();
    Ok(RootCerts::Specific(Arc::new(all)))
}
