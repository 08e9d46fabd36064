//! What tests of the formats that an operator describes have in common.

use super::*;
use crate::event::LineText;
use crate::settings::own::{CsvFormat, DissectFormat, GrokFormat, KvFormat, Trim};

/// What a line's fields are, `name=value` in the order of documents; nothing when it is not recognised.
pub(super) fn fields_of(parser: &mut OwnLines, line: &[u8]) -> Option<String> {
    let mut event = EventBuf::with_extras(parser.extras().len());
    let text = match std::str::from_utf8(line) {
        Ok(_) => LineText::Valid,
        Err(_) => LineText::Broken,
    };
    parser.set_now(1_795_234_354_567);
    event.begin(text, None);
    if parser.parse(line, &mut event) == Parsed::Unrecognised {
        return None;
    }
    let mut all = Vec::new();
    let mut put = |name: &str, bytes: &[u8]| {
        all.push(format!("{name}={}", String::from_utf8_lossy(bytes)));
    };
    if let Some(time) = event.timestamp() {
        put("@timestamp", time);
    }
    for field in Field::ALL.iter().filter(|field| **field != Field::Message) {
        if let Some(span) = event.get(*field) {
            put(field.name(), event.bytes(line, span));
        }
    }
    for (number, extra) in parser.extras().iter().enumerate() {
        let is_ours = matches!(&*extra.name, "event.original" | "event.timezone");
        if let Some(span) = event.extra(number).filter(|_| !is_ours) {
            put(&extra.name, event.bytes(line, span));
        }
    }
    if let Some(part) = event.text_part() {
        put("message", event.bytes(line, part));
    }
    if event.has_residue() {
        put("+", b"");
    }
    Some(all.join(" | "))
}

pub(super) fn lines(how: How) -> OwnLines {
    OwnLines::new(&OwnFormat::new(how)).unwrap()
}

pub(super) fn check(parser: &mut OwnLines, cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        let seen = fields_of(parser, line.as_bytes());
        assert_eq!(seen.as_deref().unwrap_or("nothing"), *expected, "{line}");
    }
}

/// What is wrong, with the text that is underlined.
pub(super) fn fault(format: &OwnFormat) -> String {
    let error = OwnLines::new(format).expect_err("something is wrong");
    let text = match (&format.how, &error.part) {
        (How::Grok(grok), Part::Pattern(number)) => grok.patterns.get(*number).cloned(),
        (How::Grok(grok), Part::Definition(name)) => {
            grok.definitions.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone())
        }
        (How::Dissect(dissect), Part::Tokenizer) => Some(dissect.tokenizer.clone()),
        _ => None,
    };
    let shown = error.range.and_then(|range| Some(text?[range].to_owned()));
    format!("{} ‹{}› {}", error.message, shown.unwrap_or_default(), error.hint)
}

pub(super) fn grok(pattern: &str, definitions: &[(&str, &str)]) -> How {
    let definitions = definitions.iter().map(|(name, text)| ((*name).into(), (*text).into()));
    How::Grok(GrokFormat { patterns: vec![pattern.to_owned()], definitions: definitions.collect() })
}

pub(super) fn dissect(tokenizer: &str) -> How {
    How::Dissect(DissectFormat {
        tokenizer: tokenizer.to_owned(),
        trim_values: Trim::None,
        trim_chars: " ".to_owned(),
    })
}

pub(super) fn csv(columns: &[&str]) -> CsvFormat {
    CsvFormat::new(columns.iter().map(|name| (*name).to_owned()).collect())
}

pub(super) fn kv(fields: &[&str]) -> KvFormat {
    KvFormat::new(fields.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect())
}
