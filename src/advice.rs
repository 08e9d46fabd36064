//! What to do when the system refuses a log file: told once, with the user and the mode that are needed.

mod access;

use crate::disk::Disk;
use crate::logging::limiter::Suppressed;
use std::io;
use std::path::Path;
use tracing::warn;

/// Tells that `path` cannot be read, why, and what an operator can do about it.
pub fn tell_refused<D: Disk>(disk: &D, path: &Path, error: &io::Error) {
    let shown = path.display();
    let hint = hint(disk, path, error);
    warn!(hint, "cannot read `{shown}`: {}; other files go on", reason(error));
}

/// Tells whether no file could be opened because the process, or the whole system, has too many open.
#[must_use]
pub fn is_short(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

/// Tells that descriptors have run out, and what an operator can do about it.
pub fn tell_short(error: &io::Error, suppressed: Suppressed) {
    let (limit, hint) = if error.raw_os_error() == Some(23) {
        let limit = "the whole system has too many files open (fs.file-max)".to_owned();
        (limit, "raise it: `sysctl fs.file-max`, and for good in /etc/sysctl.d")
    } else {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.map_or_else(String::new, |limit| format!(" {limit}"));
        (
            format!("the limit of{limit} open files is reached"),
            "raise it: `LimitNOFILE=16384` in the unit, or `ulimit -n`",
        )
    };
    warn!(
        hint,
        "{limit}: idle logs are closed, files wait for their turn, nothing is lost{suppressed}"
    );
}

/// Says an error of the system in lower-case words, without its number.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn hint<D: Disk>(disk: &D, path: &Path, error: &io::Error) -> String {
    denied(disk, path, error, true).unwrap_or_else(|| "it is tried again by itself".to_owned())
}

/// Returns what an operator can do about a file that may not be read, where that is why it cannot; for a log that `rotates`, how
/// it lasts as well.
pub fn denied<D: Disk>(disk: &D, path: &Path, error: &io::Error, rotates: bool) -> Option<String> {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let user = rustix::process::geteuid().as_raw();
        let barred = path.ancestors().skip(1).find_map(|directory| {
            disk.stat(directory).ok().filter(|_| disk.list(directory).is_err()).map(|_| directory)
        });
        return Some(match disk.stat(path) {
            Ok(stat) => access::hint(disk, path, &stat, rotates),
            Err(_) => format!(
                "user {user} may not pass a directory above it{}: give it the execute right there",
                barred
                    .map_or_else(String::new, |directory| format!(" (`{}`)", directory.display())),
            ),
        });
    }
    None
}
