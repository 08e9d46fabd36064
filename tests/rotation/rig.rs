//! A web host with its logs, logrotate, a shipper and the server that gets everything; and the reckoning at the end.

use crate::receiver::{Receiver, Tally};
use crate::shipper::{PATIENCE, Place, Running};
use crate::writer::{bell, line};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Passes over compressed files, as Filebeat's module for Apache does.
pub const NO_GZ: &str = "    prospector.scanner.exclude_files: ['\\.gz$']\n";

/// The host.
pub struct Site {
    pub place: Place,
    pub receiver: Receiver,
    begun: Instant,
    case: &'static str,
}

impl Site {
    /// Makes a host whose shipper follows `pattern`; `more` are further lines of its input.
    pub fn new(case: &'static str, pattern: &str, more: &str) -> Self {
        let receiver = Receiver::start();
        let config = format!(
            "filebeat.inputs:\n  - type: filestream\n    id: access\n    paths: [\"{{logs}}/{pattern}\"]\n{more}\
             output.elasticsearch:\n  hosts: [\"{}\"]\n  compression_level: 0\n  backoff.init: 50ms\n  \
             backoff.max: 200ms\n",
            receiver.url()
        );
        Self { place: Place::new(&config), receiver, begun: Instant::now(), case }
    }

    /// Makes a host that sends elsewhere.
    pub fn of(place: Place, case: &'static str) -> Self {
        Self { place, receiver: Receiver::start(), begun: Instant::now(), case }
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.place.log(name)
    }

    /// Starts the shipper.
    pub fn ship(&self) -> Running {
        self.place.start(&[])
    }

    /// Starts the first shipper and waits until it has read of the log of each server: one that was packed away before
    /// anybody looked at it, as may happen where the disk takes seconds to sync, is no log that was followed.
    pub fn begin(&self, servers: &[&str]) -> Running {
        let shipper = self.ship();
        let first = servers.iter().map(|name| line(name, 0)).collect();
        self.wait_for_lines(&shipper, &first);
        shipper
    }

    /// Stops the shipper and notes how far it had saved.
    pub fn stop(&self, shipper: Running) -> String {
        let (code, told) = shipper.stop();
        assert_eq!(code, 0, "{told}");
        self.note_saved();
        told
    }

    /// Kills the shipper and notes how far it had saved.
    pub fn kill(&self, shipper: Running) {
        shipper.kill();
        self.note_saved();
    }

    fn note_saved(&self) {
        let text = self.place.command(&[
            "registry",
            "list",
            "--json",
            "-c",
            "shipper.yml",
            "--path.data",
            "data",
        ]);
        let listed: Value = serde_json::from_str(&text).unwrap();
        let entries = listed["entries"].as_array().unwrap();
        let saved = entries.iter().map(|entry| {
            (entry["epoch"].as_str().unwrap().to_owned(), entry["read_to"].as_u64().unwrap())
        });
        self.receiver.note_saved(saved.collect::<BTreeMap<_, _>>());
    }

    /// Waits until so many documents have come.
    pub fn wait_for(&self, shipper: &Running, documents: usize) {
        let what = format!("{documents} documents");
        self.wait(shipper, &what, || documents <= self.receiver.documents());
    }

    /// Waits until each of these lines has come.
    pub fn wait_for_lines(&self, shipper: &Running, lines: &BTreeSet<String>) {
        let what = format!("{} lines", lines.len());
        self.wait(shipper, &what, || lines.iter().all(|line| 0 < self.receiver.count(line)));
    }

    /// Waits until something is so.
    pub fn wait(&self, shipper: &Running, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let tally = self.receiver.tally();
            let late = deadline < Instant::now();
            assert!(!late, "{}: {what} wanted, {tally:?}\n{}", self.case, shipper.told());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for all lines, stops the shipper, lets another one look for anything more, and reckons up: each line of
    /// each server is stored exactly once, nothing else is, and nothing was repeated without a reason.
    pub fn settle(&self, shipper: Running, servers: &[(&str, usize)]) -> (Tally, String) {
        let all: usize = servers.iter().map(|(_, written)| written).sum();
        let begun = Instant::now();
        while self.receiver.documents() < all && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.receiver.documents() < all {
            self.tell_missing(servers);
            panic!("{}: {:?}\n{}", self.case, self.receiver.tally(), shipper.told());
        }
        let told = self.stop(shipper);
        // An error is a full disk, a server that is away, or a line that was lost.
        let harmless = ["cannot save", "Failed to connect to"];
        let error = told.lines().find(|line| {
            line.contains("ERROR") && !harmless.iter().any(|known| line.contains(known))
        });
        assert_eq!(error, None);
        self.look_again();
        let expected: BTreeSet<String> = servers
            .iter()
            .flat_map(|(name, written)| (0..*written).map(|number| line(name, number)))
            .collect();
        (self.reckon(&expected, &expected), told)
    }

    /// Shows which lines of which server were not stored, what the registry says, and which files there are.
    fn tell_missing(&self, servers: &[(&str, usize)]) {
        for (name, written) in servers {
            let is_missing = |number: &usize| self.receiver.count(&line(name, *number)) == 0;
            let missing: Vec<usize> = (0..*written).filter(is_missing).collect();
            println!(
                "{name}: {} of {written} lines are missing, from {:?} to {:?}",
                missing.len(),
                missing.first(),
                missing.last()
            );
        }
        let list = ["registry", "list", "--json", "-c", "shipper.yml", "--path.data", "data"];
        println!("{}", self.place.command(&list));
        for directory in [self.log("."), self.log("old")] {
            for file in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                println!("{} {:?}", file.path().display(), file.metadata().map(|is| is.len()));
            }
        }
    }

    /// Runs the shipper once more over everything that is there.
    pub fn look_again(&self) {
        let (code, told) = self.place.run(&["--once"]);
        assert_eq!(code, 0, "{told}");
    }

    /// Compares what came with what must and what may have come.
    pub fn reckon(&self, must: &BTreeSet<String>, may: &BTreeSet<String>) -> Tally {
        let tally = self.receiver.tally();
        println!(
            "{}: {} lines, {} documents, {} times 409, {} faults, {:.1} s",
            self.case,
            must.len(),
            tally.documents,
            tally.conflicts,
            tally.faults,
            self.begun.elapsed().as_secs_f64()
        );
        let lost: Vec<&String> =
            must.iter().filter(|line| self.receiver.count(line) == 0).collect();
        let twice: Vec<&String> = may.iter().filter(|line| 1 < self.receiver.count(line)).collect();
        let strange = self.receiver.strangers(|line| may.contains(line));
        let few = |lines: &[&String]| lines.iter().take(3).map(ToString::to_string).collect();
        let problems: [(&str, usize, Vec<String>); 4] = [
            ("lost", lost.len(), few(&lost)),
            ("stored twice", twice.len(), few(&twice)),
            ("not written by anybody", strange.len(), few(&strange.iter().collect::<Vec<_>>())),
            (
                "repeated without a reason",
                tally.unexplained.len(),
                few(&tally.unexplained.iter().collect::<Vec<_>>()),
            ),
        ];
        for (what, count, examples) in problems {
            assert_eq!(count, 0, "{}: {count} lines are {what}: {examples:#?}", self.case);
        }
        tally
    }

    /// Returns the complete lines of all files below the logs, compressed ones too.
    pub fn lines_in_files(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for entry in std::fs::read_dir(self.place.path().join("logs")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let mut text = String::new();
            if path.extension().is_some_and(|extension| extension == "gz") {
                flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
            } else if path.extension().is_some_and(|extension| extension == "xz") {
                lzma_rust2::XzReader::new(&bytes[..], true).read_to_string(&mut text).unwrap();
            } else {
                text = String::from_utf8(bytes).unwrap();
            }
            lines.extend(text.lines().map(ToOwned::to_owned));
        }
        lines
    }
}

/// logrotate with one configuration.
pub struct Logrotate {
    config: PathBuf,
    state: PathBuf,
}

impl Logrotate {
    /// Writes a configuration for one log with these directives.
    pub fn new(site: &Site, log: &str, directives: &str) -> Self {
        let path = site.log(log);
        Self::of(site, log, &format!("{} {{\n{directives}}}\n", path.display()))
    }

    /// Writes a whole configuration.
    pub fn of(site: &Site, name: &str, text: &str) -> Self {
        let base = site.place.path();
        let config = base.join(format!("{name}.logrotate"));
        let state = base.join(format!("{name}.state"));
        std::fs::write(&config, text).unwrap();
        Self { config, state }
    }

    /// As Debian's package of nginx has it, but for `compression` and for how the server is told.
    pub fn nginx(site: &Site, log: &str, compression: &str) -> Self {
        Self::new(site, log, &create(compression, &site.log(log), ""))
    }

    /// The same, waiting until the server has opened its file again.
    pub fn patient(site: &Site, log: &str, compression: &str) -> Self {
        let bell = bell(&site.log(log));
        let wait = format!("while [ -e {} ]; do sleep 0.01; done", bell.display());
        Self::new(site, log, &create(compression, &site.log(log), &wait))
    }

    /// With copytruncate.
    pub fn copytruncate(site: &Site, log: &str, compression: &str) -> Self {
        let text =
            format!("daily\nmissingok\nrotate 14\n{compression}\nnotifempty\ncopytruncate\n");
        Self::new(site, log, &text)
    }

    /// Rotates now.
    pub fn force(&self) {
        let (done, told) = self.try_force();
        assert!(done && told.is_empty(), "logrotate: {told}");
    }

    /// Rotates now; returns whether that went well, and what was told.
    pub fn try_force(&self) -> (bool, String) {
        // By its path and with the environment as it is no copy of this process is made first, which takes a second once a
        // long soak has gigabytes of lines in memory.
        let program = ["/usr/sbin/logrotate", "/sbin/logrotate"];
        let program = program.into_iter().find(|path| Path::new(path).exists());
        let output = Command::new(program.unwrap_or("logrotate"))
            .args(["--force", "--state"])
            .args([&self.state, &self.config])
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }
}

fn create(compression: &str, log: &Path, then: &str) -> String {
    let owner = if rustix::process::geteuid().is_root() { " root adm" } else { "" };
    format!(
        "daily\nmissingok\nrotate 14\n{compression}\nnotifempty\ncreate 640{owner}\nsharedscripts\npostrotate\n\
         touch {}\n{then}\nendscript\n",
        bell(log).display()
    )
}
