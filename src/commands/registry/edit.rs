//! `shipper registry set` and `reset`: under the lock, and by whole snapshots.

use super::check::bytes;
use super::find::{Finder, State, is_compressed};
use super::show::{named, unknown};
use super::{Place, shown};
use crate::advice;
use crate::cli::SetTo;
use crate::commands::report::{self, Failure};
use crate::disk::{Disk, Kind, ReadFile, RealDisk, Stat};
use crate::hint::Advised;
use crate::identity::{prefix_matches, prefix_of, same_inode};
use crate::ledger::{Entry, Prefix};
use crate::position::{Epoch, Outcome, PREFIX_BYTES, Proof, TAIL_BYTES, carry_on, tail_hash};
use crate::registrar;
use crate::trail::Trail;
use std::cmp::Ordering;
use std::io;
use std::path::Path;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;

/// A place in a file with what proves it.
struct Spot {
    offset: u64,
    proof: Proof,
    prefix: Prefix,
    size: u64,
}

/// Sets from where a file is read on, and says what that means.
pub(super) fn set(place: &Place, name: &str, to: SetTo, force: bool) -> Result<(), Failure> {
    let path = std::path::absolute(name)?;
    let mut editing = registrar::edit(RealDisk, place)?;
    let file = RealDisk.open(&path).map_err(|error| unreadable(&path, &error))?;
    let stat = file.stat().map_err(|error| unreadable(&path, &error))?;
    let epochs = epochs_of(editing.entries().values(), name, &path, stat)?;
    let first = bytes(&file, 0, PREFIX_BYTES).map_err(|error| unreadable(&path, &error))?;
    let offset = wanted(&file, &path, stat.size, to, force)?;
    let spot = spot(&file, offset, stat.size, &first).map_err(|error| unreadable(&path, &error))?;
    let mut told = String::new();
    for epoch in epochs {
        let Some(entry) = editing.entries().get_mut(&epoch) else { continue };
        if !prefix_matches(entry.prefix, &first) {
            return Err(another(&path, entry).into());
        }
        told.push_str(&change(entry, &spot));
    }
    editing.save()?;
    report::out(&told);
    Ok(())
}

/// Returns the epochs that go on in a file.
fn epochs_of<'e>(
    entries: impl Iterator<Item = &'e Entry> + Clone,
    name: &str,
    path: &Path,
    stat: Stat,
) -> Result<Vec<Epoch>, Advised> {
    if stat.kind != Kind::File || is_compressed(path) {
        return Err(Advised::new(
            format!("`{}` is no plain file: it has no offsets of lines", shown(path)),
            "name the log itself; `shipper registry reset` forgets any entry",
        ));
    }
    // What was truncated does not go on where it was; in a copy of it, it does.
    let goes_on = |entry: &&Entry| {
        same_inode(entry.inode, stat.inode) && (!entry.ended || entry.name != entry.path)
    };
    let epochs: Vec<Epoch> = entries.clone().filter(goes_on).map(|entry| entry.epoch).collect();
    if !epochs.is_empty() {
        return Ok(epochs);
    }
    match named(entries, name).first() {
        Some(entry) => Err(another(path, entry)),
        None => Err(unknown(name)),
    }
}

fn another(path: &Path, entry: &Entry) -> Advised {
    Advised::new(
        format!(
            "`{}` is another file now than the one that the registry knows (epoch {})",
            shown(path),
            entry.epoch
        ),
        "start shipper: it reads a new file from its start; `shipper registry list` says where the known one is",
    )
}

/// Returns the offset that is asked for.
fn wanted(
    file: &impl ReadFile,
    path: &Path,
    size: u64,
    to: SetTo,
    force: bool,
) -> Result<u64, Advised> {
    let failed = |error: io::Error| unreadable(path, &error);
    let Some(offset) = to.offset else {
        return if to.end { line_start(file, size).map_err(failed) } else { Ok(0) };
    };
    if size < offset {
        return Err(Advised::new(
            format!(
                "offset {offset} is behind the end of `{}`, which has {size} bytes",
                shown(path)
            ),
            "`--end` goes behind its last whole line",
        ));
    }
    let start = line_start(file, offset).map_err(failed)?;
    if start == offset || force {
        return Ok(offset);
    }
    let hint = match line_end(file, offset).map_err(failed)? {
        Some(end) => format!("write --offset {start} or --offset {end}, or add --force"),
        None => format!("its end is not written yet: write --offset {start}, or add --force"),
    };
    let what = format!("offset {offset} is inside a line, which begins at {start}");
    Err(Advised::new(what, hint))
}

/// Returns where the line begins that holds the byte before `offset`, or `offset` when it begins one.
fn line_start(file: &impl ReadFile, offset: u64) -> io::Result<u64> {
    let mut end = offset;
    while 0 < end {
        let start = end.saturating_sub(PIECE_BYTES as u64);
        let piece = bytes(file, start, usize::try_from(end - start).unwrap_or(PIECE_BYTES))?;
        if let Some(newline) = memchr::memrchr(b'\n', &piece) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Returns where the line that holds the byte at `offset` is over.
fn line_end(file: &impl ReadFile, offset: u64) -> io::Result<Option<u64>> {
    let mut at = offset;
    loop {
        let piece = bytes(file, at, PIECE_BYTES)?;
        if let Some(newline) = memchr::memchr(b'\n', &piece) {
            return Ok(Some(at + newline as u64 + 1));
        }
        if piece.is_empty() {
            return Ok(None);
        }
        at += piece.len() as u64;
    }
}

/// Reads a file up to `offset`, so that what is said of it stays proved.
fn spot(file: &impl ReadFile, offset: u64, size: u64, first: &[u8]) -> io::Result<Spot> {
    let mut running = Proof::EMPTY.running;
    let mut at = 0;
    while at < offset {
        let length = usize::try_from(offset - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let piece = bytes(file, at, length)?;
        if piece.is_empty() {
            return Err(io::Error::other("it was truncated just now"));
        }
        running = carry_on(running, &piece);
        at += piece.len() as u64;
    }
    let length = offset.min(TAIL_BYTES as u64);
    let tail = bytes(file, offset - length, usize::try_from(length).unwrap_or(TAIL_BYTES))?;
    let proof = Proof { tail: tail_hash(&tail), running };
    Ok(Spot { offset, proof, prefix: prefix_of(first), size })
}

/// Changes an entry; returns what that means.
fn change(entry: &mut Entry, spot: &Spot) -> String {
    let (before, now) = (entry.committed, spot.offset);
    let settled = entry.account.sum();
    if settled < now {
        entry.account.add(Outcome::Skipped, now - settled);
    } else {
        entry.account.take_out(settled - now);
    }
    // A copy in which nothing was new: it is read after all.
    entry.ended = false;
    entry.base = 0;
    entry.committed = now;
    entry.proof = spot.proof;
    entry.prefix = spot.prefix;
    entry.earlier = Trail::default();
    entry.beyond.clear();
    let what = match now.cmp(&before) {
        Ordering::Less => format!(
            "{} bytes are read again; of these, lines that are stored already keep their ids and are not stored twice",
            before - now
        ),
        Ordering::Greater => format!("{} bytes are skipped", now - before),
        Ordering::Equal => "as before".to_owned(),
    };
    format!(
        "{} (epoch {}): from {before} to {now} of {} bytes: {what}\n",
        shown(&entry.name),
        entry.epoch,
        spot.size
    )
}

/// Returns the epochs that are to be forgotten with a file: what goes on in it, and what it held before it was truncated
/// or replaced, so that copies of that are read again as well. What was renamed is a file of its own.
fn meant<'e>(entries: impl Iterator<Item = &'e Entry>, of: &str) -> Vec<Epoch> {
    let named = named(entries, of);
    let path = std::path::absolute(of).unwrap_or_else(|_| of.into());
    let inode = RealDisk.stat(&path).ok().map(|stat| stat.inode);
    let is_elsewhere = |entry: &Entry| {
        *entry.path == *path
            && *entry.name != *path
            && !entry.ended
            && !inode.is_some_and(|inode| same_inode(inode, entry.inode))
    };
    let (elsewhere, here): (Vec<&Entry>, Vec<&Entry>) =
        named.into_iter().partition(|entry| is_elsewhere(entry));
    let meant = if here.is_empty() { elsewhere } else { here };
    meant.iter().map(|entry| entry.epoch).collect()
}

/// Forgets what `of` names, or everything, if that `is_agreed`: people are to know what it means.
pub(super) fn reset(
    place: &Place,
    mut finder: Finder<RealDisk>,
    of: Option<&str>,
    is_agreed: bool,
) -> Result<(), Failure> {
    let mut editing = registrar::edit(RealDisk, place)?;
    let entries = editing.entries();
    let found: Vec<Epoch> = match of {
        Some(of) => meant(entries.values(), of),
        None if is_agreed || entries.is_empty() => entries.keys().copied().collect(),
        None => return Err(not_agreed(entries.len()).into()),
    };
    if found.is_empty()
        && let Some(of) = of
    {
        return Err(unknown(of).into());
    }
    let mut told = String::new();
    for entry in found.iter().filter_map(|epoch| entries.remove(epoch)) {
        let standing = finder.standing(&entry);
        let what = match standing.state {
            State::Open | State::Shorter => {
                "where an input matches it, it is read again from its start under new ids: lines that are stored \
                 already are stored a second time"
            }
            State::Gone | State::Held | State::Ended => {
                "its bytes are not there any more; a copy that an input matches is read as a new file"
            }
            State::Rescued => {
                "it was removed; what was rescued of it is put aside at the next start, and not sent"
            }
            State::Unknown => {
                "its directory cannot be read; if it is there, it is read again under new ids"
            }
        };
        let name = shown(&standing.name);
        told.push_str(&format!(
            "{name} (epoch {}), read to {}: forgotten; {what}\n",
            entry.epoch, entry.committed
        ));
    }
    told.push_str(&format!("{} forgotten, {} kept\n", found.len(), entries.len()));
    editing.save()?;
    report::out(&told);
    Ok(())
}

fn not_agreed(entries: usize) -> Advised {
    Advised::new(
        format!(
            "{entries} files would be forgotten: all that is there is read again from its start, and what is stored already \
             is stored a second time"
        ),
        "add --yes if that is meant; `shipper registry set FILE --start` reads a file again and stores no line twice",
    )
}

fn unreadable(path: &Path, error: &io::Error) -> Advised {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "`shipper registry list` says where known files are now",
        _ => "run this as root, or as the user that runs shipper",
    };
    Advised::new(format!("cannot read `{}`: {}", shown(path), advice::reason(error)), hint)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test has real files")]
mod tests {
    use super::*;
    use crate::settings::RegistrySettings;
    use crate::status::Hidden;

    #[test]
    fn everything_is_forgotten_only_when_that_is_agreed() {
        let data = tempfile::tempdir().unwrap();
        let journal = data.path().join("registry/console/journal.log");
        std::fs::create_dir_all(journal.parent().unwrap()).unwrap();
        let fixture =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/registry/v1/journal.log");
        std::fs::copy(&fixture, &journal).unwrap();
        let place = Place {
            settings: RegistrySettings {
                path: data.path().join("registry"),
                ..RegistrySettings::default()
            },
            data: data.path().to_owned(),
            output: "console".to_owned(),
        };
        let finder = || Finder::new(RealDisk, data.path().join("rescue"), Hidden::default());
        let Err(Failure::Error(refused)) = reset(&place, finder(), None, false) else {
            panic!("it was done")
        };
        let expected = "error: 2 files would be forgotten: all that is there is read again from its start, and what is stored \
                        already is stored a second time\nhint: add --yes if that is meant; `shipper registry set FILE \
                        --start` reads a file again and stores no line twice";
        assert_eq!(crate::hint::report(&*refused, &[]).trim_end(), expected);
        assert_eq!(std::fs::read(&journal).unwrap(), std::fs::read(&fixture).unwrap());
        reset(&place, finder(), None, true).unwrap();
        assert_eq!(std::fs::read_to_string(&journal).unwrap().lines().count(), 1, "no entry");
        reset(&place, finder(), None, false).unwrap();
    }
}
