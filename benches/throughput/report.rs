//! Tables to read and to paste, and the same figures as JSON.

use crate::{Outcome, data};
use serde_json::{Map, Value};
use std::fs;

/// All figures of one call.
#[derive(Debug, Default)]
pub(crate) struct Report {
    sections: Map<String, Value>,
}

impl Report {
    /// Prints a table in Markdown and keeps the figures.
    pub(crate) fn table(
        &mut self,
        name: &str,
        header: &[&str],
        rows: &[Vec<String>],
        figures: Value,
    ) {
        println!("\n{name}\n\n| {} |", header.join(" | "));
        println!("|{}", "---|".repeat(header.len()));
        for row in rows {
            println!("| {} |", row.join(" | "));
        }
        println!();
        self.sections.insert(name.to_owned(), figures);
    }

    /// Writes the figures to a file.
    pub(crate) fn write(self) -> Outcome<()> {
        if self.sections.is_empty() {
            return Ok(());
        }
        let path = data::directory().join("figures.json");
        fs::create_dir_all(data::directory())?;
        let mut all: Map<String, Value> = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(_) => Map::new(),
        };
        all.extend(self.sections);
        fs::write(&path, serde_json::to_string_pretty(&Value::Object(all))?)?;
        println!("figures as JSON: {}", path.display());
        Ok(())
    }
}

/// Returns the middle one.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the number below which `share` of all lie.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.max(1) - 1).copied().unwrap_or(f64::NAN)
}
