//! Many files at once, known or renamed: a start with a large registry, a rotation of a whole directory.

use crate::arguments::Arguments;
use crate::crowd::{Arrivals, append_in_turn, make_files, receiver, sorted, stop, wait_for};
use crate::program::Setup;
use crate::report::{Report, quantile};
use crate::{Outcome, data, process, program};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Files to which lines are written all the time.
const BUSY_FILES: u64 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// How long a start is watched: until entries of files that are gone are forgotten.
const WATCHED: Duration = Duration::from_secs(40);
/// The same for all starts of a case but the last: until everything is looked at.
const WATCHED_BEFORE: Duration = Duration::from_secs(5);
const LINES_PER_FILE: u64 = 2;
const ROTATED: u64 = 10_000;
/// Time for offsets to be saved.
const SETTLE: Duration = Duration::from_secs(3);

struct World {
    directory: std::path::PathBuf,
    logs: std::path::PathBuf,
    clock: Instant,
    arrivals: Arc<Arrivals>,
    receiver: shipper::demo::receiver::Receiver,
}

impl World {
    fn new(name: &str) -> Outcome<Self> {
        let directory = data::fresh_directory(name)?;
        let (logs, clock) = (directory.join("logs"), Instant::now());
        let arrivals = Arc::new(Arrivals::default());
        let receiver = receiver(clock, &arrivals)?;
        Ok(Self { directory, logs, clock, arrivals, receiver })
    }

    fn start(&self, arguments: &Arguments) -> Outcome<Child> {
        let (paths, address) = (self.logs.join("*.log"), self.receiver.address().to_string());
        let setup = Setup {
            paths: &paths.to_string_lossy(),
            address: &address,
            rest: &["queue.mem.flush.timeout: 0s"],
            settings: &arguments.settings,
            ..Setup::default()
        };
        Ok(program::command(&self.directory, &setup)?.spawn()?)
    }

    fn documents(&self) -> u64 {
        self.arrivals.documents.load(Ordering::Relaxed)
    }

    /// Keeps the registry for the other starts of a case, or puts the kept one in its place.
    fn keep_or_restore(&self, keeps: bool) -> Outcome<()> {
        let [data, kept] = ["data", "kept"].map(|name| self.directory.join(name));
        let (from, to) = if keeps { (&data, &kept) } else { (&kept, &data) };
        if to.exists() {
            fs::remove_dir_all(to)?;
        }
        copy_all(from, to)
    }

    /// Returns how many epochs the journal holds.
    fn entries(&self) -> Outcome<u64> {
        let text = fs::read(self.directory.join("data/registry/elasticsearch/journal.log"))?;
        let count = |what: &[u8]| memchr::memmem::find_iter(&text, what).count() as u64;
        Ok(count(b"{\"entry\":") - count(b"{\"gone\":"))
    }
}

fn copy_all(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Measures a start with many entries: of files that are there, of files that are gone, and of files that are gone from
/// a directory with as many others.
pub(crate) fn registry(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let header = [
        "entries",
        "first line of each start after ms",
        "p99 ms",
        "longest pause ms",
        "CPU s in 40 s",
        "RSS MiB",
        "entries after 40 s",
    ];
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for files in arguments.files.iter().copied().filter(|files| 1_000 <= *files) {
        let world = World::new("registry")?;
        make_small(&world.logs, 0..files + BUSY_FILES, "access")?;
        let mut child = world.start(arguments)?;
        let documents = (files + BUSY_FILES) * LINES_PER_FILE;
        wait_for(&mut child, "the first lines", || Ok(documents <= world.documents()))?;
        thread::sleep(SETTLE);
        stop(child)?;
        for case in ["there", "gone", "gone, others came"] {
            if !arguments.wants(case) {
                continue;
            }
            eprintln!("a start with {files} entries, files are {case} …");
            match case {
                "there" => {}
                "gone" => (BUSY_FILES..files + BUSY_FILES).try_for_each(|file| {
                    fs::remove_file(world.logs.join(format!("access-{file}.log")))
                })?,
                _ => {
                    make_small(&world.logs, BUSY_FILES..files + BUSY_FILES, "access")?;
                    fs::remove_dir_all(world.directory.join("data"))?;
                    let before = world.documents();
                    let mut child = world.start(arguments)?;
                    wait_for(&mut child, "the lines", || {
                        Ok(before + files * LINES_PER_FILE <= world.documents())
                    })?;
                    thread::sleep(SETTLE);
                    stop(child)?;
                    (BUSY_FILES..files + BUSY_FILES).try_for_each(|file| {
                        fs::remove_file(world.logs.join(format!("access-{file}.log")))
                    })?;
                    make_small(&world.logs, 0..files, "other")?;
                }
            }
            // Whether a start goes well is a matter of chance, so one says little.
            let mut starts = Vec::new();
            for run in 1..=arguments.runs {
                let is_last = run == arguments.runs;
                world.keep_or_restore(run == 1)?;
                let watched = if is_last { WATCHED } else { WATCHED_BEFORE };
                starts.push(started(&world, arguments, watched)?);
            }
            let last = starts.last().cloned().unwrap_or_default();
            let each = |figure: usize| {
                let each: Vec<String> =
                    starts.iter().map(|start| format!("{:.0}", start[figure])).collect();
                each.join(" ")
            };
            let mut cells = vec![format!("{files}, {case}"), each(0), each(1), each(2)];
            cells.extend(last[3..].iter().map(|figure| format!("{figure:.1}")));
            rows.push(cells);
            figures.push(json!({ "files": files, "case": case, "starts": starts }));
        }
    }
    report.table("A start with many entries", &header, &rows, json!(figures));
    Ok(())
}

fn started(world: &World, arguments: &Arguments, watched: Duration) -> Outcome<Vec<f64>> {
    let ended = Arc::new(AtomicBool::new(false));
    let before_entries = world.entries()?;
    world.arrivals.take();
    let begun = Instant::now();
    let mut child = world.start(arguments)?;
    let writer = append_in_turn(&world.logs, BUSY_FILES, BUSY_PAUSE, world.clock, &ended)?;
    let mut stamped = Vec::new();
    wait_for(&mut child, "the first line", || {
        stamped.extend(world.arrivals.take());
        Ok(!stamped.is_empty())
    })?;
    let first = stamped[0].0;
    thread::sleep(watched.saturating_sub(begun.elapsed()));
    let pid = child.id();
    let (cpu_s, rss) = (process::cpu_seconds(pid)?, process::status_kib(pid, "VmRSS:")?);
    ended.store(true, Ordering::Relaxed);
    let written = writer.join().map_err(|_| "the writer panicked")?;
    wait_for(&mut child, "the last line", || {
        stamped.extend(world.arrivals.take());
        Ok(written <= stamped.len() as u64)
    })?;
    stop(child)?;
    let entries = world.entries()?;
    eprintln!("  {before_entries} entries before, {entries} after");
    // Lines that were written after the first one had arrived.
    stamped.retain(|(at, late_ms)| first + Duration::from_secs_f64(late_ms / 1e3) < *at);
    let longest = stamped.iter().max_by(|left, right| left.1.total_cmp(&right.1));
    if let Some((at, late_ms)) = longest {
        eprintln!("  the longest pause, {late_ms:.1} ms, ended after {:.1?}", *at - begun);
    }
    let times_ms = sorted(stamped);
    Ok(vec![
        (first - begun).as_secs_f64() * 1e3,
        quantile(&times_ms, 0.99),
        quantile(&times_ms, 1.0),
        cpu_s,
        rss as f64 / 1024.0,
        entries as f64,
    ])
}

/// Makes files of a few lines each, in each of which the lines are other ones.
fn make_small(logs: &Path, files: std::ops::Range<u64>, name: &str) -> Outcome<()> {
    fs::create_dir_all(logs)?;
    for file in files {
        let line = format!(
            "203.0.113.9 - - {name} {file} \"GET /{file:032}/index.html HTTP/1.1\" 200 1\n"
        );
        fs::write(
            logs.join(format!("{name}-{file}.log")),
            line.repeat(usize::try_from(LINES_PER_FILE)?),
        )?;
    }
    Ok(())
}

/// Measures a rotation of all logs of a directory at once.
pub(crate) fn rotation(arguments: &Arguments, report: &mut Report) -> Outcome<()> {
    let header = [
        "rotation of 10000 logs",
        "took s",
        "all lines arrived s later",
        "CPU s",
        "p99 ms of others",
        "max ms of others",
        "lines too many",
    ];
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for kind in ["create", "copytruncate", "compress"] {
        eprintln!("rotation of {ROTATED} logs: {kind} …");
        let row = rotated(kind, arguments)?;
        let mut cells = vec![kind.to_owned()];
        cells.extend(row.iter().map(|figure| format!("{figure:.2}")));
        rows.push(cells);
        figures.push(json!({ "kind": kind, "figures": row }));
    }
    report.table("A whole directory rotated", &header, &rows, json!(figures));
    Ok(())
}

fn rotated(kind: &str, arguments: &Arguments) -> Outcome<Vec<f64>> {
    let world = World::new("rotation")?;
    make_files(&world.logs, BUSY_FILES)?;
    make_small(&world.logs, 0..ROTATED, "site")?;
    let mut child = world.start(arguments)?;
    let mut due = BUSY_FILES * 20 + ROTATED * LINES_PER_FILE;
    wait_for(&mut child, "the first lines", || Ok(due <= world.documents()))?;
    thread::sleep(SETTLE);
    let ended = Arc::new(AtomicBool::new(false));
    let writer = append_in_turn(&world.logs, BUSY_FILES, BUSY_PAUSE, world.clock, &ended)?;
    let (begun, before_s) = (Instant::now(), process::cpu_seconds(child.id())?);
    let mut packed = Vec::new();
    for file in 0..ROTATED {
        let log = world.logs.join(format!("site-{file}.log"));
        let old = world.logs.join(format!("site-{file}.log.1"));
        match kind {
            "copytruncate" => {
                fs::copy(&log, &old)?;
                File::options().write(true).open(&log)?.set_len(0)?;
            }
            _ => fs::rename(&log, &old)?,
        }
        if kind == "compress" {
            packed.push(old);
        }
        let line = format!("after {file} \"GET /{file:032}/index.html HTTP/1.1\" 200 1\n");
        File::options().append(true).create(true).open(&log)?.write_all(line.as_bytes())?;
    }
    for old in packed {
        let target = File::create(old.with_extension("1.gz"))?;
        let mut encoder = GzEncoder::new(target, Compression::fast());
        encoder.write_all(&fs::read(&old)?)?;
        encoder.finish()?;
        fs::remove_file(&old)?;
    }
    let took = begun.elapsed();
    due += ROTATED;
    wait_for(&mut child, "the lines after the rotation", || {
        let busy = world.arrivals.stamped();
        Ok(due + busy <= world.documents())
    })?;
    let all = begun.elapsed();
    thread::sleep(Duration::from_secs(30).saturating_sub(all));
    ended.store(true, Ordering::Relaxed);
    let written = writer.join().map_err(|_| "the writer panicked")?;
    wait_for(&mut child, "the last lines", || Ok(due + written <= world.documents()))?;
    let cpu_s = process::cpu_seconds(child.id())? - before_s;
    let repeated = world.documents() - due - written;
    stop(child)?;
    let times_ms = sorted(world.arrivals.take());
    Ok(vec![
        took.as_secs_f64(),
        all.saturating_sub(took).as_secs_f64(),
        cpu_s,
        quantile(&times_ms, 0.99),
        quantile(&times_ms, 1.0),
        repeated as f64,
    ])
}
