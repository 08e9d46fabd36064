//! Many files at once: quiet ones beside busy ones, a giant beside small ones, more than may be open.

use crate::arguments::Arguments;
use crate::program::{BINARY, Setup};
use crate::report::{Report, quantile};
use crate::sink::Sink;
use crate::{Outcome, data, process, program};
use memchr::memmem;
use rustix::process::{Signal, kill_process};
use serde_json::json;
use shipper::demo::receiver::{Mode, Observer, Options, Receiver};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const LINES_PER_FILE: u64 = 20;
const BUSY_FILES: u64 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(100);
const SLOW_FILES: u64 = 500;
const SLOW_PAUSE: Duration = Duration::from_secs(1);
const GIANT_BYTES_PER_SECOND: u64 = 200_000_000;
/// Time to let offsets be saved and buffers go, before the watch begins.
const SETTLE: Duration = Duration::from_secs(10);
/// Longest wait for what is to arrive.
const PATIENCE: Duration = Duration::from_mins(3);
/// Pause between two new names, each of which asks for a scan.
const NEW_NAME_EVERY: Duration = Duration::from_secs(4);

/// When stamped lines arrived, as far as they have.
#[derive(Default)]
pub(crate) struct Arrivals {
    pub(crate) documents: AtomicU64,
    /// Milliseconds from write to arrival, with the time of arrival.
    stamped: Mutex<Vec<(Instant, f64)>>,
}

impl Arrivals {
    /// Counts the stamped lines that have arrived and were not taken.
    pub(crate) fn stamped(&self) -> u64 {
        self.stamped.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    pub(crate) fn take(&self) -> Vec<(Instant, f64)> {
        std::mem::take(&mut *self.stamped.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Starts a receiver in this process that sees stamps and counts documents.
pub(crate) fn receiver(clock: Instant, arrivals: &Arc<Arrivals>) -> Outcome<Receiver> {
    let seen = Arc::clone(arrivals);
    let observer: Observer = Box::new(move |body: &[u8]| {
        let now = Instant::now();
        let items = memmem::find_iter(body, b"\"message\":\"").count() as u64;
        seen.documents.fetch_add(items, Ordering::Relaxed);
        let stamps = memmem::find_iter(body, b"\"message\":\"slow [stamp ").filter_map(|at| {
            let digits = body.get(at + 23..at + 43)?;
            let written = std::str::from_utf8(digits).ok()?.parse().ok()?;
            let late = (now - clock).saturating_sub(Duration::from_nanos(written));
            Some((now, late.as_secs_f64() * 1e3))
        });
        let stamps: Vec<_> = stamps.collect();
        seen.stamped.lock().unwrap_or_else(PoisonError::into_inner).extend(stamps);
    });
    Ok(Receiver::start(Options { observer: Some(observer), ..Options::new(0, Mode::Count) })?)
}

fn stamped_line(clock: Instant) -> Vec<u8> {
    format!(
        "slow [stamp {:020}] \"GET /index.html HTTP/1.1\" 200 1234\n",
        clock.elapsed().as_nanos()
    )
    .into_bytes()
}

/// Makes `count` files of a few lines each.
pub(crate) fn make_files(logs: &Path, count: u64) -> Outcome<()> {
    fs::create_dir_all(logs)?;
    let lines = data::lines(LINES_PER_FILE);
    for file in 0..count {
        fs::write(logs.join(format!("access-{file}.log")), &lines)?;
    }
    Ok(())
}

/// Appends stamped lines to files in turn until told to stop.
pub(crate) fn append_in_turn(
    logs: &Path,
    files: u64,
    pause: Duration,
    clock: Instant,
    stop: &Arc<AtomicBool>,
) -> Outcome<thread::JoinHandle<u64>> {
    let open = |file| OpenOptions::new().append(true).open(logs.join(format!("access-{file}.log")));
    let mut open = (0..files).map(open).collect::<Result<Vec<File>, _>>()?;
    let stop = Arc::clone(stop);
    let spacing = pause / u32::try_from(files)?;
    Ok(thread::spawn(move || {
        let (begun, mut written) = (Instant::now(), 0_u32);
        while !stop.load(Ordering::Relaxed) {
            let file = written as usize % open.len();
            if open[file].write_all(&stamped_line(clock)).is_err() {
                break;
            }
            written += 1;
            thread::sleep((spacing * written).saturating_sub(begun.elapsed()));
        }
        u64::from(written)
    }))
}

pub(crate) fn wait_for(
    child: &mut Child,
    what: &str,
    mut is_so: impl FnMut() -> Outcome<bool>,
) -> Outcome<()> {
    let start = Instant::now();
    while !is_so()? {
        if let Some(status) = child.try_wait()? {
            return Err(format!("shipper ended: {status}").into());
        }
        if PATIENCE < start.elapsed() {
            return Err(format!("waited in vain for {what}").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

pub(crate) fn stop(mut child: Child) -> Outcome<()> {
    kill_process(process::child_pid(&child)?, Signal::TERM)?;
    child.wait()?;
    Ok(())
}

/// Measures quiet files beside busy ones, and what a scan costs and delays.
pub(crate) fn busy(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let header = [
        "quiet files",
        "% of a core",
        "RSS MiB",
        "peak RSS MiB",
        "p50 ms",
        "p99 ms",
        "max ms",
        "CPU ms a scan",
        "p99 ms while scanning",
        "max ms while scanning",
    ];
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for files in &arguments.files {
        eprintln!("{BUSY_FILES} busy files beside {files} quiet ones …");
        let row = busy_beside(*files, arguments)?;
        let mut cells = vec![files.to_string()];
        cells.extend(row.iter().map(|figure| format!("{figure:.2}")));
        rows.push(cells);
        figures.push(json!({ "files": files, "figures": row }));
    }
    let name = format!("{BUSY_FILES} busy files at 10 lines/s each, {} s", arguments.seconds);
    report.table(&name, &header, &rows, json!(figures));
    Ok(())
}

fn busy_beside(files: u64, arguments: &Arguments) -> Outcome<Vec<f64>> {
    let directory = data::fresh_directory("busy")?;
    let (logs, clock) = (directory.join("logs"), Instant::now());
    make_files(&logs, files + BUSY_FILES)?;
    let arrivals = Arc::new(Arrivals::default());
    let receiver = receiver(clock, &arrivals)?;
    let (paths, address) = (logs.join("*.log"), receiver.address().to_string());
    let setup = Setup {
        paths: &paths.to_string_lossy(),
        address: &address,
        settings: &arguments.settings,
        ..Setup::default()
    };
    let mut child = program::command(&directory, &setup)?.spawn()?;
    let pid = child.id();
    let documents = (files + BUSY_FILES) * LINES_PER_FILE;
    wait_for(&mut child, "the first lines", || {
        Ok(documents <= arrivals.documents.load(Ordering::Relaxed))
    })?;
    let ended = Arc::new(AtomicBool::new(false));
    let writer = append_in_turn(&logs, BUSY_FILES, BUSY_PAUSE, clock, &ended)?;
    thread::sleep(SETTLE);
    arrivals.take();
    let before_s = process::cpu_seconds(pid)?;
    thread::sleep(Duration::from_secs(arguments.seconds));
    let seconds = arguments.seconds as f64;
    let percent = (process::cpu_seconds(pid)? - before_s) / seconds * 100.0;
    let rss = process::status_kib(pid, "VmRSS:")? as f64 / 1024.0;
    let peak = process::status_kib(pid, "VmHWM:")? as f64 / 1024.0;
    let quiet = sorted(arrivals.take());
    // Each new name asks for a scan.
    let (before_s, scans) = (process::cpu_seconds(pid)?, 5);
    for scan in 0..scans {
        fs::write(logs.join(format!("new-{scan}.log")), "x\n")?;
        thread::sleep(NEW_NAME_EVERY);
    }
    let scanned_s = f64::from(scans) * NEW_NAME_EVERY.as_secs_f64();
    let scan_cpu_s = process::cpu_seconds(pid)? - before_s - percent / 100.0 * scanned_s;
    let scanning = sorted(arrivals.take());
    ended.store(true, Ordering::Relaxed);
    writer.join().map_err(|_| "the writer panicked")?;
    stop(child)?;
    Ok(vec![
        percent,
        rss,
        peak,
        quantile(&quiet, 0.5),
        quantile(&quiet, 0.99),
        quantile(&quiet, 1.0),
        scan_cpu_s * 1e3 / f64::from(scans),
        quantile(&scanning, 0.99),
        quantile(&scanning, 1.0),
    ])
}

pub(crate) fn sorted(stamped: Vec<(Instant, f64)>) -> Vec<f64> {
    let mut times_ms: Vec<f64> = stamped.into_iter().map(|(_, late_ms)| late_ms).collect();
    times_ms.sort_by(f64::total_cmp);
    times_ms
}

/// Measures how late slow files' lines are beside a file that grows faster than anything.
pub(crate) fn fairness(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    eprintln!("{SLOW_FILES} slow files beside one at 200 MB/s …");
    let directory = data::fresh_directory("fairness")?;
    let (logs, clock) = (directory.join("logs"), Instant::now());
    make_files(&logs, SLOW_FILES)?;
    let arrivals = Arc::new(Arrivals::default());
    let receiver = receiver(clock, &arrivals)?;
    let (paths, address) = (logs.join("*.log"), receiver.address().to_string());
    let setup = Setup {
        paths: &paths.to_string_lossy(),
        address: &address,
        rest: &["output.elasticsearch.compression_level: 0"],
        settings: &arguments.settings,
        ..Setup::default()
    };
    let mut child = program::command(&directory, &setup)?.spawn()?;
    wait_for(&mut child, "the first lines", || {
        Ok(SLOW_FILES * LINES_PER_FILE <= arrivals.documents.load(Ordering::Relaxed))
    })?;
    let ended = Arc::new(AtomicBool::new(false));
    let giant = grow(&logs, &ended)?;
    thread::sleep(Duration::from_secs(1));
    let before = arrivals.documents.load(Ordering::Relaxed);
    let slow_ended = Arc::new(AtomicBool::new(false));
    let slow = append_in_turn(&logs, SLOW_FILES, SLOW_PAUSE, clock, &slow_ended)?;
    let begun = Instant::now();
    thread::sleep(Duration::from_secs(arguments.seconds));
    slow_ended.store(true, Ordering::Relaxed);
    let written = slow.join().map_err(|_| "the writer panicked")?;
    // The giant goes on while the last lines arrive.
    let mut stamped = Vec::new();
    wait_for(&mut child, "the slow lines", || {
        stamped.extend(arrivals.take());
        Ok(written <= stamped.len() as u64)
    })?;
    let per_second = (arrivals.documents.load(Ordering::Relaxed) - before) as f64
        / begun.elapsed().as_secs_f64();
    ended.store(true, Ordering::Relaxed);
    let giant_bytes = giant.join().map_err(|_| "the writer panicked")?;
    stop(child)?;
    fs::remove_dir_all(&directory)?;
    let giant_rate = giant_bytes as f64 / (begun.elapsed().as_secs_f64() + 1.0) / 1e6;
    let times_ms = sorted(stamped);
    let shares = [0.5, 0.99, 1.0].map(|share| quantile(&times_ms, share));
    let mut row = vec![written.to_string()];
    row.extend(shares.iter().map(|ms| format!("{ms:.0}")));
    row.extend([format!("{giant_rate:.0}"), format!("{per_second:.0}")]);
    let header =
        ["slow lines", "p50 ms", "p99 ms", "max ms", "giant written MB/s", "all lines arriving/s"];
    let name = format!("{SLOW_FILES} files at 1 line/s beside one at 200 MB/s");
    report.table(&name, &header, &[row], json!({ "p99_ms": shares[1], "max_ms": shares[2] }));
    Ok(())
}

/// Writes to one file at a fixed rate until told to stop; returns the bytes written.
fn grow(logs: &Path, stop: &Arc<AtomicBool>) -> Outcome<thread::JoinHandle<u64>> {
    let lines = data::lines(20_000);
    let mut file = File::create(logs.join("giant.log"))?;
    let stop = Arc::clone(stop);
    Ok(thread::spawn(move || {
        let (begun, mut written) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            for piece in lines.chunks(64 << 10) {
                if file.write_all(piece).is_err() {
                    return written;
                }
                written += piece.len() as u64;
            }
            let due = Duration::from_secs_f64(written as f64 / GIANT_BYTES_PER_SECOND as f64);
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        written
    }))
}

/// Measures how long files take to arrive of which only few may be open.
pub(crate) fn descriptors(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for (files, limit) in [(2_000, 1_024), (10_000, 256), (10_000, 64), (10_000, 16_384)] {
        eprintln!("{files} files, {limit} of which may be open …");
        let directory = data::fresh_directory("descriptors")?;
        let logs = directory.join("logs");
        make_files(&logs, files)?;
        let mut sink = Sink::start()?;
        let (paths, address) = (logs.join("*.log"), sink.address.clone());
        let setup = Setup {
            paths: &paths.to_string_lossy(),
            address: &address,
            settings: &arguments.settings,
            ..Setup::default()
        };
        let plain = program::command(&directory, &setup)?;
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), BINARY]);
        let mut child = command.args(plain.get_args()).spawn()?;
        let (start, mut most) = (Instant::now(), 0);
        let (pid, documents) = (child.id(), files * LINES_PER_FILE);
        wait_for(&mut child, "all lines", || {
            let open = fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count);
            most = most.max(open.unwrap_or(0));
            Ok(documents <= sink.counts()?.documents)
        })?;
        let took_s = start.elapsed().as_secs_f64();
        thread::sleep(Duration::from_secs(1));
        let counted = sink.counts()?.documents;
        if counted != documents {
            return Err(format!("{counted} documents of {documents}").into());
        }
        stop(child)?;
        rows.push(vec![
            files.to_string(),
            limit.to_string(),
            format!("{took_s:.2}"),
            most.to_string(),
        ]);
        figures.push(json!({ "files": files, "limit": limit, "seconds": took_s }));
    }
    let header = ["files", "open-files limit", "all lines arrived after s", "most open at once"];
    report.table("More files than may be open", &header, &rows, json!(figures));
    Ok(())
}
