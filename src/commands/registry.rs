//! `shipper registry …`: how far every file was read, looked at and put right.

mod audit;
mod check;
mod edit;
mod find;
mod list;
mod show;

use super::ask::{self, Silence};
use super::report::{self, Failure};
use crate::app;
use crate::cli::{ConfigArgs, RegistryCommand};
use crate::disk::RealDisk;
use crate::registrar::{self, Place, Stored};
use crate::settings::Settings;
use crate::status::Hidden;
use find::Finder;
use serde_json::Value;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

/// Does one of the commands.
pub(super) fn run(args: &ConfigArgs, command: &RegistryCommand) -> Result<ExitCode, Failure> {
    let settings = report::load_apart(args)?.told().settings;
    let place = place(&settings);
    match command {
        RegistryCommand::List(json) => {
            let (finder, _) = asking_finder(&settings);
            list::run(&look(&place)?, finder, json.json);
        }
        RegistryCommand::Show { of, json } => {
            let (finder, _) = asking_finder(&settings);
            return show::run(&look(&place)?, finder, of, json.json);
        }
        RegistryCommand::Set { file, to, force } => edit::set(&place, file, *to, *force)?,
        RegistryCommand::Reset { of, yes, .. } => {
            // No shipper runs then.
            let finder = finder(&settings, Hidden::default());
            edit::reset(&place, finder, of.as_deref(), *yes)?;
        }
        RegistryCommand::Audit(json) => return Ok(audit::run(&place, json.json)),
        RegistryCommand::Check => {
            let (finder, runs) = asking_finder(&settings);
            return Ok(check::run(&place, finder, runs));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns where the registry of a configuration is.
pub(super) fn place(settings: &Settings) -> Place {
    Place {
        settings: settings.registry.clone(),
        data: settings.paths.data.clone(),
        output: app::output_name(&settings.output).to_owned(),
    }
}

/// Returns what finds the files of entries.
pub(super) fn finder(settings: &Settings, hidden: Hidden) -> Finder<RealDisk> {
    Finder::new(RealDisk, settings.paths.data.join(&settings.rescue.path), hidden)
}

/// Returns the same with what the running shipper says, and whether one runs. It is asked before the registry is read: that is
/// as new or newer then.
fn asking_finder(settings: &Settings) -> (Finder<RealDisk>, bool) {
    let (hidden, runs) = match ask::hidden(&settings.paths.data) {
        Ok(hidden) => (hidden, true),
        Err(Silence::NotRunning) => (Hidden::default(), false),
        Err(Silence::CannotTell(why)) => {
            report::err(&format!(
                "warning: {why}; what it still reads of removed files is not shown"
            ));
            (Hidden::default(), true)
        }
    };
    (finder(settings, hidden), runs)
}

/// Reads the registry as it stands; damage is told beside what could be read.
fn look(place: &Place) -> Result<Stored, Failure> {
    let stored = registrar::look(&RealDisk, place)?;
    if stored.decoded.is_unreadable() {
        report::err(&format!(
            "warning: `{}` holds nothing that can be read; see `shipper registry check`",
            stored.path.display()
        ));
    }
    let damaged = stored.decoded.damage.len();
    if 0 < damaged {
        report::err(&format!(
            "warning: {damaged} damaged line(s) of `{}` are left out; see `shipper registry check`",
            stored.path.display()
        ));
    }
    Ok(stored)
}

/// Returns a path as a terminal may be shown it.
fn shown(path: &Path) -> String {
    let mut text = String::new();
    for character in path.to_string_lossy().chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

/// Returns a path as JSON: text, or an array of bytes where it is none.
fn path_json(path: &Path) -> Value {
    match path.to_str() {
        Some(text) => text.into(),
        None => path.as_os_str().as_bytes().to_vec().into(),
    }
}
