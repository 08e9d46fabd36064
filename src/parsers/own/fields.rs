//! What values of lines in formats that an operator describes become: the event's time, its message, a known field or
//! one of the format's own, and of which type.
//!
//! A value that its type would not take is left out, and the line kept, because the server would refuse the whole
//! document; `-` and nothing at all are no values.

use super::times::Clock;
use super::{OwnError, Part, nearest};
use crate::event::{EXTRAS_MAX, EventBuf, Extra, Field, Kind, LineText, Span};
use crate::parsers::address::{Address, ips_of};
use crate::parsers::ecs::{is_metadata, kind_of, type_of, typed, whole};
use crate::parsers::regex::{OBJECTS, OURS};
use crate::parsers::url::leading_zeros;
use crate::parsers::zone::push_offset;
use crate::settings::own::ValueType;

/// Names of what holds the event's time.
const TIMESTAMPS: [&str; 2] = ["timestamp", "@timestamp"];

/// Name of the field that has the whole line where `message` is a part of it.
const ORIGINAL: &str = "event.original";

/// Name of the field that has the offset of the zone of a time that says none.
const TIMEZONE: &str = "event.timezone";

/// What is wrong with a field that a format names.
#[derive(Debug)]
pub(super) enum FieldFault {
    /// Its name.
    Name(String),
    /// Its type.
    Type(String),
}

impl From<String> for FieldFault {
    fn from(message: String) -> Self {
        Self::Name(message)
    }
}

/// What a value becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Time,
    Message,
    Known(Field),
    Extra(usize),
}

#[derive(Debug, Clone)]
struct Slot {
    name: String,
    to: To,
    value: ValueType,
}

/// The fields of a format.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    slots: Vec<Slot>,
    rename: Vec<(String, String)>,
    /// Names that the format has for its fields, before they are renamed.
    names: Vec<String>,
    extras: Vec<Extra>,
    known: Vec<Field>,
    /// Numbers of [`ORIGINAL`] and [`TIMEZONE`] among the extras.
    original: Option<usize>,
    timezone: Option<usize>,
    pub(super) clock: Clock,
    /// Whether the line has given any value.
    pub(super) found: bool,
}

impl Fields {
    pub(super) fn new(rename: &[(String, String)], clock: Clock) -> Self {
        Self {
            slots: Vec::new(),
            rename: rename.to_vec(),
            names: Vec::new(),
            extras: Vec::new(),
            known: Vec::new(),
            original: None,
            timezone: None,
            clock,
            found: false,
        }
    }

    pub(super) fn extras(&self) -> &[Extra] {
        &self.extras
    }

    pub(super) fn known(&self) -> &[Field] {
        &self.known
    }

    /// Tells whether a name of the format's is to be another one.
    pub(super) fn is_renamed(&self, name: &str) -> bool {
        self.rename.iter().any(|(from, _)| from == name)
    }

    /// Checks that what is renamed is there.
    ///
    /// # Errors
    /// With the first name that is none of the format's.
    pub(super) fn check_renamed(&self) -> Result<(), OwnError> {
        let is_known = |name: &String| self.names.contains(name);
        match self.rename.iter().find(|(from, _)| !is_known(from)) {
            None => Ok(()),
            Some((from, _)) => {
                let message = format!("`rename` has `{from}`, which the format does not name");
                let hint = nearest(from, self.names.iter().map(String::as_str));
                Err(OwnError::new(Part::Name("rename", from.clone()), message, hint))
            }
        }
    }

    /// Adds the fields that come with others, once all of the format's are there.
    pub(super) fn complete(&mut self) {
        let more: Vec<Field> = ips_of(&self.known).collect();
        self.known.extend(more);
    }

    /// Returns the number of the field that the format calls `name`; the same for the same name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn add(&mut self, name: &str, value: ValueType) -> Result<usize, FieldFault> {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        let renamed = self.rename.iter().find(|(from, _)| from == name);
        let name = renamed.map_or(name, |(_, to)| to).to_owned();
        let value = own_type(&name, value)?;
        if let Some(number) = self.slots.iter().position(|slot| slot.name == name) {
            let slot = &self.slots[number];
            if slot.value != value && matches!(slot.to, To::Extra(_)) {
                let (one, other) = (slot.value.word(), value.word());
                return Err(FieldFault::Type(format!("field `{name}` is a {one} and a {other}")));
            }
            return Ok(number);
        }
        self.check(&name)?;
        let to = if TIMESTAMPS.contains(&name.as_str()) {
            self.timezone = self.added(TIMEZONE)?.or(self.timezone);
            To::Time
        } else if name == Field::Message.name() {
            self.original = self.added(ORIGINAL)?.or(self.original);
            To::Message
        } else if let Some(field) = Field::from_name(&name) {
            self.known.push(field);
            To::Known(field)
        } else if let Some(original) = self.original.take_if(|_| name == ORIGINAL) {
            To::Extra(original)
        } else if let Some(timezone) = self.timezone.take_if(|_| name == TIMEZONE) {
            To::Extra(timezone)
        } else {
            To::Extra(self.extra(&name, kind_of(value))?)
        };
        self.slots.push(Slot { name, to, value });
        Ok(self.slots.len() - 1)
    }

    /// Adds a field of the format's own whose value is JSON, and returns its number among these.
    ///
    /// # Errors
    /// What is wrong with its name.
    pub(super) fn add_json(&mut self, name: &str) -> Result<usize, FieldFault> {
        self.check(name)?;
        if Field::from_name(name).is_some() || TIMESTAMPS.contains(&name) || type_of(name).is_some()
        {
            return Err(format!("`{name}` is no list").into());
        }
        if self.extras.iter().any(|extra| extra.name == name)
            || self.slots.iter().any(|slot| slot.name == name)
        {
            return Err(format!("`{name}` is the name of two fields").into());
        }
        Ok(self.extra(name, Kind::Raw)?)
    }

    /// Adds a field that comes with another one, unless the format has it itself.
    fn added(&mut self, name: &str) -> Result<Option<usize>, String> {
        let is_there = self.extras.iter().any(|extra| extra.name == name);
        if is_there { Ok(None) } else { self.extra(name, Kind::Text).map(Some) }
    }

    fn extra(&mut self, name: &str, kind: Kind) -> Result<usize, String> {
        if self.extras.len() == EXTRAS_MAX {
            return Err(format!("more than the {EXTRAS_MAX} fields that a format may have"));
        }
        self.extras.push(Extra::new(name, kind));
        Ok(self.extras.len() - 1)
    }

    fn check(&self, name: &str) -> Result<(), String> {
        if name.split('.').any(str::is_empty) {
            return Err(format!("field name `{name}` has an empty part"));
        }
        if name.chars().any(char::is_control) {
            return Err("a field name has a control character".to_owned());
        }
        if is_metadata(name) {
            return Err(format!(
                "`{name}` is metadata of the server, which takes it in no document"
            ));
        }
        if OURS.iter().any(|ours| is_in(name, ours)) {
            return Err(format!("`{name}` is written by shipper itself"));
        }
        let inner = Field::ALL
            .iter()
            .map(|field| field.name())
            .find(|known| known.strip_prefix(name).is_some_and(|behind| behind.starts_with('.')));
        if OBJECTS.contains(&name) || inner.is_some() {
            let inner = inner.map_or_else(|| format!("{name}.name"), str::to_owned);
            return Err(format!("`{name}` is an object, which holds `{inner}`, and no value"));
        }
        let is_above = |known: &&str| !known.is_empty() && name != *known && is_in(name, known);
        if let Some(above) = Field::ALL.iter().map(|field| field.name()).find(is_above)
            && Field::from_name(above).is_some()
        {
            return Err(format!("`{above}` is a value, and cannot hold `{name}`"));
        }
        for other in self.slots.iter().map(|slot| slot.name.as_str()).chain(self.lists()) {
            for (outer, inner) in [(name, other), (other, name)] {
                if outer != inner && is_in(inner, outer) {
                    return Err(format!(
                        "field `{outer}` cannot be a value and hold `{inner}` as well"
                    ));
                }
            }
        }
        Ok(())
    }

    fn lists(&self) -> impl Iterator<Item = &str> {
        self.extras.iter().map(|extra| extra.name.as_str())
    }

    /// Sets a field; `None` when it is the time and cannot be read, so that the line is none of the format's.
    pub(super) fn set(
        &mut self,
        number: usize,
        line: &[u8],
        span: Span,
        event: &mut EventBuf,
    ) -> Option<()> {
        let text = event.bytes(line, span);
        if matches!(text, b"" | b"-") {
            return Some(());
        }
        if !span.is_scratch() && event.text() != LineText::Broken && cuts_character(line, span) {
            event.leave_residue();
            return Some(());
        }
        self.found = true;
        let Slot { to, value, .. } = self.slots[number];
        match to {
            To::Time => {
                let (time, offset) = self.clock.read(text)?;
                event.set_timestamp(time);
                if let Some((number, offset)) = self.timezone.zip(offset) {
                    let start = event.scratch().len();
                    push_offset(event.scratch_mut(), offset);
                    event.set_extra(number, Span::scratch(start, event.scratch().len()));
                }
            }
            To::Message => {
                event.set_text_part(span);
                event.set(Field::Message, span);
                if let Some(original) = self.original {
                    event.set_extra(original, Span::line(0, line.len()));
                }
            }
            To::Known(field) => set_known(field, line, span, event),
            To::Extra(extra) => match typed(value, line, span, event) {
                Some(span) => event.set_extra(extra, span),
                None => event.leave_residue(),
            },
        }
        Some(())
    }

    /// Tells whether a field has a value.
    pub(super) fn is_set(&self, number: usize, event: &EventBuf) -> bool {
        match self.slots[number].to {
            To::Time => event.timestamp().is_some(),
            To::Message => event.text_part().is_some(),
            To::Known(field) => event.get(field).is_some(),
            To::Extra(extra) => event.extra(extra).is_some(),
        }
    }
}

/// Returns the type that a field has, whose format gives it `value`: its own where there is one.
///
/// # Errors
/// When these do not go together.
fn own_type(name: &str, value: ValueType) -> Result<ValueType, FieldFault> {
    let field = Field::from_name(name);
    let own = match field {
        _ if TIMESTAMPS.contains(&name) => None,
        Some(field) if is_address(field) => Some(ValueType::Ip),
        Some(field) if field.kind() == Kind::Raw => Some(ValueType::Integer),
        Some(_) => Some(ValueType::Text),
        None => match type_of(name) {
            // Of a field that is not known, any type is as good.
            None => return Ok(value),
            own => own,
        },
    };
    // Whether somebody wrote `text` is not known, and a type of its own is as good.
    match (own, value) {
        (own, ValueType::Text) => Ok(own.unwrap_or_default()),
        (Some(own), value) if own == value => Ok(own),
        (Some(ValueType::Float), ValueType::Integer) => Ok(value),
        (own, value) => {
            let own = match own {
                None => "the event's time",
                Some(ValueType::Ip) => "an IP address",
                Some(ValueType::Integer) => "a whole number",
                Some(ValueType::Float) => "a number",
                Some(ValueType::Boolean) => "`true` or `false`",
                Some(ValueType::Text) => "a text",
            };
            let message = format!("`{name}` is {own} and cannot be of the type `{}`", value.word());
            Err(FieldFault::Type(message))
        }
    }
}

fn is_address(field: Field) -> bool {
    matches!(field, Field::SourceIp | Field::SourceNatIp | Field::DestinationIp | Field::RelatedIp)
}

/// Tells whether `name` is `outer`, or lies in it.
fn is_in(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer).is_some_and(|behind| behind.is_empty() || behind.starts_with('.'))
}

/// Tells whether a part of a line that is UTF-8 is none.
fn cuts_character(line: &[u8], span: Span) -> bool {
    let is_inside = |at: usize| line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    is_inside(span.start()) || is_inside(span.end())
}

fn set_known(field: Field, line: &[u8], span: Span, event: &mut EventBuf) {
    let text = event.bytes(line, span);
    let mut value = span;
    if field.kind() == Kind::Raw {
        let Some(number) = whole(text) else { return event.leave_residue() };
        value = span.part(leading_zeros(text), span.len());
        let class = if number < 600 { u8::try_from(number / 100).unwrap_or(0) } else { 0 };
        match field {
            Field::StatusCode => event.set_status_class(class),
            Field::BodyBytes => event.set_body_bytes(number),
            _ => {}
        }
    } else if is_address(field) && Address::of(text) != Address::Ip {
        return event.leave_residue();
    }
    event.set(field, value);
}
