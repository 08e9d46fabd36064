//! `shipper test config` and `shipper test output`.

use super::FAILED;
use super::certificates;
use super::report::{self, Failure};
use crate::app;
use crate::cli::Cli;
use crate::disk::RealDisk;
use crate::outputs::elasticsearch;
use crate::settings::OutputSettings;
use std::process::ExitCode;

/// Checks the configuration; every problem is named with its place.
pub(super) fn config(cli: &Cli) -> Result<ExitCode, Failure> {
    let loaded = report::load(&cli.config)?;
    for warning in &loaded.warnings {
        report::err(&format!("warning: {warning}"));
    }
    certificates::check(&loaded).map_err(Failure::of_configuration)?;
    report::out("Config OK\n");
    Ok(ExitCode::SUCCESS)
}

/// Goes all the way to the output and tells each step.
pub(super) fn output(cli: &Cli) -> Result<ExitCode, Failure> {
    let loaded = report::load(&cli.config)?;
    for warning in &loaded.warnings {
        report::err(&format!("warning: {warning}"));
    }
    let OutputSettings::Elasticsearch(settings) = &loaded.settings.output else {
        report::out("console... OK, documents go to standard output\n");
        return Ok(ExitCode::SUCCESS);
    };
    let targets = app::targets(&loaded.settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut say = report::out;
    let trial = elasticsearch::try_out(settings, &targets, &RealDisk, &mut say);
    let good = runtime.block_on(trial);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
