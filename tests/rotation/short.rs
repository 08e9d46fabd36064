//! Short lines in bursts, rotated so often that generations hold one or a few, with hard kills meanwhile.

use crate::rig::{Logrotate, Site};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::time::Duration;

const LOGS: usize = 6;

/// Several logs that one thread writes and rotates, so that nothing is written between a copy and its truncation.
struct Writer<'s> {
    site: &'s Site,
    rotate: Logrotate,
    files: Vec<File>,
    lines: BTreeSet<String>,
    random: fastrand::Rng,
}

impl<'s> Writer<'s> {
    fn new(site: &'s Site, directives: &str) -> Self {
        let logs = site.log("*.log");
        let text =
            format!("{} {{\nrotate 400\nmissingok\nnotifempty\n{directives}\n}}\n", logs.display());
        let (rotate, files) = (Logrotate::of(site, "all", &text), open(site));
        Self { site, rotate, files, lines: BTreeSet::new(), random: fastrand::Rng::new() }
    }

    /// Writes a line that begins as many others do.
    fn write(&mut self, more: usize) {
        let log = self.random.usize(..LOGS);
        let line = format!("site{log} {:08} {}", self.lines.len(), "x".repeat(more));
        self.files[log].write_all(format!("{line}\n").as_bytes()).unwrap();
        self.lines.insert(line);
    }

    fn rotate(&mut self) {
        // Of two rotations in one second the second one does nothing where their names tell the second.
        self.rotate.try_force();
        self.files = open(self.site);
    }

    /// Writes for a while beside a shipper.
    fn write_on(&mut self) {
        let (lines, rotated) = (self.random.usize(20..400), self.random.usize(..300));
        for number in 0..lines {
            let more = self.random.usize(1..60);
            self.write(more);
            if number == rotated {
                self.rotate();
            }
            std::thread::sleep(Duration::from_millis(4));
        }
    }

    /// Writes while nothing runs.
    fn write_unseen(&mut self) {
        for number in 0..self.random.usize(..60) {
            self.write(1);
            if number % 25 == 24 {
                self.rotate();
            }
        }
    }
}

fn open(site: &Site) -> Vec<File> {
    let log = |log| site.log(&format!("site{log}.log"));
    let open = |log| OpenOptions::new().create(true).append(true).open(log).unwrap();
    (0..LOGS).map(log).map(open).collect()
}

fn kill_beside_short_generations(case: &'static str, directives: &str) {
    let site = Site::new(case, "*.log", "    format: raw\n");
    let mut writer = Writer::new(&site, directives);
    for kill in 0..24 {
        let shipper = site.ship();
        writer.write_on();
        site.kill(shipper);
        if kill % 2 == 1 {
            writer.write_unseen();
        }
    }
    let files = std::fs::read_dir(site.log(".")).unwrap().count();
    assert!(5 * LOGS < files, "logrotate has rotated: {files} files");
    let (shipper, lines) = (site.ship(), writer.lines);
    site.wait_for_lines(&shipper, &lines);
    site.stop(shipper);
    site.look_again();
    site.reckon(&lines, &lines);
}

#[test]
fn kills_beside_short_generations_lose_nothing_and_store_nothing_twice() {
    kill_beside_short_generations(
        "kill -9, short generations, create",
        "create\ndateext\ndateformat -%s\ncompress\ndelaycompress",
    );
}

#[test]
fn kills_beside_short_generations_under_copytruncate_lose_nothing_and_store_nothing_twice() {
    kill_beside_short_generations("kill -9, short generations, copytruncate", "copytruncate");
}

#[test]
fn kills_beside_short_generations_that_are_packed_lose_nothing_and_store_nothing_twice() {
    kill_beside_short_generations(
        "kill -9, short generations, copytruncate, compress",
        "copytruncate\ncompress",
    );
}
