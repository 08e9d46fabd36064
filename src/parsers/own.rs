//! Formats that an operator describes, other than by a regular expression: what [`OwnFormat`] says, made into a parser.
//!
//! Each way to describe one is a file here. What values become is the same for all (`fields`), and so is how times are
//! read (`times`).

mod csv;
mod dissect;
mod fields;
mod grok;
mod kv;
mod times;

use super::address::set_ips;
use super::zone::Zone;
use crate::dataset::{Dataset, GENERIC};
use crate::event::{EventBuf, Extra, Field, LineParser, Parse, Parsed};
use crate::settings::own::{How, OwnFormat, ValueType};
use csv::Csv;
use dissect::Dissect;
use fields::{FieldFault, Fields};
use grok::Grok;
use kv::Kv;
use std::fmt;
use std::ops::Range;
use times::Clock;

/// Where in a format something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// In one of the patterns of `grok`.
    Pattern(usize),
    /// In a definition of `grok`.
    Definition(String),
    /// In the tokenizer of `dissect`.
    Tokenizer,
    /// In the columns of `csv`, or the fields of `kv`: in which.
    Column(usize),
    /// In the name of the field for all other pairs of `kv`.
    Others,
    /// In what stands between key and value of `kv`.
    ValueSplit,
    /// In what keys or values of `kv` lose: which of both.
    Trim(&'static str),
    /// In the type of a column or field.
    Type(String),
    /// In a name that `types` or `rename` has: which of both, and the name.
    Name(&'static str, String),
    /// In a format of times.
    Timestamp(usize),
}

/// Why a description makes no format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnError {
    /// Where.
    pub part: Part,
    /// Which bytes of that text; all of it where nothing is said.
    pub range: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl OwnError {
    fn new(part: Part, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { part, range: None, message: message.into(), hint: hint.into() }
    }

    fn at(self, range: Range<usize>) -> Self {
        Self { range: Some(range), ..self }
    }

    /// Makes the error of a field's name or type.
    fn of_field(part: Part, fault: FieldFault) -> Self {
        let rename = "`rename` gives a field another name: `rename: {agent: user_agent.original}`";
        match fault {
            FieldFault::Name(message) => Self::new(part, message, rename),
            FieldFault::Type(message) => {
                Self::new(part, message, "give it one type, its own or none")
            }
        }
    }

    /// The same of a field that has its type in `types`, under `name`.
    fn of_typed_field(part: Part, name: &str, fault: FieldFault) -> Self {
        let part = match fault {
            FieldFault::Type(_) => Part::Type(name.to_owned()),
            FieldFault::Name(_) => part,
        };
        Self::of_field(part, fault)
    }
}

impl fmt::Display for OwnError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.hint)
    }
}

impl std::error::Error for OwnError {}

/// Reads lines of a format that an operator describes.
#[derive(Debug, Clone)]
pub struct OwnLines {
    how: Steps,
    fields: Fields,
}

#[derive(Debug, Clone)]
enum Steps {
    Grok(Box<Grok>),
    Dissect(Box<Dissect>),
    Csv(Box<Csv>),
    Kv(Box<Kv>),
}

impl OwnLines {
    /// Makes the parser of a format.
    ///
    /// # Errors
    /// When the description has a fault.
    pub fn new(format: &OwnFormat) -> Result<Self, OwnError> {
        let clock = Clock::new(&format.timestamp_formats).map_err(|(number, why)| {
            let text = &format.timestamp_formats[number];
            let hint = "write it as for `strptime`: `%Y-%m-%d %H:%M:%S%.f`";
            OwnError::new(
                Part::Timestamp(number),
                format!("`{text}` is no format of times: {why}"),
                hint,
            )
        })?;
        let mut fields = Fields::new(&format.rename, clock);
        let how = match &format.how {
            How::Grok(grok) => Steps::Grok(Box::new(Grok::new(grok, &mut fields)?)),
            How::Dissect(dissect) => Steps::Dissect(Box::new(Dissect::new(dissect, &mut fields)?)),
            How::Csv(csv) => Steps::Csv(Box::new(Csv::new(csv, &mut fields)?)),
            How::Kv(kv) => Steps::Kv(Box::new(Kv::new(kv, &mut fields)?)),
        };
        fields.check_renamed()?;
        fields.complete();
        Ok(Self { how, fields })
    }
}

impl Parse for OwnLines {
    fn parse(&mut self, line: &[u8], event: &mut EventBuf) -> Parsed {
        event.forget_marks();
        let fields = &mut self.fields;
        fields.found = false;
        let read = match &mut self.how {
            Steps::Grok(grok) => grok.read(line, fields, event),
            Steps::Dissect(dissect) => dissect.read(line, fields, event),
            Steps::Csv(csv) => csv.read(line, fields, event),
            Steps::Kv(kv) => kv.read(line, fields, event),
        };
        if read.is_some() {
            set_ips(line, event);
            if !self.fields.found {
                event.leave_residue();
            }
            return Parsed::Recognised;
        }
        event.clear_fields();
        Parsed::Unrecognised
    }
}

impl LineParser for OwnLines {
    fn boxed_clone(&self) -> Box<dyn LineParser> {
        Box::new(self.clone())
    }

    fn dataset(&self) -> &'static Dataset {
        &GENERIC
    }

    fn extras(&self) -> &[Extra] {
        self.fields.extras()
    }

    fn known(&self) -> Option<&[Field]> {
        Some(self.fields.known())
    }

    fn set_now(&mut self, unix_ms: u64) {
        self.fields.clock.set_now(unix_ms);
    }

    fn set_zone(&mut self, zone: &Zone) {
        self.fields.clock.set_zone(zone);
    }
}

/// Checks that types are those of columns or fields that there are.
fn check_types(types: &[(String, ValueType)], names: &[&str], what: &str) -> Result<(), OwnError> {
    let Some((name, _)) = types.iter().find(|(name, _)| !names.contains(&name.as_str())) else {
        return Ok(());
    };
    let message = format!("`types` has `{name}`, which is no {what}");
    Err(OwnError::new(
        Part::Name("types", name.clone()),
        message,
        nearest(name, names.iter().copied()),
    ))
}

/// Says which of some names was probably meant, or which there are.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let near = known.clone().map(|known| (distance(name, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 2.max(name.len() / 3) && distance < known.len() => {
            format!("did you mean `{known}`?")
        }
        _ => {
            let known: Vec<&str> = known.filter(|name| !name.is_empty()).collect();
            format!("there are `{}`", known.join("`, `"))
        }
    }
}

/// Counts the changes of a character that make one word another, letters of either case alike.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<u8> = other.bytes().map(|byte| byte.to_ascii_uppercase()).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, byte) in one.bytes().enumerate() {
        let mut before = row[0];
        row[0] = number + 1;
        for (column, known) in other.iter().enumerate() {
            let change = before + usize::from(byte.to_ascii_uppercase() != *known);
            before = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(before + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod dissect_tests;
#[cfg(test)]
mod grok_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tables_tests;
#[cfg(test)]
mod tests;
