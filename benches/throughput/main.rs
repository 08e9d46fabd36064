//! Measures the release binary of `shipper` against a floor: what the machine allows at all.
//!
//! `cargo bench --bench throughput` makes the throughput table; see [`arguments::HELP`] for the
//! rest. Nothing here is a test: nothing fails because it is slow, only because a line is missing.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a program that measures, with a terminal and real files"
)]
#![allow(clippy::cast_precision_loss, reason = "figures are printed with four digits")]

mod arguments;
mod cases;
mod crowd;
mod data;
mod events;
mod floor;
mod idle;
mod latency;
mod many;
mod process;
mod program;
mod report;
mod sink;
mod trouble;

use arguments::{Arguments, Mode};
use std::error::Error;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["sink"] => sink::serve(),
        ["floor", rest @ ..] => floor::run(rest),
        _ if !words.iter().any(|word| word == "--bench") => {
            println!("this measures; run it with: cargo bench --bench throughput");
            Ok(())
        }
        _ => Arguments::parse(&words).and_then(|arguments| measure(&arguments)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Outcome<()> {
    let mut report = report::Report::default();
    for mode in &arguments.modes {
        match mode {
            Mode::Help => println!("{}", arguments::HELP),
            Mode::Throughput => cases::run(arguments, &mut report)?,
            Mode::Idle => idle::run(arguments, &mut report)?,
            Mode::Latency => latency::run(arguments, &mut report)?,
            Mode::Start => latency::start(arguments, &mut report)?,
            Mode::Busy => crowd::busy(arguments, &mut report)?,
            Mode::Fairness => crowd::fairness(arguments, &mut report)?,
            Mode::Descriptors => crowd::descriptors(arguments, &mut report)?,
            Mode::Registry => many::registry(arguments, &mut report)?,
            Mode::Rotation => many::rotation(arguments, &mut report)?,
            Mode::Events => events::run(arguments, &mut report)?,
            Mode::Limits => trouble::limits(arguments, &mut report)?,
            Mode::Pace => trouble::pace(arguments, &mut report)?,
            Mode::Away => trouble::away(arguments, &mut report)?,
        }
    }
    report.write()
}
