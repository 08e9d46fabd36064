//! Files of the configuration on disk: reading them, and whether others could have changed them.

#![allow(clippy::disallowed_methods, reason = "small files, read before anything runs")]

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::string::FromUtf8Error;

use globset::GlobBuilder;

use crate::config::problems::{Place, Problem, Problems, Source, SourceKind};
use crate::config::servers;

/// Largest file that is taken for a configuration, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Directory entries that are looked at for one pattern.
const ENTRIES_MAX: usize = 10_000;
/// Directories within each other of which all files are read.
const DEPTH_MAX: usize = 16;

/// Says whether a file that others may write is refused (`--strict.perms`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// It is refused.
    Strict,
    /// It is read.
    Lax,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("there is no configuration file `{}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read the configuration file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a pipe, a device, a socket or a directory, where only files are read.
    #[error("`{}` is no configuration file: it is no file", path.display())]
    NoFile {
        /// What is there.
        path: PathBuf,
    },
    /// It is too large to be one, or no text.
    #[error("`{}` is no configuration file: {reason}", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Bytes in it are no UTF-8: with the line, a caret and what to do.
    #[error("{0}")]
    NotUtf8(Box<Problems>),
    /// Its owner is neither root nor who runs this.
    #[error(
        "the configuration file `{}` belongs to user {owner}, not to root or user {user}",
        path.display()
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// Its group or everybody may write it.
    #[error(
        "the configuration file `{}` can be written by others (mode {mode:04o})",
        path.display()
    )]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl FileError {
    /// Says what to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { path } => {
                let path = path.display();
                format!("name the file with `-c`, or write `{path}`: shipper.yml.example shows how")
            }
            Self::Unreadable { path, source }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                format!("let the user that runs this read it: ls -l {}", path.display())
            }
            Self::Unreadable { .. } => "look at the path and at the disk".to_owned(),
            Self::NoText { .. } => {
                "name the YAML file itself with `-c`, such as -c shipper.yml".to_owned()
            }
            Self::NoFile { path } => {
                format!("move it away, or give it another name: ls -l {}", path.display())
            }
            // Its own text has one.
            Self::NotUtf8(_) => String::new(),
            Self::Owner { path, .. } => {
                format!("chown root {}, or start with --strict.perms=false", path.display())
            }
            Self::Writable { path, .. } => {
                format!("chmod go-w {}, or start with --strict.perms=false", path.display())
            }
        }
    }
}

/// Reads a file of the configuration that somebody has named; it may be a pipe, which is waited for.
///
/// # Errors
/// When it cannot be read, is no text, or, if that is asked for, others may change it.
pub fn read(path: &Path, strictness: Strictness) -> Result<String, FileError> {
    read_as(path, strictness, Wanted::Named)
}

/// Reads a file of the configuration that was found in a directory; never waits for a pipe that somebody has put there.
///
/// # Errors
/// As [`read`], and when it is no file.
pub fn read_found(path: &Path, strictness: Strictness) -> Result<String, FileError> {
    read_as(path, strictness, Wanted::Found)
}

/// How a file of the configuration came to be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// By its name.
    Named,
    /// By where it is.
    Found,
}

/// Opens what was a file just now. Should it be a pipe by now, nobody waits for who writes to it.
fn open_file(path: &Path) -> io::Result<fs::File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    fs::File::options().read(true).custom_flags(flags).open(path)
}

fn read_as(path: &Path, strictness: Strictness, wanted: Wanted) -> Result<String, FileError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path.to_owned() },
        _ => FileError::Unreadable { path: path.to_owned(), source },
    };
    let no_text = |reason: String| FileError::NoText { path: path.to_owned(), reason };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if wanted == Wanted::Found && !metadata.is_file() {
        return Err(FileError::NoFile { path: path.to_owned() });
    }
    if metadata.is_dir() {
        return Err(no_text("it is a directory".to_owned()));
    }
    if FILE_BYTES_MAX < metadata.len() {
        return Err(no_text(format!(
            "it has {} bytes, more than the {FILE_BYTES_MAX} that are read",
            metadata.len()
        )));
    }
    if strictness == Strictness::Strict && metadata.is_file() {
        allowed(path, &metadata)?;
    }
    let mut bytes = Vec::new();
    // A device or a pipe has no length, and may have no end.
    let file = if metadata.is_file() { open_file(path) } else { fs::File::open(path) };
    let file = file.map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if FILE_BYTES_MAX < bytes.len() as u64 {
        return Err(no_text(format!("it has more than the {FILE_BYTES_MAX} bytes that are read")));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(no_text("it is UTF-16: save it as UTF-8".to_owned()));
    }
    if bytes.contains(&0) {
        return Err(no_text("it holds NUL bytes, as no text does".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| FileError::NotUtf8(Box::new(not_utf8(path, error))))
}

/// Shows where the first byte is that is no UTF-8; its value might be part of a secret.
fn not_utf8(path: &Path, error: FromUtf8Error) -> Problems {
    let valid = error.utf8_error().valid_up_to();
    let bytes = error.into_bytes();
    let before = String::from_utf8_lossy(&bytes[..valid]).into_owned();
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
    let place = Place { source: 0, line, column, length: 1 };
    let hint = "save the file as UTF-8; from Latin-1, `iconv -f latin1 -t utf-8` makes it so";
    let source = Source {
        name: path.display().to_string(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
        kind: SourceKind::File,
    };
    Problems::new(
        vec![Problem::new(place, "this byte is not UTF-8").hint(hint)],
        vec![source],
        Vec::new(),
    )
}

fn allowed(path: &Path, metadata: &fs::Metadata) -> Result<(), FileError> {
    let user = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    if owner != 0 && owner != user {
        return Err(FileError::Owner { path: path.to_owned(), owner, user });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(FileError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Returns where a path leads that is relative to a directory, without `.` parts. One that begins with the directory, as
/// `${path.config}/x` does where `path.config` is relative, is taken as it is.
#[must_use]
pub fn below(directory: &Path, path: &Path) -> PathBuf {
    let plain = |path: &Path| -> PathBuf {
        path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
    };
    let (directory, path) = (plain(directory), plain(path));
    if path.starts_with(&directory) { path } else { directory.join(path) }
}

/// Returns the files that match a pattern, in order of their names; a relative one starts in `directory`.
#[must_use]
pub fn matching(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let pattern = below(directory, Path::new(pattern));
    let Some(text) = pattern.to_str() else { return Vec::new() };
    let Ok(glob) = GlobBuilder::new(text).literal_separator(true).build() else {
        return Vec::new();
    };
    let matcher = glob.compile_matcher();
    let fixed: PathBuf = pattern
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']))
        .collect();
    if fixed == pattern {
        return if pattern.exists() { vec![pattern] } else { Vec::new() };
    }
    let mut waiting = vec![if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed }];
    let mut found = Vec::new();
    let mut seen = 0;
    while let Some(directory) = waiting.pop() {
        // A directory that cannot be listed proves nothing; then the files are as good as absent.
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            seen += 1;
            if ENTRIES_MAX < seen {
                break;
            }
            let path = entry.path();
            let plain = path.strip_prefix(".").unwrap_or(&path);
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_directory {
                waiting.push(path);
            } else if matcher.is_match(&path) || matcher.is_match(plain) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files of a web server's configuration.
#[derive(Debug, Clone, Copy)]
pub struct ServerFiles;

impl servers::Files for ServerFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        let mut bytes = Vec::new();
        let kind = fs::metadata(path)?.file_type();
        // The system says best what a directory is.
        if !kind.is_file() && !kind.is_dir() {
            return Err(io::Error::other("it is no file"));
        }
        open_file(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn matching(&self, pattern: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::new()];
        for part in pattern.components() {
            let name = part.as_os_str().to_string_lossy().into_owned();
            found = if name.contains(['*', '?', '[']) {
                found.iter().flat_map(|directory| entries(directory, &name)).collect()
            } else {
                found.into_iter().map(|path| path.join(&name)).collect()
            };
        }
        found.into_iter().flat_map(|path| files_at(path, 0)).collect()
    }
}

/// Returns what is in a directory and matches one part of a pattern, in order; hidden files only where it says so.
fn entries(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() else {
        return Vec::new();
    };
    let matcher = glob.compile_matcher();
    let mut found: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .take(ENTRIES_MAX)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default();
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            matcher.is_match(name) && (!is_hidden || pattern.starts_with('.'))
        })
        .collect();
    found.sort();
    found
}

/// Returns a file, or all files below a directory.
fn files_at(path: PathBuf, depth: usize) -> Vec<PathBuf> {
    if !path.is_dir() {
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    if DEPTH_MAX < depth {
        return Vec::new();
    }
    entries(&path, "*").into_iter().flat_map(|path| files_at(path, depth + 1)).collect()
}
