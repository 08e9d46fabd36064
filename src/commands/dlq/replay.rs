//! `shipper dlq replay`: letters are sent again.

use super::filter::Filter;
use super::{Damage, Letters};
use crate::commands::report::{self, Failure};
use crate::disk::RealDisk;
use crate::hint::Advised;
use crate::outputs::dead_letters::letter::Letter;
use crate::outputs::elasticsearch::bulk::Fault;
use crate::outputs::elasticsearch::{Ended, Resender, Stop};
use crate::spool::{Editor, Found, Rewrite, Segment};
use jiff::Timestamp;
use serde_json::json;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

/// Bytes and letters that are sent at once.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_LETTERS: usize = 500;

/// What became of letters.
#[derive(Debug, Default)]
struct Told {
    stored: u64,
    duplicates: u64,
    refused: u64,
    last_fault: Option<Fault>,
    damage: Damage,
    aside: Option<PathBuf>,
}

/// A letter that waits for its turn.
struct Waiting {
    at: Range<u64>,
    /// Empty when it is not meant.
    record: Vec<u8>,
}

/// Why a segment was not gone through.
enum Interrupted {
    Disk(io::Error),
    Server(Stop),
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Sends what is meant, and removes what the server takes.
pub(super) fn run(letters: &Letters, filter: &Filter, as_json: bool) -> Result<ExitCode, Failure> {
    let mut told = Told::default();
    let mut end = Ok(());
    if let Some(editor) = letters.editor()? {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let resender = Resender::new((*letters.settings).clone(), &RealDisk)?;
        let mut replay = Replay { editor: &editor, filter, resender, runtime, told };
        for segment in letters.segments()? {
            end = replay.segment(&segment);
            if end.is_err() {
                break;
            }
        }
        if let Some(blocked) = replay.resender.blocked() {
            end = end.and(Err(Interrupted::Server(blocked)));
        }
        told = replay.told;
    }
    tell(&told, letters, as_json);
    match end {
        Ok(()) if told.refused == 0 => Ok(ExitCode::SUCCESS),
        Ok(()) => Ok(ExitCode::from(crate::commands::FAILED)),
        Err(Interrupted::Disk(error)) => Err(letters.unreadable(&error)),
        Err(Interrupted::Server(stop)) => Err(Advised::new(
            format!("not all was sent again, the rest stays where it is: {}", stop.reason),
            stop.hint,
        )
        .into()),
    }
}

fn tell(told: &Told, letters: &Letters, as_json: bool) {
    let Told { stored, duplicates, refused, .. } = told;
    if let Some(aside) = &told.aside {
        told.damage.tell(&format!("set aside in `{}`", aside.display()));
    }
    if as_json {
        let value = json!({
            "stored": stored,
            "already_stored": duplicates,
            "refused": refused,
            "damaged_lines": told.damage.lines,
            "last_reason": told.last_fault.as_ref().map(ToString::to_string),
        });
        report::out(&format!("{value}\n"));
        return;
    }
    report::out(&format!(
        "{stored} stored, {duplicates} were there already, {refused} refused again\n"
    ));
    if let Some(fault) = &told.last_fault {
        report::err(&format!(
            "warning: what is refused again stays in `{}` with the newer reason, the last one is: {fault}",
            letters.spool.directory.display()
        ));
    }
}

struct Replay<'r> {
    editor: &'r Editor<RealDisk>,
    filter: &'r Filter,
    resender: Resender,
    runtime: tokio::runtime::Runtime,
    told: Told,
}

impl Replay<'_> {
    /// Goes through one segment. What was sent before the server stopped taking any is taken out all the same.
    fn segment(&mut self, segment: &Segment) -> Result<(), Interrupted> {
        let mut records = self.editor.records(segment)?;
        let mut rewrite = self.editor.rewrite(segment)?;
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut bytes = 0;
        let mut stop = None;
        loop {
            let found = records.next_record()?;
            let is_record = matches!(found, Some(Found::Record { .. }));
            if !is_record || BATCH_BYTES <= bytes || BATCH_LETTERS <= waiting.len() {
                stop = stop.or(self.settle(&mut rewrite, std::mem::take(&mut waiting))?);
                bytes = 0;
            }
            let at = match found {
                None => break,
                Some(Found::Damaged { at }) => at,
                Some(Found::Record { at, bytes: record }) => match Letter::read(record) {
                    // Once the server has stopped, all that is left is kept.
                    Some(letter) => {
                        let is_meant = stop.is_none() && self.filter.takes(&letter);
                        let record = if is_meant { record.to_vec() } else { Vec::new() };
                        bytes += record.len();
                        waiting.push(Waiting { at, record });
                        continue;
                    }
                    None => at,
                },
            };
            // In their order.
            stop = stop.or(self.settle(&mut rewrite, std::mem::take(&mut waiting))?);
            self.told.damage.add(&at);
            self.told.aside = Some(rewrite.set_aside(at)?);
        }
        rewrite.finish()?;
        stop.map_or(Ok(()), |stop| Err(Interrupted::Server(stop)))
    }

    /// Sends what waits, and says what becomes of each letter.
    fn settle(
        &mut self,
        rewrite: &mut Rewrite<'_, RealDisk>,
        waiting: Vec<Waiting>,
    ) -> io::Result<Option<Stop>> {
        let letters: Vec<Option<Letter<'_>>> =
            waiting.iter().map(|waiting| Letter::read(&waiting.record)).collect();
        let item = |letter: &Letter<'_>| {
            let mut item = Vec::new();
            letter.push_item(&mut item);
            item
        };
        let items: Vec<Vec<u8>> = letters.iter().flatten().map(item).collect();
        let (ended, stop) = if items.is_empty() {
            (Vec::new(), None)
        } else {
            self.runtime.block_on(self.resender.send(&items))
        };
        let mut ended = ended.into_iter();
        for (waiting, letter) in waiting.iter().zip(letters) {
            let at = waiting.at.clone();
            let Some(letter) = letter else {
                rewrite.keep(at)?;
                continue;
            };
            match ended.next() {
                Some(Ended::Stored) => {
                    self.told.stored += 1;
                    rewrite.remove(at)?;
                }
                Some(Ended::Duplicate) => {
                    self.told.duplicates += 1;
                    rewrite.remove(at)?;
                }
                Some(Ended::Refused(fault)) => {
                    self.told.refused += 1;
                    rewrite.replace(at, &letter.refused_again(Timestamp::now(), &fault))?;
                    self.told.last_fault = Some(fault);
                }
                Some(Ended::Left) | None => rewrite.keep(at)?,
            }
        }
        Ok(stop)
    }
}
