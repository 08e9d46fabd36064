use super::*;
use crate::disk::{AppendFile, Listed, RealFile, RealLock, RealWriter, Stat};
use crate::settings::{
    Auth, ElasticsearchSettings, LogFileSettings, OutputSettings, Secret, Settings,
};
use crate::stats::metrics::Constants;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tracing::{debug, error, info, trace, warn};

/// Standard error of a test.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(bytes.clone()).expect("text")
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The real disk, with a switch that makes it full: half of what is appended is written, then it
/// refuses.
#[derive(Debug, Clone)]
struct FullDisk(Arc<AtomicBool>);

struct FullWriter(RealWriter, Arc<AtomicBool>);

impl AppendFile for FullWriter {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.1.load(Ordering::SeqCst) {
            self.0.append(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    fn reserve(&mut self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}

impl Disk for FullDisk {
    type File = RealFile;
    type Writer = FullWriter;
    type Lock = RealLock;

    fn list(&self, directory: &Path) -> io::Result<Vec<Listed>> {
        RealDisk.list(directory)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        RealDisk.stat(path)
    }

    fn link_stat(&self, path: &Path) -> io::Result<Stat> {
        RealDisk.link_stat(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<u64> {
        RealDisk.file_system(path)
    }

    fn open(&self, path: &Path) -> io::Result<RealFile> {
        RealDisk.open(path)
    }

    fn read_all(&self, path: &Path, longest: u64) -> io::Result<Vec<u8>> {
        RealDisk.read_all(path, longest)
    }

    fn append(&self, path: &Path, mode: u32) -> io::Result<FullWriter> {
        Ok(FullWriter(RealDisk.append(path, mode)?, Arc::clone(&self.0)))
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<FullWriter> {
        Ok(FullWriter(RealDisk.create(path, mode)?, Arc::clone(&self.0)))
    }

    fn create_directory(&self, path: &Path, mode: u32) -> io::Result<()> {
        RealDisk.create_directory(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<RealLock>> {
        RealDisk.lock(path)
    }
}

fn settings(level: LogLevel, json: bool, files: Option<&Path>) -> LoggingSettings {
    let files = files.map(|path| LogFileSettings {
        path: path.to_owned(),
        name: "shipper".to_owned(),
        rotate_every_bytes: 10 << 20,
        keep_files: 7,
        permissions: 0o600,
    });
    LoggingSettings { level, json, files, ..LoggingSettings::default() }
}

/// Runs `speak` under a log and returns what came to standard error.
fn logged<D: Disk>(
    settings: &LoggingSettings,
    selectors: &[&str],
    disk: D,
    speak: impl FnOnce(),
) -> String {
    let screen = Screen::default();
    let selectors: Vec<String> = selectors.iter().map(|selector| (*selector).to_owned()).collect();
    let (layer, logging, writer) =
        build(settings, &selectors, disk, Box::new(screen.clone()), TimeZone::UTC);
    let thread = std::thread::spawn(|| writer.run());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), speak);
    drop(logging);
    thread.join().expect("the writer ends");
    screen.text()
}

/// Takes the time off the beginning of every line of text.
fn without_time(text: &str) -> String {
    let mut rest = String::new();
    for line in text.lines() {
        rest.push_str(line.split_once(' ').map_or(line, |split| split.1));
        rest.push('\n');
    }
    rest
}

/// Returns what is in the files of a directory.
fn files_of(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("directory");
    entries.map(|entry| fs::read_to_string(entry.expect("entry").path()).expect("text")).collect()
}

/// Reads lines of JSON; takes out the time, after a look at its shape, and the line of the source.
fn read_json(text: &str) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut value: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let time = value.as_object_mut().expect("object").shift_remove("@timestamp").expect("time");
        let time = time.as_str().expect("text");
        assert_eq!(time.len(), "2026-11-21T03:20:13.123Z".len(), "{time}");
        time.parse::<jiff::Timestamp>().expect("a time");
        if let Some(origin) = value.get_mut("log.origin") {
            assert!(origin["file.line"].as_u64().is_some());
            origin["file.line"] = 0.into();
        }
        lines.push(value);
    }
    lines
}

/// Speaks at every severity, as this program and as another crate.
fn speak() {
    trace!(target: "shipper::harvester::worker", "traced");
    debug!(target: "shipper::harvester::worker", "batch sealed");
    debug!(target: "shipper::outputs", "batch sent");
    info!(target: "monitoring", "metrics");
    warn!(target: "shipper::outputs::elasticsearch", "retrying");
    error!(target: "shipper", "line lost");
}

fn check_text(level: LogLevel, selectors: &[&str], expected: &[&str]) {
    let expected = format!("{}\n", expected.join("\n"));
    let text = logged(&settings(level, false, None), selectors, RealDisk, speak);
    assert_eq!(without_time(&text), expected, "{level:?} {selectors:?}");
}

#[test]
fn level_and_selectors_choose_the_lines() {
    let worker = "DEBUG [harvester.worker] batch sealed";
    let outputs = "DEBUG [outputs] batch sent";
    let metrics = "INFO  [monitoring] metrics";
    let retry = "WARN  [outputs.elasticsearch] retrying";
    let lost = "ERROR [shipper] line lost";
    check_text(LogLevel::Debug, &[], &[worker, outputs, metrics, retry, lost]);
    check_text(LogLevel::Info, &[], &[metrics, retry, lost]);
    check_text(LogLevel::Warning, &[], &[retry, lost]);
    check_text(LogLevel::Error, &[], &[lost]);
    check_text(LogLevel::Info, &["harvester"], &[worker, metrics, retry, lost]);
    check_text(LogLevel::Debug, &["outputs"], &[outputs, metrics, retry, lost]);
    check_text(LogLevel::Error, &["*"], &[worker, outputs, lost]);
    check_text(LogLevel::Info, &["harvest", "put"], &[metrics, retry, lost]);
}

#[test]
fn other_crates_are_heard_from_warnings_on_unless_a_selector_names_them() {
    let foreign = |level: Level| {
        let filter = |selectors: &[&str]| Filter {
            level: LogLevel::Debug,
            selectors: selectors.iter().map(|text| (*text).to_owned()).collect(),
        };
        let metadata = Metadata::new(
            "event",
            "hyper::client",
            level,
            None,
            None,
            Some("hyper::client::pool"),
            tracing::field::FieldSet::new(&[], tracing::callsite::Identifier(&CALLSITE)),
            tracing::metadata::Kind::EVENT,
        );
        (
            filter(&[]).admits(&metadata),
            filter(&["*"]).admits(&metadata),
            filter(&["hyper"]).admits(&metadata),
        )
    };
    assert_eq!(foreign(Level::DEBUG), (false, false, true));
    assert_eq!(foreign(Level::INFO), (false, false, true));
    assert_eq!(foreign(Level::WARN), (true, true, true));
}

struct Nowhere;

static CALLSITE: Nowhere = Nowhere;

impl tracing::Callsite for Nowhere {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        unreachable!("nobody asks")
    }
}

#[test]
fn json_lines_carry_the_fields_with_their_types() {
    let text = logged(&settings(LogLevel::Info, true, None), &[], RealDisk, || {
        let cause = io::Error::other("connection reset");
        let error: &(dyn std::error::Error + 'static) = &cause;
        warn!(
            target: "shipper::outputs::elasticsearch",
            host = %"http://localhost:9200", attempt = 3, share = 0.5, again = true, bad = f64::NAN,
            "log.file.path" = "/var/log/a\n\"b\"", error,
            "bulk request refused, retrying"
        );
    });
    assert_eq!(
        read_json(&text),
        [serde_json::json!({
            "log.level": "warn",
            "log.logger": "outputs.elasticsearch",
            "log.origin": {"file.name": "logging/tests.rs", "file.line": 0},
            "message": "bulk request refused, retrying",
            "service.name": "shipper",
            "host": "http://localhost:9200",
            "attempt": 3,
            "share": 0.5,
            "again": true,
            "bad": null,
            "log.file.path": "/var/log/a\n\"b\"",
            "error": "connection reset",
            "ecs.version": "1.6.0"
        })]
    );
}

#[test]
fn metrics_line_is_an_object_in_json_and_one_line_in_text() {
    let report = || {
        let constants = Constants {
            name: "shipper",
            version: "0.1.0",
            ephemeral_id: "e".to_owned(),
            output: "elasticsearch",
            inputs: 1,
            cores: 2,
        };
        let start = Instant::now();
        let period = Some(Duration::from_secs(30));
        let stats = Arc::default();
        let mut reporter =
            crate::reporter::MetricsReporter::new(RealDisk, stats, None, constants, period, start);
        reporter.step(start + Duration::from_secs(30));
        reporter.finish(start + Duration::from_millis(31_500));
    };
    let lines = read_json(&logged(&settings(LogLevel::Info, true, None), &[], RealDisk, report));
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str()).collect();
    let expected = ["Non-zero metrics in the last 30s", "Total metrics", "Uptime: 31.5s"];
    assert_eq!(messages, expected.map(Some));
    assert_eq!(lines[0]["log.logger"], "monitoring");
    assert_eq!(lines[0]["monitoring"]["metrics"]["beat"]["info"]["uptime"]["ms"], 30_000);
    assert_eq!(lines[1]["monitoring"]["metrics"]["beat"]["info"]["uptime"]["ms"], 31_500);
    let text = logged(&settings(LogLevel::Info, false, None), &[], RealDisk, report);
    let text = without_time(&text);
    let first = text.lines().next().expect("a line");
    let json = first
        .strip_prefix("INFO  [monitoring] Non-zero metrics in the last 30s monitoring=")
        .expect("the fields behind the message");
    serde_json::from_str::<serde_json::Value>(json).expect("JSON");
}

#[test]
fn lines_go_to_files_and_standard_error_alike() {
    let directory = tempfile::tempdir().expect("directory");
    let both = settings(LogLevel::Info, true, Some(directory.path()));
    let say = || info!(target: "shipper", "started");
    let screen = logged(&both, &[], RealDisk, say);
    let alone = LoggingSettings { to_stderr: false, ..both };
    assert_eq!(logged(&alone, &[], RealDisk, say), "");
    let files = files_of(directory.path());
    assert_eq!(files.len(), 2, "one of each start");
    for text in &files {
        assert_eq!(read_json(text), read_json(&screen));
    }
    assert!(files.contains(&screen), "{files:?}");
}

#[test]
fn full_disk_stops_nobody_and_is_told_of_once() {
    let directory = tempfile::tempdir().expect("directory");
    let is_full = Arc::new(AtomicBool::new(false));
    let screen = Screen::default();
    let (_layer, logging, mut writer) = build(
        &LoggingSettings {
            to_stderr: false,
            ..settings(LogLevel::Info, true, Some(directory.path()))
        },
        &[],
        FullDisk(Arc::clone(&is_full)),
        Box::new(screen.clone()),
        TimeZone::UTC,
    );
    let start = Instant::now();
    writer.write("{\"n\":1}\n", start);
    is_full.store(true, Ordering::SeqCst);
    for second in 1..100 {
        writer.write("{\"n\":2}\n", start + Duration::from_millis(700) * second);
    }
    is_full.store(false, Ordering::SeqCst);
    // The last try was at 69.3 s; the next comes a second later.
    writer.write("{\"n\":2}\n", start + Duration::from_millis(69_800));
    writer.write("{\"n\":3}\n", start + Duration::from_secs(100));
    writer.write("{\"n\":4}\n", start + Duration::from_secs(100));
    let path = directory.path();
    assert_eq!(
        screen.text(),
        format!(
            "cannot write the log in `{}`: no storage space; its lines are dropped until \
             that works again, everything else goes on\n",
            path.display()
        )
    );
    let files = files_of(path);
    assert_eq!(files.len(), 1);
    let text = &files[0];
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("whole lines of JSON")).collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(lines[0], serde_json::json!({"n": 1}));
    assert_eq!(lines[1], serde_json::json!({"n": 3}));
    let told = (&lines[2]["log.level"], &lines[2]["message"], &lines[2]["lines"]);
    let message = "log lines dropped: the file could not be written";
    assert_eq!(told, (&"warn".into(), &message.into(), &100.into()));
    assert_eq!(lines[3], serde_json::json!({"n": 4}));
    logging.queue.end();
}

#[test]
fn directory_that_cannot_be_made_stops_nobody() {
    let directory = tempfile::tempdir().expect("directory");
    // The directory of the log is a file: nothing can be made in it.
    let blocked = directory.path().join("logs");
    fs::write(&blocked, "").expect("file");
    let screen = logged(&settings(LogLevel::Info, false, Some(&blocked)), &[], RealDisk, || {
        info!(target: "shipper", "one");
        info!(target: "shipper", "two");
    });
    let complaint = format!(
        "cannot write the log in `{}`: File exists (os error 17); its lines are dropped until that \
         works again, everything else goes on\n",
        blocked.display()
    );
    assert_eq!(screen.matches(&complaint).count(), 1, "{screen}");
    let rest = screen.replace(&complaint, "");
    assert_eq!(without_time(&rest), "INFO  [shipper] one\nINFO  [shipper] two\n");
}

#[test]
fn whoever_logs_goes_on_while_nothing_can_be_written() {
    let (layer, logging, writer) = build(
        &settings(LogLevel::Info, false, None),
        &[],
        RealDisk,
        Box::new(io::sink()),
        TimeZone::UTC,
    );
    // Nobody runs the writer: it hangs in a write.
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for number in 0..100_000 {
            info!(target: "shipper", number, "again and again");
        }
    });
    let taken = logging.queue.take().expect("lines");
    assert!((1_000..10_000).contains(&taken.lines.len()), "{}", taken.lines.len());
    assert_eq!(taken.lines.len() as u64 + taken.dropped, 100_000);
    logging.queue.end();
    drop(writer);
}

#[test]
fn time_is_written_with_its_zone_as_filebeat_writes_it() {
    for (zoned, text) in [
        ("2026-11-21T03:20:13.123456+00:00[+00:00]", "2026-11-21T03:20:13.123Z"),
        ("2026-11-21T03:20:13.1+09:30[+09:30]", "2026-11-21T03:20:13.100+0930"),
        ("2026-11-21T03:20:13-05:00[-05:00]", "2026-11-21T03:20:13.000-0500"),
    ] {
        let zoned: Zoned = zoned.parse().expect("a time");
        assert_eq!(time_text(&zoned), text);
        assert_eq!(day_of(&zoned), 20_261_121);
    }
}

#[test]
fn settings_show_no_secret() {
    for auth in [
        Auth::Basic { username: "elastic".to_owned(), password: Secret::new("hunter2") },
        Auth::ApiKey(Secret::new("id:hunter2")),
    ] {
        let output = ElasticsearchSettings {
            auth,
            proxy_url: Some(Secret::new("http://user:hunter2@proxy:3128")),
            ..ElasticsearchSettings::default()
        };
        let settings = Settings {
            output: OutputSettings::Elasticsearch(Box::new(output)),
            ..Settings::default()
        };
        let shown = format!("{settings:?} {settings:#?}");
        assert_eq!(shown.matches("hunter2").count(), 0, "{shown}");
        assert_eq!(shown.matches("xxxxx").count(), 4, "{shown}");
    }
}
