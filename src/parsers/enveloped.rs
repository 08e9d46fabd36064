//! Lines that come in syslog messages: the header becomes fields of its own, and another parser reads the text.

use super::Parser;
use super::access_log::Server;
use super::regex::RegexError;
use super::syslog::{FACILITIES, Header, SEVERITIES, Syslog, push_structured_data};
use super::timestamp::render;
use super::zone::Zone;
use crate::event::{EXTRAS_MAX, EventBuf, Extra, Kind, Parse, Parsed, Span};
use crate::json_text::push_u64;
use crate::settings::SyslogSettings;
use crate::settings::network::Network;

/// Fields of a header, in the order of [`Part`].
const EXTRAS: [(&str, Kind); 15] = [
    ("log.syslog.priority", Kind::Raw),
    ("log.syslog.facility.code", Kind::Raw),
    ("log.syslog.facility.name", Kind::Text),
    ("log.syslog.severity.code", Kind::Raw),
    ("log.syslog.severity.name", Kind::Text),
    ("log.syslog.version", Kind::Text),
    ("log.syslog.hostname", Kind::Text),
    ("log.syslog.appname", Kind::Text),
    ("log.syslog.procid", Kind::Text),
    ("log.syslog.msgid", Kind::Text),
    ("log.syslog.structured_data", Kind::Raw),
    ("hostname", Kind::Text),
    ("process.name", Kind::Text),
    ("process.pid", Kind::Raw),
    ("event.severity", Kind::Raw),
];

/// Where the fields are in [`EXTRAS`].
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Part {
    Priority,
    FacilityCode,
    FacilityName,
    SeverityCode,
    SeverityName,
    Version,
    Hostname,
    AppName,
    ProcId,
    MsgId,
    StructuredData,
    HostnameOnTop,
    ProcessName,
    ProcessId,
    EventSeverity,
}

/// Most digits of a process id that is taken for a number.
const PROCESS_DIGITS_MAX: usize = 10;

/// Name of the program, or part of it, whose lines are nginx's.
const NGINX: &[u8] = b"nginx";

/// Reads syslog messages.
#[derive(Debug, Clone)]
pub struct SyslogLines {
    syslog: Syslog,
    inner: Parser,
    /// The inner parser's fields, and then [`EXTRAS`].
    extras: Vec<Extra>,
    /// Number of the first of [`EXTRAS`].
    first: usize,
    server: Server,
    last_server: Server,
    /// How many bytes of the next line are its header, where that was found out before: its text is another by now.
    head: Option<usize>,
}

impl SyslogLines {
    pub(super) fn new(inner: Parser, settings: &SyslogSettings) -> Result<Self, RegexError> {
        let mut extras = inner.extras().to_vec();
        let first = extras.len();
        extras.extend(EXTRAS.map(|(name, kind)| Extra::new(name, kind)));
        if EXTRAS_MAX < extras.len() {
            return Err(RegexError::TooMany(first));
        }
        let syslog = Syslog::new(settings.format, settings.zone.clone());
        let server = Server::Apache;
        Ok(Self { syslog, inner, extras, first, server, last_server: server, head: None })
    }

    pub(super) fn set_server(&mut self, server: Server) {
        self.server = server;
    }

    pub(super) fn set_now(&mut self, unix_ms: u64) {
        self.syslog.set_now(unix_ms);
        self.inner.set_now(unix_ms);
    }

    pub(super) fn trust(&mut self, proxies: &[Network]) {
        self.inner.trust(proxies);
    }

    /// The header's zone is said with the protocol.
    pub(super) fn set_zone(&mut self, zone: &Zone) {
        self.inner.set_zone(zone);
    }

    pub(super) fn inner(&self) -> &Parser {
        &self.inner
    }

    pub(super) fn extras(&self) -> &[Extra] {
        &self.extras
    }

    /// Reads the header of a line, or what was found to be one.
    fn header(&mut self, line: &[u8]) -> Option<Header> {
        let Some(head) = self.head.take() else { return self.syslog.read(line) };
        let mut header = self.syslog.read(&line[..head])?;
        header.message = Span::line(head, line.len());
        Some(header)
    }

    /// Has the text of a message parsed.
    fn parse_text(&mut self, line: &[u8], header: &Header, event: &mut EventBuf) -> Parsed {
        let text = &line[header.message.start()..];
        event.forget_quotes();
        let parsed = match &mut self.inner {
            Parser::Access(parser) => {
                // As with the path of a file: what names nginx is nginx's.
                let named = header.app_name.is_some_and(|name| {
                    let name = &line[name.start()..name.end()];
                    memchr::memmem::find(name, NGINX).is_some()
                });
                let is_nginx = named && parser.recognises_all();
                self.last_server = if is_nginx { Server::Nginx } else { self.server };
                parser.set_server(self.last_server);
                parser.parse(text, event)
            }
            Parser::Regex(parser) => parser.parse(text, event),
            Parser::Other(parser) => parser.parse(text, event),
            Parser::Raw(_) | Parser::Syslog(_) => Parsed::Unrecognised,
        };
        if parsed != Parsed::Recognised {
            event.clear_fields();
        }
        event.shift(header.message.start());
        parsed
    }

    fn set_header(&self, line: &[u8], header: &Header, event: &mut EventBuf) {
        if let Some(time) = header.time
            && event.timestamp().is_none()
        {
            event.set_timestamp(render(time));
        }
        let mut set = |extra: Part, span: Option<Span>| {
            if let Some(span) = span {
                event.set_extra(self.first + extra as usize, span);
            }
        };
        set(Part::Version, header.version);
        set(Part::Hostname, header.hostname);
        set(Part::HostnameOnTop, header.hostname);
        set(Part::AppName, header.app_name);
        set(Part::ProcessName, header.app_name);
        set(Part::ProcId, header.proc_id);
        set(Part::MsgId, header.msg_id);
        if let Some(process) = header.proc_id {
            let digits = &line[process.start()..process.end()];
            let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
            let zeros = zeros.min(digits.len().saturating_sub(1));
            if digits.len() <= PROCESS_DIGITS_MAX && digits.iter().all(u8::is_ascii_digit) {
                set(Part::ProcessId, Some(process.part(zeros, process.len())));
            }
        }
        if let Some((facility, severity)) = header.facility().zip(header.severity()) {
            let priority = u64::from(header.priority.unwrap_or_default());
            self.set_number(event, &[Part::Priority], priority);
            self.set_number(event, &[Part::FacilityCode], u64::from(facility));
            let both = [Part::SeverityCode, Part::EventSeverity];
            self.set_number(event, &both, u64::from(severity));
            self.set_text(event, Part::FacilityName, FACILITIES[usize::from(facility)]);
            self.set_text(event, Part::SeverityName, SEVERITIES[usize::from(severity)]);
        }
        if let Some(data) = header.structured_data {
            let start = event.scratch().len();
            push_structured_data(event.scratch_mut(), &line[data.start()..data.end()]);
            let span = Span::scratch(start, event.scratch().len());
            event.set_extra(self.first + Part::StructuredData as usize, span);
        }
    }

    fn set_number(&self, event: &mut EventBuf, extras: &[Part], number: u64) {
        let start = event.scratch().len();
        push_u64(event.scratch_mut(), number);
        let span = Span::scratch(start, event.scratch().len());
        for extra in extras {
            event.set_extra(self.first + *extra as usize, span);
        }
    }

    fn set_text(&self, event: &mut EventBuf, extra: Part, text: &str) {
        let start = event.scratch().len();
        event.scratch_mut().extend_from_slice(text.as_bytes());
        let span = Span::scratch(start, event.scratch().len());
        event.set_extra(self.first + extra as usize, span);
    }
}

impl Parse for SyslogLines {
    fn parse(&mut self, line: &[u8], event: &mut EventBuf) -> Parsed {
        self.last_server = self.server;
        let Some(header) = self.header(line) else { return Parsed::Unrecognised };
        let parsed = self.parse_text(line, &header, event);
        if parsed == Parsed::NoEvent {
            return parsed;
        }
        // A parser may take only a part of the text for its message.
        if event.text_part().is_none() {
            event.set_text_part(header.message);
        }
        self.set_header(line, &header, event);
        if parsed == Parsed::Recognised { parsed } else { Parsed::Enveloped }
    }

    fn set_head(&mut self, length: usize) {
        self.head = Some(length);
    }

    fn is_nginx(&self) -> Option<bool> {
        Some(self.last_server == Server::Nginx)
    }
}
