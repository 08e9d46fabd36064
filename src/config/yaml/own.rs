//! Formats that an operator describes, as YAML.

use serde_yaml::{Mapping, Value};

use super::{list, map, pairs, put};
use crate::settings::own::{
    CsvFormat, DissectFormat, GrokFormat, Header, How, KvFormat, OwnFormat, Trim, ValueType,
};

/// Returns a format as `format` has it.
pub(super) fn own(format: &OwnFormat) -> Value {
    let mut out = Mapping::new();
    let key = match &format.how {
        How::Grok(one) => grok(&mut out, one),
        How::Dissect(one) => dissect(&mut out, one),
        How::Csv(one) => csv(&mut out, one),
        How::Kv(one) => kv(&mut out, one),
    };
    if !format.rename.is_empty() {
        put(&mut out, "rename", texts(&format.rename));
    }
    if !format.timestamp_formats.is_empty() {
        put(&mut out, "timestamp_format", list(&format.timestamp_formats));
    }
    map([(key, Value::Mapping(out))])
}

fn grok(out: &mut Mapping, grok: &GrokFormat) -> &'static str {
    put(out, "patterns", list(&grok.patterns));
    if !grok.definitions.is_empty() {
        put(out, "definitions", texts(&grok.definitions));
    }
    "grok"
}

fn dissect(out: &mut Mapping, dissect: &DissectFormat) -> &'static str {
    put(out, "tokenizer", dissect.tokenizer.as_str());
    if dissect.trim_values != Trim::None {
        put(out, "trim_values", dissect.trim_values.word());
        put(out, "trim_chars", dissect.trim_chars.as_str());
    }
    "dissect"
}

fn csv(out: &mut Mapping, csv: &CsvFormat) -> &'static str {
    put(out, "columns", list(&csv.columns));
    put(out, "separator", char::from(csv.separator).to_string());
    put(out, "quote", csv.quote.map_or(String::new(), |quote| char::from(quote).to_string()));
    put(out, "trim_leading_space", csv.trim_leading_space);
    if csv.trim {
        put(out, "trim", true);
    }
    match &csv.header {
        Header::None => {}
        Header::Columns => put(out, "skip_header", true),
        Header::Line(line) => put(out, "skip_header", line.as_str()),
    }
    types(out, &csv.types);
    "csv"
}

fn kv(out: &mut Mapping, kv: &KvFormat) -> &'static str {
    put(out, "field_split", kv.field_split.as_str());
    put(out, "value_split", kv.value_split.as_str());
    if !kv.fields.is_empty() {
        let one = |(key, name): &(String, String)| pairs(std::iter::once((key, name.as_str())));
        put(out, "fields", Value::Sequence(kv.fields.iter().map(one).collect()));
    }
    if !kv.exclude_keys.is_empty() {
        put(out, "exclude_keys", list(&kv.exclude_keys));
    }
    if let Some(others) = &kv.others {
        put(out, "others", others.as_str());
    }
    for (key, characters) in [("trim_key", &kv.trim_key), ("trim_value", &kv.trim_value)] {
        if !characters.is_empty() {
            put(out, key, characters.as_str());
        }
    }
    if kv.strip_brackets {
        put(out, "strip_brackets", true);
    }
    types(out, &kv.types);
    "kv"
}

fn types(out: &mut Mapping, types: &[(String, ValueType)]) {
    if !types.is_empty() {
        put(out, "types", pairs(types.iter().map(|(name, value)| (name, value.word()))));
    }
}

fn texts(all: &[(String, String)]) -> Value {
    pairs(all.iter().map(|(key, value)| (key, value.as_str())))
}
