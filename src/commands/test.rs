//! `shipper test config`.

use super::report::{self, Failure};
use crate::cli::Cli;
use std::process::ExitCode;

/// Checks the configuration; every problem is named with its place.
pub(super) fn config(cli: &Cli) -> Result<ExitCode, Failure> {
    let loaded = report::load(&cli.config)?;
    for warning in &loaded.warnings {
        report::err(&format!("warning: {warning}"));
    }
    report::out("Config OK\n");
    Ok(ExitCode::SUCCESS)
}
