//! Events that are not just lines: what joined lines, JSON lines and packed logs cost beside the same lines as they stand.

use crate::arguments::Arguments;
use crate::cases::{Run, measure, middle};
use crate::program::Setup;
use crate::report::Report;
use crate::sink::Sink;
use crate::{Outcome, data, program};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

struct Case {
    name: &'static str,
    path: PathBuf,
    documents: u64,
    input: &'static [&'static str],
}

/// One line in five goes on with the one before it.
const CONTINUED: u64 = 5;

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let directory = data::fresh_directory("events")?;
    let lines = arguments.lines;
    let joined = lines - lines / CONTINUED;
    let traces = make(&directory.join("traces.log"), lines, trace)?;
    let objects = make(&directory.join("objects.log"), lines, object)?;
    let packed = directory.join("packed.log.gz");
    let mut encoder = GzEncoder::new(File::create(&packed)?, Compression::default());
    std::io::copy(&mut File::open(&traces)?, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    let raw = &["format: raw"];
    let multiline: &[_] =
        &["format: raw", "parsers: [{multiline: {pattern: '^[[:space:]]', match: after}}]"];
    let ndjson: &[_] = &["format: raw", "parsers: [{ndjson: {target: '', overwrite_keys: true}}]"];
    let case = |name, path: &Path, documents, input| Case {
        name,
        path: path.to_owned(),
        documents,
        input,
    };
    let cases = [
        case("traces, as lines", &traces, lines, &raw[..]),
        case("traces, joined", &traces, joined, multiline),
        case("traces, packed, as lines", &packed, lines, &["format: raw", "compression: auto"]),
        case("JSON, as lines", &objects, lines, &raw[..]),
        case("JSON, as members", &objects, lines, ndjson),
    ];
    let wanted = |case: &Case| {
        arguments.cases.is_empty() || arguments.cases.iter().any(|name| case.name.contains(&**name))
    };
    let cases: Vec<Case> = cases.into_iter().filter(wanted).collect();
    if cases.is_empty() {
        return Err("no case has such a name".into());
    }
    let mut sink = Sink::start()?;
    let mut runs: Vec<Vec<Run>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 1..=arguments.runs {
        for (case, runs) in cases.iter().zip(&mut runs) {
            eprintln!("run {round} of {}: {}", arguments.runs, case.name);
            let directory = data::fresh_directory("run")?;
            let setup = Setup {
                paths: &case.path.to_string_lossy(),
                address: &sink.address.clone(),
                input: case.input,
                rest: &["output.elasticsearch.compression_level: 0"],
                settings: &arguments.settings,
            };
            let mut command = program::command(&directory, &setup)?;
            command.arg("--once");
            runs.push(measure(&mut command, case.documents, &mut sink)?);
        }
    }
    let header =
        ["case", "lines/s", "of the lines as they stand", "CPU s per M lines", "peak RSS MiB"];
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    let plain = middle(&runs[0]);
    for (case, runs) in cases.iter().zip(&runs) {
        let run = middle(runs);
        let per_second = lines as f64 / run.wall_s;
        let share = plain.wall_s / run.wall_s;
        let is_trace = case.name.starts_with("traces");
        rows.push(vec![
            case.name.to_owned(),
            format!("{:.0} k", per_second / 1e3),
            if is_trace { format!("{:.0} %", share * 100.0) } else { String::new() },
            format!("{:.3}", run.cpu_s / (lines as f64 / 1e6)),
            format!("{:.1}", run.rss_mib),
        ]);
        figures.push(json!({ "case": case.name, "lines_per_second": per_second }));
    }
    report.table("Events that are not just lines", &header, &rows, json!(figures));
    Ok(())
}

/// Makes a file of lines.
fn make(path: &Path, lines: u64, line: fn(u64, &mut Vec<u8>)) -> Outcome<PathBuf> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut text = Vec::new();
    for number in 0..lines {
        text.clear();
        line(number, &mut text);
        out.write_all(&text)?;
    }
    out.into_inner()?.sync_all()?;
    // It is in the page cache from here on.
    let _ = fs::read(path)?;
    Ok(path.to_owned())
}

fn trace(number: u64, out: &mut Vec<u8>) {
    let text = if number % CONTINUED == CONTINUED - 1 {
        format!(
            "\tat org.example.shop.Basket.checkout(Basket.java:{number}) ~[shop-1.4.2.jar:1.4.2]\n"
        )
    } else {
        format!(
            "2026-11-20 12:34:56.789 ERROR [http-nio-{number}] o.e.shop.Basket - payment {number} was refused\n"
        )
    };
    out.extend_from_slice(text.as_bytes());
}

/// A line of 300 bytes, its line feed included.
fn object(number: u64, out: &mut Vec<u8>) {
    let number = number % 10_000_000;
    let text = format!(
        "{{\"@timestamp\":\"2026-11-20T12:34:56.789Z\",\"log.level\":\"info\",\"message\":\"order {number:07} was paid by credit card\",\
         \"service.name\":\"shop\",\"trace.id\":\"{number:032x}\",\"order\":{{\"id\":{id},\
         \"items\":[{{\"sku\":\"A-1\",\"n\":2}}],\"total\":12.5}},\"labels\":{{\"region\":\"eu-1\",\"zone\":\"b\"}},\
         \"duration_ms\":17}}\n",
        id = 1_000_000 + number
    );
    debug_assert_eq!(text.len(), 300);
    out.extend_from_slice(text.as_bytes());
}
