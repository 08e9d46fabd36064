//! The floor: the least that a program does which ships a file's lines as documents, in one thread.
//!
//! Read in pieces, split with memchr, parse by walking from delimiter to delimiter, escape eight
//! bytes at a time, POST over one kept connection, go on after the answer. No registry, no retries,
//! no checks of identity or of UTF-8, no second thread. What `shipper` needs beyond this is its
//! overhead.

use crate::Outcome;
use libdeflater::{CompressionLvl, Compressor};
use memchr::{memchr, memchr_iter};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const READ_BYTES: usize = 256 << 10;
/// A body is sent when it has this much: the same as the batches of `shipper`.
const BODY_BYTES: usize = 1 << 20;

/// What goes into a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// `message`.
    Raw,
    /// `message` and the fields.
    Parsed,
    /// The fields.
    Fields,
}

impl Content {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Parsed => "parsed",
            Self::Fields => "fields",
        }
    }

    fn from_name(name: &str) -> Outcome<Self> {
        let all = [Self::Raw, Self::Parsed, Self::Fields];
        Ok(all.into_iter().find(|content| content.name() == name).ok_or("no such content")?)
    }
}

/// Is the process: `floor FILE ADDRESS CONTENT PADDING plain|gzip`.
pub(crate) fn run(words: &[&str]) -> Outcome<()> {
    let [file, address, content, padding, coding] = words else {
        return Err("floor: FILE ADDRESS CONTENT PADDING plain|gzip".into());
    };
    let mut writer = Writer::new(Content::from_name(content)?, padding.parse()?, file);
    let mut post = Post::new(address, *coding == "gzip")?;
    let mut reading = File::open(file)?;
    let mut buffer = vec![0; READ_BYTES];
    let (mut filled, mut offset) = (0, 0);
    loop {
        let bytes = reading.read(&mut buffer[filled..])?;
        if bytes == 0 {
            break;
        }
        filled += bytes;
        let mut start = 0;
        for end in memchr_iter(b'\n', &buffer[..filled]) {
            writer.document(&buffer[start..end], offset + start as u64)?;
            start = end + 1;
            if BODY_BYTES <= writer.body.len() {
                post.send(&writer.body)?;
                writer.body.clear();
            }
        }
        offset += start as u64;
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
    if !writer.body.is_empty() {
        post.send(&writer.body)?;
    }
    Ok(())
}

/// Returns the mean size of a document without padding, in bytes, action line included, at an
/// offset.
pub(crate) fn document_bytes(
    content: Content,
    path: &str,
    lines: &[u8],
    offset: u64,
) -> Outcome<f64> {
    let mut writer = Writer::new(content, 0, path);
    let mut count = 0_u32;
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        writer.document(line, offset)?;
        count += 1;
    }
    Ok(writer.body.len() as f64 / f64::from(count))
}

/// Writes documents into a body.
struct Writer {
    content: Content,
    body: Vec<u8>,
    /// `,"log":{"file":{"path":"…"}}`, and the padding.
    tail: Vec<u8>,
    /// Time as the log has it, and as a document has it: converted once a second.
    clock: Clock,
}

impl Writer {
    fn new(content: Content, padding: usize, path: &str) -> Self {
        let mut tail = Vec::new();
        if content != Content::Raw {
            tail.extend_from_slice(b",\"file\":{\"path\":\"");
            escape(path.as_bytes(), &mut tail);
            tail.extend_from_slice(b"\"}}");
        }
        // `,"p":""` and its letters
        if 7 < padding {
            tail.extend_from_slice(b",\"p\":\"");
            tail.resize(tail.len() + padding - 7, b'p');
            tail.push(b'"');
        }
        tail.extend_from_slice(b"}\n");
        let body = Vec::with_capacity(BODY_BYTES + (64 << 10));
        Self { content, body, tail, clock: Clock::default() }
    }

    fn document(&mut self, line: &[u8], offset: u64) -> Outcome<()> {
        let out = &mut self.body;
        out.extend_from_slice(b"{\"create\":{}}\n{");
        if self.content != Content::Fields {
            out.extend_from_slice(b"\"message\":\"");
            escape(line, out);
            out.push(b'"');
        }
        if self.content != Content::Raw {
            if self.content == Content::Parsed {
                out.push(b',');
            }
            let fields = Fields::parse(line).ok_or("a line is not combined")?;
            fields.write(self.clock.convert(fields.time), out);
            push_text(b",\"log\":{\"offset\":", itoa::Buffer::new().format(offset), out);
        }
        out.extend_from_slice(&self.tail);
        Ok(())
    }
}

/// A line of Apache's combined format.
struct Fields<'a> {
    address: &'a [u8],
    user: &'a [u8],
    time: &'a [u8],
    method: &'a [u8],
    target: &'a [u8],
    version: &'a [u8],
    status: &'a [u8],
    size: &'a [u8],
    referrer: &'a [u8],
    agent: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let (address, rest) = until(line, b' ')?;
        let (_identity, rest) = until(rest, b' ')?;
        let (user, rest) = until(rest, b' ')?;
        let (time, rest) = until(rest.strip_prefix(b"[")?, b']')?;
        let (request, rest) = quoted(rest.strip_prefix(b" ")?)?;
        let (method, request) = until(request, b' ')?;
        let (target, protocol) = until(request, b' ')?;
        let version = protocol.strip_prefix(b"HTTP/")?;
        let (status, rest) = until(rest.strip_prefix(b" ")?, b' ')?;
        let (size, rest) = until(rest, b' ')?;
        let (referrer, rest) = quoted(rest)?;
        let (agent, rest) = quoted(rest.strip_prefix(b" ")?)?;
        let numbers = status.len() == 3
            && status.iter().all(u8::is_ascii_digit)
            && (size == b"-" || size.iter().all(u8::is_ascii_digit));
        (rest.is_empty() && numbers).then_some(Self {
            address,
            user,
            time,
            method,
            target,
            version,
            status,
            size,
            referrer,
            agent,
        })
    }

    fn write(&self, time: &[u8], out: &mut Vec<u8>) {
        push(b"\"@timestamp\":\"", time, out);
        push(b"\",\"source\":{\"address\":\"", self.address, out);
        if self.user != b"-" {
            push(b"\"},\"user\":{\"name\":\"", self.user, out);
        }
        let (path, query) = match memchr(b'?', self.target) {
            Some(at) => (&self.target[..at], Some(&self.target[at + 1..])),
            None => (self.target, None),
        };
        out.extend_from_slice(b"\"},\"url\":{\"original\":\"");
        escape(self.target, out);
        out.extend_from_slice(b"\",\"path\":\"");
        escape(path, out);
        if let Some(query) = query {
            out.extend_from_slice(b"\",\"query\":\"");
            escape(query, out);
        }
        push(b"\"},\"http\":{\"version\":\"", self.version, out);
        push(b"\",\"request\":{\"method\":\"", self.method, out);
        if self.referrer != b"-" {
            out.extend_from_slice(b"\",\"referrer\":\"");
            escape(self.referrer, out);
        }
        push(b"\"},\"response\":{\"status_code\":", self.status, out);
        if self.size != b"-" {
            push(b",\"body\":{\"bytes\":", self.size, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"}},\"user_agent\":{\"original\":\"");
        escape(self.agent, out);
        out.extend_from_slice(b"\"}");
    }
}

/// Splits at the first `delimiter`.
fn until(text: &[u8], delimiter: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr(delimiter, text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Splits behind a text in quotes in which `\"` is no quote.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let mut from = 0;
    loop {
        let at = from + memchr(b'"', &text[from..])?;
        let backslashes = text[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
        from = at + 1;
    }
}

fn push(before: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    out.extend_from_slice(text);
}

fn push_text(before: &[u8], text: &str, out: &mut Vec<u8>) {
    push(before, text.as_bytes(), out);
}

/// Appends a text as JSON wants it, looking at eight bytes at a time.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut start = 0;
    let mut at = 0;
    while at < text.len() {
        if let Some(word) = text[at..].first_chunk::<8>() {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special == 0 {
                at += 8;
                continue;
            }
            at += (special.trailing_zeros() / 8) as usize;
        } else if !matches!(text[at], b'"' | b'\\' | 0..0x20) {
            at += 1;
            continue;
        }
        out.extend_from_slice(&text[start..at]);
        match text[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => {
                let digits = b"0123456789abcdef";
                let (high, low) = (digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        at += 1;
        start = at;
    }
    out.extend_from_slice(&text[start..]);
}

/// Marks, by its high bit, the first byte that needs escaping; marks behind it may be wrong.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let quotes = word ^ (ONES * u64::from(b'"'));
    let backslashes = word ^ (ONES * u64::from(b'\\'));
    let controls = word.wrapping_sub(ONES * 0x20);
    (quotes.wrapping_sub(ONES) & !quotes
        | backslashes.wrapping_sub(ONES) & !backslashes
        | controls & !word)
        & HIGHS
}

/// Converts `20/Nov/2026:00:00:00 +0000`, once for each text.
#[derive(Default)]
struct Clock {
    logged: Vec<u8>,
    converted: Vec<u8>,
}

impl Clock {
    fn convert(&mut self, logged: &[u8]) -> &[u8] {
        if self.logged != logged {
            self.logged.clear();
            self.logged.extend_from_slice(logged);
            let text = String::from_utf8_lossy(logged);
            let time = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", text.as_ref());
            let time = time.and_then(|time| time.to_timestamp()).unwrap_or_default();
            self.converted = format!("{time:.3}").into_bytes();
        }
        &self.converted
    }
}

/// One kept connection.
struct Post {
    stream: TcpStream,
    head: String,
    compressor: Option<Compressor>,
    packed: Vec<u8>,
    answer: Vec<u8>,
}

impl Post {
    fn new(address: &str, gzip: bool) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let coding = if gzip { "Content-Encoding: gzip\r\n" } else { "" };
        let head = format!(
            "POST /_bulk?filter_path=errors,items.*.status HTTP/1.1\r\nHost: {address}\r\n\
             Content-Type: application/x-ndjson\r\n{coding}Content-Length: "
        );
        let level = CompressionLvl::new(1).map_err(|_| "level 1 is a level")?;
        let compressor = gzip.then(|| Compressor::new(level));
        Ok(Self { stream, head, compressor, packed: Vec::new(), answer: vec![0; 1 << 20] })
    }

    fn send(&mut self, body: &[u8]) -> Outcome<()> {
        let body = match &mut self.compressor {
            None => body,
            Some(compressor) => {
                self.packed.resize(compressor.gzip_compress_bound(body.len()), 0);
                let bytes = compressor.gzip_compress(body, &mut self.packed);
                &self.packed[..bytes.map_err(|_| "a bound is enough")?]
            }
        };
        let head = format!("{}{}\r\n\r\n", self.head, body.len());
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(body)?;
        self.read_answer()
    }

    fn read_answer(&mut self) -> Outcome<()> {
        let mut filled = 0;
        let mut whole = None;
        while whole.is_none_or(|whole| filled < whole) {
            let bytes = self.stream.read(&mut self.answer[filled..])?;
            if bytes == 0 {
                return Err("the sink closed the connection or its answer is too long".into());
            }
            filled += bytes;
            if whole.is_none() {
                whole = answer_bytes(&self.answer[..filled])?;
            }
        }
        let answer = &self.answer[..filled];
        if !answer.starts_with(b"HTTP/1.1 200 ")
            || memchr::memmem::find(answer, b"\"errors\":false").is_none()
        {
            return Err(String::from_utf8_lossy(&answer[..answer.len().min(300)]).into());
        }
        Ok(())
    }
}

/// Returns the length of a whole answer, once its head is there.
fn answer_bytes(bytes: &[u8]) -> Outcome<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = response.parse(bytes)? else { return Ok(None) };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .ok_or("an answer has a length")?;
    let length: usize = std::str::from_utf8(length.value)?.parse()?;
    Ok(Some(head_bytes + length))
}
