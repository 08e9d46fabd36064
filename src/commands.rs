//! What the commands do: one file each.

mod allocator;
mod ask;
mod certificates;
mod demo;
mod detect;
mod dlq;
mod drain;
mod export;
mod modules;
mod pretty;
mod registry;
mod report;
mod run;
mod status;
mod table;
mod test;
mod trial;
mod try_out;

use crate::cli::{self, Cli, Command, ExportCommand, TestCommand};
use std::process::ExitCode;

/// Exit code of something that failed while running.
pub const FAILED: u8 = 1;

/// Exit code of a bad command line, as clap has it.
pub const BAD_USAGE: u8 = 2;

/// Exit code of `--once` when not everything was acknowledged.
pub const NOT_ACKNOWLEDGED: u8 = 4;

/// Exit code of a bad configuration (`EX_CONFIG` of sysexits.h), so that a service manager can refuse to restart on it.
pub const BAD_CONFIGURATION: u8 = 78;

/// Reads the command line and does what it says.
#[must_use]
pub fn from_command_line() -> ExitCode {
    let error = match cli::parse(std::env::args_os()) {
        Ok(cli) => return execute(cli),
        Err(error) => error,
    };
    // Help and version are errors as well, which go to standard output.
    let _ = error.print();
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if let Some(hint) = cli::advice(&error, &arguments) {
        report::err(&format!("hint: {hint}"));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD_USAGE))
}

/// Does what the command line says.
#[must_use]
pub fn execute(cli: Cli) -> ExitCode {
    let result = match &cli.command {
        None | Some(Command::Run) => {
            allocator::settle();
            run::run(&cli)
        }
        Some(Command::Demo(args)) => demo::run(args),
        Some(Command::Test(TestCommand::Config)) => test::config(&cli),
        Some(Command::Test(TestCommand::Output)) => test::output(&cli),
        Some(Command::Export(ExportCommand::Config)) => export::config(&cli),
        Some(Command::Registry(command)) => registry::run(&cli.config, command),
        Some(Command::Status(args)) => Ok(status::run(&cli.config, *args)),
        Some(Command::Drain(args)) => drain::run(&cli, *args),
        Some(Command::Try(args)) => try_out::run(&cli.config, args),
        Some(Command::Detect(args)) => Ok(detect::run(args)),
        Some(Command::Modules(command)) => modules::run(&cli.config, command),
        Some(Command::Dlq(command)) => dlq::run(&cli.config, command),
        Some(Command::Version) => {
            report::out(&format!("shipper {}\n", env!("CARGO_PKG_VERSION")));
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(report::Failure::tell)
}
