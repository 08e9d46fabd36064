//! How long a line takes from its write to its arrival, and a process from its start to the first
//! document.

use crate::arguments::Arguments;
use crate::program::{BINARY, Setup};
use crate::report::{Report, median, quantile};
use crate::sink::Sink;
use crate::{Outcome, data, process, program};
use memchr::memmem;
use rustix::process::{Signal, kill_process};
use serde_json::json;
use shipper::demo::receiver::{Mode, Observer, Options, Receiver};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const LINES: usize = 200;
const PAUSE: Duration = Duration::from_millis(20);
/// Quiet time before the first line.
const QUIET: Duration = Duration::from_secs(3);
/// Longest wait for a line.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for (name, rest) in
        [("queue.mem.flush.timeout: 0s", &["queue.mem.flush.timeout: 0s"][..]), ("stock", &[][..])]
    {
        eprintln!("latency: {name} …");
        let mut times_ms = arrival_times_ms(rest, &arguments.settings)?;
        times_ms.sort_by(f64::total_cmp);
        let figure = |share: f64| quantile(&times_ms, share);
        let cells = [figure(0.0), figure(0.5), figure(0.9), figure(0.99), figure(1.0)];
        let mut row = vec![name.to_owned(), times_ms.len().to_string()];
        row.extend(cells.iter().map(|ms| format!("{ms:.2}")));
        rows.push(row);
        figures.push(json!({ "settings": name, "p50_ms": cells[1], "p99_ms": cells[3] }));
    }
    let name = format!("From append to arrival, {LINES} lines, one every {} ms", PAUSE.as_millis());
    let header = ["settings", "lines seen", "min ms", "p50 ms", "p90 ms", "p99 ms", "max ms"];
    report.table(&name, &header, &rows, json!(figures));
    Ok(())
}

/// Follows one file with `shipper`, appends stamped lines, and returns how long each took.
fn arrival_times_ms(rest: &[&str], settings: &[String]) -> Outcome<Vec<f64>> {
    let directory = data::fresh_directory("latency")?;
    let log = directory.join("access.log");
    fs::write(&log, "")?;
    let clock = Instant::now();
    let times_ms = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times_ms);
    let observer = move |body: &[u8]| {
        let now = clock.elapsed();
        let stamps = memmem::find_iter(body, b"\"message\":\"203.0.113.9 - - [stamp ");
        let mut times = seen.lock().unwrap_or_else(PoisonError::into_inner);
        times.extend(
            stamps
                .filter_map(|at| stamp(&body[at..]))
                .map(|written| now.saturating_sub(written).as_secs_f64() * 1e3),
        );
    };
    let observer: Observer = Box::new(observer);
    let options = Options { observer: Some(observer), ..Options::new(0, Mode::Count) };
    let receiver = Receiver::start(options)?;
    let paths = log.to_string_lossy().into_owned();
    let address = receiver.address().to_string();
    let setup = Setup { paths: &paths, address: &address, input: &[], rest, settings };
    let mut child = program::command(&directory, &setup)?.spawn()?;
    let appended = append(&log, &clock, &times_ms);
    kill_process(process::child_pid(&child)?, Signal::TERM)?;
    child.wait()?;
    appended?;
    let mut times_ms = times_ms.lock().unwrap_or_else(PoisonError::into_inner);
    // The first line only showed that all is up.
    times_ms.remove(0);
    Ok(std::mem::take(&mut *times_ms))
}

fn append(log: &std::path::Path, clock: &Instant, times_ms: &Mutex<Vec<f64>>) -> Outcome<()> {
    let mut file = OpenOptions::new().append(true).open(log)?;
    let mut line = || {
        // Not an access line for a parser, so that nothing but the message carries the stamp.
        let text = format!("203.0.113.9 - - [stamp {:020}]\n", clock.elapsed().as_nanos());
        file.write_all(text.as_bytes())
    };
    let wait_for = |count: usize| {
        let start = Instant::now();
        while times_ms.lock().unwrap_or_else(PoisonError::into_inner).len() < count {
            if PATIENCE < start.elapsed() {
                return Err(format!("line {count} did not arrive"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    line()?;
    wait_for(1)?;
    thread::sleep(QUIET);
    for _ in 0..LINES {
        line()?;
        thread::sleep(PAUSE);
    }
    Ok(wait_for(LINES + 1)?)
}

fn stamp(text: &[u8]) -> Option<Duration> {
    let start = memmem::find(text, b"[stamp ")? + 7;
    let digits = std::str::from_utf8(text.get(start..start + 20)?).ok()?;
    digits.parse().ok().map(Duration::from_nanos)
}

/// Measures the way to the first document of a file of 1,000 lines, and the binary.
pub(crate) fn start(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let mut times_ms = Vec::new();
    for _ in 0..arguments.runs.max(5) {
        let directory = data::fresh_directory("start")?;
        let log = directory.join("access.log");
        fs::write(&log, data::lines(1_000))?;
        let mut sink = Sink::start()?;
        let (paths, address) = (log.to_string_lossy().into_owned(), sink.address.clone());
        let settings = &arguments.settings;
        let setup = Setup { paths: &paths, address: &address, settings, ..Setup::default() };
        let usage = process::run(program::command(&directory, &setup)?.arg("--once"))?;
        let counts = sink.counts()?;
        if counts.documents != 1_000 {
            return Err(format!("{} documents of 1000", counts.documents).into());
        }
        times_ms.push((counts.first_arrival_ns - usage.start_ns) as f64 / 1e6);
    }
    let longest_ms = times_ms.iter().copied().fold(0.0, f64::max);
    let median_ms = median(times_ms);
    let (bytes, stripped_bytes) = binary_bytes()?;
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let rows = [
        vec!["start to first document, median".to_owned(), format!("{median_ms:.1} ms")],
        vec!["start to first document, longest".to_owned(), format!("{longest_ms:.1} ms")],
        vec!["binary".to_owned(), megabytes(bytes)],
        vec![
            "binary, stripped".to_owned(),
            stripped_bytes.map_or("(no strip here)".to_owned(), megabytes),
        ],
    ];
    let figures = json!({
        "first_document_ms": median_ms, "binary_bytes": bytes, "stripped_bytes": stripped_bytes
    });
    report.table("Start and size", &["what", "figure"], &rows, figures);
    Ok(())
}

fn binary_bytes() -> Outcome<(u64, Option<u64>)> {
    let directory = data::fresh_directory("strip")?;
    let copy = directory.join("shipper");
    let stripped = Command::new("strip").arg("-o").arg(&copy).arg(BINARY).status();
    let stripped = stripped.is_ok_and(|status| status.success());
    let stripped_bytes = if stripped { Some(fs::metadata(&copy)?.len()) } else { None };
    Ok((fs::metadata(BINARY)?.len(), stripped_bytes))
}
