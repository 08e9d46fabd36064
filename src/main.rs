//! The binary: parses the command line and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    shipper::commands::from_command_line()
}
