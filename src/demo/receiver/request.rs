//! Reads HTTP/1.1 requests from a connection, one after the other, into one growing buffer.

use flate2::bufread::GzDecoder;
use std::io::{self, Read, Write};

/// Largest head of a request; what real clients send has a few hundred bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Largest body as it comes over the wire; Elasticsearch's own limit is 100 MB.
const BODY_BYTES_MAX: usize = 100 << 20;
/// Largest body when inflated.
const PLAIN_BYTES_MAX: u64 = 400 << 20;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// First size of the buffer; it doubles as bodies ask for more.
const BUFFER_BYTES: usize = 64 << 10;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// `GET`, `POST` …
    pub(super) method: String,
    /// The target up to `?`.
    pub(super) path: String,
    /// The target behind `?`; empty without one.
    pub(super) query: String,
    /// How the body is packed.
    pub(super) coding: Coding,
    /// Whether the connection is closed after the answer.
    pub(super) last: bool,
}

/// Why no request can be had from a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// The connection failed or ended inside a request.
    #[error("connection failed: {0}")]
    Io(#[from] io::Error),
    /// The bytes are no request that is understood here.
    #[error("{0}")]
    Bad(&'static str),
    /// More bytes than are taken.
    #[error("request is too large")]
    TooLarge,
}

/// A connection and the bytes read from it.
#[derive(Debug)]
pub(super) struct Requests<S> {
    stream: S,
    /// Bytes; those behind `filled` mean nothing.
    buffer: Vec<u8>,
    filled: usize,
    /// End of the request handed out last.
    consumed: usize,
}

impl<S: Read + Write> Requests<S> {
    /// Reads from `stream`, into a buffer that another connection may have used before.
    pub(super) fn new(stream: S, mut buffer: Vec<u8>) -> Self {
        buffer.resize(buffer.capacity().max(BUFFER_BYTES), 0);
        Self { stream, buffer, filled: 0, consumed: 0 }
    }

    /// Gives the buffer back.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Returns the connection, to write the answer.
    pub(super) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Waits for the next request; `None` when the client closed the connection.
    ///
    /// # Errors
    /// If the connection fails or what comes is no request.
    pub(super) fn next(&mut self) -> Result<Option<(Head, &[u8])>, RequestError> {
        self.buffer.copy_within(self.consumed..self.filled, 0);
        self.filled -= self.consumed;
        self.consumed = 0;
        let (head, length, expects, head_end) = loop {
            if let Some(parsed) = parse(&self.buffer[..self.filled])? {
                break parsed;
            }
            if HEAD_BYTES_MAX < self.filled {
                return Err(RequestError::TooLarge);
            }
            if self.read()? == 0 {
                return if self.filled == 0 { Ok(None) } else { Err(closed_early()) };
            }
        };
        if expects {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let end = match length {
            Length::Known(bytes) => {
                self.fill_to(head_end + bytes)?;
                self.consumed = head_end + bytes;
                self.consumed
            }
            Length::Chunked => self.dechunk(head_end)?,
        };
        Ok(Some((head, &self.buffer[head_end..end])))
    }

    /// Moves the chunks of a body together; returns where the body ends.
    fn dechunk(&mut self, body_start: usize) -> Result<usize, RequestError> {
        let (mut end, mut next) = (body_start, body_start);
        loop {
            let line_end = self.line_end(next)?;
            let line = std::str::from_utf8(&self.buffer[next..line_end])
                .map_err(|_| RequestError::Bad("chunk size is no number"))?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let bytes = usize::from_str_radix(digits, 16)
                .map_err(|_| RequestError::Bad("chunk size is no number"))?;
            next = line_end + 2;
            if bytes == 0 {
                break;
            }
            if BODY_BYTES_MAX < bytes {
                return Err(RequestError::TooLarge);
            }
            self.fill_to(next + bytes + 2)?;
            self.buffer.copy_within(next..next + bytes, end);
            end += bytes;
            next += bytes + 2;
        }
        loop {
            let line_end = self.line_end(next)?;
            let is_last = line_end == next;
            next = line_end + 2;
            if is_last {
                self.consumed = next;
                return Ok(end);
            }
        }
    }

    /// Returns where the line that starts at `start` has its `\r\n`.
    fn line_end(&mut self, start: usize) -> Result<usize, RequestError> {
        loop {
            let line = &self.buffer[start..self.filled];
            if let Some(at) = memchr::memmem::find(line, b"\r\n") {
                return Ok(start + at);
            }
            if HEAD_BYTES_MAX < line.len() {
                return Err(RequestError::TooLarge);
            }
            if self.read()? == 0 {
                return Err(closed_early());
            }
        }
    }

    fn fill_to(&mut self, end: usize) -> Result<(), RequestError> {
        if BODY_BYTES_MAX + HEAD_BYTES_MAX < end {
            return Err(RequestError::TooLarge);
        }
        if self.buffer.len() < end {
            self.buffer.resize(end.next_power_of_two(), 0);
        }
        while self.filled < end {
            if self.read()? == 0 {
                return Err(closed_early());
            }
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<usize> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(bytes) => {
                    self.filled += bytes;
                    return Ok(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn closed_early() -> RequestError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

type Parsed = (Head, Length, bool, usize);

/// Reads the head of a request; `None` while it is not complete.
fn parse(bytes: &[u8]) -> Result<Option<Parsed>, RequestError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head_end = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head_end)) => head_end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(RequestError::Bad("not an HTTP/1 request")),
    };
    let target = request.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        coding: Coding::Plain,
        last: request.version == Some(0),
    };
    let (mut length, mut expects) = (Length::Known(0), false);
    for header in request.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let bytes = value.parse().map_err(|_| RequestError::Bad("length is no number"))?;
                length = Length::Known(bytes);
            }
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                length = Length::Chunked;
            }
            "content-encoding" if value.eq_ignore_ascii_case("gzip") => head.coding = Coding::Gzip,
            "content-encoding" if value.eq_ignore_ascii_case("identity") => {}
            "transfer-encoding" | "content-encoding" => {
                return Err(RequestError::Bad("coding is not supported"));
            }
            "expect" => expects = value.eq_ignore_ascii_case("100-continue"),
            "connection" => head.last = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    if matches!(length, Length::Known(bytes) if BODY_BYTES_MAX < bytes) {
        return Err(RequestError::TooLarge);
    }
    Ok(Some((head, length, expects, head_end)))
}

/// Inflates a gzip body piece by piece.
///
/// # Errors
/// If it is no gzip, or grows beyond all measure.
pub(super) fn inflate(packed: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), RequestError> {
    let mut decoder = GzDecoder::new(packed);
    let mut piece = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        let bytes = decoder.read(&mut piece).map_err(|_| RequestError::Bad("body is no gzip"))?;
        if bytes == 0 {
            return Ok(());
        }
        total += bytes as u64;
        if PLAIN_BYTES_MAX < total {
            return Err(RequestError::TooLarge);
        }
        take(&piece[..bytes]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Coding, Head, RequestError, Requests, inflate};
    use std::io::{self, Read, Write};

    /// Gives its bytes in pieces of one size and keeps what is written.
    struct Script {
        bytes: Vec<u8>,
        at: usize,
        piece: usize,
        written: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let bytes = self.piece.min(out.len()).min(self.bytes.len() - self.at);
            out[..bytes].copy_from_slice(&self.bytes[self.at..self.at + bytes]);
            self.at += bytes;
            Ok(bytes)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn requests(text: &[u8], piece: usize) -> Requests<Script> {
        Requests::new(
            Script { bytes: text.to_vec(), at: 0, piece, written: Vec::new() },
            Vec::new(),
        )
    }

    fn head(method: &str, path: &str, query: &str) -> Head {
        Head {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            coding: Coding::Plain,
            last: false,
        }
    }

    const THREE: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\
        POST /_bulk?a=b HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello\
        POST /i/_bulk HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\
        Connection: close\r\n\r\n3;x=y\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";

    #[test]
    fn requests_are_read_one_after_the_other_whatever_the_pieces() {
        for piece in [1, 2, 3, 7, 64, 100_000] {
            let mut requests = requests(THREE, piece);
            let (first, body) = requests.next().unwrap().unwrap();
            assert_eq!((first, body), (head("GET", "/", ""), &b""[..]));
            let (second, body) = requests.next().unwrap().unwrap();
            assert_eq!((second, body), (head("POST", "/_bulk", "a=b"), &b"hello"[..]));
            let (third, body) = requests.next().unwrap().unwrap();
            let expected =
                Head { coding: Coding::Gzip, last: true, ..head("POST", "/i/_bulk", "") };
            assert_eq!((third, body), (expected, &b"abc0123456789"[..]));
            assert!(requests.next().unwrap().is_none());
            assert_eq!(requests.stream().written, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_reason() {
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (text, reason) in [
            ("\u{1}\r\n\r\n".to_owned(), "not an HTTP/1 request"),
            ("GET / HTTP/1.1\r\nA".to_owned(), "connection failed: unexpected end of file"),
            ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_owned(), "length is no number"),
            (
                "POST / HTTP/1.1\r\nContent-Length: 104857601\r\n\r\n".to_owned(),
                "request is too large",
            ),
            (
                "POST / HTTP/1.1\r\nContent-Encoding: br\r\n\r\n".to_owned(),
                "coding is not supported",
            ),
            (format!("{chunked}zz\r\n"), "chunk size is no number"),
            (format!("{chunked}7000000\r\n"), "request is too large"),
            (format!("{chunked}5\r\nab"), "connection failed: unexpected end of file"),
            (format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)), "request is too large"),
        ] {
            let error = requests(text.as_bytes(), 1000).next().map(|_| ()).unwrap_err();
            assert_eq!(error.to_string(), reason, "{}", &text[..text.len().min(80)]);
        }
    }

    #[test]
    fn a_body_larger_than_the_buffer_makes_it_grow_and_the_buffer_is_kept() {
        let body = vec![b'x'; 3 << 20];
        let mut text =
            format!("PUT /p HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        text.extend_from_slice(&body);
        let mut requests = requests(&text, 50_000);
        assert_eq!(requests.next().unwrap().unwrap().1, &body[..]);
        assert_eq!(requests.into_buffer().len(), 4 << 20);
    }

    #[test]
    fn gzip_bodies_are_inflated_and_broken_ones_refused() {
        let plain = b"{\"create\":{}}\n{\"message\":\"abc\"}\n".repeat(10_000);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
        encoder.write_all(&plain).unwrap();
        let mut packed = encoder.finish().unwrap();
        let mut inflated = Vec::new();
        inflate(&packed, |piece| inflated.extend_from_slice(piece)).unwrap();
        assert_eq!(inflated, plain);
        packed.truncate(packed.len() / 2);
        let error = inflate(&packed, |_| {}).unwrap_err();
        assert!(matches!(error, RequestError::Bad("body is no gzip")), "{error}");
    }
}
