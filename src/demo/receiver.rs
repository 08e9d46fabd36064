//! An embedded server on loopback that takes bulk requests as Elasticsearch 8 does.
//!
//! The demo delivers to it, and benchmarks measure against it: one thread a connection, blocking
//! reads, answers from prepared bytes, so that it costs little beside what is measured. It stores
//! no document: it counts them. Not here: TLS, authentication, searching.

mod bulk;
mod request;

use bulk::{Filter, Ids, Prebuilt, Refusal, Tally};
use request::{Coding, Head, RequestError, Requests};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most connections at a time; more are closed at once.
const CONNECTIONS_MAX: usize = 64;
/// Most names of index templates remembered.
const TEMPLATES_MAX: usize = 1_000;

/// Larger buffers of closed connections are given back to the system.
const KEPT_BUFFER_BYTES_MAX: usize = 4 << 20;

/// What is done with documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each is looked at: ids are remembered so that a repeat is answered 409, statuses are
    /// counted.
    Look,
    /// Only counted, by their newlines, and always answered 201: costs almost nothing.
    Count,
}

/// Is called with each bulk body, inflated, as its last byte arrives and before it is answered.
pub type Observer = Box<dyn Fn(&[u8]) + Send + Sync>;

/// Inflates a whole gzip body into the empty vector; tells whether it could.
pub type Inflate = fn(&[u8], &mut Vec<u8>) -> bool;

/// How a receiver is set up.
pub struct Options {
    /// Port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// What is done with documents.
    pub mode: Mode,
    /// Sees the bodies, where someone wants to.
    pub observer: Option<Observer>,
    /// Inflates bodies instead of the receiver's own, which is careful with memory and slower.
    pub inflate: Option<Inflate>,
}

impl Options {
    /// Chooses a port and a mode, and nothing else.
    #[must_use]
    pub fn new(port: u16, mode: Mode) -> Self {
        Self { port, mode, observer: None, inflate: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("port", &self.port)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// What came in so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bulk requests answered 200.
    pub requests: u64,
    /// Documents stored.
    pub documents: u64,
    /// Items answered 409.
    pub duplicates: u64,
    /// Items answered 400.
    pub rejected: u64,
    /// Stored documents by the class of their HTTP status: `[0]` unknown, `[1]` 1xx … `[5]` 5xx.
    /// Zeros when documents are only counted.
    pub status: [u64; 6],
    /// Bytes of bulk bodies as they came over the wire.
    pub wire_bytes: u64,
    /// Bytes of bulk bodies, inflated.
    pub plain_bytes: u64,
    /// When the last bulk body was complete, in nanoseconds since the Unix epoch; 0 before the
    /// first.
    pub last_arrival_ns: u64,
    /// When the first bulk body was complete, likewise.
    pub first_arrival_ns: u64,
}

/// Why a receiver cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The port is not to be had.
    #[error("cannot listen on `127.0.0.1:{port}`: {source}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// No thread is to be had.
    #[error("cannot start a thread for the receiver: {0}")]
    Thread(io::Error),
}

impl ReceiverError {
    /// Says what to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "another program has this port: choose another one with --port, or leave --port \
                 out to get any that is free"
            }
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "ports below 1024 are for root: choose a higher one with --port, or leave --port \
                 out to get any that is free"
            }
            Self::Listen { .. } | Self::Thread(_) => {
                "leave --port out to get any port that is free"
            }
        }
    }
}

/// A running receiver; stops when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens on 127.0.0.1 and serves until [`Receiver::stop`].
    ///
    /// # Errors
    /// If the port is taken or no thread can be started.
    pub fn start(options: Options) -> Result<Self, ReceiverError> {
        let port = options.port;
        let listen = |source| ReceiverError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let shared = Arc::new(Shared::new(options));
        let serving = Arc::clone(&shared);
        let acceptor = thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || accept(&listener, &serving))
            .map_err(ReceiverError::Thread)?;
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base address to put under `hosts`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns what came in so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *lock(&self.shared.counts)
    }

    /// Closes all connections, waits for their threads, and returns what came in.
    #[must_use]
    pub fn stop(mut self) -> Counts {
        self.close();
        self.counts()
    }

    fn close(&mut self) {
        let Some(acceptor) = self.acceptor.take() else { return };
        self.shared.stopping.store(true, Ordering::Release);
        // Wakes the thread that accepts; when this fails it has ended by itself.
        drop(TcpStream::connect(self.address));
        // A panic of that thread has been told on standard error already.
        drop(acceptor.join());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the threads of all connections share.
#[derive(Debug)]
struct Shared {
    options: Options,
    stopping: AtomicBool,
    counts: Mutex<Counts>,
    ids: Mutex<Ids>,
    templates: Mutex<BTreeSet<String>>,
    /// Open connections, to be closed at a stop.
    open: Mutex<HashMap<u64, TcpStream>>,
    next_connection: AtomicU64,
    /// Buffers of closed connections, for the next ones.
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Shared {
    fn new(options: Options) -> Self {
        Self {
            options,
            stopping: AtomicBool::new(false),
            counts: Mutex::default(),
            ids: Mutex::default(),
            templates: Mutex::default(),
            open: Mutex::default(),
            next_connection: AtomicU64::new(0),
            buffers: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::Acquire) {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        let Ok(stream) = stream else { continue };
        if CONNECTIONS_MAX <= threads.len() {
            continue;
        }
        let connection = shared.next_connection.fetch_add(1, Ordering::Relaxed);
        let Ok(handle) = stream.try_clone() else { continue };
        lock(&shared.open).insert(connection, handle);
        let serving = Arc::clone(shared);
        let spawned = thread::Builder::new()
            .name(format!("receiver-{connection}"))
            .spawn(move || serve(stream, connection, &serving));
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(_) => drop(lock(&shared.open).remove(&connection)),
        }
    }
    for stream in lock(&shared.open).values() {
        // It may be closed already.
        drop(stream.shutdown(Shutdown::Both));
    }
    for thread in threads {
        drop(thread.join());
    }
}

fn serve(stream: TcpStream, connection: u64, shared: &Shared) {
    // Without it answers are only later, not wrong.
    drop(stream.set_nodelay(true));
    let buffer = lock(&shared.buffers).pop().unwrap_or_default();
    let mut requests = Requests::new(stream, buffer);
    let mut desk = Desk { shared, prebuilt: None, plain: Vec::new(), answer: Vec::new() };
    loop {
        let (status, last) = match requests.next() {
            Ok(None) | Err(RequestError::Io(_)) => break,
            Ok(Some((head, body))) => (desk.answer(&head, body), head.last),
            Err(RequestError::Bad(reason)) => (desk.refuse(Refusal(reason)), true),
            Err(RequestError::TooLarge) => {
                desk.answer.clear();
                (Status::TooLarge, true)
            }
        };
        if respond(requests.stream(), status, &desk.answer).is_err() || last {
            break;
        }
    }
    drop(requests.stream().shutdown(Shutdown::Both));
    lock(&shared.open).remove(&connection);
    let buffer = requests.into_buffer();
    if buffer.len() <= KEPT_BUFFER_BYTES_MAX {
        lock(&shared.buffers).push(buffer);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Fine,
    Bad,
    Missing,
    TooLarge,
    /// Fine, and no body because the request was HEAD.
    FineWithoutBody,
    MissingWithoutBody,
}

fn respond(stream: &mut TcpStream, status: Status, body: &[u8]) -> io::Result<()> {
    let line = match status {
        Status::Fine | Status::FineWithoutBody => "200 OK",
        Status::Bad => "400 Bad Request",
        Status::Missing | Status::MissingWithoutBody => "404 Not Found",
        Status::TooLarge => "413 Content Too Large",
    };
    let mut head = Vec::with_capacity(160 + body.len());
    write!(
        head,
        "HTTP/1.1 {line}\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    )?;
    if !matches!(status, Status::FineWithoutBody | Status::MissingWithoutBody) {
        head.extend_from_slice(body);
    }
    stream.write_all(&head)
}

const BANNER: &str = concat!(
    r#"{"name":"demo","cluster_name":"shipper-demo","cluster_uuid":"c2hpcHBlci1kZW1vLTAwMQ","#,
    r#""version":{"number":"8.19.0","build_flavor":"default","build_type":"embedded","#,
    r#""lucene_version":"9.12.2","minimum_wire_compatibility_version":"7.17.0","#,
    r#""minimum_index_compatibility_version":"7.0.0"},"tagline":"You Know, for Search"}"#,
);

/// Answers the requests of one connection; owns the buffers that it reuses.
struct Desk<'a> {
    shared: &'a Shared,
    prebuilt: Option<Prebuilt>,
    plain: Vec<u8>,
    answer: Vec<u8>,
}

impl Desk<'_> {
    /// Writes the answer's body into `self.answer`.
    fn answer(&mut self, head: &Head, body: &[u8]) -> Status {
        self.answer.clear();
        let segments: Vec<&str> = head.path.trim_matches('/').split('/').collect();
        match (head.method.as_str(), segments.as_slice()) {
            ("POST" | "PUT", ["_bulk"]) => self.bulk(head, "logs", body),
            ("POST" | "PUT", [index, "_bulk"]) => self.bulk(head, index, body),
            ("GET", [""]) => self.text(Status::Fine, BANNER),
            ("HEAD", [""]) => self.text(Status::FineWithoutBody, BANNER),
            ("GET" | "HEAD" | "PUT" | "POST", ["_index_template", name]) => {
                self.template(&head.method, name)
            }
            _ => {
                let text = format!(
                    "no handler found for uri [{}] and method [{}]",
                    head.path, head.method
                );
                let text = serde_json::json!({ "error": text }).to_string();
                self.text(Status::Bad, &text)
            }
        }
    }

    fn text(&mut self, status: Status, text: &str) -> Status {
        self.answer.extend_from_slice(text.as_bytes());
        status
    }

    fn refuse(&mut self, Refusal(reason): Refusal) -> Status {
        let error = serde_json::json!({ "type": "illegal_argument_exception", "reason": reason });
        let text = serde_json::json!({ "error": error, "status": 400 }).to_string();
        self.answer.clear();
        self.text(Status::Bad, &text)
    }

    fn template(&mut self, method: &str, name: &str) -> Status {
        let mut templates = lock(&self.shared.templates);
        let known = templates.contains(name);
        match method {
            "HEAD" if known => Status::FineWithoutBody,
            "HEAD" => Status::MissingWithoutBody,
            "GET" if known => {
                let text = serde_json::json!({ "index_templates": [{ "name": name }] }).to_string();
                self.text(Status::Fine, &text)
            }
            "GET" => {
                let reason = format!("index template matching [{name}] not found");
                let error = serde_json::json!({
                    "type": "resource_not_found_exception", "reason": reason
                });
                let text = serde_json::json!({ "error": error, "status": 404 }).to_string();
                self.text(Status::Missing, &text)
            }
            _ => {
                if templates.len() < TEMPLATES_MAX {
                    templates.insert(name.to_owned());
                }
                self.text(Status::Fine, r#"{"acknowledged":true}"#)
            }
        }
    }

    /// Inflates a body into `self.plain`, or only counts it where nobody looks at it.
    fn inflate(&mut self, body: &[u8], seen: &mut Seen) -> Result<(), RequestError> {
        self.plain.clear();
        let options = &self.shared.options;
        if let Some(inflate) = options.inflate {
            if !inflate(body, &mut self.plain) {
                return Err(RequestError::Bad("body is no gzip"));
            }
            seen.add(&self.plain);
            return Ok(());
        }
        let kept = options.mode == Mode::Look || options.observer.is_some();
        let plain = &mut self.plain;
        request::inflate(body, |piece| {
            seen.add(piece);
            if kept {
                plain.extend_from_slice(piece);
            }
        })
    }

    fn bulk(&mut self, head: &Head, index: &str, body: &[u8]) -> Status {
        let filter = Filter::from_query(&head.query);
        let looked_at = self.shared.options.mode == Mode::Look;
        let mut seen = Seen::default();
        let plain = match head.coding {
            Coding::Plain => {
                seen.add(body);
                body
            }
            Coding::Gzip => match self.inflate(body, &mut seen) {
                Ok(()) => &self.plain[..],
                Err(RequestError::TooLarge) => return Status::TooLarge,
                Err(_) => return self.refuse(Refusal("body is no gzip")),
            },
        };
        let arrival_ns = unix_ns();
        if let Some(observer) = &self.shared.options.observer {
            observer(plain);
        }
        let taken = if looked_at {
            let mut ids = lock(&self.shared.ids);
            bulk::store(plain, index, filter, &mut ids, &mut self.answer)
        } else {
            seen.tally().inspect(|tally| {
                let prebuilt = match &mut self.prebuilt {
                    Some(prebuilt) if prebuilt.is_for(filter) => prebuilt,
                    place => place.insert(Prebuilt::new(filter)),
                };
                let count = usize::try_from(tally.documents).expect("documents that are in memory");
                prebuilt.answer(count, &mut self.answer);
            })
        };
        match taken {
            Err(refusal) => self.refuse(refusal),
            Ok(tally) => {
                count(
                    &mut lock(&self.shared.counts),
                    tally,
                    body.len() as u64,
                    seen.bytes,
                    arrival_ns,
                );
                Status::Fine
            }
        }
    }
}

/// What the newlines of a body tell.
#[derive(Debug, Default)]
struct Seen {
    bytes: u64,
    newlines: u64,
    last: Option<u8>,
}

impl Seen {
    fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.newlines += memchr::memchr_iter(b'\n', piece).count() as u64;
        self.last = piece.last().copied().or(self.last);
    }

    fn tally(&self) -> Result<Tally, Refusal> {
        if self.last != Some(b'\n') {
            return Err(bulk::UNTERMINATED);
        }
        Ok(Tally { documents: self.newlines / 2, ..Tally::default() })
    }
}

fn count(counts: &mut Counts, tally: Tally, wire_bytes: u64, plain_bytes: u64, arrival_ns: u64) {
    counts.requests += 1;
    counts.documents += tally.documents;
    counts.duplicates += tally.duplicates;
    counts.rejected += tally.rejected;
    for (sum, more) in counts.status.iter_mut().zip(tally.status) {
        *sum += more;
    }
    counts.wire_bytes += wire_bytes;
    counts.plain_bytes += plain_bytes;
    counts.last_arrival_ns = counts.last_arrival_ns.max(arrival_ns);
    if counts.first_arrival_ns == 0 {
        counts.first_arrival_ns = arrival_ns;
    }
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{BANNER, Counts, Mode, Observer, Options, Receiver};
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::{Arc, Mutex};

    fn start(mode: Mode) -> Receiver {
        Receiver::start(Options::new(0, mode)).unwrap()
    }

    /// Sends requests over one connection and returns all that comes back, status lines and bodies
    /// alone.
    fn talk(receiver: &Receiver, requests: &[&[u8]]) -> Vec<(String, String)> {
        let mut stream = TcpStream::connect(receiver.address()).unwrap();
        requests.iter().map(|request| exchange(&mut stream, request)).collect()
    }

    fn exchange(stream: &mut TcpStream, request: &[u8]) -> (String, String) {
        stream.write_all(request).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("\r\nX-elastic-product: Elasticsearch\r\n"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        let length = if request.starts_with(b"HEAD") { 0 } else { length };
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let line = head.split("\r\n").next().unwrap().to_owned();
        (line, String::from_utf8(body).unwrap())
    }

    fn post(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let head = format!("POST {target} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    fn pair(line: &str, body: &str) -> (String, String) {
        (format!("HTTP/1.1 {line}"), body.to_owned())
    }

    const BODY: &[u8] =
        b"{\"create\":{\"_id\":\"a\"}}\n{\"http\":{\"response\":{\"status_code\":503}}}\n\
        {\"create\":{\"_id\":\"b\"}}\n{\"http\":{\"response\":{\"status_code\":200}}}\n";

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_repeated_bulk_is_answered_with_conflicts_and_counted_as_duplicates() {
        let receiver = start(Mode::Look);
        let bulk = post("/_bulk?filter_path=errors,items.*.status", "", BODY);
        let packed = gzip(BODY);
        let again = post("/logs/_bulk?filter_path=errors", "Content-Encoding: gzip\r\n", &packed);
        let answers = talk(&receiver, &[&bulk, &again]);
        let items =
            r#"{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}"#;
        assert_eq!(answers, [pair("200 OK", items), pair("200 OK", r#"{"errors":true}"#)]);
        let counts = receiver.stop();
        assert!(0 < counts.first_arrival_ns && counts.first_arrival_ns <= counts.last_arrival_ns);
        let expected = Counts {
            requests: 2,
            documents: 2,
            duplicates: 2,
            rejected: 0,
            status: [0, 0, 1, 0, 0, 1],
            wire_bytes: (BODY.len() + packed.len()) as u64,
            plain_bytes: 2 * BODY.len() as u64,
            ..counts
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_counting_receiver_counts_plain_gzip_and_chunked_bodies_alike() {
        let receiver = start(Mode::Count);
        let plain = post("/_bulk?filter_path=errors", "", BODY);
        let packed = post("/_bulk?filter_path=errors", "Content-Encoding: gzip\r\n", &gzip(BODY));
        let mut chunked = b"POST /_bulk?filter_path=items.*.status HTTP/1.1\r\n\
            Transfer-Encoding: chunked\r\n\r\n"
            .to_vec();
        for piece in BODY.chunks(7) {
            chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        let answers = talk(&receiver, &[&plain, &packed, &chunked]);
        let fine = pair("200 OK", r#"{"errors":false}"#);
        let items = r#"{"items":[{"create":{"status":201}},{"create":{"status":201}}]}"#;
        assert_eq!(answers, [fine.clone(), fine, pair("200 OK", items)]);
        let counts = receiver.stop();
        assert_eq!((counts.documents, counts.requests), (6, 3));
        assert_eq!(counts.plain_bytes, 3 * BODY.len() as u64);
    }

    #[test]
    fn a_client_that_looks_for_elasticsearch_and_its_template_finds_them() {
        let receiver = start(Mode::Look);
        let missing = concat!(
            r#"{"error":{"type":"resource_not_found_exception","reason":"#,
            r#""index template matching [t] not found"},"status":404}"#
        );
        for (request, answer) in [
            ("GET / HTTP/1.1", pair("200 OK", BANNER)),
            ("HEAD / HTTP/1.1", pair("200 OK", "")),
            ("HEAD /_index_template/t HTTP/1.1", pair("404 Not Found", "")),
            ("GET /_index_template/t HTTP/1.1", pair("404 Not Found", missing)),
            ("PUT /_index_template/t HTTP/1.1", pair("200 OK", r#"{"acknowledged":true}"#)),
            ("HEAD /_index_template/t HTTP/1.1", pair("200 OK", "")),
            (
                "GET /_index_template/t HTTP/1.1",
                pair("200 OK", r#"{"index_templates":[{"name":"t"}]}"#),
            ),
            (
                "DELETE /x HTTP/1.1",
                pair(
                    "400 Bad Request",
                    r#"{"error":"no handler found for uri [/x] and method [DELETE]"}"#,
                ),
            ),
        ] {
            let text = format!("{request}\r\nHost: localhost\r\n\r\n");
            assert_eq!(talk(&receiver, &[text.as_bytes()]), [answer], "{request}");
        }
    }

    #[test]
    fn a_body_without_its_last_newline_is_refused_and_not_counted() {
        for mode in [Mode::Look, Mode::Count] {
            let receiver = start(mode);
            let answers = talk(&receiver, &[&post("/_bulk", "", b"{\"create\":{}}\n{}")]);
            let text = concat!(
                r#"{"error":{"type":"illegal_argument_exception","reason":"#,
                r#""The bulk request must be terminated by a newline [\\n]"},"status":400}"#
            );
            assert_eq!(answers, [pair("400 Bad Request", text)]);
            assert_eq!(receiver.stop(), Counts::default());
        }
    }

    #[test]
    fn what_is_no_request_gets_an_error_and_the_end_of_the_connection() {
        let receiver = start(Mode::Count);
        let mut stream = TcpStream::connect(receiver.address()).unwrap();
        let (line, _) = exchange(&mut stream, b"\x16\x03\x01 hello\r\n\r\n");
        assert_eq!(line, "HTTP/1.1 400 Bad Request");
        assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
    }

    #[test]
    fn an_observer_sees_each_body_inflated() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&seen);
        let observer = move |body: &[u8]| writer.lock().unwrap().push(body.to_vec());
        let observer: Observer = Box::new(observer);
        let options = Options { observer: Some(observer), ..Options::new(0, Mode::Count) };
        let receiver = Receiver::start(options).unwrap();
        let packed = post("/_bulk", "Content-Encoding: gzip\r\n", &gzip(BODY));
        drop(talk(&receiver, &[&post("/_bulk", "", BODY), &packed]));
        assert_eq!(*seen.lock().unwrap(), [BODY, BODY]);
    }

    #[test]
    fn bodies_are_inflated_as_the_options_say() {
        let inflate = |packed: &[u8], plain: &mut Vec<u8>| {
            plain.extend_from_slice(b"{}\n{}\n{}\n{}\n");
            packed == b"packed"
        };
        let options = Options { inflate: Some(inflate), ..Options::new(0, Mode::Count) };
        let receiver = Receiver::start(options).unwrap();
        let gzip = "Content-Encoding: gzip\r\n";
        let (good, bad) = (post("/_bulk", gzip, b"packed"), post("/_bulk", gzip, b"other"));
        let answers = talk(&receiver, &[&good, &bad]);
        let lines: Vec<&str> = answers.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(lines, ["HTTP/1.1 200 OK", "HTTP/1.1 400 Bad Request"]);
        assert_eq!(receiver.stop().documents, 2);
    }

    #[test]
    fn a_taken_port_is_an_error_that_says_what_to_do() {
        let first = start(Mode::Count);
        let port = first.address().port();
        let error = Receiver::start(Options::new(port, Mode::Count)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot listen on `127.0.0.1:{port}`: Address already in use (os error 98)")
        );
        assert_eq!(
            error.hint(),
            "another program has this port: choose another one with --port, or leave --port out \
             to get any that is free"
        );
    }

    #[test]
    fn a_stop_closes_idle_connections_and_frees_the_port() {
        let receiver = start(Mode::Look);
        let address = receiver.address();
        let mut stream = TcpStream::connect(address).unwrap();
        exchange(&mut stream, b"GET / HTTP/1.1\r\n\r\n");
        drop(receiver);
        assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
        assert!(TcpStream::connect(address).is_err());
    }
}
