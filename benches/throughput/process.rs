//! What a process used, read from `/proc`.

use crate::Outcome;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Pause between two looks at a running process; a look costs some 30 µs.
const LOOK: Duration = Duration::from_millis(10);

/// What one process used from its start to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu_s: f64,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

/// Runs a command to its end.
///
/// # Errors
/// If it cannot be started or says by its exit code that it failed.
pub(crate) fn run(command: &mut Command) -> Outcome<Usage> {
    let start_ns = unix_ns();
    let mut child = command.spawn()?;
    let pid = child_pid(&child)?;
    let mut peak_rss_bytes = 0;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // The process stays a zombie, whose times can be read, until `wait` below.
    while waitid(WaitId::Pid(pid), options)?.is_none() {
        peak_rss_bytes = peak_rss_bytes.max(status_kib(child.id(), "VmHWM:")? * 1024);
        thread::sleep(LOOK);
    }
    let end_ns = unix_ns();
    let cpu_s = cpu_seconds(child.id())?;
    let status: ExitStatus = child.wait()?;
    if !status.success() {
        return Err(format!("`{}` failed: {status}", command.get_program().display()).into());
    }
    Ok(Usage { cpu_s, peak_rss_bytes, start_ns, end_ns })
}

pub(crate) fn child_pid(child: &Child) -> Outcome<Pid> {
    let pid = i32::try_from(child.id())?;
    Ok(Pid::from_raw(pid).ok_or("a process has an id")?)
}

/// Returns user and system time of a process, all its threads together; it may be a zombie.
pub(crate) fn cpu_seconds(pid: u32) -> Outcome<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = text.rsplit_once(") ").ok_or("no command in /proc/pid/stat")?.1;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Returns the seconds that all cores together spent on anything.
pub(crate) fn machine_cpu_seconds() -> Outcome<f64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().ok_or("no line in /proc/stat")?;
    let numbers = line.split_whitespace().skip(1).map(str::parse::<u64>);
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    // user, nice, system, (idle, iowait), irq, softirq
    let ticks: u64 = [0, 1, 2, 5, 6].iter().filter_map(|place| numbers.get(*place)).sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Returns a number of `/proc/<pid>/status`, 0 where it has no such line.
pub(crate) fn status_kib(pid: u32, name: &str) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.map_or(Ok(0), str::parse)?)
}

pub(crate) fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
