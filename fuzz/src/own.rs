//! Formats that an operator describes: one that is refused has a place in its text; of one that is taken, every line is
//! survived and becomes one document.

use super::documents::{check_lines, input, shared};
use super::input::Input;
use shipper::parsers::own::{OwnLines, Part};
use shipper::pipeline::Pipeline;
use shipper::settings::Format;
use shipper::settings::own::{
    CsvFormat, DissectFormat, GrokFormat, How, KvFormat, OwnFormat, Trim, ValueType,
};

/// The first byte says which kind of format it is, the second how many items a batch has; the first line is the format.
pub fn check(bytes: &[u8]) {
    let mut rest = Input(bytes);
    let kind = rest.byte();
    let most = usize::from(rest.byte()) + 1;
    let (text, log) = match rest.0.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&rest.0[..end], &rest.0[end + 1..]),
        None => (rest.0, &b""[..]),
    };
    let text = String::from_utf8_lossy(text).into_owned();
    let format = OwnFormat {
        how: how(kind, &text),
        // A text that is a part of the line would be `message`, which is compared with the line.
        rename: vec![("message".to_owned(), "text".to_owned())],
        timestamp_formats: Vec::new(),
    };
    if let Err(error) = OwnLines::new(&format) {
        if let (Part::Pattern(0) | Part::Tokenizer, Some(range)) = (error.part, error.range) {
            assert!(text.get(range).is_some(), "its place is in the text");
        }
        return;
    }
    let keeps = kind & 4 == 0;
    let mut input = input(Format::Own(Box::new(format)), keeps, 10 << 20);
    input.zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
    let pipeline = Pipeline::new(&input, &shared()).expect("it was made before");
    check_lines(pipeline, keeps, most, log);
}

fn how(kind: u8, text: &str) -> How {
    let names = || text.split(',').map(str::to_owned);
    let types = || vec![("n".to_owned(), ValueType::Integer), ("f".to_owned(), ValueType::Float)];
    match kind & 3 {
        0 => How::Grok(GrokFormat { patterns: vec![text.to_owned()], definitions: Vec::new() }),
        1 => How::Dissect(DissectFormat {
            tokenizer: text.to_owned(),
            trim_values: if kind & 8 == 0 { Trim::None } else { Trim::All },
            trim_chars: " ä".to_owned(),
        }),
        2 => {
            let mut columns: Vec<String> = names().collect();
            columns.extend(["n", "f"].map(str::to_owned));
            How::Csv(CsvFormat {
                types: types(),
                trim_leading_space: kind & 8 == 0,
                ..CsvFormat::new(columns)
            })
        }
        _ => {
            let mut fields: Vec<(String, String)> =
                names().map(|name| (name.clone(), name)).collect();
            fields.extend(["n", "f"].map(|name| (name.to_owned(), name.to_owned())));
            How::Kv(KvFormat {
                types: types(),
                others: (kind & 8 == 0).then(|| "kv.others".to_owned()),
                ..KvFormat::new(fields)
            })
        }
    }
}
