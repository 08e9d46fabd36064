//! What `shipper` costs while it follows files to which nothing is written.

use crate::arguments::Arguments;
use crate::program::Setup;
use crate::report::Report;
use crate::sink::Sink;
use crate::{Outcome, data, process, program};
use rustix::process::{Signal, kill_process};
use serde_json::json;
use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

const LINES_PER_FILE: u64 = 20;
/// Time to let offsets be saved and buffers go, before the watch begins.
const SETTLE: Duration = Duration::from_secs(10);
/// Longest wait for all lines of all files.
const DELIVERY: Duration = Duration::from_mins(2);

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let header = [
        "followed files",
        "RSS MiB",
        "CPU ms per minute",
        "% of a core",
        "voluntary context switches per s",
        "threads",
        "open descriptors",
        "caught up after s",
    ];
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for files in &arguments.files {
        let idle = watch(*files, arguments)?;
        let minutes = arguments.seconds as f64 / 60.0;
        rows.push(vec![
            files.to_string(),
            format!("{:.1}", idle.rss_kib as f64 / 1024.0),
            format!("{:.0}", idle.cpu_s * 1e3 / minutes),
            format!("{:.3}", idle.cpu_s / arguments.seconds as f64 * 100.0),
            format!("{:.1}", idle.switches as f64 / arguments.seconds as f64),
            idle.threads.to_string(),
            idle.descriptors.to_string(),
            format!("{:.2}", idle.caught_up_s),
        ]);
        figures.push(json!({
            "files": files,
            "rss_kib": idle.rss_kib,
            "cpu_percent": idle.cpu_s / arguments.seconds as f64 * 100.0,
            "switches": idle.switches,
            "threads": idle.threads,
            "descriptors": idle.descriptors,
        }));
    }
    let name = format!("Idle, {} s, after {LINES_PER_FILE} lines a file", arguments.seconds);
    report.table(&name, &header, &rows, json!(figures));
    Ok(())
}

struct Idle {
    rss_kib: u64,
    cpu_s: f64,
    switches: u64,
    threads: usize,
    descriptors: usize,
    caught_up_s: f64,
}

fn watch(files: u64, arguments: &Arguments) -> Outcome<Idle> {
    eprintln!("idle with {files} files …");
    let directory = data::fresh_directory("idle")?;
    let logs = directory.join("logs");
    fs::create_dir(&logs)?;
    let lines = data::lines(files * LINES_PER_FILE);
    let mut lines = lines.split_inclusive(|byte| *byte == b'\n');
    for file in 0..files {
        let text = (&mut lines).take(usize::try_from(LINES_PER_FILE)?).collect::<Vec<_>>().concat();
        fs::write(logs.join(format!("access-{file}.log")), text)?;
    }
    let mut sink = Sink::start()?;
    let paths = logs.join("*.log");
    let address = sink.address.clone();
    let setup = Setup {
        paths: &paths.to_string_lossy(),
        address: &address,
        settings: &arguments.settings,
        ..Setup::default()
    };
    let mut child = program::command(&directory, &setup)?.spawn()?;
    let idle = look(&mut child, &mut sink, files * LINES_PER_FILE, arguments.seconds);
    kill_process(process::child_pid(&child)?, Signal::TERM)?;
    child.wait()?;
    idle
}

fn look(child: &mut Child, sink: &mut Sink, documents: u64, seconds: u64) -> Outcome<Idle> {
    let start = Instant::now();
    while sink.counts()?.documents < documents {
        if let Some(status) = child.try_wait()? {
            return Err(format!("shipper ended: {status}").into());
        }
        if DELIVERY < start.elapsed() {
            return Err(format!("{} of {documents} documents", sink.counts()?.documents).into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    let caught_up_s = start.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let pid = child.id();
    let (cpu_before_s, switches_before) = (process::cpu_seconds(pid)?, switches(pid)?);
    thread::sleep(Duration::from_secs(seconds));
    let entries = |name: &str| fs::read_dir(format!("/proc/{pid}/{name}")).map(Iterator::count);
    Ok(Idle {
        rss_kib: process::status_kib(pid, "VmRSS:")?,
        cpu_s: process::cpu_seconds(pid)? - cpu_before_s,
        switches: switches(pid)? - switches_before,
        threads: entries("task")?,
        descriptors: entries("fd")?,
        caught_up_s,
    })
}

/// Returns how often the threads of a process went to sleep by themselves.
fn switches(pid: u32) -> Outcome<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.unwrap_or("0").trim().parse::<u64>()?;
    }
    Ok(sum)
}
