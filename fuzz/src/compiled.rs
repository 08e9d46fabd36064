//! Format strings of web servers: one that is refused has a place in its text; of one that is taken, every line is
//! survived, its values lie in it one behind the other, and it becomes one document.

use super::documents::{check_lines, input, shared};
use super::input::Input;
use shipper::event::LineText;
use shipper::parsers::compiled::Compiled;
use shipper::pipeline::Pipeline;
use shipper::settings::{Escape, Format, ServerFormat, WebServer};

pub fn check(bytes: &[u8]) {
    let mut rest = Input(bytes);
    let kind = rest.byte();
    let server = if kind & 1 == 0 { WebServer::Apache } else { WebServer::Nginx };
    let escape = match kind >> 1 & 3 {
        1 => Escape::Json,
        2 => Escape::None,
        _ => Escape::Default,
    };
    let most = usize::from(rest.byte()) + 1;
    // The first line is the format.
    let (text, log) = match rest.0.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&rest.0[..end], &rest.0[end + 1..]),
        None => (rest.0, &b""[..]),
    };
    let text = String::from_utf8_lossy(text).into_owned();
    let format = ServerFormat { server, text, escape };
    let mut compiled = match Compiled::new(&format) {
        Ok(compiled) => compiled,
        Err(fault) => {
            assert!(format.text.get(fault.range).is_some(), "its place is in the text");
            return;
        }
    };
    let values = compiled.directives().len();
    for line in log.split(|byte| *byte == b'\n') {
        let is_text = std::str::from_utf8(line).is_ok();
        let known = if is_text { LineText::Valid } else { LineText::Broken };
        let Some(spans) = compiled.split(line, known) else { continue };
        assert_eq!(spans.len(), values);
        let mut at = 0;
        for span in spans {
            assert!(at <= span.start() && span.end() <= line.len(), "values are in order");
            at = span.end();
        }
    }
    let input = input(Format::Compiled(format), true, 10 << 20);
    let pipeline = Pipeline::new(&input, &shared()).expect("it was compiled");
    check_lines(pipeline, true, most, log);
}
