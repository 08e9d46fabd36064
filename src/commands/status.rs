//! `shipper status`: asks the running shipper how it fares; reads the registry where none runs.

use super::ask::{self, Conversation, Silence, silent};
use super::dlq;
use super::registry::{finder, place};
use super::report::{self, Apart, Failure, err, out};
use super::{BAD_USAGE, FAILED};
use crate::cli::{ConfigArgs, StatusArgs};
use crate::config::problems::Problems;
use crate::disk::RealDisk;
use crate::hint;
use crate::hint::Advised;
use crate::registrar;
use crate::settings::Settings;
use crate::status::{Answer, Hidden, Question, Status, behind};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// Exit code when it is not as it should be.
const WARNING: u8 = FAILED;

/// Exit code when none runs, or nothing can be said.
const NOT_KNOWN: u8 = BAD_USAGE;

/// Longest wait for an answer; a few askers may be before this one.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is not delivered yet, as the registry and the files say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backlog {
    pub(super) bytes: u64,
    pub(super) entries: usize,
}

/// What stands on the disk, whether one runs or not; `None`: not known.
#[derive(Debug, Clone, Copy, Default)]
struct OnDisk {
    backlog: Option<Backlog>,
    /// Bytes of dead letters.
    letters: Option<u64>,
}

/// Prints how the shipper of a configuration fares.
pub(super) fn run(config: &ConfigArgs, args: StatusArgs) -> ExitCode {
    let Apart { loaded, wrong } = match report::load_apart(config) {
        Ok(apart) => apart,
        Err(failure) => {
            return cannot_tell(args, OnDisk::default(), &failure_text(failure), "not_known", None);
        }
    };
    let settings = loaded.settings;
    if let Some(problems) = wrong.as_ref().filter(|_| !args.check && !args.json) {
        report::warn_of_modules(problems);
    }
    let wrong = wrong.map(|problems| wrong_modules(&problems));
    // Before the registry, which is as new or newer then.
    let asked = ask(&settings);
    let hidden = match &asked {
        Ok(_) => ask::hidden(&settings.paths.data).unwrap_or_default(),
        Err(_) => Hidden::default(),
    };
    let disk = OnDisk { backlog: backlog(&settings, hidden), letters: dlq::bytes(&settings) };
    match asked {
        Ok(status) => tell(args, disk, &status, wrong),
        Err(Silence::NotRunning) => {
            cannot_tell(args, disk, "error: shipper does not run", "no", wrong)
        }
        Err(Silence::CannotTell(why)) => {
            cannot_tell(args, disk, &hint::report(&why, &[]), "not_known", wrong)
        }
    }
}

/// Says in one line that the next start will fail: the first problem has its place.
fn wrong_modules(problems: &Problems) -> String {
    let first = problems.lines().next().map(|(line, _)| hint::one_line(&line));
    format!("{}: {}", report::WRONG_MODULES, first.unwrap_or_default())
}

fn failure_text(failure: Failure) -> String {
    match failure {
        Failure::Configuration(text) | Failure::Named(text) => text,
        Failure::Error(error) => hint::report(&*error, &[]),
    }
}

fn ask(settings: &Settings) -> Result<Status, Silence> {
    let data = &settings.paths.data;
    let mut conversation = Conversation::begin(data, &Question::Status, PATIENCE)?;
    match conversation.next() {
        Ok(Answer::Status(status)) => Ok(*status),
        Ok(_) => Err(Silence::CannotTell(Advised::new(
            "the answer is not one to this question".to_owned(),
            "another version of shipper may run",
        ))),
        Err(error) => Err(Silence::CannotTell(silent(data, &error))),
    }
}

/// Returns what the registry, the files and the running shipper say; `None` where there is no registry, or none that can be
/// read.
pub(super) fn backlog(settings: &Settings, hidden: Hidden) -> Option<Backlog> {
    let stored = registrar::look(&RealDisk, &place(settings)).ok()?;
    if stored.decoded.is_unreadable() {
        return None;
    }
    let other_bytes = hidden.other_bytes;
    let mut finder = finder(settings, hidden);
    let entries = stored.decoded.entries.values();
    let bytes: u64 = entries.filter_map(|entry| finder.standing(entry).behind(entry)).sum();
    Some(Backlog { bytes: bytes + other_bytes, entries: stored.decoded.entries.len() })
}

fn tell(args: StatusArgs, disk: OnDisk, status: &Status, wrong: Option<String>) -> ExitCode {
    let bytes = disk.backlog.map(|backlog| backlog.bytes);
    let mut faults = status.faults(bytes, args.max_lag);
    faults.extend(wrong);
    if args.json {
        let mut json = serde_json::to_value(status).expect("a status has string keys");
        json["running"] = "yes".into();
        json["fine"] = faults.is_empty().into();
        json["faults"] = faults.clone().into();
        json["backlog_bytes"] = bytes.into();
        json["dead_letter_bytes"] = disk.letters.into();
        out(&format!("{json}\n"));
    } else if args.check {
        out(&check_line(status, bytes, &faults));
    } else {
        out(&status.text(bytes, disk.letters));
        for fault in &faults {
            out(&format!("warning: {fault}\n"));
        }
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(WARNING) }
}

/// Returns the one line for monitoring.
fn check_line(status: &Status, backlog: Option<u64>, faults: &[String]) -> String {
    if !faults.is_empty() {
        return format!("WARNING: {}\n", faults.join("; "));
    }
    let backlog = backlog.map_or_else(|| "not known".to_owned(), |bytes| format!("{bytes} bytes"));
    // What was lost once is nothing to be mended, and not to be forgotten either.
    let lost = match status.registry.lost_bytes {
        0 => String::new(),
        bytes => format!(", {bytes} bytes lost since the registry began"),
    };
    let rate = status.events_per_second;
    format!("OK: backlog {backlog}, {rate:.1} events delivered a second{lost}\n")
}

/// Says why there is no answer, and what the registry says.
fn cannot_tell(
    args: StatusArgs,
    disk: OnDisk,
    why: &str,
    running: &str,
    wrong: Option<String>,
) -> ExitCode {
    let bytes = disk.backlog.map(|backlog| backlog.bytes);
    let entries = disk.backlog.map(|backlog| backlog.entries);
    let first = why.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let mut faults = vec![first.to_owned()];
    faults.extend(behind(bytes, args.max_lag));
    faults.extend(wrong);
    if args.json {
        let registry = entries.map_or(Value::Null, |entries| json!({"entries": entries}));
        let json = json!({
            "running": running, "fine": false, "faults": faults, "backlog_bytes": bytes,
            "dead_letter_bytes": disk.letters, "registry": registry,
        });
        out(&format!("{json}\n"));
    } else if args.check {
        out(&format!("CRITICAL: {}\n", faults.join("; ")));
    } else {
        err(why);
        if let Some(Backlog { bytes, entries }) = disk.backlog {
            out(&format!("backlog      {bytes} bytes\nregistry     {entries} entries\n"));
        }
        if let Some(bytes) = disk.letters.filter(|bytes| *bytes != 0) {
            out(&format!("dead letters {bytes} bytes on disk: see `shipper dlq list`\n"));
        }
        for fault in &faults[1..] {
            out(&format!("warning: {fault}\n"));
        }
    }
    ExitCode::from(NOT_KNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_lost_are_in_the_line_for_monitoring() {
        let status = |lost: u64| -> Status {
            serde_json::from_value(json!({
                "version": "1", "pid": 1, "uptime_ms": 1, "events_in_flight": 0, "events_per_second": 2.0,
                "output": {"kind": "console", "state": "connected", "faults": []},
                "files_open": 0, "files_followed": 0, "dead_letters": 0, "last_error": null,
                "registry": {"entries": 0, "degraded": false, "lost_bytes": lost},
            }))
            .unwrap()
        };
        for (lost, backlog, faults, expected) in [
            (0, Some(7), &[][..], "OK: backlog 7 bytes, 2.0 events delivered a second\n"),
            (
                9,
                None,
                &[],
                "OK: backlog not known, 2.0 events delivered a second, 9 bytes lost since the registry began\n",
            ),
            (9, Some(7), &["a".to_owned(), "b".to_owned()], "WARNING: a; b\n"),
        ] {
            assert_eq!(check_line(&status(lost), backlog, faults), expected);
        }
    }
}
