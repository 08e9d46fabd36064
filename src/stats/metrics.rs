//! The JSON of the metrics line, in the shape that Filebeat's users, scripts and dashboards know.
//!
//! Counters are told as what was added since the line before and left out when nothing was; figures
//! of the moment are told as they are. What this process does not have (a garbage collector,
//! goroutines, modules) is not invented; what Filebeat has no name for is under `shipper`.

use crate::stats::snapshot::{ReadingFigures, SendingFigures, Snapshot};
use serde_json::{Map, Value};
use std::time::Duration;

/// What never changes while the process lives.
#[derive(Debug, Clone)]
pub struct Constants {
    /// Name of the program.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Id of this run.
    pub ephemeral_id: String,
    /// Kind of the output (`elasticsearch`).
    pub output: &'static str,
    /// Inputs that are read.
    pub inputs: u64,
    /// Processors of the machine that the process may use, at least 1.
    pub cores: u64,
}

/// What the system says of the process; `None` where it does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessFigures {
    /// Time since the start.
    pub uptime: Duration,
    /// Processor time used.
    pub cpu: Option<CpuTime>,
    /// Resident memory in bytes.
    pub rss_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open descriptors.
    pub handles: Option<u64>,
    /// Soft limit of descriptors; `None` also when there is none.
    pub handles_soft: Option<u64>,
    /// Hard limit of descriptors; `None` also when there is none.
    pub handles_hard: Option<u64>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
}

/// Processor time in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In the program.
    pub user_ms: u64,
    /// In the kernel for it.
    pub system_ms: u64,
}

/// The memory between readers and output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueFigures {
    /// Bytes in buffers that are in use.
    pub filled_bytes: u64,
    /// Bytes that there may be.
    pub max_bytes: u64,
}

/// All figures of one moment, in the order in which they are told.
#[derive(Debug, Clone)]
pub struct Sample(Vec<(&'static str, Figure)>);

#[derive(Debug, Clone, PartialEq)]
enum Figure {
    /// Only grows: told as the difference, left out when that is zero.
    Counter(u64),
    /// Of the moment: always told.
    Gauge(u64),
    /// Of the moment, a fraction: always told.
    Ratio(f64),
    /// A text that is told every time.
    Constant(String),
    /// A text that is told once.
    Text(&'static str),
    /// Not known.
    Absent,
}

impl Sample {
    /// Puts the figures of one moment together.
    #[must_use]
    pub fn new(
        constants: &Constants,
        process: &ProcessFigures,
        queue: &QueueFigures,
        snapshot: &Snapshot,
    ) -> Self {
        let mut figures = Vec::with_capacity(96);
        push_beat(&mut figures, constants, process);
        push_harvester(&mut figures, &snapshot.reading, &snapshot.sending);
        push_output(&mut figures, constants.output, &snapshot.sending);
        push_pipeline(&mut figures, constants.inputs, queue, snapshot);
        push_registrar(&mut figures, snapshot);
        push_own(&mut figures, snapshot);
        push_system(&mut figures, constants.cores, process.load);
        Self(figures)
    }

    /// Returns `monitoring` for a periodic line: what changed since `before`, all that is not zero
    /// without it.
    #[must_use]
    pub fn changes(&self, before: Option<&Self>) -> Value {
        let mut metrics = Map::new();
        for (index, (path, figure)) in self.0.iter().enumerate() {
            let old = before.and_then(|sample| sample.0.get(index)).map(|(_, figure)| figure);
            let value = match (figure, old) {
                (Figure::Counter(new), Some(Figure::Counter(old))) => difference(*new, *old),
                (Figure::Counter(new), _) => difference(*new, 0),
                (Figure::Text(_), Some(old)) if old == figure => None,
                _ => figure.value(),
            };
            if let Some(value) = value {
                insert(&mut metrics, path, value);
            }
        }
        monitoring(metrics)
    }

    /// Returns `monitoring` for the last line: every figure since the start, zeros too.
    #[must_use]
    pub fn totals(&self) -> Value {
        let mut metrics = Map::new();
        for (path, figure) in &self.0 {
            if let Some(value) = figure.value() {
                insert(&mut metrics, path, value);
            }
        }
        monitoring(metrics)
    }
}

impl Figure {
    fn value(&self) -> Option<Value> {
        match self {
            Self::Counter(number) | Self::Gauge(number) => Some(Value::from(*number)),
            Self::Ratio(number) => Some(Value::from(*number)),
            Self::Constant(text) => Some(Value::from(text.as_str())),
            Self::Text(text) => Some(Value::from(*text)),
            Self::Absent => None,
        }
    }
}

fn difference(new: u64, old: u64) -> Option<Value> {
    let difference = new.saturating_sub(old);
    (difference != 0).then(|| Value::from(difference))
}

fn monitoring(metrics: Map<String, Value>) -> Value {
    let mut object = Map::new();
    object.insert("metrics".to_owned(), Value::Object(metrics));
    Value::Object(object)
}

/// Puts a value at a dotted path, making the objects on the way.
fn insert(mut object: &mut Map<String, Value>, path: &str, value: Value) {
    let mut keys = path.split('.');
    let mut key = keys.next().unwrap_or_default();
    for next in keys {
        let inner = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
        object = inner.as_object_mut().expect("no path is the beginning of another");
        key = next;
    }
    object.insert(key.to_owned(), value);
}

fn gauge(number: i64) -> Figure {
    Figure::Gauge(u64::try_from(number).unwrap_or(0))
}

fn known(number: Option<u64>) -> Figure {
    number.map_or(Figure::Absent, Figure::Gauge)
}

/// Tells processor time as Filebeat does, where a tick is a millisecond too.
fn push_cpu(figures: &mut Vec<(&'static str, Figure)>, cpu: Option<CpuTime>) {
    let told = |number: fn(CpuTime) -> u64, of: fn(u64) -> Figure| {
        cpu.map_or(Figure::Absent, |cpu| of(number(cpu)))
    };
    let total = |cpu: CpuTime| cpu.system_ms + cpu.user_ms;
    figures.extend([
        ("beat.cpu.system.ticks", told(|cpu| cpu.system_ms, Figure::Gauge)),
        ("beat.cpu.system.time.ms", told(|cpu| cpu.system_ms, Figure::Counter)),
        ("beat.cpu.total.ticks", told(total, Figure::Gauge)),
        ("beat.cpu.total.time.ms", told(total, Figure::Counter)),
        ("beat.cpu.total.value", told(total, Figure::Gauge)),
        ("beat.cpu.user.ticks", told(|cpu| cpu.user_ms, Figure::Gauge)),
        ("beat.cpu.user.time.ms", told(|cpu| cpu.user_ms, Figure::Counter)),
    ]);
}

fn push_beat(
    figures: &mut Vec<(&'static str, Figure)>,
    constants: &Constants,
    process: &ProcessFigures,
) {
    push_cpu(figures, process.cpu);
    let uptime_ms = u64::try_from(process.uptime.as_millis()).unwrap_or(u64::MAX);
    figures.extend([
        ("beat.handles.limit.hard", known(process.handles_hard)),
        ("beat.handles.limit.soft", known(process.handles_soft)),
        ("beat.handles.open", known(process.handles)),
        ("beat.info.ephemeral_id", Figure::Constant(constants.ephemeral_id.clone())),
        ("beat.info.name", Figure::Text(constants.name)),
        ("beat.info.uptime.ms", Figure::Gauge(uptime_ms)),
        ("beat.info.version", Figure::Constant(constants.version.to_owned())),
        ("beat.memstats.rss", known(process.rss_bytes)),
        ("beat.runtime.threads", known(process.threads)),
    ]);
}

fn push_harvester(
    figures: &mut Vec<(&'static str, Figure)>,
    reading: &ReadingFigures,
    sending: &SendingFigures,
) {
    let settled = sending.settled();
    figures.extend([
        ("filebeat.events.active", Figure::Gauge(reading.events.saturating_sub(settled))),
        ("filebeat.events.added", Figure::Counter(reading.events)),
        ("filebeat.events.done", Figure::Counter(settled)),
        ("filebeat.harvester.closed", Figure::Counter(reading.closed)),
        ("filebeat.harvester.open_files", gauge(reading.open_files)),
        ("filebeat.harvester.running", gauge(reading.running)),
        ("filebeat.harvester.started", Figure::Counter(reading.started)),
    ]);
}

/// Tells of the output.
fn push_output(
    figures: &mut Vec<(&'static str, Figure)>,
    output: &'static str,
    sending: &SendingFigures,
) {
    figures.extend([
        ("libbeat.output.events.acked", Figure::Counter(sending.acked)),
        ("libbeat.output.events.active", gauge(sending.active)),
        ("libbeat.output.events.batches", Figure::Counter(sending.batches)),
        ("libbeat.output.events.dead_letter", Figure::Counter(sending.dead_letters)),
        ("libbeat.output.events.dropped", Figure::Counter(sending.dropped)),
        ("libbeat.output.events.duplicates", Figure::Counter(sending.duplicates)),
        ("libbeat.output.events.failed", Figure::Counter(sending.retries.sum())),
        ("libbeat.output.events.toomany", Figure::Counter(sending.toomany)),
        ("libbeat.output.events.total", Figure::Counter(sending.total)),
        ("libbeat.output.read.bytes", Figure::Counter(sending.read_bytes)),
        ("libbeat.output.read.errors", Figure::Counter(sending.read_errors)),
        ("libbeat.output.type", Figure::Text(output)),
        ("libbeat.output.write.bytes", Figure::Counter(sending.write_bytes)),
        ("libbeat.output.write.errors", Figure::Counter(sending.write_errors)),
    ]);
}

fn push_pipeline(
    figures: &mut Vec<(&'static str, Figure)>,
    inputs: u64,
    queue: &QueueFigures,
    snapshot: &Snapshot,
) {
    let (reading, sending) = (&snapshot.reading, &snapshot.sending);
    let settled = sending.settled();
    figures.extend([
        ("libbeat.pipeline.clients", Figure::Gauge(inputs)),
        ("libbeat.pipeline.events.active", Figure::Gauge(reading.events.saturating_sub(settled))),
        ("libbeat.pipeline.events.filtered", Figure::Counter(reading.filtered)),
        ("libbeat.pipeline.events.published", Figure::Counter(reading.events)),
        ("libbeat.pipeline.events.retry", Figure::Counter(sending.retries.sum())),
        ("libbeat.pipeline.events.total", Figure::Counter(reading.events + reading.filtered)),
        ("libbeat.pipeline.queue.acked", Figure::Counter(settled)),
        ("libbeat.pipeline.queue.filled.bytes", Figure::Gauge(queue.filled_bytes)),
        ("libbeat.pipeline.queue.filled.pct", share(queue.filled_bytes, queue.max_bytes)),
        ("libbeat.pipeline.queue.max_bytes", Figure::Gauge(queue.max_bytes)),
    ]);
}

fn push_registrar(figures: &mut Vec<(&'static str, Figure)>, snapshot: &Snapshot) {
    let registering = &snapshot.registering;
    let failed = registering.writes.saturating_sub(registering.writes_succeeded);
    figures.extend([
        ("registrar.states.current", gauge(registering.current)),
        ("registrar.states.update", Figure::Counter(registering.updates)),
        ("registrar.writes.fail", Figure::Counter(failed)),
        ("registrar.writes.success", Figure::Counter(registering.writes_succeeded)),
        ("registrar.writes.total", Figure::Counter(registering.writes)),
    ]);
}

/// Tells what Filebeat has no name for.
fn push_own(figures: &mut Vec<(&'static str, Figure)>, snapshot: &Snapshot) {
    let (reading, sending) = (&snapshot.reading, &snapshot.sending);
    let registering = &snapshot.registering;
    let [stored, already_stored, filtered, skipped, dead_lettered, lost] = registering.settled;
    let read = reading.bytes + reading.hole_bytes + reading.lost_bytes;
    // Where all is well, nobody wants to know how often.
    let told = |figure: i64| if figure == 0 { Figure::Absent } else { gauge(figure) };
    let lost_ever = told(registering.lost_ever_bytes);
    figures.extend([
        ("shipper.audit.already_stored_bytes", Figure::Counter(already_stored)),
        ("shipper.audit.dead_lettered_bytes", Figure::Counter(dead_lettered)),
        ("shipper.audit.filtered_bytes", Figure::Counter(filtered)),
        ("shipper.audit.in_flight_bytes", gauge(registering.in_flight_bytes)),
        ("shipper.audit.lost_bytes", Figure::Counter(lost)),
        ("shipper.audit.lost_ever_bytes", lost_ever),
        ("shipper.audit.missing_bytes", gauge(registering.missing_bytes)),
        ("shipper.audit.read_bytes", Figure::Counter(read)),
        ("shipper.audit.skipped_bytes", Figure::Counter(skipped)),
        ("shipper.audit.stored_bytes", Figure::Counter(stored)),
    ]);
    let listening = &snapshot.listening;
    // Where nobody ever connects, nobody wants to know.
    let connections = match listening.accepted {
        0 => Figure::Absent,
        _ => gauge(listening.connections),
    };
    figures.extend([
        ("shipper.listening.accepted", Figure::Counter(listening.accepted)),
        ("shipper.listening.bytes", Figure::Counter(listening.bytes)),
        ("shipper.listening.connections", connections),
        ("shipper.listening.dropped", Figure::Counter(listening.dropped)),
        ("shipper.listening.errors", Figure::Counter(listening.errors)),
        ("shipper.listening.full", Figure::Counter(listening.full)),
        ("shipper.listening.messages", Figure::Counter(listening.messages)),
        ("shipper.listening.skipped_bytes", Figure::Counter(listening.skipped_bytes)),
        ("shipper.listening.timeouts", Figure::Counter(listening.timeouts)),
        ("shipper.listening.truncated", Figure::Counter(listening.truncated)),
    ]);
    figures.extend([
        ("shipper.output.blocked_batches", gauge(sending.blocked)),
        ("shipper.output.blocked_targets", told(sending.blocked_targets)),
        ("shipper.output.latency.us", Figure::Counter(sending.latency.sum_us)),
        ("shipper.output.reconnects", Figure::Counter(sending.reconnects)),
        ("shipper.output.spooled", Figure::Counter(sending.spooled)),
        ("shipper.output.unusable_certificates", told(sending.unusable_certificates)),
        ("shipper.reading.bytes", Figure::Counter(reading.bytes)),
        ("shipper.reading.errors", Figure::Counter(reading.errors)),
        ("shipper.reading.hole_bytes", Figure::Counter(reading.hole_bytes)),
        ("shipper.reading.lag_bytes", gauge(reading.lag_bytes)),
        ("shipper.reading.lost_bytes", Figure::Counter(reading.lost_bytes)),
        ("shipper.reading.rotations", Figure::Counter(reading.rotations)),
        ("shipper.reading.skipped_bytes", Figure::Counter(reading.skipped_bytes)),
        ("shipper.reading.unparsed", Figure::Counter(reading.unparsed)),
        ("shipper.reading.unreadable_files", told(reading.unreadable)),
        ("shipper.registrar.degraded", gauge(snapshot.registering.degraded)),
        ("shipper.registrar.waiting", told(snapshot.registering.waiting)),
        ("shipper.requests.bytes", Figure::Counter(reading.response_bytes)),
        ("shipper.requests.status.1xx", Figure::Counter(reading.status[1])),
        ("shipper.requests.status.2xx", Figure::Counter(reading.status[2])),
        ("shipper.requests.status.3xx", Figure::Counter(reading.status[3])),
        ("shipper.requests.status.4xx", Figure::Counter(reading.status[4])),
        ("shipper.requests.status.5xx", Figure::Counter(reading.status[5])),
        ("shipper.requests.status.unknown", Figure::Counter(reading.status[0])),
        ("shipper.rescue.bytes", told(reading.rescue_bytes)),
        ("shipper.rescue.files", Figure::Counter(reading.rescued)),
        ("shipper.rescue.kept_files", told(reading.unrescued)),
    ]);
}

fn push_system(figures: &mut Vec<(&'static str, Figure)>, cores: u64, load: Option<[f64; 3]>) {
    let cores_ratio = f64::from(u32::try_from(cores).unwrap_or(u32::MAX)).max(1.0);
    let plain = |index: usize| load.map_or(Figure::Absent, |load| Figure::Ratio(load[index]));
    let norm = |index: usize| {
        load.map_or(Figure::Absent, |load| Figure::Ratio(rounded(load[index] / cores_ratio)))
    };
    figures.extend([
        ("system.cpu.cores", Figure::Counter(cores)),
        ("system.load.1", plain(0)),
        ("system.load.15", plain(2)),
        ("system.load.5", plain(1)),
        ("system.load.norm.1", norm(0)),
        ("system.load.norm.15", norm(2)),
        ("system.load.norm.5", norm(1)),
    ]);
}

#[expect(clippy::cast_precision_loss, reason = "a share of some MiB, told with four digits")]
fn share(part: u64, whole: u64) -> Figure {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    Figure::Ratio(rounded(share))
}

/// Rounds to four digits after the point.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

/// Writes a time as Filebeat's log does: `30s`, `1m0s`, `1h0m0s`, `500ms`, `1.5s`, `7.776077ms`.
#[must_use]
pub fn period_text(period: Duration) -> String {
    let nanoseconds = period.as_nanos();
    let (unit, name) = match nanoseconds {
        0 => return "0s".to_owned(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let minutes = period.as_secs() / 60;
    let whole = if unit == 1_000_000_000 { nanoseconds / unit % 60 } else { nanoseconds / unit };
    let prefix = match (minutes / 60, minutes % 60) {
        (0, 0) => String::new(),
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    };
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", nanoseconds % unit);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{prefix}{whole}{point}{fraction}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::histogram::HistogramFigures;
    use crate::stats::retries::RetryFigures;
    use crate::stats::snapshot::RegisteringFigures;
    use serde_json::json;

    fn constants() -> Constants {
        Constants {
            name: "shipper",
            version: "0.1.0",
            ephemeral_id: "0b6f8d5e-4f0e-4d0c-9d55-0f2f3a4b5c6d".to_owned(),
            output: "elasticsearch",
            inputs: 2,
            cores: 4,
        }
    }

    fn process(uptime_s: u64, user_ms: u64) -> ProcessFigures {
        ProcessFigures {
            uptime: Duration::from_secs(uptime_s),
            cpu: Some(CpuTime { user_ms, system_ms: 40 }),
            rss_bytes: Some(9_437_184),
            threads: Some(5),
            handles: Some(12),
            handles_soft: Some(1024),
            handles_hard: Some(524_288),
            load: Some([0.39, 0.82, 1.06]),
        }
    }

    fn first() -> Snapshot {
        let reading = ReadingFigures {
            bytes: 242_000,
            events: 1000,
            status: [0, 0, 900, 40, 50, 10],
            response_bytes: 5_000_000,
            started: 2,
            running: 2,
            open_files: 2,
            lag_bytes: 100,
            ..ReadingFigures::default()
        };
        let sending = SendingFigures {
            batches: 1,
            total: 1000,
            acked: 800,
            active: 200,
            write_bytes: 900_000,
            read_bytes: 4000,
            latency: HistogramFigures { sum_us: 12_000, ..HistogramFigures::default() },
            ..SendingFigures::default()
        };
        let registering = RegisteringFigures {
            current: 2,
            updates: 2,
            writes: 1,
            writes_succeeded: 1,
            settled: [200_000, 0, 1, 0, 0, 0],
            in_flight_bytes: 7,
            ..RegisteringFigures::default()
        };
        Snapshot { reading, sending, registering, ..Snapshot::default() }
    }

    fn second() -> Snapshot {
        let mut next = first();
        next.reading.bytes += 24_200;
        next.registering.settled = [210_000, 5, 3, 0, 9, 0];
        next.reading.events += 100;
        next.reading.filtered += 3;
        next.reading.unparsed += 1;
        next.reading.status[2] += 99;
        next.reading.status[0] += 1;
        next.reading.open_files = 1;
        next.reading.closed += 1;
        next.reading.lag_bytes = 0;
        next.sending.total += 100;
        next.sending.acked += 290;
        next.sending.duplicates += 5;
        next.sending.dead_letters += 1;
        next.sending.retries = RetryFigures([3, 4, 0, 0, 0, 0, 0, 0]);
        next.sending.toomany += 7;
        next.sending.active = 4;
        next.sending.batches += 3;
        next.sending.write_bytes += 90_000;
        next.sending.write_errors += 1;
        next.registering.writes += 2;
        next.registering.writes_succeeded += 1;
        next
    }

    fn queue(buffers: u64) -> QueueFigures {
        QueueFigures { filled_bytes: buffers << 20, max_bytes: 16 << 20 }
    }

    #[test]
    fn second_line_tells_what_was_added_and_what_is() {
        let before = Sample::new(&constants(), &process(30, 100), &queue(3), &first());
        let after = Sample::new(&constants(), &process(60, 125), &queue(1), &second());
        let expected = json!({"metrics": {
            "beat": {
                "cpu": {
                    "system": {"ticks": 40},
                    "total": {"ticks": 165, "time": {"ms": 25}, "value": 165},
                    "user": {"ticks": 125, "time": {"ms": 25}}
                },
                "handles": {"limit": {"hard": 524_288, "soft": 1024}, "open": 12},
                "info": {
                    "ephemeral_id": "0b6f8d5e-4f0e-4d0c-9d55-0f2f3a4b5c6d",
                    "uptime": {"ms": 60_000},
                    "version": "0.1.0"
                },
                "memstats": {"rss": 9_437_184},
                "runtime": {"threads": 5}
            },
            "filebeat": {
                "events": {"active": 4, "added": 100, "done": 296},
                "harvester": {"closed": 1, "open_files": 1, "running": 2}
            },
            "libbeat": {
                "output": {
                    "events": {
                        "acked": 290, "active": 4, "batches": 3, "dead_letter": 1,
                        "duplicates": 5, "failed": 7, "toomany": 7, "total": 100
                    },
                    "write": {"bytes": 90_000, "errors": 1}
                },
                "pipeline": {
                    "clients": 2,
                    "events": {
                        "active": 4, "filtered": 3, "published": 100, "retry": 7, "total": 103
                    },
                    "queue": {
                        "acked": 296,
                        "filled": {"bytes": 1_048_576, "pct": 0.0625},
                        "max_bytes": 16_777_216
                    }
                }
            },
            "registrar": {
                "states": {"current": 2},
                "writes": {"fail": 1, "success": 1, "total": 2}
            },
            "shipper": {
                "audit": {
                    "already_stored_bytes": 5, "dead_lettered_bytes": 9, "filtered_bytes": 2,
                    "in_flight_bytes": 7, "missing_bytes": 0, "read_bytes": 24_200,
                    "stored_bytes": 10_000
                },
                "output": {"blocked_batches": 0},
                "reading": {"bytes": 24_200, "lag_bytes": 0, "unparsed": 1},
                "registrar": {"degraded": 0},
                "requests": {"status": {"2xx": 99, "unknown": 1}}
            },
            "system": {
                "load": {
                    "1": 0.39, "15": 1.06, "5": 0.82,
                    "norm": {"1": 0.0975, "15": 0.265, "5": 0.205}
                }
            }
        }});
        assert_eq!(after.changes(Some(&before)).to_string(), expected.to_string());
    }

    #[test]
    fn first_line_tells_all_that_is_not_zero() {
        let sample = Sample::new(&constants(), &process(30, 100), &queue(3), &first());
        let value = sample.changes(None);
        let metrics = &value["metrics"];
        assert_eq!(
            metrics["libbeat"]["output"],
            json!({
                "events": {"acked": 800, "active": 200, "batches": 1, "total": 1000},
                "read": {"bytes": 4000},
                "type": "elasticsearch",
                "write": {"bytes": 900_000}
            })
        );
        assert_eq!(metrics["beat"]["info"]["name"], "shipper");
        assert_eq!(metrics["system"]["cpu"], json!({"cores": 4}));
        assert_eq!(metrics["beat"]["cpu"]["total"]["time"], json!({"ms": 140}));
    }

    #[test]
    fn last_line_tells_everything_since_the_start_and_zeros_too() {
        let sample = Sample::new(&constants(), &process(60, 125), &queue(0), &second());
        let value = sample.totals();
        let metrics = &value["metrics"];
        assert_eq!(
            metrics["libbeat"],
            json!({
                "output": {
                    "events": {
                        "acked": 1090, "active": 4, "batches": 4, "dead_letter": 1, "dropped": 0,
                        "duplicates": 5, "failed": 7, "toomany": 7, "total": 1100
                    },
                    "read": {"bytes": 4000, "errors": 0},
                    "type": "elasticsearch",
                    "write": {"bytes": 990_000, "errors": 1}
                },
                "pipeline": {
                    "clients": 2,
                    "events": {
                        "active": 4, "filtered": 3, "published": 1100, "retry": 7, "total": 1103
                    },
                    "queue": {
                        "acked": 1096, "filled": {"bytes": 0, "pct": 0.0}, "max_bytes": 16_777_216
                    }
                }
            })
        );
        assert_eq!(
            metrics["filebeat"],
            json!({
                "events": {"active": 4, "added": 1100, "done": 1096},
                "harvester": {"closed": 1, "open_files": 1, "running": 2, "started": 2}
            })
        );
    }

    #[test]
    fn what_the_system_does_not_tell_is_left_out() {
        let process = ProcessFigures { uptime: Duration::from_millis(5), ..Default::default() };
        let sample = Sample::new(&constants(), &process, &queue(0), &Snapshot::default());
        let value = sample.changes(Some(&sample));
        assert_eq!(
            value["metrics"]["beat"],
            json!({"info": {
                "ephemeral_id": "0b6f8d5e-4f0e-4d0c-9d55-0f2f3a4b5c6d",
                "uptime": {"ms": 5},
                "version": "0.1.0"
            }})
        );
        assert_eq!(value["metrics"].get("system"), None);
    }

    #[test]
    fn figures_stand_in_alphabetical_order_as_filebeat_writes_them() {
        let sample = Sample::new(&constants(), &process(1, 1), &queue(0), &Snapshot::default());
        let paths: Vec<_> = sample.0.iter().map(|(path, _)| *path).collect();
        let mut sorted = paths.clone();
        sorted.sort_by_key(|path| path.split('.').collect::<Vec<_>>());
        assert_eq!(paths, sorted);
    }

    #[test]
    fn periods_are_written_as_filebeat_writes_them() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (999, "999ns"),
            (2_500, "2.5µs"),
            (7_776_077, "7.776077ms"),
            (500_000_000, "500ms"),
            (1_500_000_000, "1.5s"),
            (30_000_000_000, "30s"),
            (60_000_000_000, "1m0s"),
            (90_050_000_000, "1m30.05s"),
            (3_600_000_000_000, "1h0m0s"),
            (90_061_000_000_000, "25h1m1s"),
        ] {
            assert_eq!(period_text(Duration::from_nanos(nanoseconds)), text);
        }
    }
}
