//! `shipper registry show`.

use super::find::Finder;
use super::list::entry_json;
use super::shown;
use crate::commands::report::{self, Failure};
use crate::disk::{Disk, RealDisk};
use crate::hint::Advised;
use crate::identity::same_inode;
use crate::ledger::Entry;
use crate::position::Epoch;
use crate::registrar::Stored;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Prints all that is known of what `of` names.
pub(super) fn run(
    stored: &Stored,
    mut finder: Finder<RealDisk>,
    of: &str,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let entries = named(stored.decoded.entries.values(), of);
    if entries.is_empty() {
        return Err(unknown(of).into());
    }
    if as_json {
        let all: Vec<Value> = entries.iter().map(|entry| whole_json(&mut finder, entry)).collect();
        report::out(&format!("{}\n", Value::from(all)));
    } else {
        let all: Vec<String> = entries.iter().map(|entry| text(&mut finder, entry)).collect();
        report::out(&all.join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the entries that `of` names: an epoch's id, a name that an entry has or had, or a file by its inode.
pub(super) fn named<'e>(entries: impl Iterator<Item = &'e Entry>, of: &str) -> Vec<&'e Entry> {
    let epoch = Epoch::from_text(of);
    let path = std::path::absolute(of).unwrap_or_else(|_| of.into());
    let inode = RealDisk.stat(&path).ok().map(|stat| stat.inode);
    entries
        .filter(|entry| {
            Some(entry.epoch) == epoch
                || [&entry.name, &entry.path].iter().any(|name| ***name == *path)
                || inode.is_some_and(|inode| same_inode(inode, entry.inode))
        })
        .collect()
}

/// Says that nothing is known of `of`.
pub(super) fn unknown(of: &str) -> Advised {
    Advised::new(
        format!("the registry knows no `{}`", shown(Path::new(of))),
        "`shipper registry list` names all that it knows; a file that it does not know is read from its start",
    )
}

fn whole_json(finder: &mut Finder<RealDisk>, entry: &Entry) -> Value {
    let mut json = entry_json(finder, entry);
    let earlier: Vec<Value> =
        entry.earlier.points().iter().map(|point| json!([point.offset, point.running])).collect();
    json["birth"] = entry.inode.birth.into();
    json["prefix"] = json!({"length": entry.prefix.length, "hash": entry.prefix.hash});
    json["proof"] = json!({"tail": entry.proof.tail, "running": entry.proof.running});
    json["base"] = entry.base.into();
    json["earlier"] = earlier.into();
    json
}

fn text(finder: &mut Finder<RealDisk>, entry: &Entry) -> String {
    let standing = finder.standing(entry);
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let listed =
        |texts: Vec<String>| if texts.is_empty() { "-".to_owned() } else { texts.join(", ") };
    let beyond =
        entry.beyond.iter().map(|interval| format!("{}..{}", interval.start, interval.end));
    let earlier = entry.earlier.points().iter().map(|point| point.offset.to_string());
    let birth = match entry.inode.birth {
        0 => "not known".to_owned(),
        birth => birth.to_string(),
    };
    let lines = [
        ("epoch", entry.epoch.to_string()),
        ("file", shown(&standing.name)),
        ("found first as", shown(&entry.path)),
        ("state", standing.state.text().to_owned()),
        ("read to", entry.committed.to_string()),
        ("size", number(standing.size)),
        ("behind", number(standing.behind(entry))),
        ("settled beyond", listed(beyond.collect())),
        ("inode", entry.inode.number.to_string()),
        ("device", entry.inode.device.to_string()),
        ("birth", birth),
        ("reader", entry.reader.to_string()),
        ("prefix", format!("{:016x} over {} bytes", entry.prefix.hash, entry.prefix.length)),
        ("tail", format!("{:016x}", entry.proof.tail)),
        ("checksum", format!("{:016x} from {}", entry.proof.running, entry.base)),
        ("earlier points", listed(earlier.collect())),
    ];
    lines.map(|(name, value)| format!("{name:<15} {value}\n")).concat()
}
