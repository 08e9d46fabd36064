//! Everything at once, for as long as told: faults of the server, rotations of every kind and hard kills, with every line
//! accounted for; and what is left of the throughput meanwhile.
//!
//! `SHIPPER_SOAK_SECONDS=n` says for how long. `make soak` builds it as a release is built and prints the figures.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::format_collect,
    clippy::cast_precision_loss,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files and programs"
)]

#[path = "support/http.rs"]
mod http;
#[path = "rotation/receiver.rs"]
mod receiver;
#[path = "rotation/rig.rs"]
mod rig;
#[path = "output/server.rs"]
mod server;
#[path = "support/shipper.rs"]
mod shipper;
#[path = "rotation/writer.rs"]
mod writer;

use receiver::Faults;
use rig::{Logrotate, Site};
use shipper::Running;
use std::time::{Duration, Instant};
use writer::{Model, Writer, lines};

/// The faults of a bad day: of a hundred requests so many.
const BAD_DAY: Faults =
    Faults { busy: 0, unavailable: 5, dropped: 5, cut: 5, gateway: 0, items: 3 };

/// From one kill to the next, and from one rotation to the next.
const TURN: Duration = Duration::from_secs(2);

/// How often turns are counted before the server is away for one.
const AWAY_EVERY: u64 = 15;

/// What the lines of each server carry.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn turns() -> u64 {
    let seconds = std::env::var("SHIPPER_SOAK_SECONDS");
    let seconds = seconds.map_or(12, |text| text.parse::<u64>().expect("a number"));
    (seconds / TURN.as_secs()).max(4)
}

/// A host with web servers and their ways to rotate.
struct Host {
    site: Site,
    /// Those of servers that are told to open their logs again.
    renaming: [Logrotate; 3],
    copying: Logrotate,
    /// The last one's log is copied.
    servers: [Writer; 4],
}

impl Host {
    fn start(case: &'static str) -> Self {
        let site = Site::new(case, "*.log*", "filebeat.registry.flush: 100ms\n");
        site.receiver.set_faults(BAD_DAY);
        std::fs::create_dir(site.log("old")).unwrap();
        Self {
            renaming: [
                Logrotate::nginx(&site, "create.log", "nocompress"),
                Logrotate::nginx(&site, "packing.log", "compress\ndelaycompress"),
                Logrotate::patient(&site, "moving.log", "compress\nolddir old"),
            ],
            copying: Logrotate::copytruncate(&site, "copying.log", "nocompress"),
            servers: [
                Writer::start(&site.log("create.log"), NAMES[0], Model::Apache, 2),
                Writer::start(&site.log("packing.log"), NAMES[1], Model::Nginx, 2),
                Writer::start(&site.log("moving.log"), NAMES[2], Model::Nginx, 2),
                Writer::start(&site.log("copying.log"), NAMES[3], Model::Append, 2),
            ],
            site,
        }
    }

    /// Lives for a turn and rotates all logs in it.
    fn turn(&self, turn: u64) {
        let is_away = turn % AWAY_EVERY == AWAY_EVERY - 1;
        self.site.receiver.set_faults(if is_away {
            Faults { dropped: 100, ..Faults::default() }
        } else {
            BAD_DAY
        });
        std::thread::sleep(TURN / 2);
        self.renaming.iter().for_each(Logrotate::force);
        let pause = self.servers[3].pause();
        self.copying.force();
        drop(pause);
        std::thread::sleep(TURN / 2);
    }

    /// Ends the servers and reckons up.
    fn settle(self, shipper: Running) -> usize {
        let Self { site, servers, .. } = self;
        let written = servers.map(Writer::end);
        let written: Vec<_> = NAMES.into_iter().zip(written).collect();
        site.receiver.set_faults(Faults::default());
        site.settle(shipper, &written);
        written.iter().map(|(_, lines)| lines).sum()
    }
}

/// Resident memory in MiB.
fn memory(shipper: &Running) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", shipper.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

#[test]
fn kills_rotations_and_faults_at_once_lose_nothing_and_store_nothing_twice() {
    let host = Host::start("soak, killed each turn");
    let turns = turns();
    for turn in 0..turns {
        let shipper = if turn == 0 { host.site.begin(&NAMES) } else { host.site.ship() };
        host.turn(turn);
        host.site.kill(shipper);
    }
    let shipper = host.site.ship();
    let lines = host.settle(shipper);
    println!("{turns} kills, {} rotations, {lines} lines: none lost, none twice", 4 * turns);
}

#[test]
fn one_life_through_rotations_and_faults_takes_no_more_memory_with_time() {
    let host = Host::start("soak, one life");
    let shipper = host.site.begin(&NAMES);
    let mut resident = Vec::new();
    for turn in 0..turns() {
        host.turn(turn);
        resident.push(memory(&shipper));
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let quarter = resident.len() / 4;
    let (begin, end) = (mean(&resident[quarter..2 * quarter]), mean(&resident[3 * quarter..]));
    let most = resident.iter().copied().fold(0.0, f64::max);
    let lines = host.settle(shipper);
    println!(
        "{lines} lines; RSS in MiB: {begin:.1} in the second quarter, {end:.1} in the last, {most:.1} at most"
    );
    assert!(end < begin * 1.25 + 2.0, "{resident:.1?}");
}

/// Lines of one file that is read in a turn or more.
const PART: usize = if cfg!(debug_assertions) { 150_000 } else { 600_000 };

/// A host with a backlog that grows with each turn.
struct Backlog {
    site: Site,
    rotate: Logrotate,
    written: usize,
    documents: usize,
    took: Duration,
}

impl Backlog {
    fn new(case: &'static str) -> Self {
        let site = Site::new(case, "access.log*", "");
        let rotate = Logrotate::new(&site, "access.log", "rotate 99\nnocompress\nnocreate\n");
        let (documents, took) = (0, Duration::ZERO);
        let mut backlog = Self { site, rotate, written: 0, documents, took };
        backlog.write();
        backlog
    }

    fn write(&mut self) {
        let part = lines("s", self.written..self.written + PART);
        std::fs::write(self.site.log("access.log"), part).unwrap();
        self.written += PART;
    }

    /// Writes what no build reads before the end of the next turn.
    fn replenish(&mut self) {
        while self.written < self.site.receiver.documents() + 2 * PART {
            self.rotate.force();
            self.write();
        }
    }

    /// Lets the shipper work for a turn, with a rotation in the middle, and counts the new documents.
    fn turn(&mut self) {
        let (before, begun) = (self.site.receiver.documents(), Instant::now());
        std::thread::sleep(TURN / 2);
        self.rotate.force();
        self.write();
        std::thread::sleep(TURN.saturating_sub(begun.elapsed()));
        self.documents += self.site.receiver.documents() - before;
        self.took += begun.elapsed();
        let left = self.written - self.site.receiver.documents();
        assert!(0 < left, "everything was read");
    }

    /// Reckons up and returns the documents a second.
    fn settle(self) -> f64 {
        self.site.receiver.set_faults(Faults::default());
        let shipper = self.site.ship();
        self.site.settle(shipper, &[("s", self.written)]);
        self.documents as f64 / self.took.as_secs_f64()
    }
}

#[test]
fn between_two_kills_most_of_the_throughput_is_left() {
    let mut quiet = Backlog::new("a backlog, no faults");
    let mut troubled = Backlog::new("a backlog, faults and kills");
    // In turns, so that what else the machine does weighs on both.
    // No more of them: what arrives at full speed is kept, a gigabyte in ten turns.
    for _ in 0..(turns() / 3).clamp(3, 10) {
        quiet.replenish();
        let before = quiet.site.receiver.documents();
        let shipper = quiet.site.ship();
        quiet.site.wait_for(&shipper, before + 1);
        quiet.turn();
        quiet.site.stop(shipper);
        troubled.replenish();
        troubled.site.receiver.set_faults(BAD_DAY);
        let shipper = troubled.site.ship();
        troubled.turn();
        troubled.site.kill(shipper);
    }
    let (quiet, troubled) = (quiet.settle(), troubled.settle());
    println!(
        "documents/s: {quiet:.0} without faults, {troubled:.0} between kills: {:.0} %",
        troubled / quiet * 100.0
    );
    // A debug build takes a good part of each turn to start.
    let least = if cfg!(debug_assertions) { 0.33 } else { 0.5 };
    assert!(quiet * least < troubled, "{troubled} of {quiet} documents/s");
}
