//! Throughput: each case with `shipper` and, right behind it, its floor.

use crate::arguments::Arguments;
use crate::floor::Content;
use crate::process::Usage;
use crate::program::Setup;
use crate::report::{Report, median};
use crate::sink::Sink;
use crate::{Outcome, data, floor, process, program};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// One row of the table, and what it must reach.
struct Case {
    name: &'static str,
    content: Content,
    input: &'static [&'static str],
    gzip: bool,
    /// Most CPU of `shipper`, in multiples of the floor's.
    floors_max: f64,
    lines_per_second_min: f64,
    cpu_s_max: f64,
    rss_mib_max: f64,
    /// Bytes of a document when there is no `shipper` to tell.
    document_bytes: f64,
}

const CASES: [Case; 4] = [
    Case {
        name: "raw",
        content: Content::Raw,
        input: &["format: raw"],
        gzip: false,
        floors_max: 2.5,
        lines_per_second_min: 1_500_000.0,
        cpu_s_max: 0.7,
        rss_mib_max: 40.0,
        document_bytes: 0.0,
    },
    Case {
        name: "parsed",
        content: Content::Parsed,
        input: &[],
        gzip: false,
        floors_max: 2.5,
        lines_per_second_min: 800_000.0,
        cpu_s_max: 1.2,
        rss_mib_max: 40.0,
        document_bytes: 900.0,
    },
    Case {
        name: "parsed, keep_original: false",
        content: Content::Fields,
        input: &["keep_original: false"],
        gzip: false,
        floors_max: 2.5,
        lines_per_second_min: 1_000_000.0,
        cpu_s_max: 0.9,
        rss_mib_max: 40.0,
        document_bytes: 0.0,
    },
    Case {
        name: "parsed, gzip 1",
        content: Content::Parsed,
        input: &[],
        gzip: true,
        floors_max: 2.0,
        lines_per_second_min: 450_000.0,
        cpu_s_max: 2.8,
        rss_mib_max: 45.0,
        document_bytes: 900.0,
    },
];

/// The file that is read.
struct Input<'a> {
    path: &'a Path,
    lines: u64,
    bytes: u64,
}

/// One run of one program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// From the start of the process to the arrival of the last bulk, in seconds.
    pub(crate) wall_s: f64,
    /// From the start of the process to its end.
    exit_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) rss_mib: f64,
    document_bytes: f64,
    wire_bytes: f64,
    sink_cpu_s: f64,
    others_cpu_s: f64,
}

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let (path, bytes) = data::file(arguments.lines)?;
    let input = Input { path: &path, lines: arguments.lines, bytes };
    let sample = data::lines(20_000);
    let mut sink = Sink::start()?;
    let wanted = |case: &&Case| arguments.wants(case.name);
    let cases: Vec<&Case> = CASES.iter().filter(wanted).collect();
    eprintln!("warming up …");
    floor_run(&CASES[0], &input, 0.0, &sample, &mut sink)?;
    let mut runs: Vec<(Vec<Run>, Vec<Run>)> = cases.iter().map(|_| <_>::default()).collect();
    for round in 1..=arguments.runs {
        for (case, (shippers, floors)) in cases.iter().zip(&mut runs) {
            eprintln!("run {round} of {}: {}", arguments.runs, case.name);
            let mut document_bytes = case.document_bytes;
            if !arguments.floors_only {
                let run = shipper_run(case, &input, &arguments.settings, &mut sink)?;
                document_bytes = run.document_bytes;
                shippers.push(run);
            }
            floors.push(floor_run(case, &input, document_bytes, &sample, &mut sink)?);
        }
    }
    let header = [
        "case",
        "program",
        "lines/s",
        "MB/s in",
        "CPU s per M lines",
        "× floor",
        "peak RSS MiB",
        "bytes out per document",
        "on the wire",
        "receiver CPU s per M",
        "others' CPU s",
        "reaches",
    ];
    let mut rows = Vec::new();
    let mut figures = Vec::new();
    for (case, (shippers, floors)) in cases.iter().zip(&runs) {
        let floor = middle(floors);
        if !shippers.is_empty() {
            let run = middle(shippers);
            rows.push(row(case, "shipper", run, Some(floor), &input));
            figures.push(figure(case, "shipper", run, shippers, &input));
        }
        rows.push(row(case, "floor", floor, None, &input));
        figures.push(figure(case, "floor", floor, floors, &input));
    }
    let lines = arguments.lines;
    let name = format!("Throughput, {lines} lines, {bytes} bytes, median of {}", arguments.runs);
    report.table(&name, &header, &rows, json!(figures));
    Ok(())
}

fn shipper_run(case: &Case, input: &Input, settings: &[String], sink: &mut Sink) -> Outcome<Run> {
    let directory = data::fresh_directory("run")?;
    let level = format!("output.elasticsearch.compression_level: {}", u8::from(case.gzip));
    let setup = Setup {
        paths: &input.path.to_string_lossy(),
        address: &sink.address.clone(),
        input: case.input,
        rest: &[&level],
        settings,
    };
    let mut command = program::command(&directory, &setup)?;
    command.arg("--once");
    measure(&mut command, input.lines, sink)
}

fn floor_run(
    case: &Case,
    input: &Input,
    document_bytes: f64,
    sample: &[u8],
    sink: &mut Sink,
) -> Outcome<Run> {
    let path = input.path.to_string_lossy();
    let missing =
        document_bytes - floor::document_bytes(case.content, &path, sample, input.bytes / 2)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 10,000")]
    let padding = missing.max(0.0).round() as usize;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor").arg(input.path).arg(&sink.address).arg(case.content.name());
    command.arg(padding.to_string()).arg(if case.gzip { "gzip" } else { "plain" });
    measure(&mut command, input.lines, sink)
}

pub(crate) fn measure(command: &mut Command, expected: u64, sink: &mut Sink) -> Outcome<Run> {
    let before = sink.counts()?;
    let (sink_before_s, machine_before_s) = (sink.cpu_seconds()?, process::machine_cpu_seconds()?);
    let usage: Usage = process::run(command)?;
    let (sink_cpu_s, machine_cpu_s) =
        (sink.cpu_seconds()? - sink_before_s, process::machine_cpu_seconds()? - machine_before_s);
    let after = sink.counts()?;
    let documents = after.documents - before.documents;
    if documents != expected {
        return Err(format!("{documents} documents arrived of {expected}").into());
    }
    let each = |total: u64| total as f64 / documents as f64;
    Ok(Run {
        wall_s: (after.last_arrival_ns - usage.start_ns) as f64 / 1e9,
        exit_s: (usage.end_ns - usage.start_ns) as f64 / 1e9,
        cpu_s: usage.cpu_s,
        rss_mib: usage.peak_rss_bytes as f64 / f64::from(1 << 20),
        document_bytes: each(after.plain_bytes - before.plain_bytes),
        wire_bytes: each(after.wire_bytes - before.wire_bytes),
        sink_cpu_s,
        others_cpu_s: machine_cpu_s - usage.cpu_s - sink_cpu_s,
    })
}

/// Takes the median of each figure.
pub(crate) fn middle(runs: &[Run]) -> Run {
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
    Run {
        wall_s: of(|run| run.wall_s),
        exit_s: of(|run| run.exit_s),
        cpu_s: of(|run| run.cpu_s),
        rss_mib: of(|run| run.rss_mib),
        document_bytes: of(|run| run.document_bytes),
        wire_bytes: of(|run| run.wire_bytes),
        sink_cpu_s: of(|run| run.sink_cpu_s),
        others_cpu_s: of(|run| run.others_cpu_s),
    }
}

fn row(case: &Case, program: &str, run: Run, floor: Option<Run>, input: &Input) -> Vec<String> {
    let millions = input.lines as f64 / 1e6;
    let lines_per_second = input.lines as f64 / run.wall_s;
    let floors = floor.map(|floor| run.cpu_s / floor.cpu_s);
    vec![
        case.name.to_owned(),
        program.to_owned(),
        format!("{:.0} k", lines_per_second / 1e3),
        format!("{:.0}", input.bytes as f64 / run.wall_s / 1e6),
        format!("{:.3}", run.cpu_s / millions),
        floors.map_or(String::new(), |floors| format!("{floors:.2}")),
        format!("{:.1}", run.rss_mib),
        format!("{:.0}", run.document_bytes),
        format!("{:.0}", run.wire_bytes),
        format!("{:.3}", run.sink_cpu_s / millions),
        format!("{:.2}", run.others_cpu_s),
        floors.map_or(String::new(), |floors| {
            let reached = [
                (floors <= case.floors_max, format!("≤ {} floors", case.floors_max)),
                (
                    case.lines_per_second_min <= lines_per_second,
                    format!("≥ {:.0} k/s", case.lines_per_second_min / 1e3),
                ),
                (run.cpu_s / millions <= case.cpu_s_max, format!("≤ {} CPU s", case.cpu_s_max)),
                (run.rss_mib <= case.rss_mib_max, format!("≤ {} MiB", case.rss_mib_max)),
            ];
            let missed = reached.iter().filter(|(reached, _)| !reached).map(|(_, goal)| &goal[..]);
            let missed = missed.collect::<Vec<_>>().join(", ");
            if missed.is_empty() { "all goals".to_owned() } else { format!("not: {missed}") }
        }),
    ]
}

fn figure(case: &Case, program: &str, run: Run, runs: &[Run], input: &Input) -> serde_json::Value {
    json!({
        "case": case.name,
        "program": program,
        "lines": input.lines,
        "input_bytes": input.bytes,
        "wall_s": run.wall_s,
        "start_to_exit_s": run.exit_s,
        "lines_per_second": input.lines as f64 / run.wall_s,
        "cpu_s_per_million": run.cpu_s / (input.lines as f64 / 1e6),
        "peak_rss_mib": run.rss_mib,
        "bytes_per_document": run.document_bytes,
        "wire_bytes_per_document": run.wire_bytes,
        "receiver_cpu_s": run.sink_cpu_s,
        "runs": runs.iter().map(|run| json!({
            "wall_s": run.wall_s, "cpu_s": run.cpu_s, "others_cpu_s": run.others_cpu_s,
        })).collect::<Vec<_>>(),
    })
}
