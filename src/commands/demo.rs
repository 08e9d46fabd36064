//! `shipper demo`.

use super::report::{self, Failure};
use crate::cli::DemoArgs;
use crate::demo::{self, Options};
use std::process::ExitCode;

/// Shows the pipeline at work without a server.
pub(super) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let options = Options { rate: args.rate, port: args.port, run_for: args.duration };
    let summary = demo::run(&options)?;
    report::out(&format!("{summary}\n"));
    Ok(if summary.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}
