//! `shipper registry check`.

use super::find::{Finder, Standing, State};
use super::shown;
use crate::commands::{BAD_USAGE, FAILED};
use crate::commands::{report, table};
use crate::disk::{Disk, ReadFile, RealDisk};
use crate::hint;
use crate::identity::{Looked, Verdict, judge};
use crate::ledger::Entry;
use crate::position::{PREFIX_BYTES, TAIL_BYTES, tail_hash};
use crate::registrar::{self, Place, Stored};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Exit code when the registry cannot be read.
const UNREADABLE: u8 = BAD_USAGE;

/// A fault, and what to do about it.
struct Problem {
    what: String,
    todo: String,
}

/// Says what is wrong with the registry; `runs`: a shipper does.
pub(super) fn run(place: &Place, mut finder: Finder<RealDisk>, runs: bool) -> ExitCode {
    let stored = match registrar::look(&RealDisk, place) {
        Ok(stored) => stored,
        Err(error) => {
            report::err(&hint::report(&error, &[]));
            return ExitCode::from(UNREADABLE);
        }
    };
    let width = table::terminal_width();
    let mut problems = damage(&stored);
    let mut holders: BTreeMap<_, &Entry> = BTreeMap::new();
    let mut waiting = 0;
    for entry in stored.decoded.entries.values() {
        problems.extend(inner_faults(entry));
        let standing = finder.standing(entry);
        if runs && is_gone_with_gap(entry, &standing) {
            waiting += 1;
        } else {
            problems.extend(against_disk(entry, &standing));
        }
        let key = (entry.inode, entry.reader);
        if !entry.ended
            && let Some(other) = holders.insert(key, entry)
        {
            problems.push(Problem {
                what: format!(
                    "{}: epochs {} and {} both go on in inode {}",
                    shown(&entry.name),
                    other.epoch,
                    entry.epoch,
                    entry.inode.number
                ),
                todo: format!("stop shipper, then `shipper registry reset {}`", other.epoch),
            });
        }
    }
    for problem in &problems {
        let hint = format!("hint: {}", problem.todo);
        report::out(&table::wrapped(&problem.what, "", width));
        report::out(&table::wrapped(&hint, "  ", width));
    }
    if waiting != 0 {
        let told = format!(
            "{waiting} files that are gone have bytes before settled ones that are not settled: the running shipper has them on \
             their way, or looks for a copy"
        );
        report::out(&table::wrapped(&told, "", width));
    }
    report::out(&summary(&stored, problems.len(), width));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn summary(stored: &Stored, problems: usize, width: Option<usize>) -> String {
    let torn = match stored.decoded.torn_bytes {
        0 => String::new(),
        _ if stored.decoded.is_unreadable() => String::new(),
        bytes => {
            let torn = format!(
                "a torn line of {bytes} bytes at the end: written just now, or cut off by a crash; the next start cuts \
                 it off"
            );
            table::wrapped(&torn, "", width)
        }
    };
    let verdict = match problems {
        0 => "fine".to_owned(),
        1 => "1 problem".to_owned(),
        more => format!("{more} problems"),
    };
    let entries = stored.decoded.entries.len();
    let path = shown(&stored.path);
    let figures = format!(
        "format {}, {} bytes, {entries} entries: {verdict}",
        stored.decoded.version, stored.bytes
    );
    let line = format!("{path}: {figures}\n");
    let is_too_long = width.is_some_and(|width| width < line.trim_end().chars().count());
    if is_too_long { format!("{torn}{path}:\n  {figures}\n") } else { format!("{torn}{line}") }
}

fn damage(stored: &Stored) -> Vec<Problem> {
    let lines = stored.decoded.damage.iter();
    // Not even its first line is there, which is written before it has this name.
    let empty = stored.decoded.is_unreadable().then(|| Problem {
        what: match stored.bytes {
            0 => format!("{} is empty", shown(&stored.path)),
            _ => format!("{} holds nothing that can be read", shown(&stored.path)),
        },
        todo: "bring it back from a copy, if there is one: the next start reads all files again, under new ids"
            .to_owned(),
    });
    empty.into_iter().chain(lines
        .map(|damage| Problem {
            what: format!("line {}: its checksum does not hold", damage.line),
            todo: "the next start sets the line aside in `journal.damaged`; a file whose entry was in it is read again, \
                   and `dmesg` may tell why the disk lost it"
                .to_owned(),
        }))
        .collect()
}

/// Looks for what no shipper would write.
fn inner_faults(entry: &Entry) -> Option<Problem> {
    let points_rise = entry.earlier.points().is_sorted_by(|left, right| left.offset < right.offset);
    let points_lie = entry
        .earlier
        .points()
        .iter()
        .all(|point| (entry.base..entry.committed).contains(&point.offset));
    let mut end = entry.committed;
    let intervals_lie = entry.beyond.iter().all(|interval| {
        let lies = end < interval.start && interval.start < interval.end;
        end = interval.end;
        lies
    });
    let fault = if entry.committed < entry.base {
        format!("its checksum begins at {}, behind the offset {}", entry.base, entry.committed)
    } else if !points_rise || !points_lie {
        "its earlier points are out of order".to_owned()
    } else if !intervals_lie {
        "its settled ranges beyond the offset overlap or are out of order".to_owned()
    } else {
        return None;
    };
    Some(Problem {
        what: format!("{} (epoch {}): {fault}", shown(&entry.name), entry.epoch),
        todo: format!(
            "stop shipper, then `shipper registry set {} --offset N`",
            shown(&entry.name)
        ),
    })
}

/// Compares an entry with its file.
fn against_disk(entry: &Entry, standing: &Standing) -> Option<Problem> {
    let name = shown(&standing.name);
    let problem = |what: String, todo: &str| Some(Problem { what, todo: todo.to_owned() });
    match standing.state {
        State::Shorter => problem(
            format!(
                "{name}: {} bytes were read and it has only {}: it was truncated",
                entry.reach(),
                standing.size.unwrap_or_default()
            ),
            "nothing: shipper reads it from its start, as a new file; if it runs, it does so within a scan",
        ),
        _ if is_gone_with_gap(entry, standing) => {
            let gap = entry.committed..entry.beyond[0].start;
            problem(
                format!(
                    "{name} (epoch {}): bytes {}..{} were not settled, what is behind them was, and the file {}",
                    entry.epoch,
                    gap.start,
                    gap.end,
                    if entry.ended { "was truncated or replaced" } else { "is gone" }
                ),
                "start shipper: it looks for a rotated copy; where there is none these lines are lost",
            )
        }
        State::Open if standing.size.is_some() => match judged(entry, &standing.name) {
            Ok(Verdict::Same) => None,
            Ok(_) => problem(
                format!(
                    "{name}: what stands before the offset {} is not what was read",
                    entry.committed
                ),
                "nothing: shipper reads it from its start, as a new file; if it runs, it does so within a scan",
            ),
            Err(error) => problem(
                format!("{name}: cannot be read: {}", crate::advice::reason(&error)),
                "run this as root or as the user that runs shipper; if that is what you did, let that user read it",
            ),
        },
        _ => None,
    }
}

/// Tells whether bytes are settled beyond some that are not, and the file is not there.
fn is_gone_with_gap(entry: &Entry, standing: &Standing) -> bool {
    matches!(standing.state, State::Gone | State::Ended)
        && entry.beyond.first().is_some_and(|interval| entry.committed < interval.start)
}

/// Compares a file's content with what is known of it.
fn judged(entry: &Entry, name: &Path) -> io::Result<Verdict> {
    let file = RealDisk.open(name)?;
    let size = file.stat()?.size;
    let first = bytes(&file, 0, PREFIX_BYTES)?;
    let length = entry.committed.min(TAIL_BYTES as u64);
    let wanted = usize::try_from(length).unwrap_or(TAIL_BYTES);
    let tail = bytes(&file, entry.committed - length, wanted)?;
    let tail = (tail.len() == wanted).then(|| tail_hash(&tail));
    let looked = Looked { size, first: &first, tail };
    Ok(judge(entry.prefix, entry.committed, entry.proof.tail, &looked))
}

/// Reads up to `length` bytes at `offset`.
pub(super) fn bytes(file: &impl ReadFile, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let length = file.read_fully(&mut bytes, offset)?;
    bytes.truncate(length);
    Ok(bytes)
}
