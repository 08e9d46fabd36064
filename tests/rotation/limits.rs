//! Full disks, few open files, refused files.

use crate::rig::{Logrotate, NO_GZ, Site};
use crate::shipper::wait_until;
use crate::writer::{Model, Writer, lines};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Nobody, and nobody's group.
const NOBODY: u32 = 65534;

/// A small file system in memory; unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(path: &Path, size: &str) -> Self {
        require_root();
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={size},mode=755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "shipper-test"]).arg(path);
        assert!(mount.status().unwrap().success());
        Self(path.to_path_buf())
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        while file.write_all(&[1]).is_ok() {}
    }

    /// Makes room again.
    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn require_root() {
    assert!(rustix::process::geteuid().is_root(), "this test mounts or changes users: run as root");
}

#[test]
fn full_data_path_is_told_and_afterwards_all_is_settled_and_nothing_twice() {
    let site = Site::new("full data path", "access.log*", NO_GZ);
    let data = Tmpfs::mount(&site.place.path().join("data"), "1m");
    let rotate = Logrotate::nginx(&site, "access.log", "nocompress");
    let server = Writer::start(&site.log("access.log"), "f", Model::Nginx, 5);
    let shipper = site.ship();
    site.wait_for(&shipper, 2000);
    data.fill();
    // More new files than there is space reserved for: each needs an id that is saved before it is read.
    let names: Vec<String> = (0..1500).map(|file| format!("new-{file}")).collect();
    for name in &names {
        std::fs::write(site.log(&format!("access.log-{name}")), lines(name, 0..1)).unwrap();
    }
    wait_until("the full disk is told", || shipper.told().contains("cannot save the registry"));
    let status = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
        command.args(["status", "-c", "shipper.yml", "--path.data", "data"]);
        let output = command.current_dir(site.place.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    wait_until("files are said to wait", || {
        status().contains("new files wait for the registry to be saved; the backlog is without")
    });
    rotate.force();
    server.wait_for(2000);
    data.free();
    wait_until("no file waits", || !status().contains("wait for the registry"));
    wait_until("the end of that is told", || {
        shipper.told().contains("the registry is saved again")
    });
    server.wait_for(2000);
    let written = server.end();
    let mut servers: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    servers.push(("f", written));
    let (tally, told) = site.settle(shipper, &servers);
    assert_eq!(tally.conflicts, 0);
    let line = told.lines().find(|line| line.contains("cannot save the registry")).unwrap();
    assert!(line.contains("ERROR") && line.contains("no space left on device"), "{line}");
    assert!(line.contains("make room on the disk of path.data"), "{line}");
}

#[test]
fn kill_while_the_data_path_is_full_loses_nothing_and_stores_nothing_twice() {
    let site = Site::new("kill -9, full data path", "access.log*", NO_GZ);
    let data = Tmpfs::mount(&site.place.path().join("data"), "1m");
    let rotate = Logrotate::nginx(&site, "access.log", "nocompress");
    let server = Writer::start(&site.log("access.log"), "g", Model::Nginx, 5);
    let shipper = site.ship();
    site.wait_for(&shipper, 2000);
    data.fill();
    rotate.force();
    server.wait_for(1000);
    site.kill(shipper);
    data.free();
    let shipper = site.ship();
    server.wait_for(1000);
    let written = server.end();
    site.settle(shipper, &[("g", written)]);
}

#[test]
fn full_disk_of_the_logs_loses_nothing_that_was_written() {
    let site = Site::new("full disk of the logs", "access.log*", NO_GZ);
    let logs = Tmpfs::mount(&site.place.path().join("logs"), "8m");
    let rotate = Logrotate::nginx(&site, "access.log", "compress\ndelaycompress");
    let server = Writer::start(&site.log("access.log"), "l", Model::Nginx, 5);
    let shipper = site.ship();
    site.wait_for(&shipper, 2000);
    for _ in 0..3 {
        logs.fill();
        // It may fail to compress, which is its own affair.
        rotate.try_force();
        logs.free();
        server.wait_for(1000);
        rotate.force();
        server.wait_for(1000);
    }
    let written = server.end();
    let (tally, _) = site.settle(shipper, &[("l", written)]);
    assert_eq!(tally.conflicts, 0);
}

#[test]
fn two_thousand_files_get_through_a_thousand_descriptors() {
    const FILES: usize = 2000;
    let site = Site::new("2,000 files, 1,024 descriptors", "site-*.log", "");
    let append = |numbers: std::ops::Range<usize>| {
        for file in 0..FILES {
            let path = site.log(&format!("site-{file}.log"));
            let mut log = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            log.write_all(lines(&format!("w{file}"), numbers.clone()).as_bytes()).unwrap();
        }
    };
    append(0..10);
    let begun = Instant::now();
    let limited = ["prlimit", "--nofile=1024:1024", "--", env!("CARGO_BIN_EXE_shipper")];
    let shipper = site.place.start_by(&limited, "data", &[]);
    site.wait_for(&shipper, FILES * 10);
    let took = begun.elapsed();
    println!("2,000 files with 10 lines each: {:.1} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(30), "{took:?}");
    let begun = Instant::now();
    append(10..15);
    site.wait_for(&shipper, FILES * 15);
    println!("5 lines more in each: {:.1} s", begun.elapsed().as_secs_f64());
    let names: Vec<String> = (0..FILES).map(|file| format!("w{file}")).collect();
    let servers: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 15)).collect();
    let (tally, told) = site.settle(shipper, &servers);
    assert_eq!(tally.conflicts, 0);
    assert!(!told.contains("WARN") && !told.contains("ERROR"), "{told}");
}

#[test]
fn file_that_a_rotation_made_unreadable_is_told_and_read_once_it_may_be() {
    require_root();
    let site = Site::new("unreadable after a rotation", "access.log*", NO_GZ);
    let base = site.place.path();
    std::fs::set_permissions(base, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(base.join("data")).unwrap();
    chown(base.join("data"), Some(NOBODY), Some(NOBODY)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_shipper"), base.join("shipper")).unwrap();
    let log = site.log("access.log");
    std::fs::write(&log, "").unwrap();
    chown(&log, None, Some(NOBODY)).unwrap();
    std::fs::set_permissions(&log, PermissionsExt::from_mode(0o640)).unwrap();
    let rotate = Logrotate::new(
        &site,
        "access.log",
        &format!(
            "daily\nrotate 14\nnotifempty\ncreate 0600 root root\nsharedscripts\npostrotate\ntouch {}\nendscript\n",
            crate::writer::bell(&log).display()
        ),
    );
    let server = Writer::start(&log, "e", Model::Nginx, 5);
    let as_nobody =
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", "./shipper"];
    let shipper = site.place.start_by(&as_nobody, "data", &[]);
    site.wait_for(&shipper, 2000);
    rotate.force();
    wait_until("the refusal is told", || shipper.told().contains("cannot read"));
    server.wait_for(2000);
    chown(&log, None, Some(NOBODY)).unwrap();
    std::fs::set_permissions(&log, PermissionsExt::from_mode(0o640)).unwrap();
    server.wait_for(1000);
    let written = server.end();
    site.wait_for(&shipper, written);
    let told = site.stop(shipper);
    let refusals: Vec<&str> = told.lines().filter(|line| line.contains("cannot read")).collect();
    let [refusal] = refusals[..] else { panic!("{refusals:#?}") };
    let expected = format!(
        "cannot read `{0}`: permission denied; other files go on hint=\"it has mode 0600, owner root and group root, \
         and this process runs as nobody: `chgrp nogroup {0}`, `chmod g+r {0}`; for the next rotation \
         `create 0640 root nogroup` in logrotate's configuration\"",
        log.display()
    );
    assert!(refusal.contains(&expected), "{refusal}\n{expected}");
    let expected = (0..written).map(|number| crate::writer::line("e", number)).collect();
    let tally = site.reckon(&expected, &expected);
    assert_eq!(tally.conflicts, 0);
}

#[test]
fn rotation_faster_than_every_scan_without_events_loses_nothing() {
    rotate_faster_than_scans("without events", "access.log*", "nocompress");
}

#[test]
fn generations_that_no_scan_saw_are_read_though_compressed_and_outside_of_the_pattern() {
    rotate_faster_than_scans("unseen generations", "access.log", "compress\n    delaycompress");
}

fn rotate_faster_than_scans(case: &'static str, pattern: &str, compression: &'static str) {
    let interval = "    prospector.scanner.check_interval: 2s\n";
    let site = Site::new(case, pattern, interval);
    let rotate = Logrotate::nginx(&site, "access.log", compression);
    let server = Writer::start(&site.log("access.log"), "i", Model::Nginx, 10);
    // A limit of a namespace of its own: no watch is allowed there.
    let script = "echo 0 > /proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\"";
    let shipper = env!("CARGO_BIN_EXE_shipper");
    let apart = ["unshare", "--user", "--map-root-user", "sh", "-c", script, shipper];
    let shipper = site.place.start_by(&apart, "data", &[]);
    site.wait_for(&shipper, 500);
    for _ in 0..6 {
        server.wait_for(2000);
        rotate.force();
    }
    let written = server.end();
    let (tally, told) = site.settle(shipper, &[("i", written)]);
    assert_eq!(tally.conflicts, 0);
    assert!(told.contains("files are found by scanning"), "{told}");
}
