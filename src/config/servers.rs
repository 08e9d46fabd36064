//! The configuration of a web server, as far as it says which log has which format.
//!
//! Both languages are read from their text alone; files come through [`Files`], so that all of it can be tried without
//! any. What cannot be known here (arguments of the command line, modules that are not loaded) is taken as the packages
//! of Debian have it.

mod apache;
mod nginx;
mod paths;
mod words;

pub use nginx::COMBINED;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::config::check::nearest;
use crate::settings::{ServerFormat, WebServer};

pub use paths::chosen;

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
    fn read(&self, path: &Path) -> io::Result<String>;

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
    /// Its path; `*` where it differs from request to request, or from day to day.
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
    /// What to do about it.
    pub hint: String,
}

impl ServerError {
    fn at(spot: &Spot, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { spot: Some(spot.clone()), message: message.into(), hint: hint.into() }
    }

    /// A file that another one includes cannot be read.
    fn of_included(spot: &Spot, path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => READABLE,
            _ => {
                "put it there, or take the line that includes it out of the server's configuration"
            }
        };
        let message = format!("the included `{}` cannot be read: {error}", path.display());
        Self::at(spot, message, hint)
    }

    /// A log has a format that is defined nowhere.
    fn undefined<'a>(
        spot: &Spot,
        message: String,
        name: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut known: Vec<&str> = known.filter(|name| !name.is_empty()).collect();
        known.sort_unstable();
        known.dedup();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => {
                "define it in a file that this configuration includes".to_owned()
            }
            None => format!("define it, or name one that is there: `{}`", known.join("`, `")),
        };
        Self::at(spot, message, hint)
    }
}

/// What to do about a file that may not be read.
const READABLE: &str = "let the user that runs shipper read it, and the directories above it";

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
        hint: match error.kind() {
            io::ErrorKind::PermissionDenied => READABLE,
            _ => {
                "name the server's main file, such as /etc/nginx/nginx.conf, /etc/apache2/apache2.conf or \
                 /etc/httpd/conf/httpd.conf"
            }
        }
        .to_owned(),
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
            let hint =
                "take the line out that includes a file which is being read, or this one again";
            return Err(ServerError::at(spot, "its files include each other without end", hint));
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
