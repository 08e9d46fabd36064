//! What a backlog takes from the machine and its network is kept within `limits`.

use super::rig::{answer, greeting};
use super::server::{Reply, Request, Server};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a run is watched, and what comes before.
const WATCHED: Duration = Duration::from_secs(6);
const BEFORE: Duration = Duration::from_millis(1_500);

/// Ends the process whatever becomes of the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a run took each second.
struct Taken {
    bytes: f64,
    cpu: f64,
}

/// Ships a backlog that is never done, with such limits.
fn watch(limits: &str) -> Taken {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let server = Server::forgetful(move |request: &Request| {
        greeting(request).unwrap_or_else(|| {
            counted.fetch_add(request.body.len() as u64, Ordering::Relaxed);
            let items = request.body.bytes().filter(|byte| *byte == b'\n').count() / 2;
            Reply::json(200, answer(&vec![(201, ""); items]))
        })
    });
    let place = tempfile::tempdir().unwrap();
    let mut log =
        std::io::BufWriter::new(std::fs::File::create(place.path().join("a.log")).unwrap());
    for number in 0..1_500_000 {
        writeln!(
            log,
            "line {number} of a log that is long enough to keep a shipper at work for a while"
        )
        .unwrap();
    }
    log.flush().unwrap();
    let config = format!(
        "inputs:\n  - type: log\n    paths: [\"{}/a.log\"]\n    format: raw\n\
         output.elasticsearch: {{hosts: [\"{}\"], compression_level: 0, bulk_max_bytes: 64KiB}}\n{limits}\n",
        place.path().display(),
        server.url()
    );
    std::fs::write(place.path().join("shipper.yml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
    command.current_dir(&place).args(["run", "-c", "shipper.yml", "-e", "--path.data", "data"]);
    let running = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let cpu = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
        f64::from(ticks) / 100.0
    };
    let bytes = || f64::from(u32::try_from(sent.load(Ordering::Relaxed)).unwrap());
    std::thread::sleep(BEFORE);
    let (start, cpu_before, bytes_before) = (Instant::now(), cpu(), bytes());
    std::thread::sleep(WATCHED);
    let seconds = start.elapsed().as_secs_f64();
    Taken { bytes: (bytes() - bytes_before) / seconds, cpu: (cpu() - cpu_before) / seconds }
}

#[test]
fn bandwidth_is_kept_and_used() {
    let limited = watch("limits.bandwidth: 2MB/s");
    let rate = limited.bytes / 2_000_000.0;
    assert!((0.7..=1.1).contains(&rate), "{rate} of what is allowed");
}

#[test]
fn share_of_the_processors_is_kept_and_used() {
    let limited = watch("limits.cpu: 10%");
    let share = limited.cpu / 0.1;
    // On a busy machine it may not get what it may take.
    assert!((0.2..=1.1).contains(&share), "{share} of what is allowed");
    assert!(0.0 < limited.bytes);
}
