//! Calls a gRPC server: HTTP/2 without encryption, many parallel calls on a few connections, one message in each direction.
//!
//! The protocol is small enough to implement here: a request is a `POST` whose body is a message after its length, and the trailers of an
//! answer have the status of the call. `h2` implements HTTP/2.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::error::{Error, ErrorKind, Result};
use crate::load::backoff::Backoff;

/// How long a server may take to accept a connection, and to answer a call.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
/// How often calls are repeated, and the pause before the first time: a group may elect a new leader meanwhile.
const AGAIN: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);
/// Maximum bytes of an answer: the limit of the server.
const MOST_ANSWER: usize = 64 << 20;
/// Bytes of answers that may be in flight on a connection.
const WINDOW: u32 = 4 << 20;
/// Length of the header of a message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// Connections to a server.
pub(super) struct Client {
    runtime: Runtime,
    /// Host and port.
    authority: String,
    /// Broken connections are opened again before the next calls.
    connections: Vec<Option<SendRequest<Bytes>>>,
}

/// Why a call has no answer.
enum Failure {
    /// The connection or the server failed. A repeated call may succeed.
    Transport(String),
    /// The server returned an error: a gRPC status and a message.
    Status(u32, String),
}

impl Failure {
    /// Whether the same call can succeed later. A server returns most of its own errors without a specific status.
    fn is_passing(&self) -> bool {
        const UNKNOWN: u32 = 2;
        const DEADLINE_EXCEEDED: u32 = 4;
        const ABORTED: u32 = 10;
        const INTERNAL: u32 = 13;
        const UNAVAILABLE: u32 = 14;
        match self {
            Failure::Transport(_) => true,
            Failure::Status(code, _) => [UNKNOWN, DEADLINE_EXCEEDED, ABORTED, INTERNAL, UNAVAILABLE].contains(code),
        }
    }

    fn words(&self) -> String {
        match self {
            Failure::Transport(words) => words.clone(),
            Failure::Status(code, words) => format!("{words} (gRPC status {code})"),
        }
    }
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Failure {
        Failure::Transport(error.to_string())
    }
}

impl Client {
    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    /// A server that cannot be reached.
    pub fn connect(authority: &str, connections: usize) -> Result<Client> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Error::usage(format!("no connection can be made: {e}")))?;
        let mut client =
            Client { runtime, authority: authority.to_owned(), connections: vec![None; connections.max(1)] };
        client.reconnect()?;
        Ok(client)
    }

    /// Opens missing connections.
    fn reconnect(&mut self) -> Result<()> {
        for at in 0..self.connections.len() {
            if self.connections[at].is_none() {
                let made = self.runtime.block_on(connection(&self.authority));
                self.connections[at] = Some(made.map_err(|failure| self.failed(&failure.words()))?);
            }
        }
        Ok(())
    }

    /// Calls a method once for each message, in parallel, and repeats failed calls. Returns the answers in order.
    ///
    /// # Errors
    /// A call that the server refuses, or that fails every time: `name` describes it.
    pub fn call<A: Message + Default>(
        &mut self,
        method: &'static str,
        messages: &[Bytes],
        name: impl Fn(usize) -> String,
    ) -> Result<Vec<A>> {
        let mut answers: Vec<Option<A>> = messages.iter().map(|_| None).collect();
        let mut backoff = Backoff::new(PAUSE, AGAIN);
        loop {
            let open: Vec<usize> = (0..messages.len()).filter(|at| answers[*at].is_none()).collect();
            let mut failed = None;
            for (at, outcome) in self.once(method, messages, &open) {
                match outcome {
                    Ok(answer) => answers[at] = Some(answer),
                    Err(failure) if failure.is_passing() => failed = failed.or(Some((at, failure))),
                    Err(failure) => return Err(self.failed(&format!("{}: {}", name(at), failure.words()))),
                }
            }
            let Some((at, failure)) = failed else { break };
            if !backoff.wait() {
                return Err(self.failed(&format!("{}: {}", name(at), failure.words())));
            }
            // A server that restarts refuses connections for a while.
            while let Err(error) = self.reconnect() {
                if !backoff.wait() {
                    return Err(error);
                }
            }
        }
        let all: Option<Vec<A>> = answers.into_iter().collect();
        all.ok_or_else(|| Error::internal("a call has neither an answer nor an error"))
    }

    /// Calls a method for the messages that have no answer yet. Each of them has an outcome.
    fn once<A: Message + Default>(
        &mut self,
        method: &'static str,
        messages: &[Bytes],
        open: &[usize],
    ) -> Vec<(usize, std::result::Result<A, Failure>)> {
        let (authority, connections) = (&self.authority, &self.connections);
        let outcomes = self.runtime.block_on(async {
            let mut calls = JoinSet::new();
            for at in open {
                let lane = at % connections.len();
                let (at, connection, message) = (*at, connections[lane].clone(), messages[*at].clone());
                let uri = format!("http://{authority}{method}");
                calls.spawn(async move {
                    let failed = |words: &str| Err(Failure::Transport(words.to_owned()));
                    let outcome = match connection {
                        Some(connection) => timeout(ANSWER, call(connection, uri, message)).await,
                        None => Ok(failed("there is no connection")),
                    };
                    (at, lane, outcome.unwrap_or_else(|_| failed("no answer in time")))
                });
            }
            calls.join_all().await
        });
        let mut decoded = Vec::new();
        for (at, lane, outcome) in outcomes {
            if matches!(outcome, Err(Failure::Transport(_))) {
                self.connections[lane] = None;
            }
            let answer = outcome.and_then(|bytes| {
                A::decode(bytes).map_err(|e| Failure::Transport(format!("its answer cannot be read: {e}")))
            });
            decoded.push((at, answer));
        }
        decoded
    }

    /// An error of the server.
    #[cold]
    pub fn failed(&self, words: &str) -> Error {
        Error::new(ErrorKind::Target(format!("ekv://{}: {words}", self.authority)))
    }
}

/// A connection whose frames are read and written in the background.
async fn connection(authority: &str) -> std::result::Result<SendRequest<Bytes>, Failure> {
    let late = || Failure::Transport("no connection in time".to_owned());
    let stream = timeout(CONNECT, TcpStream::connect(authority)).await.map_err(|_| late())?;
    let stream = stream.map_err(|e| Failure::Transport(e.to_string()))?;
    let _ = stream.set_nodelay(true);
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).enable_push(false);
    let (requests, frames) = timeout(CONNECT, builder.handshake(stream)).await.map_err(|_| late())??;
    // Its errors are returned by the calls.
    tokio::spawn(async move { drop(frames.await) });
    Ok(requests)
}

/// One call: the bytes of its answer.
async fn call(connection: SendRequest<Bytes>, uri: String, message: Bytes) -> std::result::Result<Bytes, Failure> {
    let request = Request::post(uri).header("content-type", "application/grpc").header("te", "trailers").body(());
    let request = request.map_err(|e| Failure::Transport(e.to_string()))?;
    let mut connection = connection.ready().await?;
    let (response, mut stream) = connection.send_request(request, false)?;
    stream.send_data(framed(&message), true)?;
    let (head, mut body) = response.await?.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        if bytes.len() + chunk.len() > MOST_ANSWER + HEAD {
            return Err(Failure::Transport("its answer is too long".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    // An answer without a message has its status in its header.
    let trailers = body.trailers().await?;
    status(trailers.as_ref().unwrap_or(&head.headers), head.status.as_u16())?;
    unframed(bytes.freeze()).ok_or_else(|| Failure::Transport("its answer is not a message".to_owned()))
}

fn framed(message: &Bytes) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEAD + message.len());
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    bytes.extend_from_slice(message);
    bytes.freeze()
}

/// The one message of a body.
fn unframed(mut bytes: Bytes) -> Option<Bytes> {
    let head = bytes.first_chunk::<HEAD>()?;
    let [compressed, len @ ..] = *head;
    let message = bytes.split_off(HEAD);
    (compressed == 0 && u32::from_be_bytes(len) as usize == message.len()).then_some(message)
}

/// The status of a call.
fn status(headers: &HeaderMap, http: u16) -> std::result::Result<(), Failure> {
    let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    match text("grpc-status").map(|code| code.parse::<u32>()) {
        Some(Ok(0)) => Ok(()),
        Some(Ok(code)) => Err(Failure::Status(code, decoded(&text("grpc-message").unwrap_or_default()))),
        _ => Err(Failure::Transport(format!("it does not speak gRPC (HTTP {http})"))),
    }
}

/// A text in which `%` and two hexadecimal digits stand for a byte.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::messages::{Routes, method};
    use super::*;

    /// A call without a connection has failed: it is not left out.
    #[test]
    fn every_call_has_an_outcome() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut client = Client { runtime, authority: "127.0.0.1:1".to_owned(), connections: vec![None, None] };
        let messages = [Bytes::new(), Bytes::new(), Bytes::new()];
        let outcomes = client.once::<Routes>(method::ROUTES, &messages, &[0, 2]);
        let mut failed: Vec<usize> =
            outcomes.iter().filter(|(_, outcome)| outcome.is_err()).map(|(at, _)| *at).collect();
        failed.sort_unstable();
        assert_eq!(failed, [0, 2]);
    }

    #[test]
    fn messages_have_a_head() {
        let framed = framed(&Bytes::from_static(b"abc"));
        assert_eq!(&framed[..], b"\0\0\0\0\x03abc");
        assert_eq!(unframed(framed).as_deref(), Some(&b"abc"[..]));
        for bad in [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\0", b"\0\0\0\0\x01", b"\0\0\0\0\0x"] {
            assert_eq!(unframed(Bytes::copy_from_slice(bad)), None, "{bad:?}");
        }
    }

    #[test]
    fn words_of_a_status() {
        for (text, want) in [("not leader", "not leader"), ("a%25b%0A", "a%b\n"), ("100%", "100%"), ("%zz%4", "%zz%4")]
        {
            assert_eq!(decoded(text), want);
        }
    }
}
