//! The settings of the allocator, made before anything is allocated.
//!
//! Blocks from 128 KiB on are pages of their own, which glibc gives back to the system when they are freed; but with each
//! such block that is freed it raises that limit, up to 32 MiB (`M_MMAP_THRESHOLD`, mallopt(3)). What a look at ten thousand
//! files takes for a moment then stays with the heap for ever. A fixed limit keeps it at 128 KiB. It is read only from the
//! environment of a starting program (`GLIBC_TUNABLES`), so the program starts itself once more, under the same process id.

use std::os::unix::process::CommandExt;
use std::process::Command;

const TUNABLES: &str = "GLIBC_TUNABLES";

/// 128 KiB, glibc's own first value; and heaps for two threads at once, where glibc would make one for each thread, which
/// keep 1.3 MiB more of what ten thousand files took for a moment. The hot path allocates nothing that would have to wait.
const SETTINGS: &str = "glibc.malloc.mmap_threshold=131072:glibc.malloc.arena_max=2";

/// Starts the program again with these settings, unless the operator has set tunables or another allocator is used; if it
/// cannot be started, it goes on as it is.
pub(super) fn settle() {
    if !cfg!(target_env = "gnu") || std::env::var_os(TUNABLES).is_some() {
        return;
    }
    let mut arguments = std::env::args_os();
    if let (Some(name), Ok(program)) = (arguments.next(), std::env::current_exe()) {
        // It returns only with an error.
        let _ = Command::new(program).arg0(name).args(arguments).env(TUNABLES, SETTINGS).exec();
    }
}
