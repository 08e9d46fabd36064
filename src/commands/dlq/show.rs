//! `shipper dlq show`: letters as they are.

use super::Letters;
use super::filter::Filter;
use crate::commands::report::{self, Failure};
use crate::hint::one_line;
use crate::outputs::dead_letters::letter::{Letter, Source};
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// Prints letters, at most `limit` of them.
pub(super) fn run(
    letters: &Letters,
    filter: &Filter,
    limit: Option<u64>,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut left = limit.unwrap_or(u64::MAX);
    let damage = letters.each(|letter, record| {
        if left == 0 {
            return false;
        }
        if !filter.takes(letter) {
            return true;
        }
        left -= 1;
        let written = if as_json {
            out.write_all(record).and_then(|()| out.write_all(b"\n"))
        } else {
            out.write_all(text(letter).as_bytes())
        };
        // Nobody reads on.
        written.is_ok()
    })?;
    let _ = out.flush();
    damage.tell("left out; `shipper dlq replay` and `purge` set them aside");
    if left == limit.unwrap_or(u64::MAX) && !as_json {
        let what = letters.spool.directory.display();
        report::out(&format!("no such dead letters in `{what}`\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(letter: &Letter<'_>) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "{name:<9} {}", one_line(value));
    };
    line("time", &letter.time.to_string());
    line("id", &letter.id);
    line("reason", &format!("{} {}: {}", letter.status, letter.kind, letter.reason));
    line("target", letter.target.as_deref().unwrap_or("-"));
    let Source { file, epoch, offset, length } = &letter.source;
    if let Some(file) = file {
        line("file", file);
    }
    if let (Some(epoch), Some(offset), Some(length)) = (epoch, offset, length) {
        line("bytes", &format!("{offset} to {} of epoch {epoch}", offset.saturating_add(*length)));
    }
    if letter.replays != 0 {
        line("replays", &letter.replays.to_string());
    }
    let document = letter.document.map(RawValue::get);
    line("document", document.or(letter.document_text.as_deref()).unwrap_or_default());
    text.push('\n');
    text
}
