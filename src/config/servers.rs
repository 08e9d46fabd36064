//! The configuration of a web server, as far as it says which log has which format.
//!
//! Both languages are read from their text alone; files come through [`Files`], so that all of it can be tried without
//! any. What cannot be known here (arguments of the command line, modules that are not loaded) is taken as the packages
//! of Debian have it.

mod apache;
mod nginx;
mod words;

pub use nginx::COMBINED;

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::settings::{ServerFormat, WebServer};

/// Most files of one configuration that are read.
const FILES_MAX: usize = 5_000;

/// Most files that include each other.
const DEPTH_MAX: usize = 32;

/// Where the files of a configuration come from.
pub trait Files {
    /// Reads a file; what is not UTF-8 is replaced.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, path: &Path) -> std::io::Result<String>;

    /// Returns the files that match a pattern of the shell, in order, or the files below a directory of that name.
    fn matching(&self, pattern: &Path) -> Vec<PathBuf>;
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub file: Rc<Path>,
    /// Its line, from 1.
    pub line: usize,
}

impl fmt::Display for Spot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.line)
    }
}

/// A log that a server writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its path; `*` where it differs from request to request.
    pub path: String,
    /// Name of its format; empty where it has none.
    pub name: String,
    /// Its format.
    pub format: ServerFormat,
    /// Where the format is defined; where the log is, for one that the server knows by itself.
    pub spot: Spot,
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", spot.as_ref().map(|spot| format!("{spot}: ")).unwrap_or_default())]
pub struct ServerError {
    /// Where.
    pub spot: Option<Spot>,
    /// What is wrong.
    pub message: String,
}

impl ServerError {
    fn at(spot: &Spot, message: impl Into<String>) -> Self {
        Self { spot: Some(spot.clone()), message: message.into() }
    }
}

/// Tells whose configuration a file is, by its name and then its text.
#[must_use]
pub fn server_of(path: &Path, text: &str) -> WebServer {
    let name = path.to_string_lossy().to_lowercase();
    if name.contains("nginx") {
        return WebServer::Nginx;
    }
    if name.contains("apache") || name.contains("httpd") {
        return WebServer::Apache;
    }
    let has_block = text.lines().any(|line| {
        let line = line.trim();
        line.ends_with('{') || line.ends_with(';') || line.starts_with("log_format")
    });
    if has_block { WebServer::Nginx } else { WebServer::Apache }
}

/// Reads a configuration and returns the logs of requests that its server writes.
///
/// # Errors
/// When a file cannot be read, is no configuration, or a log has a format that there is not.
pub fn logs(path: &Path, files: &dyn Files) -> Result<Vec<Log>, ServerError> {
    let text = files.read(path).map_err(|error| ServerError {
        spot: None,
        message: format!("`{}` cannot be read: {error}", path.display()),
    })?;
    match server_of(path, &text) {
        WebServer::Nginx => nginx::logs(path, text, files),
        WebServer::Apache => apache::logs(path, text, files),
    }
}

/// Counts files, so that a configuration that includes itself has an end.
#[derive(Debug, Default)]
struct Budget {
    files: usize,
    depth: usize,
}

impl Budget {
    fn enter(&mut self, spot: &Spot) -> Result<(), ServerError> {
        self.files += 1;
        self.depth += 1;
        if DEPTH_MAX < self.depth || FILES_MAX < self.files {
            return Err(ServerError::at(spot, "its files include each other without end"));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }
}

#[cfg(test)]
#[path = "servers/tests.rs"]
mod tests;
