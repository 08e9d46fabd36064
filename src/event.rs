//! One event: spans over its line, values by key, and the schema that says how keys nest.
//!
//! An event owns nothing that is shared: it is filled anew for every line, in the same memory. Keys are numbers of a
//! [`Schema`]; the text between two values (closing and opening braces, names) is made once, at the start.

/// Most keys of a schema: one bit each.
pub const KEYS_MAX: usize = 64;

/// A key: its number in the schema.
pub type Key = u8;

/// A piece of the line, or of the event's scratch bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span; lines are far below 4 GiB.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: narrow(start), end: narrow(end) }
    }

    /// Returns the bytes.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Text that stands in the line.
    Line(Span),
    /// Text that stands in the scratch bytes.
    Scratch(Span),
    /// A number.
    Number(u64),
    /// An array of one text that stands in the line.
    ListOfOne(Span),
}

/// An event under construction.
///
/// Invariant: `values[key]` has a meaning only where bit `key` of `present` is set.
#[derive(Debug, Clone)]
pub struct EventBuf {
    present: u64,
    values: [Value; KEYS_MAX],
    scratch: Vec<u8>,
}

impl Default for EventBuf {
    fn default() -> Self {
        Self { present: 0, values: [Value::Number(0); KEYS_MAX], scratch: Vec::new() }
    }
}

impl EventBuf {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.present = 0;
        self.scratch.clear();
    }

    /// Sets a value.
    pub fn set(&mut self, key: Key, value: Value) {
        self.present |= 1 << key;
        self.values[usize::from(key)] = value;
    }

    /// Sets a value to bytes that do not stand in the line.
    pub fn set_scratch(&mut self, key: Key, bytes: &[u8]) {
        let start = self.scratch.len();
        self.scratch.extend_from_slice(bytes);
        self.set(key, Value::Scratch(Span::new(start, self.scratch.len())));
    }

    /// Returns a value.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Value> {
        (self.present & 1 << key != 0).then(|| self.values[usize::from(key)])
    }

    /// Returns the scratch bytes.
    #[must_use]
    pub fn scratch(&self) -> &[u8] {
        &self.scratch
    }

    /// Returns keys and values in the order of the schema.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Value)> + '_ {
        let mut left = self.present;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let key = left.trailing_zeros() as usize;
            left &= left - 1;
            Some((u8::try_from(key).expect("a bit's number is below 64"), self.values[key]))
        })
    }
}

/// Why names make no schema.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SchemaError {
    /// There are too many.
    #[error("{0} fields are more than the {KEYS_MAX} that a format may have")]
    TooMany(usize),
    /// One is a value and an object at once.
    #[error("field `{0}` cannot be a value and hold `{1}` as well")]
    ValueAndObject(String, String),
    /// A name is empty, or has an empty part.
    #[error("field name `{0}` has an empty part")]
    EmptyPart(String),
}

/// How keys nest: names in order, and the text between any two that may follow each other.
#[derive(Debug, Clone)]
pub struct Schema {
    names: Vec<String>,
    text: Vec<u8>,
    /// For `[previous + 1][next]`, where row 0 is "none before" and column `len` is "none behind".
    between: Vec<Span>,
}

impl Schema {
    /// Makes a schema of dotted names; a key is the place of its name in the order of [`Schema::names`].
    ///
    /// # Errors
    /// When there are more than 64 names, or one is a prefix of another one's path.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, SchemaError> {
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        // By parts, so that what nests together stands together (`a.b` before `a-c`).
        names.sort_by(|left, right| left.split('.').cmp(right.split('.')));
        names.dedup();
        if KEYS_MAX < names.len() {
            return Err(SchemaError::TooMany(names.len()));
        }
        if let Some(name) = names.iter().find(|name| name.split('.').any(str::is_empty)) {
            return Err(SchemaError::EmptyPart(name.clone()));
        }
        for pair in names.windows(2) {
            let behind = pair[1].strip_prefix(&pair[0]);
            if behind.is_some_and(|behind| behind.starts_with('.')) {
                return Err(SchemaError::ValueAndObject(pair[0].clone(), pair[1].clone()));
            }
        }
        let mut schema = Self { names, text: Vec::new(), between: Vec::new() };
        schema.make_texts();
        Ok(schema)
    }

    /// Returns the names in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the key of a name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<Key> {
        let place = self.names.iter().position(|known| known == name)?;
        u8::try_from(place).ok()
    }

    /// Returns the text to write before the value of `next` (or behind the last value, for `None`) when `previous` was
    /// written last. It begins with `,` when it opens anything.
    #[must_use]
    pub fn between(&self, previous: Option<Key>, next: Option<Key>) -> &[u8] {
        let row = previous.map_or(0, |key| usize::from(key) + 1);
        let column = next.map_or(self.names.len(), usize::from);
        self.between[row * (self.names.len() + 1) + column].of(&self.text)
    }

    fn make_texts(&mut self) {
        let count = self.names.len();
        for row in 0..=count {
            for column in 0..=count {
                let start = self.text.len();
                if row <= column {
                    let previous = row.checked_sub(1).map(|place| self.names[place].as_str());
                    let next = self.names.get(column).map(String::as_str);
                    let text = transition(previous, next);
                    self.text.extend_from_slice(text.as_bytes());
                }
                self.between.push(Span::new(start, self.text.len()));
            }
        }
    }
}

fn transition(previous: Option<&str>, next: Option<&str>) -> String {
    let objects = |name: Option<&str>| -> Vec<String> {
        let mut parts: Vec<String> =
            name.unwrap_or_default().split('.').map(str::to_owned).collect();
        parts.pop();
        parts
    };
    let (open, wanted) = (objects(previous), objects(next));
    let common = open.iter().zip(&wanted).take_while(|(left, right)| left == right).count();
    let mut text = "}".repeat(open.len() - common);
    let Some(next) = next else { return text };
    text.push(',');
    for object in &wanted[common..] {
        text.push_str(&crate::json_text::string(object));
        text.push_str(":{");
    }
    let leaf = next.rsplit('.').next().unwrap_or(next);
    text.push_str(&crate::json_text::string(leaf));
    text.push(':');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(schema: &Schema, names: &[&str]) -> String {
        let mut text = String::from("{\"first\":0");
        let mut previous = None;
        for name in names {
            let key = schema.key(name).unwrap();
            text.push_str(std::str::from_utf8(schema.between(previous, Some(key))).unwrap());
            text.push('1');
            previous = Some(key);
        }
        text.push_str(std::str::from_utf8(schema.between(previous, None)).unwrap());
        text.push('}');
        text
    }

    #[test]
    fn names_nest_whatever_is_left_out() {
        let schema = Schema::new(["b", "a.x.z", "a.x.y", "a.w", "a-b", "c.d.e"]).unwrap();
        assert_eq!(schema.names(), ["a.w", "a.x.y", "a.x.z", "a-b", "b", "c.d.e"]);
        for (names, expected) in [
            (
                &["a.w", "a.x.y", "a.x.z", "a-b", "b", "c.d.e"][..],
                r#"{"first":0,"a":{"w":1,"x":{"y":1,"z":1}},"a-b":1,"b":1,"c":{"d":{"e":1}}}"#,
            ),
            (&["a.x.z"], r#"{"first":0,"a":{"x":{"z":1}}}"#),
            (&["a.w", "c.d.e"], r#"{"first":0,"a":{"w":1},"c":{"d":{"e":1}}}"#),
            (&[], r#"{"first":0}"#),
        ] {
            assert_eq!(written(&schema, names), expected);
        }
    }

    #[test]
    fn value_that_is_an_object_as_well_is_refused() {
        assert_eq!(
            Schema::new(["a.b", "a"]).unwrap_err(),
            SchemaError::ValueAndObject("a".into(), "a.b".into())
        );
    }
}
