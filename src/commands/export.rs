//! `shipper export config`.

use super::report::{self, Failure};
use crate::cli::Cli;
use crate::config;
use std::process::ExitCode;

/// Prints the configuration in effect, secrets masked.
pub(super) fn config(cli: &Cli) -> Result<ExitCode, Failure> {
    let loaded = report::load(&cli.config)?;
    report::out(&config::export(&loaded));
    Ok(ExitCode::SUCCESS)
}
