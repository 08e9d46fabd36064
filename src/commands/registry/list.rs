//! `shipper registry list`.

use super::find::Finder;
use super::{path_json, shown};
use crate::commands::{report, table};
use crate::disk::RealDisk;
use crate::ledger::Entry;
use crate::registrar::Stored;
use serde_json::{Value, json};

/// Prints every entry, in the order of names.
pub(super) fn run(stored: &Stored, mut finder: Finder<RealDisk>, as_json: bool) {
    let mut entries: Vec<&Entry> = stored.decoded.entries.values().collect();
    entries.sort_by(|left, right| (&left.name, left.reader).cmp(&(&right.name, right.reader)));
    if as_json {
        let entries: Vec<Value> =
            entries.iter().map(|entry| entry_json(&mut finder, entry)).collect();
        let list = json!({"registry": path_json(&stored.path), "entries": entries});
        report::out(&format!("{list}\n"));
    } else {
        report::out(&list(&mut finder, &entries));
    }
}

/// Returns an entry as programs read it; what is not known is null.
pub(super) fn entry_json(finder: &mut Finder<RealDisk>, entry: &Entry) -> Value {
    let standing = finder.standing(entry);
    let beyond: Vec<Value> =
        entry.beyond.iter().map(|interval| json!([interval.start, interval.end])).collect();
    json!({
        "file": path_json(&standing.name),
        "path": path_json(&entry.path),
        "epoch": entry.epoch.to_string(),
        "state": standing.state.name(),
        "read_to": entry.committed,
        "size": standing.size,
        "behind": standing.behind(entry),
        "settled_beyond": beyond,
        "device": entry.inode.device,
        "inode": entry.inode.number,
        "reader": entry.reader,
    })
}

const HEADINGS: [&str; 7] = ["FILE", "INODE", "READ TO", "SIZE", "BEHIND", "EPOCH", "STATE"];

/// Columns that hold numbers, which stand to the right.
const NUMBERS: [usize; 4] = [1, 2, 3, 4];

/// Columns that are left out first where the terminal is narrow: epochs, then inodes.
const SPARE: [usize; 2] = [5, 1];

fn list(finder: &mut Finder<RealDisk>, entries: &[&Entry]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    for entry in entries {
        let standing = finder.standing(entry);
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
        rows.push(vec![
            shown(&standing.name),
            entry.inode.number.to_string(),
            entry.committed.to_string(),
            number(standing.size),
            number(standing.behind(entry)),
            entry.epoch.to_string(),
            standing.state.text().to_owned(),
        ]);
    }
    table::text_without(rows, &NUMBERS, &SPARE, table::terminal_width())
}
