//! The raw key-value interface of a server with two groups, in memory: a test can choose its answers.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{SendResponse, handshake};
use http::{HeaderMap, Response};
use prost::Message;
use tokio::net::TcpStream;

/// Number of keys in an answer, whatever is requested: so every answer is incomplete.
const PAGE: usize = 7;

#[derive(Clone, PartialEq, Message)]
struct Put {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Scan {
    #[prost(bytes = "vec", tag = "1")]
    start: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    end: Vec<u8>,
    #[prost(int64, tag = "3")]
    limit: i64,
    #[prost(uint64, tag = "6")]
    group: u64,
    #[prost(bool, tag = "7")]
    keys_only: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Rows {
    #[prost(message, repeated, tag = "1")]
    rows: Vec<Put>,
}

#[derive(Clone, PartialEq, Message)]
struct Route {
    #[prost(uint64, tag = "4")]
    group: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Routes {
    #[prost(message, repeated, tag = "2")]
    routes: Vec<Route>,
}

/// What happens to a row that is to be stored.
pub enum Fate {
    Stored,
    /// It is reported as stored, but is not.
    Lost,
    /// A status of gRPC, and its message.
    Refused(u32, &'static str),
    /// No answer: the connection ends.
    Cut,
}

pub type Store = BTreeMap<Vec<u8>, Vec<u8>>;

/// A server that runs until the test process ends.
pub struct Server {
    port: u16,
    store: Arc<Mutex<Store>>,
}

/// How keys are listed.
type List = fn(&Scan, &Store) -> Vec<u8>;

/// What happens to each row.
type Rule = Box<dyn FnMut(&[u8]) -> Fate + Send>;

/// Shared by the threads of a server.
struct Shared {
    store: Arc<Mutex<Store>>,
    fate: Mutex<Rule>,
    list: List,
}

impl Server {
    /// A server with rows; `fate` returns what happens to each row that is to be stored.
    pub fn start(store: Store, fate: impl FnMut(&[u8]) -> Fate + Send + 'static) -> Server {
        Server::with(store, fate, scan)
    }

    /// A server without rows that lists keys from the first one on, wherever a range begins.
    pub fn that_begins_again() -> Server {
        Server::with(
            Store::new(),
            |_| Fate::Stored,
            |asked, store| scan(&Scan { start: Vec::new(), ..asked.clone() }, store),
        )
    }

    fn with(store: Store, fate: impl FnMut(&[u8]) -> Fate + Send + 'static, list: List) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (port, store) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(store)));
        let shared = Arc::new(Shared { store: Arc::clone(&store), fate: Mutex::new(Box::new(fate)), list });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(connection(stream, Arc::clone(&shared)));
                }
            });
        });
        Server { port, store }
    }

    pub fn target(&self) -> String {
        format!("ekv://127.0.0.1:{}", self.port)
    }

    pub fn store(&self) -> Store {
        self.store.lock().unwrap().clone()
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(mut connection) = handshake(stream).await else { return };
    let (cut, mut is_cut) = tokio::sync::mpsc::channel(1);
    loop {
        let next = poll_fn(|context| match is_cut.poll_recv(context) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => connection.poll_accept(context),
        });
        let Some(Ok((request, respond))) = next.await else { return };
        let (path, body) = (request.uri().path().to_owned(), request.into_body());
        let (shared, cut) = (Arc::clone(&shared), cut.clone());
        tokio::spawn(async move {
            if call(&path, body, respond, &shared).await.is_none() {
                let _ = cut.send(()).await;
            }
        });
    }
}

/// Answers a call; `None`: the connection is cut.
async fn call(path: &str, mut body: RecvStream, mut respond: SendResponse<Bytes>, shared: &Shared) -> Option<()> {
    let mut bytes = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        bytes.extend_from_slice(&chunk);
    }
    let message = &bytes[5..];
    let answer = match path {
        "/RawKV/RawPut" => {
            let Put { key, value } = Put::decode(message).unwrap();
            let fate = (shared.fate.lock().unwrap())(&key);
            match fate {
                Fate::Cut => return None,
                Fate::Refused(code, words) => Err((code, words)),
                Fate::Lost => Ok(vec![0x10, 1]),
                Fate::Stored => {
                    shared.store.lock().unwrap().insert(key, value);
                    Ok(vec![0x10, 1])
                }
            }
        }
        "/RawKV/RawScanAt" => Ok((shared.list)(&Scan::decode(message).unwrap(), &shared.store.lock().unwrap())),
        "/Distribution/ListRoutes" => {
            let routes = [3, 5, 3].map(|group| Route { group }).to_vec();
            Ok(Routes { routes }.encode_to_vec())
        }
        _ => Err((12, "unknown method")),
    };
    respond_with(&mut respond, answer);
    Some(())
}

fn respond_with(respond: &mut SendResponse<Bytes>, answer: Result<Vec<u8>, (u32, &str)>) {
    let head = Response::builder().header("content-type", "application/grpc");
    let mut trailers = HeaderMap::new();
    match answer {
        Ok(message) => {
            let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) else { return };
            let framed = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
            trailers.insert("grpc-status", "0".parse().unwrap());
            let _ = stream.send_data(framed.into(), false).and_then(|()| stream.send_trailers(trailers));
        }
        // An error has no body: its status is in the head.
        Err((code, words)) => {
            let head = head.header("grpc-status", code.to_string()).header("grpc-message", words);
            let _ = respond.send_response(head.body(()).unwrap(), true);
        }
    }
}

/// Keys of one group: those of an even length are in group 3, others in group 5.
fn scan(asked: &Scan, store: &Store) -> Vec<u8> {
    assert!(asked.keys_only, "no values are needed");
    let is_there = |key: &[u8]| asked.group == if key.len().is_multiple_of(2) { 3 } else { 5 };
    let keys = store.range(asked.start.clone()..).map(|(key, _)| key);
    let keys = keys.take_while(|key| asked.end.is_empty() || **key < asked.end).filter(|key| is_there(key));
    let rows = keys.take(PAGE.min(asked.limit as usize)).map(|key| Put { key: key.clone(), value: Vec::new() });
    Rows { rows: rows.collect() }.encode_to_vec()
}
