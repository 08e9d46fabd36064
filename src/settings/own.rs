//! Formats that an operator describes, other than by a regular expression.

/// A format that an operator describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFormat {
    /// How lines are taken apart.
    pub how: How,
    /// Names of fields by the names that the format has for them.
    pub rename: Vec<(String, String)>,
    /// How `@timestamp` is written, as in C's `strptime`; the first that fits. Nothing: any of the usual forms.
    pub timestamp_formats: Vec<String>,
}

impl OwnFormat {
    /// Makes one in which names stand as they are, and times in any of the usual forms.
    #[must_use]
    pub fn new(how: How) -> Self {
        Self { how, rename: Vec::new(), timestamp_formats: Vec::new() }
    }
}

/// How lines are taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// By patterns that have names.
    Grok(GrokFormat),
    /// By the text between values.
    Dissect(DissectFormat),
    /// As a row of a table.
    Csv(CsvFormat),
    /// As keys and values.
    Kv(KvFormat),
}

/// `grok`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrokFormat {
    /// Of several, the first that matches is taken.
    pub patterns: Vec<String>,
    /// Patterns beside the standard ones, or in place of them, by name.
    pub definitions: Vec<(String, String)>,
}

/// `dissect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DissectFormat {
    /// Keys in `%{}`, and what stands between them.
    pub tokenizer: String,
    /// On which sides values lose characters.
    pub trim_values: Trim,
    /// Which ones. Default: the blank.
    pub trim_chars: String,
}

/// Sides of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trim {
    /// Neither.
    #[default]
    None,
    /// The beginning.
    Left,
    /// The end.
    Right,
    /// Both.
    All,
}

impl Trim {
    /// All of them, by the words of the configuration.
    pub const WORDS: [(&str, Self); 4] =
        [("none", Self::None), ("left", Self::Left), ("right", Self::Right), ("all", Self::All)];

    /// Returns its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, trim)| *trim == self);
        found.map_or("none", |(word, _)| word)
    }
}

/// `csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFormat {
    /// Names of the columns; one without a name is passed over.
    pub columns: Vec<String>,
    /// Between two values; an ASCII character.
    pub separator: u8,
    /// Around values in which the separator stands; an ASCII character.
    pub quote: Option<u8>,
    /// Whether blanks and tabs before a value are no part of it.
    pub trim_leading_space: bool,
    /// Whether those before and behind a value that is not in quotes are no part of it.
    pub trim: bool,
    /// Types of columns that are no text.
    pub types: Vec<(String, ValueType)>,
    /// Which lines name the columns and are not sent.
    pub header: Header,
}

/// Lines of a table that name its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Header {
    /// None: each line is an event.
    #[default]
    None,
    /// Those that have the names of the columns in their order.
    Columns,
    /// Those that are this text.
    Line(String),
}

impl CsvFormat {
    /// Makes one of columns with the usual separator and quotes.
    #[must_use]
    pub fn new(columns: Vec<String>) -> Self {
        Self {
            columns,
            separator: b',',
            quote: Some(b'"'),
            trim_leading_space: false,
            trim: false,
            types: Vec::new(),
            header: Header::None,
        }
    }

    /// Returns an expression for the lines that are not sent because they name the columns.
    #[must_use]
    pub fn header_pattern(&self) -> Option<String> {
        let inner = match &self.header {
            Header::None => return None,
            Header::Line(line) => regex::escape(line),
            Header::Columns => {
                let quote = self.quote.map_or(String::new(), |quote| {
                    format!("{}?", regex::escape(&char::from(quote).to_string()))
                });
                let separator = regex::escape(&char::from(self.separator).to_string());
                let column = |name: &String| match name.as_str() {
                    "" => format!("[^{separator}]*"),
                    name => format!("[ \\t]*{quote}{}{quote}", regex::escape(name)),
                };
                self.columns.iter().map(column).collect::<Vec<_>>().join(&separator)
            }
        };
        Some(format!("^{inner}$"))
    }
}

/// `kv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvFormat {
    /// Between two pairs, any number of times.
    pub field_split: String,
    /// Between key and value.
    pub value_split: String,
    /// Keys that become fields, and the names of these.
    pub fields: Vec<(String, String)>,
    /// Keys that are passed over.
    pub exclude_keys: Vec<String>,
    /// Name of the field that has a list of all other pairs, each as one text.
    pub others: Option<String>,
    /// Characters that keys lose at both ends.
    pub trim_key: String,
    /// Characters that values lose at both ends.
    pub trim_value: String,
    /// Whether values lose brackets around them: `()`, `<>` or `[]`.
    pub strip_brackets: bool,
    /// Types of fields that are no text.
    pub types: Vec<(String, ValueType)>,
}

impl KvFormat {
    /// Makes one of keys with `=` and blanks.
    #[must_use]
    pub fn new(fields: Vec<(String, String)>) -> Self {
        Self {
            field_split: " ".to_owned(),
            value_split: "=".to_owned(),
            fields,
            exclude_keys: Vec::new(),
            others: None,
            trim_key: String::new(),
            trim_value: String::new(),
            strip_brackets: false,
            types: Vec::new(),
        }
    }
}

/// What a value is in a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ValueType {
    /// A text.
    #[default]
    Text,
    /// A whole number that fits a `long`.
    Integer,
    /// A number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// The text of an IP address.
    Ip,
}

impl ValueType {
    /// The words for them in all formats; the first of each is its own.
    pub const WORDS: [(&str, Self); 11] = [
        ("text", Self::Text),
        ("string", Self::Text),
        ("keyword", Self::Text),
        ("long", Self::Integer),
        ("int", Self::Integer),
        ("integer", Self::Integer),
        ("double", Self::Float),
        ("float", Self::Float),
        ("boolean", Self::Boolean),
        ("bool", Self::Boolean),
        ("ip", Self::Ip),
    ];

    /// Finds one by its word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
    }

    /// Says which words there are.
    #[must_use]
    pub fn known() -> String {
        let words: Vec<String> = Self::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
        format!("known are {}", words.join(", "))
    }

    /// Returns its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, value)| *value == self);
        found.map_or("text", |(word, _)| word)
    }
}
