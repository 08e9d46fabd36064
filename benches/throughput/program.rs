//! Runs the release binary.

use crate::Outcome;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The binary that cargo built for this benchmark, with its release profile.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_shipper");

/// What is different from the shortest configuration.
#[derive(Debug, Default)]
pub(crate) struct Setup<'a> {
    /// Glob pattern.
    pub(crate) paths: &'a str,
    /// Host and port of the receiver.
    pub(crate) address: &'a str,
    /// Further lines of the input's stanza.
    pub(crate) input: &'a [&'a str],
    /// Further lines of the file.
    pub(crate) rest: &'a [&'a str],
    /// `-E` settings.
    pub(crate) settings: &'a [String],
}

/// Writes the configuration into `directory`, which also takes the data, and returns the command to
/// run it.
pub(crate) fn command(directory: &Path, setup: &Setup) -> Outcome<Command> {
    let mut text = format!(
        "filebeat.inputs:\n  - type: filestream\n    id: bench\n    paths: [\"{}\"]\n",
        setup.paths
    );
    for line in setup.input {
        writeln!(text, "    {line}")?;
    }
    writeln!(
        text,
        "output.elasticsearch.hosts: [\"http://{}\"]\nlogging.level: warning",
        setup.address
    )?;
    for line in setup.rest {
        writeln!(text, "{line}")?;
    }
    let path: PathBuf = directory.join("shipper.yml");
    fs::write(&path, text)?;
    let mut command = Command::new(BINARY);
    command.arg("run").arg("-c").arg(path).arg("--path.data").arg(directory.join("data"));
    for setting in setup.settings {
        command.arg("-E").arg(setting);
    }
    command.stdin(Stdio::null());
    Ok(command)
}
