//! All figures as Prometheus reads them.
//!
//! How many series there are is bounded: by what the configuration names (inputs, hosts), and by
//! [`crate::stats::files::FILES_MAX`] for files.

use crate::account::{COLUMNS, OUTCOMES};
use crate::stats::exposition::{
    Exposition,
    Kind::{self, Counter, Gauge},
    seconds,
};
use crate::stats::files::{FILES_MAX, FileFigures};
use crate::stats::inputs::{InputFigures, InputName};
use crate::stats::metrics::{Constants, ProcessFigures, QueueFigures};
use crate::stats::retries::REASONS;
use crate::stats::snapshot::{
    ListeningFigures, ReadingFigures, RegisteringFigures, SendingFigures, Snapshot,
};

/// All that is told.
#[derive(Debug, Clone)]
pub struct Exposed<'a> {
    /// What never changes.
    pub constants: &'a Constants,
    /// Of the process.
    pub process: &'a ProcessFigures,
    /// When it was started, in seconds since 1970.
    pub start_seconds: f64,
    /// Of the memory between readers and output.
    pub queue: QueueFigures,
    /// Of the counters.
    pub snapshot: &'a Snapshot,
    /// The name of each input, in the order of its figures.
    pub inputs: &'a [InputName],
    /// The files that are most behind.
    pub files: &'a [FileFigures],
    /// Every host that was ever tried, and whether it takes what is sent.
    pub hosts: &'a [(String, bool)],
    /// Whether it delivers.
    pub is_ready: bool,
}

/// Returns the text.
#[must_use]
pub fn text(exposed: &Exposed<'_>) -> String {
    let mut text = Exposition::default();
    let snapshot = exposed.snapshot;
    push_process(&mut text, exposed);
    push_reading(&mut text, &snapshot.reading);
    push_requests(&mut text, &snapshot.reading);
    push_inputs(&mut text, exposed);
    push_files(&mut text, exposed);
    if exposed.inputs.iter().any(|input| !input.is_files) {
        push_listening(&mut text, &snapshot.listening);
    }
    push_output(&mut text, exposed.constants.output, snapshot);
    push_hosts(&mut text, exposed);
    push_queue(&mut text, exposed.queue);
    push_registry(&mut text, &snapshot.registering);
    push_audit(&mut text, snapshot);
    text.finish()
}

fn push_process(text: &mut Exposition, exposed: &Exposed<'_>) {
    let process = exposed.process;
    text.family("shipper_build_info", Gauge, "Always 1; the version is its label.")
        .sample(&[("version", exposed.constants.version)], 1);
    let help = "1 while it delivers, as /ready says.";
    text.single("shipper_ready", Gauge, help, u8::from(exposed.is_ready));
    let help = "Start time of the process, in seconds since 1970.";
    text.single("process_start_time_seconds", Gauge, help, exposed.start_seconds);
    if let Some(cpu) = process.cpu {
        let help = "Processor time used, in seconds.";
        let us = (cpu.user_ms + cpu.system_ms) * 1000;
        text.single("process_cpu_seconds_total", Counter, help, seconds(us));
    }
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory, in bytes.", process.rss_bytes),
        ("process_threads", "Threads.", process.threads),
        ("process_open_fds", "Open descriptors.", process.handles),
        ("process_max_fds", "Most open descriptors.", process.handles_soft),
    ] {
        if let Some(value) = value {
            text.single(name, Gauge, help, value);
        }
    }
}

/// A family of one sample without labels.
type Single = (&'static str, Kind, &'static str, u64);

fn push_singles(text: &mut Exposition, singles: &[Single]) {
    for (name, kind, help, value) in singles {
        text.single(name, *kind, help, value);
    }
}

fn gauge(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[rustfmt::skip]
fn push_reading(text: &mut Exposition, reading: &ReadingFigures) {
    push_singles(text, &[
        ("shipper_read_bytes_total", Counter, "Bytes read of files, in whole lines.", reading.bytes),
        ("shipper_events_total", Counter, "Events made.", reading.events),
        ("shipper_events_unparsed_total", Counter, "Events whose line no parser recognised.", reading.unparsed),
        ("shipper_lines_filtered_total", Counter, "Lines that needed no event.", reading.filtered),
        ("shipper_skipped_bytes_total", Counter, "Bytes skipped by an option.", reading.skipped_bytes),
        ("shipper_lost_bytes_total", Counter, "Bytes known to be lost: see the log.", reading.lost_bytes),
        ("shipper_hole_bytes_total", Counter, "NUL bytes skipped that a truncation left.", reading.hole_bytes),
        ("shipper_files_started_total", Counter, "Files begun.", reading.started),
        ("shipper_files_finished_total", Counter, "Files followed no more.", reading.closed),
        ("shipper_files_followed", Gauge, "Files followed now.", gauge(reading.running)),
        ("shipper_files_open", Gauge, "Files open now.", gauge(reading.open_files)),
        ("shipper_rescued_files_total", Counter, "Removed files of which what was left was rescued.", reading.rescued),
        ("shipper_unrescued_files", Gauge, "Removed files that cannot be rescued and keep their disk space.", gauge(reading.unrescued)),
        ("shipper_rescue_bytes", Gauge, "Bytes that what was rescued takes on the disk.", gauge(reading.rescue_bytes)),
        ("shipper_unreadable_files", Gauge, "Files that match, and directories, that cannot be read now.", gauge(reading.unreadable)),
        ("shipper_lag_bytes", Gauge, "Bytes known to be on disk that are not acknowledged, at most 10 s ago.", gauge(reading.lag_bytes)),
        ("shipper_rotations_total", Counter, "Rotations seen: renames, replacements, truncations.", reading.rotations),
        ("shipper_read_errors_total", Counter, "Errors of reading, listing or opening.", reading.errors),
    ]);
}

fn push_requests(text: &mut Exposition, reading: &ReadingFigures) {
    let help = "Web requests in the lines read, by class of their status.";
    text.family("shipper_web_requests_total", Counter, help);
    for (class, count) in
        ["unknown", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(reading.status)
    {
        text.sample(&[("status", class)], count);
    }
    let help = "Response bytes of these requests.";
    text.single("shipper_web_response_bytes_total", Counter, help, reading.response_bytes);
}

fn push_inputs(text: &mut Exposition, exposed: &Exposed<'_>) {
    let inputs = || exposed.inputs.iter().zip(&exposed.snapshot.inputs);
    let mut family = |name, help, value: fn(&InputFigures) -> u64| {
        text.family(name, Counter, help);
        for (InputName { id, kind, .. }, figures) in inputs().filter(|(name, _)| !name.is_retired) {
            text.sample(&[("input", id), ("type", kind)], value(figures));
        }
    };
    family("shipper_input_bytes_total", "Bytes read by an input.", |input| input.bytes);
    family("shipper_input_events_total", "Events made by an input.", |input| input.events);
    family("shipper_input_errors_total", "Errors of an input.", |input| input.errors);
}

fn push_files(text: &mut Exposition, exposed: &Exposed<'_>) {
    let no_id = String::new();
    let mut family = |name, help: &str, value: &dyn Fn(&FileFigures) -> String| {
        let help = format!("{help} Only for the {FILES_MAX} files that are most behind.");
        text.family(name, Gauge, &help);
        for file in exposed.files {
            let input = exposed.inputs.get(file.input).map_or(&no_id, |input| &input.id);
            text.sample(&[("input", input), ("path", &file.path)], value(file));
        }
    };
    let help = "Bytes from the beginning of a file of which everything is acknowledged.";
    family("shipper_file_offset_bytes", help, &|file| file.acknowledged.to_string());
    let help = "Bytes read from the beginning of a file.";
    family("shipper_file_read_bytes", help, &|file| file.read.to_string());
    let help = "Size of a file, at most 10 s ago.";
    family("shipper_file_size_bytes", help, &|file| file.size.to_string());
    let help = "Bytes of a file that are not acknowledged.";
    family("shipper_file_lag_bytes", help, &|file| file.lag_bytes().to_string());
    let help = "Time since all was acknowledged that a file held then, at most 10 s too long; 0 when all is.";
    family("shipper_file_lag_seconds", help, &|file| {
        seconds(u64::try_from(file.lag.as_micros()).unwrap_or(u64::MAX))
    });
}

#[rustfmt::skip]
fn push_listening(text: &mut Exposition, listening: &ListeningFigures) {
    push_singles(text, &[
        ("shipper_listener_messages_total", Counter, "Messages that became events.", listening.messages),
        ("shipper_listener_bytes_total", Counter, "Bytes of these messages.", listening.bytes),
        ("shipper_listener_truncated_total", Counter, "Messages of which a part was left out.", listening.truncated),
        ("shipper_listener_skipped_bytes_total", Counter, "Bytes of these parts.", listening.skipped_bytes),
        ("shipper_listener_dropped_total", Counter, "Datagrams that the kernel had no room for.", listening.dropped),
        ("shipper_listener_accepted_total", Counter, "Connections accepted.", listening.accepted),
        ("shipper_listener_connections", Gauge, "Connections now.", gauge(listening.connections)),
        ("shipper_listener_timeouts_total", Counter, "Connections ended without a complete message.", listening.timeouts),
        ("shipper_listener_full_total", Counter, "Times when there were too many connections.", listening.full),
        ("shipper_listener_errors_total", Counter, "Failures of connections, and to accept or receive.", listening.errors),
    ]);
}

fn push_output(text: &mut Exposition, output: &str, snapshot: &Snapshot) {
    let sending = &snapshot.sending;
    let help = "Events that came to their end, by how.";
    text.family("shipper_output_events_total", Counter, help);
    for (outcome, count) in [
        ("stored", sending.acked),
        ("already_stored", sending.duplicates),
        ("dead_lettered", sending.dead_letters),
        ("dropped", sending.dropped),
    ] {
        text.sample(&[("output", output), ("outcome", outcome)], count);
    }
    let help = "Events sent again, each time, by why.";
    text.family("shipper_output_retries_total", Counter, help);
    for ((_, reason), count) in REASONS.iter().zip(sending.retries.0) {
        text.sample(&[("output", output), ("reason", reason)], count);
    }
    let help = "Time from a bulk request to its answer, or to its failure.";
    text.family("shipper_output_request_duration_seconds", Kind::Histogram, help);
    text.histogram(&[("output", output)], &sending.latency);
    let unsettled = snapshot.reading.events.saturating_sub(sending.settled());
    push_output_singles(text, output, sending, unsettled);
}

#[rustfmt::skip]
fn push_output_singles(text: &mut Exposition, output: &str, sending: &SendingFigures, unsettled: u64) {
    let singles: [Single; 12] = [
        ("shipper_output_requests_total", Counter, "Bulk requests begun.", sending.batches),
        ("shipper_output_request_errors_total", Counter, "Bulk requests without an answer.", sending.write_errors),
        ("shipper_output_answer_errors_total", Counter, "Answers that could not be understood.", sending.read_errors),
        ("shipper_output_sent_bytes_total", Counter, "Bytes of bulk requests, headers left out.", sending.write_bytes),
        ("shipper_output_received_bytes_total", Counter, "Bytes of answers, headers left out.", sending.read_bytes),
        ("shipper_output_reconnects_total", Counter, "Connections established again after a failure.", sending.reconnects),
        ("shipper_output_spooled_events_total", Counter, "Events spooled because their target took none.", sending.spooled),
        ("shipper_output_paused_targets", Gauge, "Targets that take nothing now: their events are spooled.", gauge(sending.blocked_targets)),
        ("shipper_output_unusable_certificates", Gauge, "1 while certificates or keys have changed and cannot be used.", gauge(sending.unusable_certificates)),
        ("shipper_output_events_in_flight", Gauge, "Events in the output's hands now.", gauge(sending.active)),
        ("shipper_output_events_unsettled", Gauge, "Events made that have not come to their end.", unsettled),
        ("shipper_output_batches_waiting", Gauge, "Batches that wait for a retry or a pause now.", gauge(sending.blocked)),
    ];
    for (name, kind, help, value) in singles {
        text.family(name, kind, help).sample(&[("output", output)], value);
    }
}

fn push_hosts(text: &mut Exposition, exposed: &Exposed<'_>) {
    if exposed.hosts.is_empty() {
        return;
    }
    let help = "1 while a host takes what is sent, 0 while it fails or pauses.";
    text.family("shipper_output_host_up", Gauge, help);
    for (host, is_up) in exposed.hosts {
        let labels = [("output", exposed.constants.output), ("host", host)];
        text.sample(&labels, u8::from(*is_up));
    }
}

fn push_queue(text: &mut Exposition, queue: QueueFigures) {
    let help = "Bytes of buffers in use between readers and output.";
    text.single("shipper_queue_bytes", Gauge, help, queue.filled_bytes);
    let help = "Most bytes of buffers between readers and output.";
    text.single("shipper_queue_limit_bytes", Gauge, help, queue.max_bytes);
}

fn push_registry(text: &mut Exposition, registering: &RegisteringFigures) {
    let help = "Entries of the registry.";
    text.single("shipper_registry_entries", Gauge, help, gauge(registering.current));
    let help = "1 while the registry cannot be saved, or was found damaged.";
    text.single("shipper_registry_degraded", Gauge, help, gauge(registering.degraded));
    let help = "Files that wait for the registry to be saved before they are read.";
    text.single("shipper_registry_waiting_files", Gauge, help, gauge(registering.waiting));
    let help = "Entries of the registry changed.";
    text.single("shipper_registry_updates_total", Counter, help, registering.updates);
    let failed = registering.writes.saturating_sub(registering.writes_succeeded);
    text.family(
        "shipper_registry_writes_total",
        Counter,
        "Writes of the registry, by how they went.",
    )
    .sample(&[("result", "success")], registering.writes_succeeded)
    .sample(&[("result", "failure")], failed);
}

fn push_audit(text: &mut Exposition, snapshot: &Snapshot) {
    let registering = &snapshot.registering;
    let help = "Bytes of files that came to their end, by how.";
    text.family("shipper_audit_settled_bytes_total", Counter, help);
    for (outcome, bytes) in COLUMNS.iter().zip(registering.settled).take(OUTCOMES) {
        text.sample(&[("outcome", outcome)], bytes);
    }
    let help = "Bytes that were read and are on their way, at the last audit.";
    text.single("shipper_audit_in_flight_bytes", Gauge, help, gauge(registering.in_flight_bytes));
    let help = "Bytes that were read and are neither settled nor on their way, at the last audit: must be 0.";
    text.single("shipper_audit_missing_bytes", Gauge, help, gauge(registering.missing_bytes));
    let help = "Bytes lost of all files that the registry ever had.";
    text.single("shipper_audit_lost_ever_bytes", Gauge, help, gauge(registering.lost_ever_bytes));
}
