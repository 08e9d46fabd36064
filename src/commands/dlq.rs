//! `shipper dlq …`: dead letters, looked at, sent again, removed.

mod filter;
mod list;
mod purge;
mod replay;
mod show;

use super::report::{self, Failure};
use crate::advice;
use crate::cli::{ConfigArgs, DlqCommand};
use crate::config::Loaded;
use crate::disk::RealDisk;
use crate::hint::Advised;
use crate::outputs::dead_letters;
use crate::outputs::dead_letters::letter::Letter;
use crate::settings::{ElasticsearchSettings, OutputSettings, Settings};
use crate::spool::{Editor, Found, Records, Segment, SpoolSettings, segments};
use std::io;
use std::ops::Range;
use std::process::ExitCode;

/// The dead letters of a configuration.
struct Letters {
    settings: Box<ElasticsearchSettings>,
    spool: SpoolSettings,
}

/// Damage that was met.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Damage {
    lines: u64,
    bytes: u64,
}

/// Does one of the commands.
pub(super) fn run(args: &ConfigArgs, command: &DlqCommand) -> Result<ExitCode, Failure> {
    let letters = Letters::of(report::load_apart(args)?.told())?;
    match command {
        DlqCommand::List { chosen, json } => list::run(&letters, &chosen.filter(), *json),
        DlqCommand::Show { chosen, limit, json } => {
            show::run(&letters, &chosen.filter(), *limit, *json)
        }
        DlqCommand::Replay { chosen, json } => replay::run(&letters, &chosen.filter(), *json),
        DlqCommand::Purge(args) => purge::run(&letters, args),
    }
}

/// Returns the bytes of the dead letters that a configuration keeps on the disk; `None` when they cannot be seen.
pub(super) fn bytes(settings: &Settings) -> Option<u64> {
    let OutputSettings::Elasticsearch(output) = &settings.output else { return Some(0) };
    let spool = dead_letters::spool(&output.dead_letters, &settings.paths.data);
    let segments = segments(&RealDisk, &spool).ok()?;
    Some(segments.iter().map(|segment| segment.size).sum())
}

impl Letters {
    fn of(loaded: Loaded) -> Result<Self, Failure> {
        let OutputSettings::Elasticsearch(settings) = loaded.settings.output else {
            return Err(Advised::new(
                "this output refuses nothing: it has no dead letters",
                "name the configuration whose output is elasticsearch with -c",
            )
            .into());
        };
        let spool = dead_letters::spool(&settings.dead_letters, &loaded.settings.paths.data);
        Ok(Self { settings, spool })
    }

    fn segments(&self) -> Result<Vec<Segment>, Failure> {
        segments(&RealDisk, &self.spool).map_err(|error| self.unreadable(&error))
    }

    /// Becomes the one who may take letters out; `None` when there never was one.
    fn editor(&self) -> Result<Option<Editor<RealDisk>>, Failure> {
        match Editor::open(RealDisk, &self.spool) {
            Ok(Some(editor)) => Ok(Some(editor)),
            Ok(None) => Err(Advised::new(
                format!("another `shipper dlq` is at work in `{}`", self.spool.directory.display()),
                "wait until it has ended",
            )
            .into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// Hands every letter on in order, and says what was damaged.
    fn each(&self, mut take: impl FnMut(&Letter<'_>, &[u8]) -> bool) -> Result<Damage, Failure> {
        let mut damage = Damage::default();
        for segment in self.segments()? {
            let opened = Records::open(&RealDisk, self.spool.framing, &segment, 0);
            let mut records = match opened {
                Ok(records) => records,
                // It was replayed or removed just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(self.unreadable(&error)),
            };
            while let Some(found) =
                records.next_record().map_err(|error| self.unreadable(&error))?
            {
                match found {
                    Found::Damaged { at } => damage.add(&at),
                    Found::Record { at, bytes } => match Letter::read(bytes) {
                        Some(letter) if !take(&letter, bytes) => return Ok(damage),
                        Some(_) => {}
                        None => damage.add(&at),
                    },
                }
            }
        }
        Ok(damage)
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => "run this as root, or as the user that runs shipper",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room on its file system; no letter is lost"
            }
            _ => "look at that directory; no letter is lost",
        };
        let directory = self.spool.directory.display();
        let reason = advice::reason(error);
        Advised::new(format!("cannot use the dead letters in `{directory}`: {reason}"), hint).into()
    }
}

impl Damage {
    fn add(&mut self, at: &Range<u64>) {
        self.lines += 1;
        self.bytes += at.end - at.start;
    }

    /// Warns of lines that nobody can read; `what` says what becomes of them.
    fn tell(self, what: &str) {
        if self.lines != 0 {
            let Self { lines, bytes } = self;
            report::err(&format!("warning: {lines} damaged line(s), {bytes} bytes, {what}"));
        }
    }
}
