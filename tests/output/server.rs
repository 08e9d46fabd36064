//! A server whose every answer a test writes itself: threads, blocking, plain or TLS.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for anything that a test expects.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Inflated.
    pub(crate) body: String,
    pub(crate) connection: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_bulk(&self) -> bool {
        self.path.ends_with("/_bulk")
    }

    /// Whether it asks for, or puts, an index template.
    #[allow(dead_code, reason = "for tests that answer them")]
    pub(crate) fn is_template(&self) -> bool {
        self.path.starts_with("/_index_template/")
    }

    /// Ids of the items.
    pub(crate) fn ids(&self) -> Vec<String> {
        let actions = self.body.lines().step_by(2);
        actions
            .map(|action| {
                let action: serde_json::Value = serde_json::from_str(action).unwrap();
                action["create"]["_id"].as_str().unwrap().to_owned()
            })
            .collect()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status, extra headers (each with its line end), body.
    Whole(u16, String, String),
    /// As 200, but the connection is closed after so many bytes of the body.
    Cut(String, usize),
    /// Nothing, and the connection is closed.
    Close,
    /// Nothing until the server ends.
    Hang,
    /// As `Whole`, after a while.
    Late(Duration, String),
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Whole(status, String::new(), body.into())
    }

    /// What a server says of itself.
    #[allow(dead_code, reason = "for tests that only look at what is stored")]
    pub(crate) fn version() -> Self {
        Self::json(200, r#"{"version":{"number":"8.19.0"}}"#)
    }

    /// The answer to a bulk request: what became of each item.
    #[allow(dead_code, reason = "for tests that only look at what is stored")]
    pub(crate) fn items(items: &[serde_json::Value]) -> Self {
        let errors = items.iter().any(|item| item["create"]["status"] != 201);
        Self::json(200, serde_json::json!({"errors": errors, "items": items}).to_string())
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    requests: Mutex<Vec<Request>>,
    keeps_requests: bool,
    arrived: Condvar,
    ended: AtomicBool,
    connections: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), None, handler)
    }

    pub(crate) fn at(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(address, tls, true, Box::new(handler))
    }

    /// Starts one that keeps no request: for many of them.
    #[allow(dead_code, reason = "for tests that send many")]
    pub(crate) fn forgetful(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), None, false, Box::new(handler))
    }

    fn listen(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        keeps_requests: bool,
        handler: Box<Handler>,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler,
            keeps_requests,
            requests: Mutex::default(),
            arrived: Condvar::new(),
            ended: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            tls,
        });
        let accepting = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared, acceptor: Some(acceptor) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(crate) fn bulks(&self) -> Vec<Request> {
        self.requests().into_iter().filter(Request::is_bulk).collect()
    }

    /// Waits until so many bulk requests have arrived.
    pub(crate) fn wait_for_bulks(&self, count: usize) {
        let until = Instant::now() + PATIENCE;
        let mut requests = self.shared.requests.lock().unwrap();
        while requests.iter().filter(|request| request.is_bulk()).count() < count {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "fewer than {count} bulk requests: {requests:#?}");
            requests = self.shared.arrived.wait_timeout(requests, left).unwrap().0;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        for stream in self.shared.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(self.acceptor.take().unwrap().join());
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        shared.open.lock().unwrap().push(stream.try_clone().unwrap());
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let plain = stream.try_clone().unwrap();
            // An error is the client's going away.
            drop(match &shared.tls {
                None => serve(stream, number, &shared),
                Some(config) => {
                    let session = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
                    serve(rustls::StreamOwned::new(session, stream), number, &shared)
                }
            });
            drop(plain.shutdown(Shutdown::Both));
        });
    }
}

fn serve(mut stream: impl Read + Write, number: usize, shared: &Shared) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let request = match read_request(&mut stream, &mut buffer, number) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) => {
                stream.write_all(whole(400, "", "", 0).as_bytes())?;
                return Err(error);
            }
        };
        let reply = (shared.handler)(&request);
        if shared.keeps_requests {
            shared.requests.lock().unwrap().push(request);
        }
        shared.arrived.notify_all();
        match reply {
            Reply::Whole(status, headers, body) => {
                stream.write_all(whole(status, &headers, &body, body.len()).as_bytes())?;
            }
            Reply::Late(wait, body) => {
                thread::sleep(wait);
                stream.write_all(whole(200, "", &body, body.len()).as_bytes())?;
            }
            Reply::Cut(body, bytes) => {
                stream.write_all(whole(200, "", &body[..bytes], body.len()).as_bytes())?;
                return stream.flush();
            }
            Reply::Close => return Ok(()),
            Reply::Hang => {
                while !shared.ended.load(Ordering::Acquire) {
                    thread::sleep(Duration::from_millis(5));
                }
                return Ok(());
            }
        }
        stream.flush()?;
    }
}

fn whole(status: u16, headers: &str, body: &str, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\n\
         X-Elastic-Product: Elasticsearch\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

fn read_request(
    stream: &mut impl Read,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Request>> {
    let mut piece = [0; 16_384];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(head) = parsed.parse(buffer).map_err(io::Error::other)? {
            let headers: Vec<(String, String)> = parsed
                .headers
                .iter()
                .map(|header| {
                    let value = String::from_utf8(header.value.to_vec()).unwrap();
                    (header.name.to_owned(), value)
                })
                .collect();
            let target = parsed.path.unwrap().to_owned();
            let method = parsed.method.unwrap().to_owned();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let (path, query) = (path.to_owned(), query.to_owned());
            let mut request =
                Request { method, path, query, headers, body: String::new(), connection };
            let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
            while buffer.len() < head + length {
                let read = stream.read(&mut piece)?;
                if read == 0 {
                    return Ok(None);
                }
                buffer.extend_from_slice(&piece[..read]);
            }
            let body: Vec<u8> = buffer.drain(..head + length).skip(head).collect();
            request.body = match request.header("content-encoding") {
                Some("gzip") => {
                    let mut plain = String::new();
                    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut plain).unwrap();
                    plain
                }
                _ => String::from_utf8(body).unwrap(),
            };
            return Ok(Some(request));
        }
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(None);
        }
        buffer.extend_from_slice(&piece[..read]);
    }
}
