//! The functions of the hot path, each over the same chunk of generated lines: what `micro` times
//! and `instructions` counts.
//!
//! A new kernel is one entry in [`kernels`].

#[path = "../tests/support/mmdb.rs"]
mod mmdb;

use shipper::batch::{BatchBuilder, BatchLimits};
use shipper::demo::generator::Generator;
use shipper::document::Shared;
use shipper::enrich::{GeoTable, GeoTables};
use shipper::event::{EventBuf, LineText, Parse, Parsed};
use shipper::json_text::push_escaped;
use shipper::outputs::elasticsearch::bulk;
use shipper::parsers::access_log::{AccessLog, Shape};
use shipper::parsers::address::Address;
use shipper::pipeline::{Chunk, Moment, Pipeline};
use shipper::pool::Pool;
use shipper::position::Epoch;
use shipper::scan::look;
use shipper::settings::enrich::EnrichSettings;
use shipper::settings::own::{CsvFormat, DissectFormat, GrokFormat, How, OwnFormat, Trim};
use shipper::settings::reading::{LineParser, NdjsonSettings};
use shipper::settings::{Escape, Format, InputSettings, ServerFormat, WebServer};
use shipper::wake::Wake;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

const SEED: u64 = 20_261_119;
/// Friday, 20 November 2026, midnight UTC.
const START: i64 = 1_795_132_800;
/// About 256 KiB: what a harvester reads at a time.
const LINES: u32 = 1_170;

/// Access lines to documents, and the same of a format that is compiled: the second is to have 60 % of the first's speed.
pub(crate) const PARSED: &str = "chunk to documents, parsed";
pub(crate) const COMPILED: &str = "chunk to documents, compiled format";

/// One function to be measured.
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    /// Lines, or items, that one call goes through.
    pub(crate) lines: u32,
    /// Bytes that one call goes through.
    pub(crate) bytes: usize,
    pub(crate) call: Box<dyn FnMut()>,
}

/// Returns all of them, ready to be called.
pub(crate) fn kernels() -> Vec<Kernel> {
    vec![
        generate(),
        split(),
        validate(),
        escape(),
        parse(),
        whole_chunk("chunk to documents, raw", Format::Raw, true),
        whole_chunk(PARSED, Format::Auto, true),
        whole_chunk("chunk to documents, keep_original: false", Format::Auto, false),
        compiled(COMPILED),
        own("chunk to documents, grok", OwnFormat::new(How::Grok(grok("^%{COMBINEDAPACHELOG}$")))),
        own(
            "chunk to documents, grok by its expression",
            OwnFormat::new(How::Grok(grok("^(?:%{COMBINEDAPACHELOG})$"))),
        ),
        own("chunk to documents, dissect", OwnFormat::new(How::Dissect(dissect()))),
        rows("chunk to documents, csv"),
        enriched("chunk to documents, parsed, user agents", None),
        enriched("chunk to documents, parsed, user agents and places", Some("/City.mmdb")),
        json_lines("chunk to documents, JSON lines", true),
        json_lines("chunk to documents, JSON lines, a name of ours", false),
        compress(),
        read_answer(),
    ]
}

fn chunk() -> Vec<u8> {
    let mut generator = Generator::new(SEED);
    let mut out = Vec::new();
    for number in 0..LINES {
        generator.line(START + i64::from(number / 500), &mut out);
    }
    out
}

fn generate() -> Kernel {
    let mut generator = Generator::new(SEED);
    let mut out = chunk();
    let bytes = out.len();
    let call = Box::new(move || {
        out.clear();
        for number in 0..LINES {
            generator.line(START + i64::from(number / 500), &mut out);
        }
        black_box(&out);
    });
    Kernel { name: "generate (the demo's lines)", lines: LINES, bytes, call }
}

fn split() -> Kernel {
    let chunk = chunk();
    let bytes = chunk.len();
    let call = Box::new(move || {
        let chunk = black_box(chunk.as_slice());
        let end = memchr::memrchr(b'\n', chunk).map_or(0, |at| at + 1);
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', &chunk[..end]) {
            black_box(&chunk[start..newline]);
            start = newline + 1;
        }
    });
    Kernel { name: "split", lines: LINES, bytes, call }
}

fn validate() -> Kernel {
    let chunk = chunk();
    let bytes = chunk.len();
    let call = Box::new(move || {
        assert!(black_box(std::str::from_utf8(black_box(&chunk)).is_ok()));
    });
    Kernel { name: "validate UTF-8", lines: LINES, bytes, call }
}

fn escape() -> Kernel {
    let chunk = chunk();
    let bytes = chunk.len();
    let mut out = Vec::with_capacity(bytes * 2);
    let call = Box::new(move || {
        out.clear();
        for line in lines(&chunk) {
            push_escaped(&mut out, line);
        }
        black_box(&out);
    });
    Kernel { name: "escape", lines: LINES, bytes, call }
}

fn parse() -> Kernel {
    let chunk = chunk();
    let bytes = chunk.len();
    let mut parser = AccessLog::new(Shape::Combined);
    let mut event = EventBuf::default();
    let call = Box::new(move || {
        for line in lines(&chunk) {
            let look = look(line);
            let text = if look.is_plain { LineText::Plain } else { LineText::Valid };
            event.begin(text, look.quotes);
            assert_eq!(parser.parse(line, &mut event), Parsed::Recognised);
            black_box(&event);
        }
    });
    Kernel { name: "parse", lines: LINES, bytes, call }
}

/// From the bytes as they were read to items of a batch, all in all.
fn whole_chunk(name: &'static str, format: Format, keep_original: bool) -> Kernel {
    let chunk = chunk();
    let bytes = chunk.len();
    let mut writing = Writing::new(format, keep_original);
    let call = Box::new(move || writing.write(&chunk, &mut |_| {}));
    Kernel { name, lines: LINES, bytes, call }
}

/// The same lines in a format that an operator describes, but those whose client is no address: grok's patterns are strict.
fn own(name: &'static str, format: OwnFormat) -> Kernel {
    let whole = chunk();
    let client = |line: &&[u8]| line.split(|byte| *byte == b' ').next().map(Address::of);
    let kept = lines(&whole).filter(|line| client(line) == Some(Address::Ip));
    let (mut chunk, mut count) = (Vec::new(), 0);
    for line in kept {
        chunk.extend_from_slice(line);
        chunk.push(b'\n');
        count += 1;
    }
    let bytes = chunk.len();
    let mut writing = Writing::new(Format::Own(Box::new(format)), true);
    let call = Box::new(move || writing.write(&chunk, &mut |_| {}));
    Kernel { name, lines: count, bytes, call }
}

fn grok(pattern: &str) -> GrokFormat {
    GrokFormat { patterns: vec![pattern.to_owned()], definitions: Vec::new() }
}

fn dissect() -> DissectFormat {
    let tokenizer = "%{source.address} %{?ident} %{user.name} [%{@timestamp}] \"%{http.request.method} \
                     %{url.original} HTTP/%{http.version}\" %{http.response.status_code} \
                     %{http.response.body.bytes} \"%{http.request.referrer}\" \"%{user_agent.original}\"";
    let (tokenizer, trim_chars) = (tokenizer.to_owned(), String::new());
    DissectFormat { tokenizer, trim_values: Trim::None, trim_chars }
}

/// Rows that say what the same lines say.
fn rows(name: &'static str) -> Kernel {
    let mut chunk = Vec::new();
    for line in lines(&self::chunk()) {
        let line = String::from_utf8_lossy(line);
        let mut parts = line.split('"');
        let mut part = || parts.next().unwrap_or_default();
        let (head, request, numbers, referrer, _, agent) =
            (part(), part(), part(), part(), part(), part());
        let (client, time) = head.split_once(" - ").unwrap_or_default();
        let time = time.split(['[', ']']).nth(1).unwrap_or_default();
        let (status, bytes) = numbers.trim().split_once(' ').unwrap_or_default();
        let row =
            format!("{client},{time},\"{request}\",{status},{bytes},\"{referrer}\",\"{agent}\"\n");
        chunk.extend_from_slice(row.as_bytes());
    }
    let bytes = chunk.len();
    let columns = [
        "source.address",
        "@timestamp",
        "url.original",
        "http.response.status_code",
        "http.response.body.bytes",
        "http.request.referrer",
        "user_agent.original",
    ];
    let format = OwnFormat::new(How::Csv(CsvFormat::new(columns.map(str::to_owned).to_vec())));
    let mut writing = Writing::new(Format::Own(Box::new(format)), true);
    let call = Box::new(move || writing.write(&chunk, &mut |_| {}));
    Kernel { name, lines: LINES, bytes, call }
}

/// The same with user agents taken apart and, from a database with a place and a network for each address, places.
fn enriched(name: &'static str, database: Option<&str>) -> Kernel {
    let chunk = chunk();
    let bytes = chunk.len();
    let paths = || database.into_iter().flat_map(|path| [path.to_owned(), format!("{path}.asn")]);
    let enrich = EnrichSettings {
        user_agent: true,
        geoip: paths().map(Into::into).collect(),
        ..EnrichSettings::default()
    };
    let tables = GeoTables::new(paths().map(Into::into));
    let place =
        mmdb::city(["SE", "Sweden"], ["E", "Östergötland County"], "Linköping", [58.4, 15.6]);
    let network = mmdb::network(64_496, "Example Networks Limited");
    for (path, (kind, said)) in paths().zip([("GeoLite2-City", place), ("GeoLite2-ASN", network)]) {
        let networks: Vec<(String, _)> =
            (0..=255).map(|first| (format!("{first}.0.0.0/8"), said.clone())).collect();
        let networks: Vec<_> = networks.iter().map(|(net, said)| (&**net, said.clone())).collect();
        let table = GeoTable::new(mmdb::database(kind, 1_795_000_000, &networks));
        tables.put(Path::new(&path), Some(Arc::new(table.expect("a database"))));
    }
    let settings = InputSettings { enrich, ..input(Format::Auto, true) };
    let mut writing = Writing::with(&settings, Arc::new(tables));
    writing.write(&chunk, &mut |_| {});
    let call = Box::new(move || writing.write(&chunk, &mut |_| {}));
    Kernel { name, lines: LINES, bytes, call }
}

/// The same of a format that is compiled: combined, and what operators add to it.
fn compiled(name: &'static str) -> Kernel {
    let mut chunk = Vec::new();
    for (number, line) in lines(&self::chunk()).enumerate() {
        chunk.extend_from_slice(line);
        let more = format!(" {} {number:032x} TLSv1.3 TLS_AES_256_GCM_SHA384\n", number * 37 + 101);
        chunk.extend_from_slice(more.as_bytes());
    }
    let bytes = chunk.len();
    let text = "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D %{X-Request-Id}i \
                %{SSL_PROTOCOL}x %{SSL_CIPHER}x";
    let format =
        ServerFormat { server: WebServer::Apache, text: text.to_owned(), escape: Escape::Default };
    let mut writing = Writing::new(Format::Compiled(format), true);
    let call = Box::new(move || writing.write(&chunk, &mut |_| {}));
    Kernel { name, lines: LINES, bytes, call }
}

/// The same of JSON lines; where a member has a name of ours, it has to be put together with ours.
fn json_lines(name: &'static str, is_text: bool) -> Kernel {
    let mut chunk = Vec::new();
    for number in 0..LINES {
        json_line(number, if is_text { "log.level" } else { "log" }, &mut chunk);
    }
    let bytes = chunk.len();
    let mut input = input(Format::Raw, true);
    let ndjson = NdjsonSettings { overwrite_keys: true, ..NdjsonSettings::default() };
    input.reading.parsers = vec![LineParser::Ndjson(ndjson)];
    let mut writing = Writing::of(&input);
    let call = Box::new(move || writing.write(&chunk, &mut |_| {}));
    Kernel { name, lines: LINES, bytes, call }
}

fn json_line(number: u32, level: &str, out: &mut Vec<u8>) {
    let value = if level == "log" { "{\"level\":\"info\"}" } else { "\"info\"" };
    let text = format!(
        "{{\"@timestamp\":\"2026-11-20T12:34:56.789Z\",\"{level}\":{value},\"message\":\"order {number:07} was paid by \
         credit card\",\"service.name\":\"shop\",\"trace.id\":\"{number:032x}\",\"order\":{{\"id\":{id},\
         \"items\":[{{\"sku\":\"A-1\",\"n\":2}}],\"total\":12.5}},\"labels\":{{\"region\":\"eu-1\",\"zone\":\"b\"}},\
         \"duration_ms\":17}}\n",
        id = 1_000_000 + number
    );
    out.extend_from_slice(text.as_bytes());
}

/// gzip, level 1, of whole batches of parsed documents.
fn compress() -> Kernel {
    let chunk = chunk();
    let mut bodies = Vec::new();
    Writing::new(Format::Auto, true).write(&chunk, &mut |body| bodies.push(body.to_vec()));
    let bytes = bodies.iter().map(Vec::len).sum();
    let mut out = vec![0; 2 << 20];
    let call = Box::new(move || {
        for body in &bodies {
            let level = flate2::Compression::new(1);
            let mut gzip = flate2::Compress::new_gzip(level, 15);
            let status = gzip.compress(body, &mut out, flate2::FlushCompress::Finish);
            assert_eq!(status.ok(), Some(flate2::Status::StreamEnd));
            black_box(&out);
        }
    });
    Kernel { name: "gzip 1 (bytes are those of the documents)", lines: LINES, bytes, call }
}

/// The answer to a bulk request whose documents were all stored, cut down as we ask for it.
fn read_answer() -> Kernel {
    let items = vec![r#"{"create":{"status":201}}"#; LINES as usize].join(",");
    let answer = format!(r#"{{"errors":false,"items":[{items}]}}"#).into_bytes();
    let bytes = answer.len();
    let call = Box::new(move || {
        let verdicts = bulk::read_answer(200, black_box(&answer), LINES as usize);
        assert!(matches!(verdicts, bulk::Answer::Items(_)));
        black_box(&verdicts);
    });
    Kernel { name: "read a bulk answer (lines are items)", lines: LINES, bytes, call }
}

fn lines(chunk: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', chunk).map(move |newline| {
        let line = &chunk[start..newline];
        start = newline + 1;
        line
    })
}

/// A pipeline and the pool that its batches come from.
struct Writing {
    pipeline: Pipeline,
    pool: Pool,
    wake: Arc<Wake>,
}

impl Writing {
    fn new(format: Format, keep_original: bool) -> Self {
        Self::of(&input(format, keep_original))
    }

    fn of(input: &InputSettings) -> Self {
        Self::with(input, Arc::default())
    }

    fn with(input: &InputSettings, geo: Arc<GeoTables>) -> Self {
        let shared = Shared {
            geo,
            host_name: "web1.example.org".to_owned(),
            agent_id: "0f5d2c38-7d2e-4b0c-9a57-3f4f2f9f5b11".to_owned(),
            ephemeral_id: "5b8f7f46-3a93-4a4e-8a4f-2f63b6f6a2c7".to_owned(),
            document_id: true,
            batch_wide: Some("filebeat-8.19.0".to_owned()),
            ..Shared::default()
        };
        let pipeline = Pipeline::new(input, &shared);
        Self {
            pipeline: pipeline.expect("settings of ours"),
            pool: Pool::new(2 << 20),
            wake: Arc::default(),
        }
    }

    /// Writes the whole chunk, into as many batches as it needs, and shows each body.
    fn write(&mut self, chunk: &[u8], take: &mut dyn FnMut(&[u8])) {
        let source = self
            .pipeline
            .source(Path::new("/var/log/apache2/access.log"), Epoch::from_random([7; 12]));
        let mut done = 0;
        while done < chunk.len() {
            let buffer = self.pool.try_take(&self.wake).expect("the last one came back");
            let mut batch = BatchBuilder::new(buffer, BatchLimits::default());
            let moment = Moment(1_795_132_800_000);
            let rest = Chunk { bytes: &chunk[done..], at: done as u64, cuts: &[] };
            let consumed = self.pipeline.run_chunk(&source, rest, moment, &mut batch);
            assert!(0 < consumed.bytes && consumed.unparsed == 0);
            done += consumed.bytes;
            take(black_box(batch.seal().buffer.bytes()));
        }
    }
}

fn input(format: Format, keep_original: bool) -> InputSettings {
    InputSettings {
        paths: vec!["/var/log/apache2/access.log".to_owned()],
        format,
        keep_original,
        ..InputSettings::default()
    }
}
