//! What commands print, and how they fail.

use super::{BAD_CONFIGURATION, FAILED};
use crate::cli::ConfigArgs;
use crate::config::files::{FileError, Strictness};
use crate::config::options::{self, CommandLineValue, Reading};
use crate::config::problems::Problems;
use crate::config::{self, Loaded, Sources};
use crate::hint;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The configuration when none is named.
const DEFAULT_FILE: &str = "shipper.yml";

/// Said where nothing else is wrong.
pub(super) const WRONG_MODULES: &str = "files of modules are wrong";

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The configuration: already in the form that people read.
    Configuration(String),
    /// The same of what the configuration names, which may be mended without it: a service is to be started again.
    Named(String),
    /// Anything else.
    Error(Box<dyn Error>),
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Error(Box::new(error))
    }
}

impl Failure {
    /// Takes what the configuration names for a part of it.
    pub(super) fn of_configuration(self) -> Self {
        match self {
            Self::Named(text) => Self::Configuration(text),
            other => other,
        }
    }

    /// Prints it and returns its exit code.
    pub(super) fn tell(self) -> ExitCode {
        match self {
            Self::Configuration(text) => {
                err(&text);
                ExitCode::from(BAD_CONFIGURATION)
            }
            Self::Named(text) => {
                err(&text);
                ExitCode::from(FAILED)
            }
            Self::Error(error) => {
                err(&hint::report(&*error, &[]));
                ExitCode::from(FAILED)
            }
        }
    }
}

/// Prints to standard output; a closed one is nobody's fault. What would control a terminal is shown, for a text may hold
/// what came from a log, or from a server.
pub(super) fn out(text: &str) {
    let _ = std::io::stdout().write_all(hint::visible(text).as_bytes());
}

/// Prints to standard error.
pub(super) fn err(text: &str) {
    let mut stderr = std::io::stderr();
    let _ = stderr.write_all(hint::visible(text).as_bytes());
    if !text.ends_with('\n') {
        let _ = stderr.write_all(b"\n");
    }
}

/// Loads the configuration that the command line names.
pub(super) fn load(args: &ConfigArgs) -> Result<Loaded, Failure> {
    load_sources(&sources(args)?, args)
}

/// A configuration for those who need no inputs.
pub(super) struct Apart {
    pub(super) loaded: Loaded,
    /// What is wrong with files of modules, which are left out then.
    pub(super) wrong: Option<Problems>,
}

impl Apart {
    /// Warns of what is wrong, and returns the rest.
    pub(super) fn told(self) -> Loaded {
        if let Some(problems) = &self.wrong {
            warn_of_modules(problems);
        }
        self.loaded
    }
}

/// Says that files of modules are wrong, with the places.
pub(super) fn warn_of_modules(problems: &Problems) {
    err(&format!("warning: {WRONG_MODULES}, and left out here\n{problems}"));
}

/// Loads the configuration that the command line names for a command that only looks, without the files of modules if only
/// these are wrong: shipper may run on as it was before.
pub(super) fn load_apart(args: &ConfigArgs) -> Result<Apart, Failure> {
    let sources = sources(args)?;
    let strictness = strictness(args);
    let problems = match config::load_to_look(&sources, strictness, &environment) {
        Ok(loaded) => return Ok(Apart { loaded, wrong: None }),
        Err(problems) => problems,
    };
    match config::load_without_module_files(&sources, strictness, &environment) {
        Ok(loaded) => Ok(Apart { loaded, wrong: Some(problems) }),
        Err(_) => Err(Failure::Configuration(problems.to_string())),
    }
}

/// Loads texts of a configuration.
pub(super) fn load_sources(sources: &Sources, args: &ConfigArgs) -> Result<Loaded, Failure> {
    config::load_as(sources, strictness(args), &environment)
        .map_err(|problems| Failure::Configuration(problems.to_string()))
}

/// Tells whether the command line names no configuration, and there is none where it is looked for then.
pub(super) fn is_unconfigured(args: &ConfigArgs) -> bool {
    args.files.is_empty() && !place(args, Path::new(DEFAULT_FILE)).exists()
}

fn place(args: &ConfigArgs, name: &Path) -> PathBuf {
    match &args.path_config {
        Some(directory) if name.is_relative() && !name.exists() => directory.join(name),
        _ => name.to_owned(),
    }
}

/// Looks up a variable of the environment.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Tells whether files are refused that others may write.
pub(super) fn strictness(args: &ConfigArgs) -> Strictness {
    if args.strict_permissions { Strictness::Strict } else { Strictness::Lax }
}

/// Reads the files that the command line names, and takes its single values.
pub(super) fn sources(args: &ConfigArgs) -> Result<Sources, Failure> {
    let strictness = strictness(args);
    let default = [PathBuf::from(DEFAULT_FILE)];
    let named: &[PathBuf] = if args.files.is_empty() { &default } else { &args.files };
    let mut files = Vec::new();
    for name in named {
        let path = place(args, name);
        let text = config::files::read(&path, strictness).map_err(|error| match error {
            FileError::NotUtf8(problems) => Failure::Configuration(problems.to_string()),
            error => Failure::Configuration(hint::report(&error, &[error.hint()])),
        })?;
        files.push((path, text));
    }
    Ok(Sources { files, overrides: overrides(args) })
}

/// Takes the single values that the command line has.
pub(super) fn overrides(args: &ConfigArgs) -> Vec<CommandLineValue> {
    let mut overrides = options::numbered(&args.overrides);
    let paths = [
        ("path.home", &args.path_home),
        ("path.config", &args.path_config),
        ("path.data", &args.path_data),
        ("path.logs", &args.path_logs),
    ];
    for (key, path) in paths {
        if let Some(path) = path {
            let text = format!("{key}={}", path.display());
            let reading = Reading::AsItStands;
            overrides.push(CommandLineValue { name: format!("--{key}"), text, reading });
        }
    }
    overrides
}
