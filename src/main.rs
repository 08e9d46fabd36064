//! The binary: parses the command line and hands over.

use clap::Parser;
use shipper::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    shipper::commands::execute(Cli::parse())
}
