//! What the command line asks for.

use crate::Outcome;

pub(crate) const HELP: &str = "\
cargo bench --bench throughput -- [options]

  (nothing)       throughput and start
  --throughput    lines/s, CPU and memory of shipper, and of the floor beside it
  --idle          memory and CPU while files are followed and nothing happens
  --latency       from append to arrival
  --start         start to first document, and the size of the binary
  --busy          100 busy files beside quiet ones: CPU, memory, latency, what a scan costs
  --fairness      500 slow files beside one that grows at 200 MB/s
  --descriptors   more files than may be open
  --registry      a start with as many entries as --files says (from 1000 on)
  --rotation      10,000 logs rotated at once
  --events        joined lines, JSON lines and packed logs beside plain ones
  --limits        how much a backlog takes of what limits.bandwidth and limits.cpu allow
  --pace          documents/s by `worker` while answers take 1, 50 and 500 ms
  --away          memory while the server is away for --seconds, and the first seconds after
  --all           all of these

  --runs N        runs of each case (3)
  --lines N       lines of the generated file (2000000)
  --cases A,B     only cases whose name contains one of these
  --floors        only the floors
  --files A,B     followed files for --idle and --busy (1,1000,10000)
  --seconds N     how long --idle, --busy, --fairness, --limits, --pace and --away watch (60)
  -E KEY=VALUE    passed on to shipper, may be repeated";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Help,
    Throughput,
    Idle,
    Latency,
    Start,
    Busy,
    Fairness,
    Descriptors,
    Registry,
    Rotation,
    Events,
    Limits,
    Pace,
    Away,
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) modes: Vec<Mode>,
    pub(crate) runs: usize,
    pub(crate) lines: u64,
    pub(crate) cases: Vec<String>,
    pub(crate) floors_only: bool,
    pub(crate) files: Vec<u64>,
    pub(crate) seconds: u64,
    pub(crate) settings: Vec<String>,
}

impl Arguments {
    pub(crate) fn parse(words: &[String]) -> Outcome<Self> {
        let mut arguments = Self {
            modes: Vec::new(),
            runs: 3,
            lines: 2_000_000,
            cases: Vec::new(),
            floors_only: false,
            files: vec![1, 1_000, 10_000],
            seconds: 60,
            settings: Vec::new(),
        };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
            match word {
                "--bench" => {}
                "--help" => arguments.modes.push(Mode::Help),
                "--throughput" => arguments.modes.push(Mode::Throughput),
                "--idle" => arguments.modes.push(Mode::Idle),
                "--latency" => arguments.modes.push(Mode::Latency),
                "--start" => arguments.modes.push(Mode::Start),
                "--busy" => arguments.modes.push(Mode::Busy),
                "--fairness" => arguments.modes.push(Mode::Fairness),
                "--descriptors" => arguments.modes.push(Mode::Descriptors),
                "--registry" => arguments.modes.push(Mode::Registry),
                "--rotation" => arguments.modes.push(Mode::Rotation),
                "--events" => arguments.modes.push(Mode::Events),
                "--limits" => arguments.modes.push(Mode::Limits),
                "--pace" => arguments.modes.push(Mode::Pace),
                "--away" => arguments.modes.push(Mode::Away),
                "--all" => arguments.modes.extend([
                    Mode::Throughput,
                    Mode::Start,
                    Mode::Latency,
                    Mode::Idle,
                    Mode::Busy,
                    Mode::Fairness,
                    Mode::Descriptors,
                    Mode::Registry,
                    Mode::Rotation,
                    Mode::Events,
                    Mode::Limits,
                    Mode::Pace,
                    Mode::Away,
                ]),
                "--runs" => arguments.runs = value()?.parse::<usize>()?.max(1),
                "--lines" => arguments.lines = value()?.parse::<u64>()?.max(1_000),
                "--cases" => arguments.cases = value()?.split(',').map(str::to_owned).collect(),
                "--floors" => arguments.floors_only = true,
                "--files" => {
                    arguments.files =
                        value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--seconds" => arguments.seconds = value()?.parse::<u64>()?.max(1),
                "-E" => arguments.settings.push(value()?.to_owned()),
                _ => return Err(format!("`{word}` is no option; see --help").into()),
            }
        }
        if arguments.modes.is_empty() {
            arguments.modes.push(Mode::Throughput);
            if !arguments.floors_only {
                arguments.modes.push(Mode::Start);
            }
        }
        Ok(arguments)
    }

    /// Tells whether a case is to be run.
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|part| case.contains(part))
    }
}
