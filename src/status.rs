//! How a running shipper fares: what is asked over its socket, what it answers, and what that means.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Name of the socket in the data path.
pub const SOCKET: &str = "shipper.sock";

/// Longest question, in bytes.
pub const QUESTION_BYTES_MAX: usize = 1024;

/// What is asked; one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// How it fares.
    Status,
    /// How far behind the files are of which a look at the disk does not say it.
    Hidden,
    /// To compare what was read with what is settled and what is on its way.
    Audit,
    /// To read everything to its end, wait until it is acknowledged, and exit.
    Drain {
        /// Longest time for that, in milliseconds.
        #[serde(default)]
        deadline_ms: Option<u64>,
    },
}

/// What is answered; one line of JSON. While it drains, an asker is told every second how it fares, and at last how it
/// ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// How it fares.
    Status(Box<Status>),
    /// The files of which a look at the disk does not say how far behind they are.
    Hidden(Hidden),
    /// What the audit found.
    Audit(Audit),
    /// How the drain ended.
    Drained(Drained),
    /// The question was none.
    NotUnderstood,
}

/// How a drain ended, when all is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Whether everything was read and acknowledged.
    pub acknowledged: bool,
    /// Why not; empty when it was.
    #[serde(default)]
    pub reason: String,
}

/// How a shipper fares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Time since its start, in milliseconds.
    pub uptime_ms: u64,
    /// The output.
    pub output: Output,
    /// Events that were made and are not settled.
    pub events_in_flight: u64,
    /// Events that the server has taken, or had already, each second, over the last 30 s.
    pub events_per_second: f64,
    /// Files open now.
    pub files_open: u64,
    /// Files followed now.
    pub files_followed: u64,
    /// The registry.
    pub registry: Registry,
    /// Documents that the server refused for ever, since the start.
    pub dead_letters: u64,
    /// Files that match, and directories, that cannot be read now.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable_files: u64,
    /// Removed files that cannot be rescued and keep their disk space.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unrescued_files: u64,
    /// Bytes that the rest of removed files takes on the disk until it is delivered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rescue_bytes: u64,
    /// How long a drain is under way, in milliseconds; 0 when none is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drains_for_ms: u64,
    /// The last line of level error in its log.
    pub last_error: Option<LastError>,
}

/// Files of which a look at the disk does not say how far behind they are: those that were removed or moved away, those that
/// hold something else now, and packed ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hidden {
    /// A bounded number of them.
    pub files: Vec<HiddenFile>,
    /// Bytes of all others that are not settled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_bytes: u64,
}

/// Such a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HiddenFile {
    /// Its epoch's id.
    pub epoch: String,
    /// The size of its content, in bytes.
    pub size: u64,
    /// Bytes of it that are not settled.
    pub behind: u64,
    /// Whether it is kept open although its name is gone.
    pub is_held: bool,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// Bytes on their way.
    pub in_flight_bytes: u64,
    /// Bytes that were read and are neither settled nor on their way.
    pub missing_bytes: u64,
    /// Epochs of which bytes are on their way or missing; a bounded number of them.
    pub epochs: Vec<AuditedEpoch>,
}

/// One epoch of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedEpoch {
    /// Its id.
    pub epoch: String,
    /// How its settled bytes came to their end, as `account::COLUMNS` has them.
    pub account: Vec<u64>,
    /// Bytes on their way.
    pub in_flight_bytes: u64,
    /// Starts and ends of what is neither settled nor on its way; a bounded number of them.
    pub missing: Vec<(u64, u64)>,
}

/// How the output fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its kind.
    pub kind: String,
    /// `connected`, `connecting` or `failing`: no host takes anything.
    pub state: OutputState,
    /// Hosts that fail.
    pub faults: Vec<HostFault>,
    /// Certificates or keys that have changed and cannot be used; those of before stay in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<CertificateFault>,
}

/// New certificates or keys that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFault {
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// Why.
    pub reason: String,
}

impl CertificateFault {
    fn text(&self) -> String {
        let time = time_text(self.for_ms);
        format!(
            "new certificates or keys cannot be used for {time}, those of before are: {}",
            self.reason
        )
    }
}

/// Whether the output takes documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputState {
    /// At least one host answers.
    Connected,
    /// No host has answered yet, and none has failed.
    Connecting,
    /// Every host that was tried fails.
    Failing,
}

/// A host that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFault {
    /// Which.
    pub host: String,
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// Why.
    pub reason: String,
}

/// How the registry fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Its entries.
    pub entries: u64,
    /// Whether it cannot be saved, or was found damaged.
    pub degraded: bool,
    /// Bytes that the last audit could not account for.
    #[serde(default)]
    pub missing_bytes: u64,
    /// Bytes lost of all files that it ever had an account of.
    #[serde(default)]
    pub lost_bytes: u64,
    /// Files of which nothing is read yet, and that no backlog counts, because their entries are not saved.
    #[serde(default)]
    pub waiting: u64,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When, as the log has it.
    pub time: String,
    /// What.
    pub message: String,
}

impl Status {
    /// Returns what is not as it should be; `backlog` is in bytes, and too much when it is more than `max_lag`.
    #[must_use]
    pub fn faults(&self, backlog: Option<u64>, max_lag: Option<u64>) -> Vec<String> {
        let mut faults = Vec::new();
        if self.output.state == OutputState::Failing {
            faults = self.output_faults();
        }
        faults.extend(self.output.certificates.as_ref().map(CertificateFault::text));
        faults.extend(self.registry_faults());
        if self.unreadable_files != 0 {
            faults.push(format!(
                "{} matching files or directories cannot be read: see the log",
                self.unreadable_files
            ));
        }
        faults.extend(behind(backlog, max_lag));
        faults
    }

    /// Returns which hosts fail, and why.
    #[must_use]
    pub fn output_faults(&self) -> Vec<String> {
        let text = |fault: &HostFault| {
            let time = time_text(fault.for_ms);
            format!("the output {} fails for {time}: {}", fault.host, fault.reason)
        };
        self.output.faults.iter().map(text).collect()
    }

    /// Returns what is wrong with the registry.
    #[must_use]
    pub fn registry_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.registry.degraded {
            faults
                .push("the registry is degraded: see the log, and `shipper registry check`".into());
            if self.registry.waiting != 0 {
                faults.push(format!(
                    "{} new files wait for the registry to be saved; the backlog is without them",
                    self.registry.waiting
                ));
            }
        }
        if self.registry.missing_bytes != 0 {
            faults.push(format!(
                "{} bytes are not accounted for: see the log, and `shipper registry audit`",
                self.registry.missing_bytes
            ));
        }
        if self.unrescued_files != 0 {
            faults.push(format!(
                "{} removed files keep their disk space: what is left of them cannot be rescued, see the log",
                self.unrescued_files
            ));
        }
        faults
    }

    /// Returns it as people read it; `letters`: the bytes of the dead letters that are kept on the disk.
    #[must_use]
    pub fn text(&self, backlog: Option<u64>, letters: Option<u64>) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // A string takes whatever is written to it.
            let _ = writeln!(text, "{name:<12} {value}");
        };
        let uptime = time_text(self.uptime_ms);
        line("shipper", format!("{}, pid {}, up for {uptime}", self.version, self.pid));
        let state = match self.output.state {
            OutputState::Connected => "connected",
            OutputState::Connecting => "connecting",
            OutputState::Failing => "failing",
        };
        if self.drains_for_ms != 0 {
            let time = time_text(self.drains_for_ms);
            line("drain", format!("under way for {time}: it ends when all is acknowledged"));
        }
        line("output", format!("{}: {state}", self.output.kind));
        for fault in &self.output.faults {
            let time = time_text(fault.for_ms);
            line("", format!("{} fails for {time}: {}", fault.host, fault.reason));
        }
        if let Some(fault) = &self.output.certificates {
            line("", fault.text());
        }
        let backlog =
            backlog.map_or_else(|| "not known".to_owned(), |bytes| format!("{bytes} bytes"));
        line("backlog", format!("{backlog}, {} events in flight", self.events_in_flight));
        line(
            "events",
            format!("{:.1} delivered a second over the last 30 s", self.events_per_second),
        );
        let waiting = match self.registry.waiting {
            0 => String::new(),
            count => format!(", {count} wait for the registry to be saved"),
        };
        let (followed, open) = (self.files_followed, self.files_open);
        let unreadable = match self.unreadable_files {
            0 => String::new(),
            count => format!(", {count} cannot be read"),
        };
        line("files", format!("{followed} followed, {open} open{waiting}{unreadable}"));
        let degraded = if self.registry.degraded { ", degraded" } else { "" };
        line("registry", format!("{} entries{degraded}", self.registry.entries));
        if self.registry.lost_bytes != 0 {
            let lost = self.registry.lost_bytes;
            line("lost", format!("{lost} bytes since the registry began: see the log"));
        }
        if self.rescue_bytes != 0 {
            line("rescued", format!("{} bytes on disk, of removed files", self.rescue_bytes));
        }
        line("dead letters", letters_text(self.dead_letters, letters));
        let error = self.last_error.as_ref();
        line(
            "last error",
            error.map_or_else(|| "none".to_owned(), |e| format!("{} {}", e.time, e.message)),
        );
        text
    }
}

/// Says how many documents were refused since the start, and what is kept of these and earlier ones.
fn letters_text(since_start: u64, kept: Option<u64>) -> String {
    let kept = match kept {
        Some(0) if since_start == 0 => return "0".to_owned(),
        Some(0) => "none on disk".to_owned(),
        Some(bytes) => format!("{bytes} bytes on disk: see `shipper dlq list`"),
        None => "not known how many on disk".to_owned(),
    };
    format!("{since_start} since the start, {kept}")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Says that a backlog is larger than it may be.
#[must_use]
pub fn behind(backlog: Option<u64>, max_lag: Option<u64>) -> Option<String> {
    let (backlog, max_lag) = (backlog?, max_lag?);
    (max_lag < backlog)
        .then(|| format!("the backlog of {backlog} bytes is larger than --max-lag {max_lag}"))
}

/// Returns a time in whole seconds, as people read it: its two largest units.
fn time_text(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            version: "0.1.0".to_owned(),
            pid: 12,
            uptime_ms: 93_784_000,
            output: Output {
                kind: "elasticsearch".to_owned(),
                state: OutputState::Failing,
                faults: vec![HostFault {
                    host: "http://a:9200".to_owned(),
                    for_ms: 61_999,
                    reason: "connection refused".to_owned(),
                }],
                certificates: Some(CertificateFault { for_ms: 2_000, reason: "no key".to_owned() }),
            },
            events_in_flight: 3,
            events_per_second: 2.55,
            files_open: 1,
            files_followed: 2,
            registry: Registry {
                entries: 4,
                degraded: true,
                missing_bytes: 6,
                lost_bytes: 9,
                waiting: 8,
            },
            dead_letters: 5,
            unreadable_files: 10,
            unrescued_files: 7,
            rescue_bytes: 11,
            drains_for_ms: 61_000,
            last_error: None,
        }
    }

    #[test]
    fn status_is_told_in_these_lines() {
        let expected = "\
shipper      0.1.0, pid 12, up for 1d 2h
drain        under way for 1m 1s: it ends when all is acknowledged
output       elasticsearch: failing
             http://a:9200 fails for 1m 1s: connection refused
             new certificates or keys cannot be used for 2s, those of before are: no key
backlog      17 bytes, 3 events in flight
events       2.5 delivered a second over the last 30 s
files        2 followed, 1 open, 8 wait for the registry to be saved, 10 cannot be read
registry     4 entries, degraded
lost         9 bytes since the registry began: see the log
rescued      11 bytes on disk, of removed files
dead letters 5 since the start, 12 bytes on disk: see `shipper dlq list`
last error   none
";
        assert_eq!(status().text(Some(17), Some(12)), expected);
    }

    #[test]
    fn dead_letters_are_those_since_the_start_and_those_on_disk() {
        for (since_start, kept, expected) in [
            (0, Some(0), "0"),
            (5, Some(0), "5 since the start, none on disk"),
            (0, Some(12), "0 since the start, 12 bytes on disk: see `shipper dlq list`"),
            (0, None, "0 since the start, not known how many on disk"),
        ] {
            assert_eq!(letters_text(since_start, kept), expected);
        }
    }

    #[test]
    fn faults_are_the_output_the_registry_and_a_backlog_beyond_its_limit() {
        let expected = [
            "the output http://a:9200 fails for 1m 1s: connection refused",
            "new certificates or keys cannot be used for 2s, those of before are: no key",
            "the registry is degraded: see the log, and `shipper registry check`",
            "8 new files wait for the registry to be saved; the backlog is without them",
            "6 bytes are not accounted for: see the log, and `shipper registry audit`",
            "7 removed files keep their disk space: what is left of them cannot be rescued, see the log",
            "10 matching files or directories cannot be read: see the log",
            "the backlog of 17 bytes is larger than --max-lag 16",
        ];
        assert_eq!(status().faults(Some(17), Some(16)), expected);
        assert_eq!(status().faults(Some(17), Some(17)), expected[..7]);
        let mut fine = status();
        fine.output.state = OutputState::Connected;
        fine.output.certificates = None;
        fine.registry.degraded = false;
        fine.registry.missing_bytes = 0;
        fine.unrescued_files = 0;
        fine.unreadable_files = 0;
        assert_eq!(
            fine.faults(None, Some(0)),
            [""; 0],
            "one host that fails is no fault of all, nor a loss of long ago, nor a file that is registered just now"
        );
    }

    #[test]
    fn question_of_a_later_version_with_more_in_it_is_understood() {
        let question = r#"{"ask":"drain","deadline_ms":5,"more":true}"#;
        let expected = Question::Drain { deadline_ms: Some(5) };
        assert_eq!(serde_json::from_str::<Question>(question).unwrap(), expected);
        let question = r#"{"ask":"status"}"#;
        assert_eq!(serde_json::from_str::<Question>(question).unwrap(), Question::Status);
    }
}
