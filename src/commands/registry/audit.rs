//! `shipper registry audit`.

use super::{path_json, shown};
use crate::account::{Account, COLUMNS};
use crate::commands::ask::{Conversation, Silence, silent};
use crate::commands::{BAD_USAGE, FAILED};
use crate::commands::{report, table};
use crate::disk::RealDisk;
use crate::hint;
use crate::hint::Advised;
use crate::ledger::Entry;
use crate::registrar::{self, Place};
use crate::status::{Answer, Audit, Question};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Longest wait for the running shipper.
const PATIENCE: Duration = Duration::from_secs(10);

/// Headings of the numbers: those of `COLUMNS` in between.
const HEADINGS: [&str; 10] = [
    "READ",
    "STORED",
    "BEFORE",
    "FILTERED",
    "SKIPPED",
    "DEAD",
    "LOST",
    "UNKNOWN",
    "IN FLIGHT",
    "MISSING",
];

/// Least width of a terminal that is narrower than the table and is shown epochs, in characters.
const EPOCHS_FROM: usize = 120;

/// The account of one epoch.
#[derive(Default)]
struct Row {
    name: PathBuf,
    epoch: String,
    account: Account,
    in_flight: u64,
    missing: Vec<(u64, u64)>,
    /// Bytes by which the account differs from what is settled.
    unaccounted: u64,
}

impl Row {
    fn missing_bytes(&self) -> u64 {
        let gaps = self.missing.iter().map(|(start, end)| end.saturating_sub(*start));
        gaps.fold(self.unaccounted, u64::saturating_add)
    }

    /// Returns the numbers below [`HEADINGS`].
    fn numbers(&self) -> [u64; HEADINGS.len()] {
        let (in_flight, missing) = (self.in_flight, self.missing_bytes());
        let read = self.account.sum().saturating_add(in_flight).saturating_add(missing);
        let [stored, before, filtered, skipped, dead, lost, unknown] = self.account.columns();
        [read, stored, before, filtered, skipped, dead, lost, unknown, in_flight, missing]
    }
}

/// Says how all bytes came to their end that were read of the files that are, or were, in the registry.
pub(super) fn run(place: &Place, as_json: bool) -> ExitCode {
    let (mut rows, forgotten, asked) = match rows(place) {
        Ok(found) => found,
        Err(error) => {
            report::err(&hint::report(&error, &[]));
            return ExitCode::from(BAD_USAGE);
        }
    };
    let forgotten = Row { name: "forgotten files".into(), account: forgotten, ..Row::default() };
    let mut sum = Row { name: "sum".into(), ..Row::default() };
    for row in rows.iter().chain([&forgotten]) {
        sum.account.add_all(&row.account);
        sum.in_flight += row.in_flight;
        sum.unaccounted += row.missing_bytes();
    }
    if as_json {
        let epochs: Vec<Value> = rows.iter().map(row_json).collect();
        let json = json!({
            "running": asked, "epochs": epochs, "forgotten": numbers_json(&forgotten), "sum": numbers_json(&sum),
        });
        report::out(&format!("{json}\n"));
    } else {
        if forgotten.account.sum() != 0 {
            rows.push(forgotten);
        }
        report::out(&table_text(&rows, &sum, table::terminal_width()));
        for row in rows.iter().filter(|row| 0 < row.missing_bytes()) {
            report::out(&faults(row));
        }
    }
    if sum.unaccounted == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// Returns the accounts in the order of names, that of forgotten files, and whether a running shipper has said what is on
/// its way.
fn rows(place: &Place) -> Result<(Vec<Row>, Account, bool), Advised> {
    // First what moves: what the registry says later has its place in one or the other.
    let running = ask(&place.data)?;
    let asked = running.is_some();
    let moving: BTreeMap<String, _> = running
        .map(|audit| audit.epochs)
        .unwrap_or_default()
        .into_iter()
        .map(|audited| (audited.epoch.clone(), audited))
        .collect();
    let stored = registrar::look(&RealDisk, place)?;
    if stored.decoded.is_unreadable() {
        return Err(Advised::new(
            format!("`{}` holds nothing that can be read", stored.path.display()),
            "look at it with `shipper registry check`",
        ));
    }
    let row = |entry: &Entry| {
        let (name, epoch) = (entry.name.to_path_buf(), entry.epoch.to_string());
        let account = entry.account.clone();
        let unaccounted = entry.settled_bytes().abs_diff(account.sum());
        let row = Row { name, epoch, account, unaccounted, ..Row::default() };
        let Some(audited) = moving.get(&row.epoch) else { return row };
        Row {
            account: Account::of(&audited.account),
            in_flight: audited.in_flight_bytes,
            missing: audited.missing.clone(),
            unaccounted: 0,
            ..row
        }
    };
    let mut rows: Vec<Row> = stored.decoded.entries.values().map(row).collect();
    rows.sort_by(|left, right| (&left.name, &left.epoch).cmp(&(&right.name, &right.epoch)));
    Ok((rows, stored.decoded.forgotten, asked))
}

/// Asks the running shipper; `None` where none runs: then nothing is on its way.
fn ask(data: &Path) -> Result<Option<Audit>, Advised> {
    let mut conversation = match Conversation::begin(data, &Question::Audit, PATIENCE) {
        Ok(conversation) => conversation,
        Err(Silence::NotRunning) => return Ok(None),
        Err(Silence::CannotTell(why)) => return Err(why),
    };
    match conversation.next() {
        Ok(Answer::Audit(audit)) => Ok(Some(audit)),
        Ok(_) => Err(silent(data, &std::io::ErrorKind::InvalidData.into())),
        Err(error) => Err(silent(data, &error)),
    }
}

fn numbers_json(row: &Row) -> Map<String, Value> {
    let numbers = row.numbers();
    let names = ["read"].into_iter().chain(COLUMNS).chain(["in_flight", "missing"]);
    names.zip(numbers).map(|(name, number)| (name.to_owned(), number.into())).collect()
}

fn row_json(row: &Row) -> Value {
    let mut json = Map::new();
    json.insert("file".to_owned(), path_json(&row.name));
    json.insert("epoch".to_owned(), row.epoch.clone().into());
    json.append(&mut numbers_json(row));
    json.insert("missing_ranges".to_owned(), json!(row.missing));
    Value::Object(json)
}

/// Returns the rows and their sum as a table that fits the width, if that can be: without columns of zeros, then without the
/// epochs, then with each file in a line above its numbers.
fn table_text(rows: &[Row], sum: &Row, width: Option<usize>) -> String {
    let headings: Vec<&str> = ["FILE", "EPOCH"].iter().chain(&HEADINGS).copied().collect();
    let mut lines = vec![headings.iter().map(|&text| text.to_owned()).collect()];
    for row in rows.iter().chain([sum]) {
        let mut line = vec![shown(&row.name), row.epoch.clone()];
        line.extend(row.numbers().map(|number| number.to_string()));
        lines.push(line);
    }
    let is_whole = |width| table::fits(&lines, 0, usize::MAX, width);
    let Some(width) = width.filter(|width| !is_whole(*width)) else {
        let numbers: Vec<usize> = (2..headings.len()).collect();
        return table::text(lines, &numbers, 0, None);
    };
    let is_zero = |column: usize| lines[1..].iter().all(|line| line[column] == "0");
    let is_kept = |column: usize| match column {
        // What a file is, and how much of it was read.
        0 | 2 => true,
        1 => EPOCHS_FROM <= width,
        _ => !is_zero(column),
    };
    let columns: Vec<usize> = (0..headings.len()).filter(|column| is_kept(*column)).collect();
    let kept = |line: &Vec<String>| columns.iter().map(|column| line[*column].clone()).collect();
    let lines: Vec<Vec<String>> = lines.iter().map(kept).collect();
    let epochs = usize::from(columns.contains(&1));
    let numbers: Vec<usize> = (1 + epochs..columns.len()).collect();
    if table::fits(&lines, 0, table::SHORTEST, width) {
        return table::text(lines, &numbers, 0, Some(width));
    }
    let files = lines.iter().map(|line| table::shortened(&line[0], width));
    let files: Vec<String> = files.collect();
    let lines = lines.iter().map(|line| [&[String::new()], &line[1..]].concat());
    let below = table::text(lines.collect(), &numbers, 0, None);
    let mut text = String::new();
    for (file, below) in files.iter().zip(below.lines()) {
        text.extend([file, "\n", below, "\n"]);
    }
    text
}

/// Says where the gaps of an epoch are.
fn faults(row: &Row) -> String {
    let name = shown(&row.name);
    let mut text = String::new();
    for (start, end) in &row.missing {
        text.push_str(&format!(
            "{name} (epoch {}): bytes {start}..{end} were read, and are neither settled nor on their way\n  hint: this \
             is a fault of shipper: report it; after a restart these bytes are read again\n",
            row.epoch
        ));
    }
    if 0 < row.unaccounted {
        text.push_str(&format!(
            "{name} (epoch {}): its account and what is settled differ by {} bytes\n  hint: this is a fault of shipper: report it; \
             `shipper registry set {name} --offset N` reads lines again, which are not stored twice\n",
            row.epoch, row.unaccounted
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Outcome;

    fn row(name: &str, stored: u64, in_flight: u64) -> Row {
        let mut account = Account::default();
        account.add(Outcome::Stored, stored);
        let epoch = "AAECAwQFBgcICQoL".to_owned();
        Row { name: name.into(), epoch, account, in_flight, ..Row::default() }
    }

    #[test]
    fn table_fits_the_terminal_without_what_is_zero() {
        let rows = [row("/var/log/nginx/shop.example.com/access.log", 123_456_789, 7)];
        let sum = Row { epoch: String::new(), ..row("sum", 123_456_789, 7) };
        let whole = table_text(&rows, &sum, None);
        assert!(whole.contains("EPOCH") && whole.contains("MISSING"), "{whole}");
        let narrow = "\
FILE                                             READ     STORED  IN FLIGHT
/var/log/nginx/shop.example.com/access.log  123456796  123456789          7
sum                                         123456796  123456789          7
";
        assert_eq!(table_text(&rows, &sum, Some(80)), narrow);
        let found = table_text(&rows, &sum, Some(60));
        let widest = found.lines().map(|line| line.chars().count()).max();
        assert!(widest == Some(60) && found.contains("…ple.com/access.log  123456796"), "{found}");
        let below = "\
FILE
       READ     STORED  IN FLIGHT
/var/log/ngin…hop.example.com/access.log
  123456796  123456789          7
sum
  123456796  123456789          7
";
        assert_eq!(table_text(&rows, &sum, Some(40)), below);
        for (width, has_epochs) in [(119, false), (120, true), (300, true)] {
            let found = table_text(&rows, &sum, Some(width));
            assert_eq!(found.contains("EPOCH"), has_epochs, "{found}");
        }
    }
}
