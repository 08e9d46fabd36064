//! The process's own log: lines of JSON or text, to standard error, to files, or to both.
//!
//! [`init`] takes over what `tracing` is told. Threads that log hand finished lines over and go on;
//! one thread, spawned by the caller, runs [`LogWriter::run`]. Spans are not kept: nothing here
//! makes any.

use crate::disk::{Disk, RealDisk};
use crate::settings::{LogLevel, LoggingSettings};
use files::RotatingFile;
use jiff::Zoned;
use jiff::tz::TimeZone;
use limiter::Limiter;
use lines::LineQueue;
use record::{FieldValue, Origin, Record, push_json_line, push_text_line};
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::{Interest, SetGlobalDefaultError};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

pub mod files;
pub mod limiter;
pub mod lines;
pub mod record;

/// `service.name` of every line.
const SERVICE: &str = "shipper";

/// Longest wait, at the end of the process, for the last lines to be written.
const END_WAIT: Duration = Duration::from_secs(2);

/// Pause after a failed write to a file, in which lines are dropped without trying.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Least time between two complaints on standard error about a log file.
const COMPLAINT_PERIOD: Duration = Duration::from_mins(10);

/// Longest message of an error that is kept, in bytes.
const LAST_ERROR_BYTES_MAX: usize = 1024;

/// Keeps the log alive; when dropped, the last lines are written, and later ones are dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct Logging {
    queue: Arc<LineQueue>,
    last_error: LastError,
}

/// The last line of level error: its time and its message, cut to [`LAST_ERROR_BYTES_MAX`].
pub type LastError = Arc<Mutex<Option<(String, String)>>>;

impl Logging {
    /// Returns where the last error is kept.
    #[must_use]
    pub fn last_error(&self) -> LastError {
        Arc::clone(&self.last_error)
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.queue.close();
        self.queue.wait_for_end(END_WAIT);
    }
}

/// Sends what `tracing` is told to standard error, which is written through `stderr`, and the files of `settings`.
///
/// `selectors` are those of `-d` and `logging.selectors`: names of loggers (`harvester` means what
/// is below it too) whose debug lines are written whatever the level, and at level debug only
/// theirs; `*` is all of this program. Without selectors the level alone decides. Other crates' lines are written from warnings on,
/// unless a selector names them. The returned writer is to be run on a thread of its own; lines
/// wait until it runs.
///
/// # Errors
/// If `tracing` has a subscriber already.
pub fn init(
    settings: &LoggingSettings,
    selectors: &[String],
    stderr: Box<dyn Write + Send>,
) -> Result<(Logging, LogWriter<RealDisk>), SetGlobalDefaultError> {
    let (layer, logging, writer) = build(settings, selectors, RealDisk, stderr, TimeZone::system());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
    Ok((logging, writer))
}

/// Makes the parts of a log; see [`init`].
fn build<D: Disk>(
    settings: &LoggingSettings,
    selectors: &[String],
    disk: D,
    stderr: Box<dyn Write + Send>,
    zone: TimeZone,
) -> (LineLayer, Logging, LogWriter<D>) {
    let queue = Arc::new(LineQueue::default());
    let shape = if settings.json { Shape::Json } else { Shape::Text };
    let layer = LineLayer {
        filter: Filter { level: settings.level, selectors: selectors.to_vec() },
        shape,
        zone: zone.clone(),
        queue: Arc::clone(&queue),
        last_error: LastError::default(),
    };
    let last_error = Arc::clone(&layer.last_error);
    let files = settings.files.clone().map(|files| FileLog {
        file: RotatingFile::new(disk, files),
        failed: None,
        lost: 0,
        complaints: Limiter::once_per(COMPLAINT_PERIOD),
    });
    let writer = LogWriter {
        queue: Arc::clone(&queue),
        stderr,
        to_stderr: settings.to_stderr,
        files,
        shape,
        zone,
    };
    (layer, Logging { queue, last_error }, writer)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Json,
    Text,
}

impl Shape {
    fn line(self, record: &Record<'_>) -> String {
        let mut line = String::with_capacity(256);
        match self {
            Self::Json => push_json_line(&mut line, SERVICE, record),
            Self::Text => push_text_line(&mut line, record),
        }
        line
    }
}

/// Returns the time as Filebeat writes it: milliseconds, and `Z` or `+0100`.
fn time_text(now: &Zoned) -> String {
    let zone = if now.offset().is_zero() { "Z" } else { "%z" };
    now.strftime(&format!("%Y-%m-%dT%H:%M:%S%.3f{zone}")).to_string()
}

/// Which lines are written; never changes.
#[derive(Debug)]
struct Filter {
    level: LogLevel,
    selectors: Vec<String>,
}

impl Filter {
    fn admits(&self, metadata: &Metadata<'_>) -> bool {
        let level = level_of(*metadata.level());
        let logger = logger_of(metadata.target());
        let is_ours = metadata.module_path().is_none_or(|path| {
            path == SERVICE || path.strip_prefix(SERVICE).is_some_and(|rest| rest.starts_with("::"))
        });
        if *metadata.level() == Level::TRACE {
            return false;
        }
        let is_selected = self.selectors.iter().any(|selector| selects(selector, &logger, is_ours));
        match level {
            LogLevel::Debug if !self.selectors.is_empty() => is_selected,
            LogLevel::Debug | LogLevel::Info if !is_ours => is_selected && self.level <= level,
            level => self.level <= level,
        }
    }

    fn finest(&self) -> LevelFilter {
        if !self.selectors.is_empty() {
            return LevelFilter::DEBUG;
        }
        match self.level {
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warning => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
        }
    }
}

fn selects(selector: &str, logger: &str, is_ours: bool) -> bool {
    if selector == "*" {
        return is_ours;
    }
    let rest = logger.strip_prefix(selector);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn level_of(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warning,
        Level::INFO => LogLevel::Info,
        _ => LogLevel::Debug,
    }
}

/// Returns the name under which a part of the program speaks: `shipper::outputs::retry` is
/// `outputs.retry`.
fn logger_of(target: &str) -> String {
    target.strip_prefix("shipper::").unwrap_or(target).replace("::", ".")
}

/// Makes lines of events.
#[derive(Debug)]
struct LineLayer {
    filter: Filter,
    shape: Shape,
    zone: TimeZone,
    queue: Arc<LineQueue>,
    last_error: LastError,
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.filter.admits(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.filter.admits(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.finest())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let file =
            metadata.file().map(|file| file.rsplit_once("src/").map_or(file, |(_, file)| file));
        let record = Record {
            time: &time_text(&Zoned::now().with_time_zone(self.zone.clone())),
            level: level_of(*metadata.level()),
            logger: &logger_of(metadata.target()),
            origin: file.zip(metadata.line()).map(|(file, line)| Origin { file, line }),
            message: &fields.message,
            fields: &fields.others,
        };
        if record.level == LogLevel::Error {
            let end = fields.message.floor_char_boundary(LAST_ERROR_BYTES_MAX);
            let kept = (record.time.to_owned(), fields.message[..end].to_owned());
            *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
        self.queue.push(self.shape.line(&record));
    }
}

/// The fields of one event.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, FieldValue)>,
}

impl Fields {
    fn push_plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.others.push((field.name(), FieldValue::Json(value.to_string())));
    }

    fn push_text(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            // The name says that the value is JSON already: `json.monitoring = %text`.
            name => match name.strip_prefix("json.") {
                Some(name) => self.others.push((name, FieldValue::json(text))),
                None => self.others.push((name, FieldValue::Text(text))),
            },
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity; `null` is what serde_json makes of it.
        self.push_plain(field, serde_json::Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_plain(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push_text(field, crate::hint::chain_text(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // A value that cannot show itself is shown as far as it did.
        let _ = write!(text, "{value:?}");
        self.push_text(field, text);
    }
}

/// Writes lines where they belong; run it on a thread of its own.
#[must_use = "nothing is written unless it runs"]
pub struct LogWriter<D: Disk> {
    queue: Arc<LineQueue>,
    stderr: Box<dyn Write + Send>,
    to_stderr: bool,
    files: Option<FileLog<D>>,
    shape: Shape,
    zone: TimeZone,
}

impl<D: Disk> LogWriter<D> {
    /// Writes lines until the [`Logging`] is dropped and all are written.
    pub fn run(mut self) {
        while let Some(taken) = self.queue.take() {
            for line in taken.lines {
                self.write(&line, Instant::now());
            }
            if taken.dropped != 0 {
                let text = "log lines dropped: they came faster than they could be written";
                self.write_own(text, taken.dropped, Instant::now());
            }
        }
        self.queue.end();
    }

    fn write(&mut self, line: &str, now: Instant) {
        if self.to_stderr {
            // There is nowhere left to say that it failed.
            let _ = self.stderr.write_all(line.as_bytes());
        }
        let Some(files) = &mut self.files else { return };
        let day = day_of(&Zoned::now().with_time_zone(self.zone.clone()));
        match files.write(line, day, now) {
            Written::Yes => {}
            Written::Again { lost } => {
                self.write_own("log lines dropped: the file could not be written", lost, now);
            }
            Written::No { complaint } => {
                if let Some(complaint) = complaint {
                    let _ = self.stderr.write_all(complaint.as_bytes());
                }
            }
        }
    }

    /// Writes a line of the log about itself.
    fn write_own(&mut self, message: &str, lines: u64, now: Instant) {
        let time = time_text(&Zoned::now().with_time_zone(self.zone.clone()));
        let fields = [("lines", FieldValue::Json(lines.to_string()))];
        let record = Record {
            time: &time,
            level: LogLevel::Warning,
            logger: "logging",
            origin: None,
            message,
            fields: &fields,
        };
        let line = self.shape.line(&record);
        self.write(&line, now);
    }
}

fn day_of(now: &Zoned) -> u32 {
    let date = now.date();
    let number =
        i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day());
    u32::try_from(number).unwrap_or(0)
}

/// A log in files that cannot stop anybody.
struct FileLog<D: Disk> {
    file: RotatingFile<D>,
    /// When writing last failed; `None` while it works.
    failed: Option<Instant>,
    /// Lines lost since it worked last.
    lost: u64,
    complaints: Limiter,
}

enum Written {
    /// It is in the file.
    Yes,
    /// It is in the file, the first one after some were lost.
    Again { lost: u64 },
    /// It is lost; perhaps with something to be said on standard error.
    No { complaint: Option<String> },
}

impl<D: Disk> FileLog<D> {
    fn write(&mut self, line: &str, day: u32, now: Instant) -> Written {
        if self.failed.is_some_and(|failed| now.saturating_duration_since(failed) < RETRY_PAUSE) {
            self.lost += 1;
            return Written::No { complaint: None };
        }
        match self.file.write(line.as_bytes(), day) {
            Ok(()) => {
                self.failed = None;
                match std::mem::take(&mut self.lost) {
                    0 => Written::Yes,
                    lost => Written::Again { lost },
                }
            }
            Err(error) => {
                self.failed = Some(now);
                self.lost += 1;
                let complaint = self.complaints.admit(now).map(|_| self.complaint(&error));
                Written::No { complaint }
            }
        }
    }

    fn complaint(&self, error: &io::Error) -> String {
        let directory = self.file.directory().display();
        format!(
            "cannot write the log in `{directory}`: {error}; its lines are dropped until that works \
             again, everything else goes on\n"
        )
    }
}

#[cfg(test)]
mod tests;
