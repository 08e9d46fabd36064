//! `shipper drain`: everything is read to its end and acknowledged, then shipper ends.

use super::ask::{self, Conversation, Silence, silent};
use super::registry::place;
use super::report::{self, Apart, Failure, err, out};
use super::status::backlog;
use super::{NOT_ACKNOWLEDGED, run};
use crate::cli::{Cli, DrainArgs};
use crate::disk::RealDisk;
use crate::hint::Advised;
use crate::registrar;
use crate::settings::Settings;
use crate::status::{Answer, Hidden, Question, Status};
use std::process::ExitCode;
use std::time::Duration;

/// Longest silence of a shipper that drains, beside its `shutdown_timeout`: it says every second how it goes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Has the running shipper drain, or does it where none runs.
pub(super) fn run(cli: &Cli, args: DrainArgs) -> Result<ExitCode, Failure> {
    let Apart { loaded, wrong } = report::load_apart(&cli.config)?;
    let settings = loaded.settings;
    let data = &settings.paths.data;
    let deadline_ms = args.deadline.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let patience = PATIENCE + settings.shutdown_timeout;
    let mut conversation =
        match Conversation::begin(data, &Question::Drain { deadline_ms }, patience) {
            Ok(conversation) => conversation,
            Err(Silence::CannotTell(why)) => return Err(why.into()),
            Err(Silence::NotRunning) => {
                refuse_stranger(&settings)?;
                // With files of modules that are wrong it fails there.
                return here(cli, args);
            }
        };
    wrong.iter().for_each(report::warn_of_modules);
    loop {
        match conversation.next() {
            Ok(Answer::Status(status)) => {
                let hidden = ask::hidden(data).unwrap_or_default();
                progress(&settings, &status, hidden);
            }
            Ok(Answer::Drained(drained)) if drained.acknowledged => {
                out("everything was read and acknowledged; shipper has ended\n");
                return Ok(ExitCode::SUCCESS);
            }
            Ok(Answer::Drained(drained)) => {
                err(&format!(
                    "error: not everything was acknowledged: {}\nhint: the next run goes on where this one was \
                     acknowledged",
                    drained.reason
                ));
                return Ok(ExitCode::from(NOT_ACKNOWLEDGED));
            }
            Ok(Answer::NotUnderstood | Answer::Audit(_) | Answer::Hidden(_)) => {
                let what = "the running shipper does not understand the order".to_owned();
                return Err(Advised::new(what, "another version of it may run").into());
            }
            Err(error) => return Err(silent(data, &error).into()),
        }
    }
}

/// Refuses a data path on which no shipper ever was: under new ids, all that was ever stored would be stored again.
fn refuse_stranger(settings: &Settings) -> Result<(), Failure> {
    match registrar::look(&RealDisk, &place(settings)) {
        Ok(_) => Ok(()),
        Err(unseen) => {
            Err(unseen.hint("`shipper --once` ships all that is there, from its start").into())
        }
    }
}

/// Reads everything to its end in this process.
fn here(cli: &Cli, args: DrainArgs) -> Result<ExitCode, Failure> {
    err("no shipper runs on this data path: everything is read and delivered from here");
    let code = run::run_once(cli, args.deadline, &progress)?;
    if code == ExitCode::SUCCESS {
        out("everything was read and acknowledged\n");
    }
    Ok(code)
}

/// Says how it goes.
fn progress(settings: &Settings, status: &Status, hidden: Hidden) {
    let backlog = backlog(settings, hidden).map_or(0, |backlog| backlog.bytes);
    let mut text = format!("{backlog} bytes to go, {} events in flight", status.events_in_flight);
    for fault in status.faults(None, None) {
        text.push_str(&format!("; {fault}"));
    }
    err(&text);
}
