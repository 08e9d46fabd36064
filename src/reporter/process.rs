//! What the system says of this process, read from `/proc` and asked of the kernel; cheap enough
//! for every few seconds.

use crate::disk::Disk;
use crate::stats::metrics::{CpuTime, ProcessFigures};
use rustix::process::{Resource, getrlimit};
use std::path::Path;
use std::time::Duration;

/// Largest file of `/proc` that is read, in bytes; each is one short line.
const PROC_BYTES_MAX: u64 = 4096;

/// Reads the figures of this process; what the system does not tell stays `None`.
#[must_use]
pub fn process_figures<D: Disk>(disk: &D, uptime: Duration) -> ProcessFigures {
    let limits = getrlimit(Resource::Nofile);
    let mut figures = ProcessFigures {
        uptime,
        handles: open_handles(disk),
        handles_soft: limits.current,
        handles_hard: limits.maximum,
        load: proc_text(disk, "/proc/loadavg").and_then(|text| load_of(&text)),
        ..ProcessFigures::default()
    };
    if let Some(stat) = proc_text(disk, "/proc/self/stat").and_then(|text| stat_of(&text)) {
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        figures.cpu = Some(CpuTime {
            user_ms: stat.user_ticks.saturating_mul(1000) / ticks,
            system_ms: stat.system_ticks.saturating_mul(1000) / ticks,
        });
        figures.threads = Some(stat.threads);
        figures.rss_bytes = Some(stat.rss_pages.saturating_mul(rustix::param::page_size() as u64));
    }
    figures
}

/// Returns how many processors this process may use, at least 1.
#[must_use]
pub fn cores() -> u64 {
    let set = rustix::thread::sched_getaffinity(None);
    set.map_or(1, |set| u64::from(set.count()).max(1))
}

#[derive(Debug, PartialEq, Eq)]
struct ProcessStat {
    user_ticks: u64,
    system_ticks: u64,
    threads: u64,
    rss_pages: u64,
}

fn proc_text<D: Disk>(disk: &D, path: &str) -> Option<String> {
    let bytes = disk.read_all(Path::new(path), PROC_BYTES_MAX).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Counts the open descriptors: Linux tells the number as the directory's size since 6.2; before,
/// its names are counted, without the one that reads them.
fn open_handles<D: Disk>(disk: &D) -> Option<u64> {
    let directory = Path::new("/proc/self/fd");
    match disk.stat(directory) {
        Ok(stat) if 0 < stat.size => Some(stat.size),
        _ => disk.list(directory).ok().map(|names| (names.len() as u64).saturating_sub(1)),
    }
}

/// Reads `/proc/self/stat`, counting its fields behind the program's name, which may hold anything.
fn stat_of(text: &str) -> Option<ProcessStat> {
    let (_, behind_name) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = behind_name.split_ascii_whitespace().collect();
    // The first field here is the third of proc(5).
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(ProcessStat {
        user_ticks: field(14)?,
        system_ticks: field(15)?,
        threads: field(20)?,
        rss_pages: field(24)?,
    })
}

fn load_of(text: &str) -> Option<[f64; 3]> {
    let mut words = text.split_ascii_whitespace();
    let mut next = || words.next()?.parse::<f64>().ok();
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn stat_line_is_read_behind_any_program_name() {
        let text = "16476 (a) b (c) R 1 16476 1 34816 16476 4194304 1021 0 2 0 311 42 7 8 20 0 5 0 \
                    812345 9437184 2304 18446744073709551615 1 1 0\n";
        assert_eq!(
            stat_of(text),
            Some(ProcessStat { user_ticks: 311, system_ticks: 42, threads: 5, rss_pages: 2304 })
        );
        assert_eq!(stat_of("16476 (shipper) R 1 2"), None);
        assert_eq!(stat_of(""), None);
    }

    #[test]
    fn load_line_is_read() {
        assert_eq!(load_of("0.39 0.82 1.06 1/91 16476\n"), Some([0.39, 0.82, 1.06]));
        assert_eq!(load_of("0.39 0.82"), None);
    }

    #[test]
    fn this_process_is_told_of_truly() {
        let figures = process_figures(&RealDisk, Duration::from_secs(3));
        let names = std::fs::read_dir("/proc/self/task").expect("threads").count() as u64;
        // Other tests come and go meanwhile, so the bounds are wide where they share.
        assert_eq!(figures.uptime, Duration::from_secs(3));
        assert!(figures.threads.expect("threads").abs_diff(names) < 50);
        assert!((1 << 20..1 << 34).contains(&figures.rss_bytes.expect("memory")));
        assert!((3..100_000).contains(&figures.handles.expect("descriptors")));
        assert!(figures.handles_soft <= figures.handles_hard || figures.handles_hard.is_none());
        assert!(figures.load.is_some());
        assert!(1 <= cores());
    }

    #[test]
    fn processor_time_grows_with_work() {
        let before = process_figures(&RealDisk, Duration::ZERO).cpu.expect("time");
        let mut sum = 0_u64;
        loop {
            sum = (0..1_000_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
            let after = process_figures(&RealDisk, Duration::ZERO).cpu.expect("time");
            if before.user_ms + before.system_ms + 20 <= after.user_ms + after.system_ms {
                break;
            }
        }
    }
}
