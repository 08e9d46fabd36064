//! Directories without events, directories that go away and come back.

use crate::rig::Site;
use crate::shipper::wait_until;
use crate::writer::lines;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Scans are far apart, so that a test sees what comes without them.
const RARE_SCANS: &str = "    prospector.scanner.check_interval: 120s\n";

fn append(path: &Path, numbers: Range<usize>) {
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    log.write_all(lines("w", numbers).as_bytes()).unwrap();
}

fn count(told: &str, what: &str) -> usize {
    told.lines().filter(|line| line.contains(what)).count()
}

/// A mount; unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(kind: &[&str], path: &Path) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test mounts: run as root");
        let mut mount = Command::new("mount");
        assert!(mount.args(kind).arg(path).status().unwrap().success(), "{kind:?}");
        Self(path.to_path_buf())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn changes_below_an_overlay_arrive_within_seconds_although_no_event_tells_of_them() {
    let site = Site::new("overlay", "access.log*", RARE_SCANS);
    let base = site.place.path().join("layers");
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| base.join(name));
    for layer in [&lower, &upper, &work] {
        std::fs::create_dir_all(layer).unwrap();
    }
    append(&lower.join("access.log"), 0..100);
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    let logs = site.place.path().join("logs");
    let _mount = Mount::new(&["-t", "overlay", "overlay", "-o", &options], &logs);
    let shipper = site.ship();
    site.wait_for(&shipper, 100);
    let begun = Instant::now();
    // Behind the overlay's back, as the host does that the layer belongs to.
    append(&lower.join("access.log"), 100..150);
    site.wait_for(&shipper, 150);
    println!("a change below an overlay: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(30));
    let (tally, told) = site.settle(shipper, &[("w", 150)]);
    assert_eq!(tally.conflicts, 0);
    assert_eq!(count(&told, "is on overlayfs, which does not tell of every change"), 1, "{told}");
}

#[test]
fn files_of_an_unmounted_file_system_go_on_where_they_were_when_it_is_back() {
    for bind in [false, true] {
        let case = if bind { "bind mount" } else { "tmpfs" };
        let site = Site::new(
            case,
            "www/access.log",
            "    prospector.scanner.check_interval: 1s\n    close.on_state_change.inactive: 1s\n",
        );
        let (store, logs) = (site.place.path().join("store"), site.place.path().join("logs/www"));
        std::fs::create_dir_all(&store).unwrap();
        std::fs::create_dir_all(&logs).unwrap();
        // What is mounted and unmounted is a bind of a place that lives on.
        let kept = (!bind).then(|| Mount::new(&["-t", "tmpfs", "shipper-test"], &store));
        append(&store.join("access.log"), 0..100);
        let text = store.display().to_string();
        let mount = Mount::new(&["--bind", &text], &logs);
        let shipper = site.ship();
        site.wait_for(&shipper, 100);
        drop(mount);
        append(&store.join("access.log"), 100..120);
        wait_until("the absence is told", || {
            shipper.told().contains("how far its files were read is kept")
        });
        // Longer than an epoch without a file is remembered.
        std::thread::sleep(Duration::from_secs(13));
        let mount = Mount::new(&["--bind", &text], &logs);
        site.wait_for(&shipper, 120);
        append(&store.join("access.log"), 120..140);
        let (tally, told) = site.settle(shipper, &[("w", 140)]);
        assert_eq!(tally.conflicts, 0);
        assert_eq!(count(&told, "how far its files were read is kept"), 1, "{told}");
        assert_eq!(count(&told, "is there again"), 1, "{told}");
        assert_eq!(count(&told, "file was removed"), 0, "{told}");
        drop((mount, kept));
    }
}

#[test]
fn directory_that_is_moved_away_and_back_loses_and_repeats_nothing() {
    let site = Site::new("directory moved away and back", "www/access.log", "");
    let (logs, away) = (site.place.path().join("logs/www"), site.place.path().join("www.away"));
    std::fs::create_dir_all(&logs).unwrap();
    append(&logs.join("access.log"), 0..100);
    let shipper = site.ship();
    site.wait_for(&shipper, 100);
    std::fs::rename(&logs, &away).unwrap();
    append(&away.join("access.log"), 100..150);
    wait_until("the absence is told", || {
        shipper.told().contains("how far its files were read is kept")
    });
    append(&away.join("access.log"), 150..160);
    std::fs::rename(&away, &logs).unwrap();
    append(&logs.join("access.log"), 160..200);
    // Seen at once: the directory above it is watched.
    let begun = Instant::now();
    site.wait_for(&shipper, 200);
    println!("the rest of a directory that is back: {:?}", begun.elapsed());
    let (tally, told) = site.settle(shipper, &[("w", 200)]);
    assert_eq!(tally.conflicts, 0);
    assert_eq!(count(&told, "how far its files were read is kept"), 1, "{told}");
    assert_eq!(count(&told, "file was removed"), 0, "{told}");
}

#[test]
fn directory_that_becomes_unreadable_is_told_once_and_its_files_go_on_when_it_is_readable() {
    let site = Site::new(
        "unreadable directory",
        "www/*.log",
        "    prospector.scanner.check_interval: 1s\n    close.on_state_change.inactive: 1s\n",
    );
    let base = site.place.path();
    let logs = base.join("logs/www");
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::create_dir(base.join("data")).unwrap();
    let names = ["a.log", "b.log"];
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(base, 0o755);
    std::os::unix::fs::chown(base.join("data"), Some(65534), Some(65534)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_shipper"), base.join("shipper")).unwrap();
    let write = |numbers: Range<usize>| {
        for name in names {
            let mut log = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(logs.join(name))
                .unwrap();
            log.write_all(lines(name, numbers.clone()).as_bytes()).unwrap();
            mode(&logs.join(name), 0o644);
        }
    };
    write(0..50);
    let as_nobody =
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", "./shipper"];
    let shipper = site.place.start_by(&as_nobody, "data", &[]);
    site.wait_for(&shipper, 100);
    mode(&logs, 0o700);
    wait_until("it is told", || shipper.told().contains("cannot read"));
    std::thread::sleep(Duration::from_secs(13));
    write(50..60);
    mode(&logs, 0o755);
    site.wait_for(&shipper, 120);
    let (tally, told) = site.settle(shipper, &[("a.log", 60), ("b.log", 60)]);
    assert_eq!(tally.conflicts, 0);
    let refused = format!("cannot read `{}`: permission denied", logs.display());
    assert_eq!(count(&told, &refused), 1, "{told}");
    assert_eq!(count(&told, "can be looked at again"), 1, "{told}");
    assert_eq!(count(&told, "file was removed"), 0, "{told}");
}
