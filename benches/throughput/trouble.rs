//! What is left where the operator set a limit, where answers are slow, and where the server was away.

use crate::arguments::Arguments;
use crate::program::Setup;
use crate::report::{Report, median};
use crate::sink::Sink;
use crate::{Outcome, data, process, program};
use rustix::process::{Signal, kill_process};
use serde_json::json;
use shipper::demo::receiver::{Mode, Observer, Options, Receiver};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Time until buffers are full and rates steady.
const WARM_UP: Duration = Duration::from_secs(3);
/// Copies of the generated file that make a backlog.
const COPIES: usize = 4;
const WRITERS: u64 = 100;
const WRITER_PAUSE: Duration = Duration::from_millis(100);
/// One count of documents.
const SLICE: Duration = Duration::from_millis(250);

/// Makes a backlog and returns the pattern that finds it.
fn backlog(directory: &Path, arguments: &Arguments) -> Outcome<String> {
    let (file, _) = data::file(arguments.lines)?;
    let logs = directory.join("logs");
    fs::create_dir(&logs)?;
    for copy in 0..COPIES {
        fs::copy(&file, logs.join(format!("access-{copy}.log")))?;
    }
    Ok(logs.join("*.log").to_string_lossy().into_owned())
}

fn end(mut child: Child) -> Outcome<()> {
    kill_process(process::child_pid(&child)?, Signal::TERM)?;
    child.wait()?;
    Ok(())
}

/// Measures how much of what `limits.*` allow is taken by a backlog.
pub(crate) fn limits(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let cases = [
        ("limits.bandwidth: 5MB/s", 5e6),
        ("limits.bandwidth: 500KB/s", 500e3),
        ("limits.cpu: 20%", 0.2),
        ("limits.cpu: 5%", 0.05),
    ];
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for (limit, allowed) in cases.into_iter().filter(|(limit, _)| arguments.wants(limit)) {
        eprintln!("{limit} …");
        let directory = data::fresh_directory("limits")?;
        let paths = backlog(&directory, arguments)?;
        let mut sink = Sink::start()?;
        let address = sink.address.clone();
        let settings = &arguments.settings;
        let setup =
            Setup { paths: &paths, address: &address, input: &[], rest: &[limit], settings };
        let child = program::command(&directory, &setup)?.spawn()?;
        thread::sleep(WARM_UP);
        let (begun, bytes) = (Instant::now(), sink.counts()?.wire_bytes);
        let cpu_s = process::cpu_seconds(child.id())?;
        thread::sleep(Duration::from_secs(arguments.seconds));
        let seconds = begun.elapsed().as_secs_f64();
        let bytes = (sink.counts()?.wire_bytes - bytes) as f64 / seconds;
        let cpu = (process::cpu_seconds(child.id())? - cpu_s) / seconds;
        end(child)?;
        let taken = if limit.contains("cpu") { cpu } else { bytes } / allowed;
        rows.push(vec![
            limit.to_owned(),
            format!("{:.2}", bytes / 1e6),
            format!("{:.1}", cpu * 100.0),
            format!("{:.1}", taken * 100.0),
        ]);
        figures.push(json!({ "limit": limit, "bytes_s": bytes, "cpu": cpu, "taken": taken }));
    }
    let name = format!("A backlog under limits, {} s", arguments.seconds);
    let header = ["limit", "MB/s", "% of a core", "% of what is allowed"];
    report.table(&name, &header, &rows, json!(figures));
    Ok(())
}

/// Measures what is delivered with each number of requests at once while answers take their time.
pub(crate) fn pace(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for latency_ms in [1, 50, 500] {
        let mut row = vec![format!("{latency_ms} ms")];
        for worker in [1, 2, 4, 8] {
            eprintln!("answers after {latency_ms} ms, worker: {worker} …");
            let directory = data::fresh_directory("pace")?;
            let paths = backlog(&directory, arguments)?;
            let wait = Duration::from_millis(latency_ms);
            let observer: Observer = Box::new(move |_: &[u8]| thread::sleep(wait));
            let options = Options { observer: Some(observer), ..Options::new(0, Mode::Count) };
            let receiver = Receiver::start(options)?;
            let address = receiver.address().to_string();
            let worker = format!("output.elasticsearch.worker: {worker}");
            let settings = &arguments.settings;
            let rest = [worker.as_str()];
            let setup =
                Setup { paths: &paths, address: &address, input: &[], rest: &rest, settings };
            let child = program::command(&directory, &setup)?.spawn()?;
            thread::sleep(WARM_UP + wait * 20);
            let (begun, before) = (Instant::now(), receiver.counts().documents);
            let most = COPIES as u64 * arguments.lines;
            while begun.elapsed() < Duration::from_secs(arguments.seconds)
                && receiver.counts().documents < most
            {
                thread::sleep(Duration::from_millis(5));
            }
            let documents = receiver.counts().documents - before;
            let rate = documents as f64 / begun.elapsed().as_secs_f64();
            end(child)?;
            row.push(format!("{:.0} k", rate / 1e3));
            figures.push(json!({ "latency_ms": latency_ms, "worker": rest[0], "rate": rate }));
        }
        rows.push(row);
    }
    let header = ["an answer takes", "worker: 1", "worker: 2", "worker: 4", "worker: 8"];
    report.table("Documents/s beside slow answers", &header, &rows, json!(figures));
    Ok(())
}

/// Measures memory while the server is away, and how soon a backlog flows again at full speed.
pub(crate) fn away(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let directory = data::fresh_directory("away")?;
    let logs = directory.join("logs");
    fs::create_dir(&logs)?;
    let ended = AtomicBool::new(false);
    let figures = thread::scope(|scope| {
        let writing = scope.spawn(|| write(&logs, &ended));
        let figures = watch(&directory, &logs, arguments);
        ended.store(true, Ordering::Relaxed);
        writing.join().map_err(|_| "the writers have failed")??;
        figures
    })?;
    let header = [
        "RSS before MiB",
        "away, median MiB",
        "away, most MiB",
        "first answer after s",
        "full speed after s",
        "documents/s then",
    ];
    let row = figures.iter().map(|figure| format!("{figure:.1}")).collect();
    let name = format!("The server away for {} s, {WRITERS} writers", arguments.seconds);
    report.table(&name, &header, &[row], json!(figures));
    Ok(())
}

fn write(logs: &Path, ended: &AtomicBool) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let mut files = Vec::new();
    for number in 0..WRITERS {
        let path = logs.join(format!("busy-{number}.log"));
        files.push(OpenOptions::new().create(true).append(true).open(path).map_err(told)?);
    }
    let lines = data::lines(WRITERS);
    while !ended.load(Ordering::Relaxed) {
        for (file, line) in files.iter_mut().zip(lines.split_inclusive(|byte| *byte == b'\n')) {
            file.write_all(line).map_err(told)?;
        }
        thread::sleep(WRITER_PAUSE);
    }
    Ok(())
}

fn watch(directory: &Path, logs: &Path, arguments: &Arguments) -> Outcome<Vec<f64>> {
    let receiver = Receiver::start(Options::new(0, Mode::Count))?;
    let port = receiver.address().port();
    let (paths, address) = (logs.join("*.log"), receiver.address().to_string());
    let paths = paths.to_string_lossy();
    let settings = &arguments.settings;
    let setup = Setup { paths: &paths, address: &address, input: &[], rest: &[], settings };
    let child = program::command(directory, &setup)?.spawn()?;
    let rss = || process::status_kib(child.id(), "VmRSS:").map(|kib| kib as f64 / 1024.0);
    let (file, _) = data::file(arguments.lines)?;
    // Its working size is that of a backlog.
    fs::copy(&file, logs.join("first.log"))?;
    let mut before = 0.0_f64;
    while receiver.counts().documents < arguments.lines {
        before = before.max(rss()?);
        thread::sleep(Duration::from_millis(20));
    }
    drop(receiver);
    fs::copy(&file, logs.join("second.log"))?;
    let mut resident = Vec::new();
    for _ in 0..arguments.seconds {
        thread::sleep(Duration::from_secs(1));
        resident.push(rss()?);
    }
    let back = Instant::now();
    let receiver = Receiver::start(Options::new(port, Mode::Count))?;
    while receiver.counts().documents == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let (answered, mut rates, mut seen) = (back.elapsed(), Vec::new(), 0);
    while receiver.counts().documents < arguments.lines {
        thread::sleep(SLICE);
        let documents = receiver.counts().documents;
        rates.push((documents - seen) as f64 / SLICE.as_secs_f64());
        seen = documents;
    }
    // The last one is not whole.
    rates.pop();
    end(child)?;
    let full = median(rates.clone());
    let slices = rates.iter().position(|rate| full * 0.9 <= *rate).unwrap_or(rates.len());
    let most = resident.iter().copied().fold(0.0, f64::max);
    let full_after = (SLICE * u32::try_from(slices)?).as_secs_f64();
    Ok(vec![before, median(resident), most, answered.as_secs_f64(), full_after, full])
}
