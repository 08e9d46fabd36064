//! Rotation while the shipper runs.

use crate::rig::{Logrotate, NO_GZ, Site};
use crate::shipper::wait_until;
use crate::writer::{Model, Writer, line};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Compression a rotation later, as Debian has it.
const DELAYED: &str = "compress\ndelaycompress";

#[test]
fn nginx_is_rotated_and_compressed_a_rotation_later() {
    let site = Site::new("nginx, delaycompress", "access.log*", NO_GZ);
    let rotate = Logrotate::nginx(&site, "access.log", DELAYED);
    let server = Writer::start(&site.log("access.log"), "n", Model::Nginx, 10);
    let shipper = site.begin(&["n"]);
    for _ in 0..6 {
        server.wait_for(4000);
        rotate.force();
    }
    server.wait_for(2000);
    let written = server.end();
    let (tally, told) = site.settle(shipper, &[("n", written)]);
    assert_eq!(tally.conflicts, 0);
    let told: Vec<&str> = told.lines().filter(|line| line.contains("file was renamed")).collect();
    let (log, old) = (site.log("access.log"), site.log("access.log.1"));
    let names = format!("from={} to={} settled=", log.display(), old.display());
    assert!(told.len() == 6 && told.iter().all(|line| line.contains(&names)), "{told:#?}");
    assert!(told.iter().all(|line| line.contains(" bytes_left=")), "{told:#?}");
}

#[test]
fn apache_is_restarted_and_its_old_processes_write_on() {
    let site = Site::new("apache, delaycompress", "*access.log", "");
    let rotate = Logrotate::nginx(&site, "access.log", DELAYED);
    let server = Writer::start(&site.log("access.log"), "a", Model::Apache, 10);
    let shipper = site.begin(&["a"]);
    for _ in 0..6 {
        server.wait_for(4000);
        rotate.force();
    }
    server.wait_for(2000);
    let written = server.end();
    let (tally, _) = site.settle(shipper, &[("a", written)]);
    assert_eq!(tally.conflicts, 0);
}

#[test]
fn compressed_at_once_is_read_to_its_end_and_not_again() {
    let site = Site::new("compress at once", "access.log*", "");
    let rotate = Logrotate::patient(&site, "access.log", "compress");
    let server = Writer::start(&site.log("access.log"), "c", Model::Nginx, 10);
    let shipper = site.begin(&["c"]);
    for _ in 0..6 {
        server.wait_for(4000);
        rotate.force();
    }
    server.wait_for(2000);
    let written = server.end();
    assert!(site.log("access.log.6.gz").exists());
    let (tally, _) = site.settle(shipper, &[("c", written)]);
    assert_eq!(tally.conflicts, 0);
}

#[test]
fn copytruncate_under_load_loses_and_repeats_nothing() {
    for pattern in ["access.log", "access.log*"] {
        let site = Site::new("copytruncate", pattern, NO_GZ);
        let rotate = Logrotate::copytruncate(&site, "access.log", DELAYED);
        let server = Writer::start(&site.log("access.log"), "t", Model::Append, 10);
        let shipper = site.begin(&["t"]);
        for _ in 0..4 {
            server.wait_for(8000);
            // What is written between the copy and the truncation, logrotate itself throws away.
            let pause = server.pause();
            rotate.force();
            drop(pause);
        }
        server.wait_for(2000);
        let written = server.end();
        let (tally, told) = site.settle(shipper, &[("t", written)]);
        let told: Vec<&str> =
            told.lines().filter(|line| line.contains("file was copied and truncated")).collect();
        let (log, old) = (site.log("access.log"), site.log("access.log.1"));
        let names = format!("from={} to={} read_to=", log.display(), old.display());
        assert!(told.len() == 4 && told.iter().all(|line| line.contains(&names)), "{told:#?}");
        assert!(told.iter().all(|line| line.contains(" bytes_left=")), "{told:#?}");
        assert_eq!(tally.conflicts, 0);
    }
}

#[test]
fn copytruncate_of_a_file_that_is_being_written_loses_nothing_that_is_left_in_a_file() {
    let site = Site::new("copytruncate without a pause", "access.log*", NO_GZ);
    let rotate = Logrotate::copytruncate(&site, "access.log", DELAYED);
    let server = Writer::start(&site.log("access.log"), "u", Model::Append, 10);
    let shipper = site.begin(&["u"]);
    for _ in 0..4 {
        server.wait_for(8000);
        rotate.force();
    }
    server.wait_for(2000);
    let written = server.end();
    let written: BTreeSet<String> = (0..written).map(|number| line("u", number)).collect();
    let left: BTreeSet<String> = site.lines_in_files().intersection(&written).cloned().collect();
    site.wait_for_lines(&shipper, &left);
    site.stop(shipper);
    site.look_again();
    // A line that the copy or the truncation tore is not one that was written.
    let torn = site.receiver.strangers(|line| written.contains(line));
    assert!(torn.len() <= 8, "{torn:#?}");
    let may = written.into_iter().chain(torn).collect();
    let tally = site.reckon(&left, &may);
    assert_eq!(tally.conflicts, 0);
}

#[test]
fn names_with_date_and_second_are_followed() {
    let site = Site::new("dateext", "access.log*", NO_GZ);
    let directives = format!("{DELAYED}\ndateext\ndateformat -%Y%m%d-%s");
    let rotate = Logrotate::nginx(&site, "access.log", &directives);
    rotate_by_the_second(&site, &rotate, "d");
}

#[test]
fn directory_of_old_files_is_followed() {
    let site = Site::new("olddir, dateext", "access.log", "");
    std::fs::create_dir(site.log("old")).unwrap();
    let directives = format!("{DELAYED}\nolddir old\ndateext\ndateformat -%Y%m%d-%s");
    let rotate = Logrotate::nginx(&site, "access.log", &directives);
    rotate_by_the_second(&site, &rotate, "o");
}

/// Rotates at most once a second, so that each old file has a name of its own.
fn rotate_by_the_second(site: &Site, rotate: &Logrotate, name: &str) {
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let server = Writer::start(&site.log("access.log"), name, Model::Nginx, 10);
    let shipper = site.begin(&[name]);
    let mut last = second();
    for _ in 0..5 {
        server.wait_for(4000);
        wait_until("the next second", || last < second());
        last = second();
        rotate.force();
    }
    server.wait_for(2000);
    let written = server.end();
    let (tally, _) = site.settle(shipper, &[(name, written)]);
    assert_eq!(tally.conflicts, 0);
}

#[test]
fn new_file_for_each_second_of_a_real_rotatelogs_is_followed() {
    let site = Site::new("rotatelogs", "access.*.log", "");
    let mut rotatelogs = Command::new("rotatelogs")
        .arg(site.log("access.%Y%m%d-%H%M%S.log"))
        .arg("1")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = rotatelogs.stdin.take().unwrap();
    let shipper = site.ship();
    let mut written = 0;
    let files = || std::fs::read_dir(site.place.path().join("logs")).unwrap().count();
    while files() < 6 {
        pipe.write_all(crate::writer::lines("r", written..written + 10).as_bytes()).unwrap();
        written += 10;
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    drop(pipe);
    assert!(rotatelogs.wait().unwrap().success());
    let (tally, _) = site.settle(shipper, &[("r", written)]);
    assert_eq!(tally.conflicts, 0);
}
