//! Lines that are rows of a table: values between separators, in quotes where a separator stands in them (RFC 4180).
//!
//! A row is one line; what has line ends in its quotes is joined by `multiline` before. A row with fewer values than
//! there are columns has no more; one with more is kept as it is beside its fields.

use super::fields::Fields;
use super::{OwnError, Part, check_types};
use crate::event::{EventBuf, Span};
use crate::scan::find;
use crate::settings::own::{CsvFormat, ValueType};

/// Takes rows apart.
#[derive(Debug, Clone)]
pub(super) struct Csv {
    /// Numbers of the columns' fields; nothing for one that is passed over.
    columns: Vec<Option<usize>>,
    separator: u8,
    quote: Option<u8>,
    /// Whether blanks before a value are no part of it, and those behind it.
    trims: bool,
    trims_end: bool,
}

impl Csv {
    pub(super) fn new(format: &CsvFormat, fields: &mut Fields) -> Result<Self, OwnError> {
        let names: Vec<&str> = format.columns.iter().map(String::as_str).collect();
        if names.iter().all(|name| name.is_empty()) {
            let hint = "name them in their order: `columns: [\"@timestamp\", source.ip]`";
            return Err(OwnError::new(Part::Column(0), "no column has a name", hint));
        }
        check_types(&format.types, &names, "column")?;
        if Some(format.separator) == format.quote {
            let message = "separator and quote are the same";
            return Err(OwnError::new(Part::Column(0), message, "usual are `,` and `\"`"));
        }
        let mut columns = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let part = Part::Column(number);
            if name.is_empty() {
                columns.push(None);
                continue;
            }
            if names[..number].contains(name) {
                let message = format!("`{name}` is the name of two columns");
                let hint = "a column without a name is passed over: `\"\"`";
                return Err(OwnError::new(part, message, hint));
            }
            let typed = format.types.iter().find(|(typed, _)| typed == name);
            let value = typed.map_or(ValueType::Text, |(_, value)| *value);
            let added = fields.add(name, value);
            let added =
                added.map_err(|fault| OwnError::of_typed_field(part.clone(), name, fault))?;
            if columns.contains(&Some(added)) {
                let message = format!("`{name}` is the field of another column as well");
                return Err(OwnError::new(part, message, "give each column a field of its own"));
            }
            columns.push(Some(added));
        }
        let CsvFormat { separator, quote, trim_leading_space, trim, .. } = *format;
        let (trims, trims_end) = (trim_leading_space || trim, trim);
        Ok(Self { columns, separator, quote, trims, trims_end })
    }

    pub(super) fn read(
        &self,
        line: &[u8],
        fields: &mut Fields,
        event: &mut EventBuf,
    ) -> Option<()> {
        let mut at = Some(0);
        for column in &self.columns {
            let Some(start) = at else { return Some(()) };
            let (value, next) = self.value(line, start, event)?;
            if let Some(field) = column {
                fields.set(*field, line, value, event)?;
            }
            at = next;
        }
        if let Some(mut start) = at {
            event.leave_residue();
            // An open quote behind them makes it no row as well.
            while let (_, Some(next)) = self.value(line, start, event)? {
                start = next;
            }
        }
        Some(())
    }

    /// Reads a value and says where the next one begins, if there is one; `None` when a quote is not closed.
    fn value(
        &self,
        line: &[u8],
        start: usize,
        event: &mut EventBuf,
    ) -> Option<(Span, Option<usize>)> {
        let mut start = start;
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t') && *byte != self.separator;
        if self.trims {
            start += line[start..].iter().take_while(|byte| is_blank(byte)).count();
        }
        if self.quote.is_some() && line.get(start) == self.quote.as_ref() {
            return self.quoted(line, start + 1, event);
        }
        let end = find(line, start, [self.separator]).unwrap_or(line.len());
        let blanks = if self.trims_end {
            line[start..end].iter().rev().take_while(|byte| is_blank(byte)).count()
        } else {
            0
        };
        Some((Span::line(start, end - blanks), self.behind(line, end)))
    }

    fn behind(&self, line: &[u8], end: usize) -> Option<usize> {
        (line.get(end) == Some(&self.separator)).then_some(end + 1)
    }

    /// Reads a value from behind its quote. What stands between the closing one and the separator belongs to it.
    fn quoted(
        &self,
        line: &[u8],
        start: usize,
        event: &mut EventBuf,
    ) -> Option<(Span, Option<usize>)> {
        let quote = self.quote?;
        let mut close = find(line, start, [quote])?;
        if line.get(close + 1).is_none_or(|byte| *byte == self.separator) {
            return Some((Span::line(start, close), self.behind(line, close + 1)));
        }
        let scratch = event.scratch_mut();
        let first = scratch.len();
        let mut from = start;
        // Doubled quotes are one.
        while line.get(close + 1) == Some(&quote) {
            scratch.extend_from_slice(&line[from..=close]);
            from = close + 2;
            close = find(line, from, [quote])?;
        }
        scratch.extend_from_slice(&line[from..close]);
        let end = find(line, close + 1, [self.separator]).unwrap_or(line.len());
        let behind = &line[close + 1..end];
        if !(self.trims_end && behind.iter().all(|byte| matches!(byte, b' ' | b'\t'))) {
            scratch.extend_from_slice(behind);
        }
        let span = Span::scratch(first, scratch.len());
        Some((span, self.behind(line, end)))
    }
}
