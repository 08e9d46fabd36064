//! The text in which Prometheus reads metrics: families with their help and type, samples with escaped labels.

use crate::stats::histogram::{BOUNDS_US, HistogramFigures};
use std::fmt::{Display, Write as _};

/// What a family counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows; its name ends in `_total`.
    Counter,
    /// A number of the moment.
    Gauge,
    /// Durations by range, in seconds.
    Histogram,
}

/// A text that grows.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family; what follows is of it.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        debug_assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push(' ');
        for letter in help.chars() {
            push_escaped(&mut self.text, letter, false);
        }
        self.text.push_str("\n# TYPE ");
        self.text.push_str(name);
        self.text.push(' ');
        self.text.push_str(kind);
        self.text.push('\n');
        self
    }

    /// Adds a sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.line("", labels, value)
    }

    /// Adds a family of one sample without labels.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// Adds the samples of a histogram.
    pub fn histogram(&mut self, labels: &[(&str, &str)], figures: &HistogramFigures) {
        let mut sum = 0;
        let ends = BOUNDS_US.iter().map(|bound| seconds(*bound)).chain(["+Inf".to_owned()]);
        for (count, end) in figures.counts.iter().zip(ends) {
            sum += count;
            let mut labels = labels.to_vec();
            labels.push(("le", &end));
            self.line("_bucket", &labels, sum);
        }
        self.line("_sum", labels, seconds(figures.sum_us));
        self.line("_count", labels, sum);
    }

    /// Returns the whole text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (index, (name, value)) in labels.iter().enumerate() {
            self.text.push_str(if index == 0 { "{" } else { "," });
            self.text.push_str(name);
            self.text.push_str("=\"");
            for letter in value.chars() {
                push_escaped(&mut self.text, letter, true);
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        // A string takes whatever is written to it.
        let _ = writeln!(self.text, " {value}");
        self
    }
}

/// Returns microseconds as seconds, exactly.
#[must_use]
pub fn seconds(us: u64) -> String {
    let fraction = format!("{:06}", us % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}", us / 1_000_000)
}

fn push_escaped(text: &mut String, letter: char, is_label: bool) {
    match letter {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '"' if is_label => text.push_str("\\\""),
        _ => text.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_histograms_are_written_as_prometheus_reads_them() {
        let mut text = Exposition::default();
        text.family("a_total", Kind::Counter, "Back\\slash,\nline, \"quote\".")
            .sample(&[("path", "a\"b\\c\nd"), ("x", "ü")], 5)
            .sample(&[], u64::MAX);
        text.single("b", Kind::Gauge, "B.", 0.5);
        text.family("c_seconds", Kind::Histogram, "C.");
        let mut figures = HistogramFigures { sum_us: 61_000_001, ..HistogramFigures::default() };
        (figures.counts[0], figures.counts[9], figures.counts[13]) = (1, 2, 3);
        text.histogram(&[("o", "e")], &figures);
        let expected = r#"# HELP a_total Back\\slash,\nline, "quote".
# TYPE a_total counter
a_total{path="a\"b\\c\nd",x="ü"} 5
a_total 18446744073709551615
# HELP b B.
# TYPE b gauge
b 0.5
# HELP c_seconds C.
# TYPE c_seconds histogram
c_seconds_bucket{o="e",le="0.005"} 1
c_seconds_bucket{o="e",le="0.01"} 1
c_seconds_bucket{o="e",le="0.025"} 1
c_seconds_bucket{o="e",le="0.05"} 1
c_seconds_bucket{o="e",le="0.1"} 1
c_seconds_bucket{o="e",le="0.25"} 1
c_seconds_bucket{o="e",le="0.5"} 1
c_seconds_bucket{o="e",le="1"} 1
c_seconds_bucket{o="e",le="2.5"} 1
c_seconds_bucket{o="e",le="5"} 3
c_seconds_bucket{o="e",le="10"} 3
c_seconds_bucket{o="e",le="30"} 3
c_seconds_bucket{o="e",le="60"} 3
c_seconds_bucket{o="e",le="+Inf"} 6
c_seconds_sum{o="e"} 61.000001
c_seconds_count{o="e"} 6
"#;
        assert_eq!(text.finish(), expected);
    }
}
