//! The command line: what can be typed, no behaviour.

use clap::{
    ArgGroup, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
};
use jiff::Timestamp;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Follows the logs of web servers and delivers each line to Elasticsearch, effectively once.
#[derive(Debug, Parser)]
#[command(name = "shipper", version, max_term_width = 100)]
pub struct Cli {
    /// What to do; `run` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of the configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Options of a run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Follow the configured logs and ship them (the default)
    Run,
    /// Show it at work without any server: generated traffic, the real pipeline, a live view
    Demo(DemoArgs),
    /// Check without shipping
    #[command(subcommand)]
    Test(TestCommand),
    /// Print what is in effect
    #[command(subcommand)]
    Export(ExportCommand),
    /// Look at the registry: how far every file was read
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Say how the running shipper fares [exit codes: 0 fine, 1 not as it should be, 2 not running or not known]
    Status(StatusArgs),
    /// Read everything to its end, wait until it is acknowledged, and end: before a host is removed [exit codes: 0 all
    /// was acknowledged, 4 not all was]
    Drain(DrainArgs),
    /// Show the documents that lines become, without any server [exit codes: 0 all lines were recognised, 1 some were not,
    /// 2 they cannot be read]
    Try(TryArgs),
    /// Say which format files have, and print the configuration for them [exit codes: 0 known, 1 one has no format that is
    /// known, 2 one cannot be read]
    Detect(DetectArgs),
    /// Switch modules on and off, in the files that `filebeat.config.modules.path` names
    #[command(subcommand)]
    Modules(ModulesCommand),
    /// Look at dead letters, documents that the server refused for ever; send them again, or remove them
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Print the version
    Version,
}

/// Options of `try`.
#[derive(Debug, Clone, Args)]
pub struct TryArgs {
    /// The file with the lines, also a compressed one; `-` is standard input
    pub file: PathBuf,
    /// How lines are understood, as `format` of an input has it: `combined`, `nginx_error`, … [default: auto, or the input's]
    #[arg(long)]
    pub format: Option<String>,
    /// At most so many documents
    #[arg(long, value_name = "DOCUMENTS", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// As the input with this `id` reads them, of the configuration that `-c` names [default with `-c`: the one whose
    /// `paths` match]
    #[arg(long, value_name = "ID")]
    pub input: Option<String>,
}

/// Options of `detect`.
#[derive(Debug, Clone, Args)]
pub struct DetectArgs {
    /// The files, also compressed ones; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// So many lines of each are looked at
    #[arg(
        long, default_value_t = 1000,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000)
    )]
    pub lines: u64,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

/// What to do with modules.
#[derive(Debug, Subcommand)]
pub enum ModulesCommand {
    /// List those that are switched on, and those that are not
    List,
    /// Switch modules on: their files are named `NAME.yml`, and written where there are none
    Enable(ModuleNames),
    /// Switch modules off: their files are named `NAME.yml.disabled`
    Disable(ModuleNames),
}

/// Which modules.
#[derive(Debug, Clone, Args)]
pub struct ModuleNames {
    /// Their names
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `status`.
#[derive(Debug, Clone, Copy, Args)]
pub struct StatusArgs {
    /// Print one line for a monitoring system
    #[arg(long, conflicts_with = "json")]
    pub check: bool,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
    /// More bytes than these that are not delivered yet are not as it should be, such as `500MiB` [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_lag: Option<u64>,
}

/// Options of `drain`.
#[derive(Debug, Clone, Copy, Args)]
pub struct DrainArgs {
    /// Longest time for it, such as `90s` or `10m`; then the shipper stops all the same [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
}

/// What to do with the registry.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// List every file with how far it was read; also while a shipper runs
    List(JsonArgs),
    /// Show all that is known of one file
    Show {
        /// The file, or the epoch's id
        #[arg(value_name = "FILE|EPOCH")]
        of: String,
        /// How it is printed
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Look for damage and for what does not fit the files [exit codes: 0 fine, 1 problems, 2 cannot be read]
    Check,
    /// Say how all bytes came to their end that were read: stored, filtered, lost, … [exit codes: 0 every byte is accounted
    /// for, 1 not, 2 not known]
    Audit(JsonArgs),
    /// Set from where a file is read on; only while no shipper runs
    Set {
        /// The file
        file: String,
        /// Where to
        #[command(flatten)]
        to: SetTo,
        /// Take an offset inside a line too: what is left of the line is sent as one
        #[arg(long)]
        force: bool,
    },
    /// Forget files: they are read again from their start, as new ones; only while no shipper runs
    #[command(group(ArgGroup::new("which").required(true).args(["of", "all"])))]
    Reset {
        /// The file, or the epoch's id
        #[arg(value_name = "FILE|EPOCH")]
        of: Option<String>,
        /// Forget all files
        #[arg(long)]
        all: bool,
        /// That it is meant: `--all` alone forgets nothing
        #[arg(long)]
        yes: bool,
    },
}

/// From where a file is read on.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = false)]
pub struct SetTo {
    /// At this byte, which begins a line
    #[arg(long, value_name = "BYTES", value_parser = offset, allow_negative_numbers = true)]
    pub offset: Option<u64>,
    /// At its first line: what is stored already keeps its ids and is not stored twice
    #[arg(long)]
    pub start: bool,
    /// Behind its last whole line: what is not sent yet is skipped
    #[arg(long)]
    pub end: bool,
}

/// For whom the output is.
#[derive(Debug, Clone, Copy, Args)]
pub struct JsonArgs {
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

/// What to do with the dead letters.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List them by reason, type and target; also while a shipper runs
    List {
        /// Which
        #[command(flatten)]
        chosen: ChosenLetters,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Show letters whole
    Show {
        /// Which
        #[command(flatten)]
        chosen: ChosenLetters,
        /// At most so many
        #[arg(long, value_name = "LETTERS")]
        limit: Option<u64>,
        /// Print one JSON object a line, as they are kept
        #[arg(long)]
        json: bool,
    },
    /// Send them again, under their old ids, so that nothing is stored twice; what the server takes is removed [exit codes:
    /// 0 all was taken, 1 not all was]
    Replay {
        /// Which
        #[command(flatten)]
        chosen: ChosenLetters,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Remove them for good
    Purge(PurgeArgs),
}

/// Which letters are meant: all, or those to which all of these apply.
#[derive(Debug, Clone, Default, Args)]
pub struct ChosenLetters {
    /// With this text in the server's reason or in its name for it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Refused since then: a time such as `2026-11-21T14:00:00Z`, or how long ago, such as `2h` or `7d`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// With this id
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

/// Options of `dlq purge`.
#[derive(Debug, Clone, Args)]
#[command(group(
    ArgGroup::new("which").required(true).multiple(true).args(["older_than", "reason", "since", "id", "all"])
))]
pub struct PurgeArgs {
    /// All that are older than this, such as `30d` or `12h`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// All
    #[arg(long, conflicts_with_all = ["older_than", "reason", "since", "id"])]
    pub all: bool,
    /// Which
    #[command(flatten)]
    pub chosen: ChosenLetters,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// What to check.
#[derive(Debug, Subcommand)]
pub enum TestCommand {
    /// Check the configuration and name every problem with its place
    Config,
    /// Go all the way to every host of the output and tell each step; nothing is written there [exit codes: 0 it can be
    /// delivered to, 1 not]
    Output,
}

/// What to print.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Print the configuration in effect as YAML, secrets masked
    Config,
}

/// Options that say what the configuration is; the names are Filebeat's.
#[derive(Debug, Args, Default)]
pub struct ConfigArgs {
    /// Configuration file; may be given several times, later ones win [default: shipper.yml]
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true)]
    pub files: Vec<PathBuf>,
    /// Set one key, over what the files say
    #[arg(short = 'E', value_name = "KEY=VALUE", global = true)]
    pub overrides: Vec<String>,
    /// Log to standard error and not to files
    #[arg(short = 'e', global = true)]
    pub to_stderr: bool,
    /// Log everything of these parts (`*`: of all)
    #[arg(short = 'd', value_name = "SELECTORS", global = true)]
    pub debug: Option<String>,
    /// Home directory
    #[arg(long = "path.home", value_name = "DIRECTORY", global = true)]
    pub path_home: Option<PathBuf>,
    /// Directory of configuration files
    #[arg(long = "path.config", value_name = "DIRECTORY", global = true)]
    pub path_config: Option<PathBuf>,
    /// Directory of registry, lock and dead letters
    #[arg(long = "path.data", value_name = "DIRECTORY", global = true)]
    pub path_data: Option<PathBuf>,
    /// Directory of log files
    #[arg(long = "path.logs", value_name = "DIRECTORY", global = true)]
    pub path_logs: Option<PathBuf>,
    /// Refuse configuration files that others could have written
    #[arg(
        long = "strict.perms", value_name = "BOOL", default_value_t = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set,
        global = true
    )]
    pub strict_permissions: bool,
}

/// What stands above the options of a run.
const OF_A_RUN: &str = "Options of a run";

/// Reads a command line; the help of a command that does not run names no options of a run.
///
/// # Errors
/// When it is wrong, or asks for help or the version.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    // Only then the commands have the options of the top level.
    command.build();
    let names: Vec<String> =
        command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    for name in names.into_iter().filter(|name| name != "run") {
        command = command.mut_subcommand(name, without_run);
    }
    Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

fn without_run(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| {
        let is_of_a_run = argument.get_help_heading() == Some(OF_A_RUN);
        if is_of_a_run { argument.hide(true) } else { argument }
    });
    command.mut_subcommands(without_run)
}

/// Options of a run.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = OF_A_RUN)]
pub struct RunArgs {
    /// Read every file to its end, wait until all is acknowledged, and say by the exit code whether it was
    #[arg(long, global = true)]
    pub once: bool,
    /// Longest time that `--once` may take, such as `90s` or `10m`; what is in flight then has
    /// `filebeat.shutdown_timeout` more [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "once", global = true)]
    pub deadline: Option<Duration>,
    /// Where files begin that were never read before
    #[arg(long, value_enum, default_value_t = FromArg::Start, global = true)]
    pub from: FromArg,
}

/// Where files begin that were never read before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum FromArg {
    /// At their first line
    #[default]
    Start,
    /// At their end: the backlog is skipped
    Now,
}

/// Options of the demo.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End by itself after this time, such as `10s`
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Lines written each second, on average
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub rate: u32,
    /// Port of the embedded bulk receiver; 0 for any free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
}

fn offset(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        "an offset is a number of bytes from the file's beginning, 0 or more; `--end` goes behind its last whole line"
            .to_owned()
    })
}

fn bytes(text: &str) -> Result<u64, String> {
    crate::units::ByteSize::parse(text)
        .map(|size| size.0)
        .map_err(|error| format!("{error}; write a number of bytes such as 1048576 or 1MiB"))
}

/// Reads a time, or how long ago it was.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let age = crate::units::parse_duration(text).ok();
    let age = age.and_then(|age| jiff::SignedDuration::try_from(age).ok());
    age.and_then(|age| Timestamp::now().checked_sub(age).ok()).ok_or_else(|| {
        "write a time such as 2026-11-21T14:00:00Z, or how long ago, such as 2h".to_owned()
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::units::parse_duration(text)
        .map_err(|error| format!("{error}; write a time such as 10s or 1m30s"))
}

/// Parts of Filebeat's command line that are not known here, each with what to do.
const OF_FILEBEAT: [(&str, &str); 14] = [
    ("setup", "nothing has to be set up: a missing index template is installed at connect"),
    ("keystore", "put secrets into variables of the environment: password: ${VAR}"),
    ("template", "`export config` is there; the template is installed at connect"),
    ("ilm-policy", "`export config` is there; policies are the server's"),
    ("dashboard", "`export config` is there; there are no dashboards yet"),
    ("index-pattern", "`export config` is there; patterns are Kibana's"),
    ("-v", "leave it out: messages of level info are logged unless `logging.level` says otherwise"),
    ("-M", "write it below the module, in its file of `modules.d` or in `filebeat.modules`"),
    ("--modules", "`shipper modules enable NAME` switches modules on"),
    ("-N", "to try without a server, write -E output.console.enabled=true and disable the other"),
    (
        "--environment",
        "leave it out: the log goes to standard error unless `logging.to_files` is set",
    ),
    ("--httpprof", "leave it out"),
    ("--cpuprofile", "leave it out"),
    ("--memprofile", "leave it out"),
];

/// Returns what to do about a command line that is wrong, where clap does not say it.
#[must_use]
pub fn advice(error: &clap::Error, arguments: &[String]) -> Option<String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let kind = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let Some(ContextValue::String(word)) = error.get(kind) else { return None };
    let before = arguments.iter().position(|argument| argument == word)?.checked_sub(1);
    if before.is_some_and(|before| arguments[before] == "--strict.perms") {
        return Some(format!("put `=` between them: --strict.perms={word}"));
    }
    let known = OF_FILEBEAT.iter().find(|(name, _)| name == word);
    known.map(|(name, hint)| format!("`{name}` is Filebeat's: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_of_a_run_stand_in_the_help_of_what_runs_alone() {
        for (line, expected) in [
            ("--help", true),
            ("run --help", true),
            ("help run", true),
            ("status --help", false),
            ("drain --help", false),
            ("registry list --help", false),
            ("dlq replay -h", false),
            ("test config --help", false),
        ] {
            let arguments = std::iter::once("shipper").chain(line.split(' '));
            let help = parse(arguments).unwrap_err().to_string();
            assert_eq!(help.contains(OF_A_RUN), expected, "{line}\n{help}");
            assert_eq!(help.contains("--once"), expected, "{line}\n{help}");
            assert!(help.contains("--path.data"), "{line}\n{help}");
        }
        assert!(parse(["shipper", "--once", "run"]).unwrap().run.once);
        assert!(parse(["shipper", "run", "--once"]).unwrap().run.once);
    }

    #[test]
    fn what_only_filebeat_knows_is_told_with_what_to_do() {
        for (line, expected) in [
            (
                "setup --dashboards",
                Some(
                    "`setup` is Filebeat's: nothing has to be set up: a missing index template is \
                      installed at connect",
                ),
            ),
            ("-e --httpprof x", Some("`--httpprof` is Filebeat's: leave it out")),
            ("--strict.perms false", Some("put `=` between them: --strict.perms=false")),
            ("--onec", None),
            ("tset", None),
        ] {
            let arguments: Vec<String> =
                std::iter::once("shipper").chain(line.split(' ')).map(str::to_owned).collect();
            let error = Cli::try_parse_from(&arguments).unwrap_err();
            assert_eq!(advice(&error, &arguments).as_deref(), expected, "{line}");
        }
        for (name, _) in OF_FILEBEAT {
            let above = match name {
                "template" | "ilm-policy" | "dashboard" | "index-pattern" => "export",
                _ => "-e",
            };
            let arguments = ["shipper", above, name].map(str::to_owned);
            let error = Cli::try_parse_from(&arguments).unwrap_err();
            assert!(advice(&error, &arguments).is_some(), "{name}");
        }
    }

    #[test]
    fn flags_of_filebeat_are_understood() {
        let cli = Cli::try_parse_from([
            "shipper",
            "-e",
            "-c",
            "a.yml",
            "-E",
            "name=x",
            "--path.data",
            "/d",
            "--strict.perms=false",
            "-d",
            "*",
            "--once",
        ])
        .unwrap();
        assert!(cli.command.is_none());
        assert!(cli.config.to_stderr && !cli.config.strict_permissions && cli.run.once);
        assert_eq!(cli.config.overrides, ["name=x"]);
        assert_eq!(cli.config.path_data, Some(PathBuf::from("/d")));
    }
}
