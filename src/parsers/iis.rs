//! Lines of IIS in W3C's extended format, whose columns a `#Fields:` line names.
//!
//! Lines of several files may come in turns, so the columns of each are kept by its epoch. Whoever reads a file on behind its
//! `#Fields:` looks for that first. Where none is found, columns of other files are tried, and the sets that Filebeat's module knows. These are not taken on
//! trust: a line has as many words as there are columns, and those that are dates, addresses or numbers have to be. Of columns
//! that the file names itself, a value that is none of its column's is left out. Lines that begin with `#` are no events.

use super::address::Address;
use super::escapes::{form_decoded, percent_decoded};
use super::forwarded::{Proxies, set_behind_proxies};
use super::timestamp::{DAY_MS, parse_clock, parse_date, render};
use super::url::set_target;
use super::values::{
    self, OF_MILLISECONDS, body_bytes, duration, extras, line_parser, number, text,
};
use crate::dataset::IIS_ACCESS;
use crate::event::{EventBuf, Field, Parsed, Span};

extras! {
    Duration = "event.duration" Raw,
    SiteName = "iis.access.site_name" Text,
    ServerName = "iis.access.server_name" Text,
    SubStatus = "iis.access.sub_status" Raw,
    Win32Status = "iis.access.win32_status" Raw,
    Cookie = "iis.access.cookie" Text,
    Destination = "destination.address" Text,
    RequestBytes = "http.request.body.bytes" Raw,
    ForwardedIp = "network.forwarded_ip" Text,
}

/// Most columns of a line.
const COLUMNS_MAX: usize = 64;

/// Most files whose columns are remembered.
const FILES_MAX: usize = 64;

const FIELDS: &[u8] = b"#Fields:";

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Date,
    Time,
    Client,
    ServerAddress,
    ServerPort,
    Method,
    Stem,
    Query,
    User,
    Agent,
    Referrer,
    Cookie,
    Host,
    Version,
    Status,
    SubStatus,
    Win32Status,
    Sent,
    Received,
    TimeTaken,
    SiteName,
    ServerName,
    ForwardedFor,
    /// One that no field takes.
    Other,
}

/// Names of the columns.
const NAMES: [(&[u8], Column); 24] = [
    (b"date", Column::Date),
    (b"time", Column::Time),
    (b"c-ip", Column::Client),
    (b"s-ip", Column::ServerAddress),
    (b"s-port", Column::ServerPort),
    (b"cs-method", Column::Method),
    (b"cs-uri-stem", Column::Stem),
    (b"cs-uri-query", Column::Query),
    (b"cs-username", Column::User),
    (b"cs(User-Agent)", Column::Agent),
    (b"cs(Referer)", Column::Referrer),
    (b"cs(Cookie)", Column::Cookie),
    (b"cs-host", Column::Host),
    (b"cs(Host)", Column::Host),
    (b"cs-version", Column::Version),
    (b"sc-status", Column::Status),
    (b"sc-substatus", Column::SubStatus),
    (b"sc-win32-status", Column::Win32Status),
    (b"sc-bytes", Column::Sent),
    (b"cs-bytes", Column::Received),
    (b"time-taken", Column::TimeTaken),
    (b"s-sitename", Column::SiteName),
    (b"s-computername", Column::ServerName),
    (b"X-Forwarded-For", Column::ForwardedFor),
];

/// Sets of columns that a log may have whose `#Fields:` was not seen: the default of IIS 7 to 10 first.
const DEFAULTS: [&[u8]; 4] = [
    b"date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status \
      sc-substatus sc-win32-status time-taken",
    b"date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status sc-substatus \
      sc-win32-status time-taken",
    b"date time s-sitename cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Cookie) cs(Referer) \
      cs-host sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken",
    b"date time s-sitename s-computername s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs-version \
      cs(User-Agent) cs(Cookie) cs(Referer) cs-host sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken",
];

/// Reads lines of IIS.
#[derive(Debug, Clone)]
pub struct Iis {
    /// Columns of files, the file last read in front, by their epochs.
    files: Vec<(Vec<u8>, Vec<Column>)>,
    epoch: Vec<u8>,
    defaults: Vec<Vec<Column>>,
    proxies: Proxies,
}

impl Default for Iis {
    fn default() -> Self {
        let defaults = DEFAULTS.into_iter().filter_map(columns_of).collect();
        let proxies = Proxies::default();
        Self { files: Vec::new(), epoch: Vec::new(), defaults, proxies }
    }
}

line_parser!(Iis, |_| &IIS_ACCESS; begin_file FIELDS => proxies);

impl Iis {
    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Parsed {
        if line.first() == Some(&b'#') {
            if let Some(columns) = line.strip_prefix(FIELDS).and_then(columns_of) {
                self.learn(columns);
            }
            return Parsed::NoEvent;
        }
        self.read_line(line, event).into()
    }

    fn read_line(&self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        let mut words = [Span::default(); COLUMNS_MAX];
        let (mut count, mut at) = (0, 0);
        while let Some((word, next)) = values::word(line, at) {
            *words.get_mut(count)? = word;
            count += 1;
            if next == word.end() {
                break;
            }
            at = next;
        }
        let words = &words[..count];
        let set = self.columns_for(line, words)?;
        for (column, word) in set.iter().zip(words) {
            set_column(*column, line, *word, event);
        }
        set_time(set, line, words, event);
        if let Some(list) = set.iter().position(|column| *column == Column::ForwardedFor)
            && !self.proxies.0.is_empty()
        {
            set_behind_proxies(line, words[list], &self.proxies.0, false, event);
        }
        values::related(event, line);
        let is_request = set.iter().any(|one| matches!(one, Column::Status | Column::Method));
        is_request.then_some(())
    }

    fn begin_file(&mut self, epoch: &[u8]) {
        if self.epoch == epoch {
            return;
        }
        self.epoch.clear();
        self.epoch.extend_from_slice(epoch);
        if let Some(known) = self.files.iter().position(|(file, _)| file == epoch) {
            self.files[..=known].rotate_right(1);
        }
    }

    /// Remembers the columns of the file that is read.
    fn learn(&mut self, columns: Vec<Column>) {
        self.files.retain(|(file, _)| *file != self.epoch);
        self.files.truncate(FILES_MAX - 1);
        self.files.insert(0, (self.epoch.clone(), columns));
    }

    /// Returns the columns of the file, and where these are not known, the first of all others that a line fits.
    fn columns_for(&self, line: &[u8], words: &[Span]) -> Option<&[Column]> {
        if let Some((_, own)) = self.files.first().filter(|(file, _)| *file == self.epoch) {
            return has_time(own, line, words).then_some(own);
        }
        let others = self.files.iter().map(|(_, columns)| columns);
        others.chain(&self.defaults).find(|set| fits(set, line, words)).map(Vec::as_slice)
    }
}

/// Reads what names columns; `None` when these are none or too many.
fn columns_of(names: &[u8]) -> Option<Vec<Column>> {
    let names = names.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty());
    let columns: Vec<Column> = names
        .map(|name| {
            let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            known.map_or(Column::Other, |(_, column)| *column)
        })
        .collect();
    (1..=COLUMNS_MAX).contains(&columns.len()).then_some(columns)
}

/// Tells whether as many words as columns are there, and date and time are some.
fn has_time(columns: &[Column], line: &[u8], words: &[Span]) -> bool {
    let is_time = |column: &Column| matches!(column, Column::Date | Column::Time);
    columns.len() == words.len()
        && columns
            .iter()
            .zip(words)
            .filter(|(column, _)| is_time(column))
            .all(|(column, word)| may_be(*column, &line[word.start()..word.end()]))
}

/// Tells whether the words of a line may stand in these columns.
fn fits(columns: &[Column], line: &[u8], words: &[Span]) -> bool {
    columns.len() == words.len()
        && columns
            .iter()
            .zip(words)
            .all(|(column, word)| may_be(*column, &line[word.start()..word.end()]))
}

fn may_be(column: Column, text: &[u8]) -> bool {
    let is_number = || values::parse_number(text).is_some();
    match column {
        Column::Date => parse_date(text, b'-').is_some(),
        Column::Time => matches!(parse_clock(text), Some((_, []))),
        _ if text == b"-" => true,
        Column::Client | Column::ServerAddress => Address::of(without_zone(text)) == Address::Ip,
        Column::Status => text.len() == 3 && is_number(),
        Column::ServerPort
        | Column::SubStatus
        | Column::Win32Status
        | Column::Sent
        | Column::Received
        | Column::TimeTaken => is_number(),
        Column::Method => {
            text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        }
        Column::Version => text.starts_with(b"HTTP/"),
        Column::Stem
        | Column::Query
        | Column::User
        | Column::Agent
        | Column::Referrer
        | Column::Cookie
        | Column::Host
        | Column::SiteName
        | Column::ServerName
        | Column::ForwardedFor
        | Column::Other => true,
    }
}

/// Returns an IPv6 address without its zone: `fe80::1%4`.
fn without_zone(text: &[u8]) -> &[u8] {
    memchr::memchr(b'%', text).map_or(text, |percent| &text[..percent])
}

fn set_column(column: Column, line: &[u8], word: Span, event: &mut EventBuf) {
    let bytes = &line[word.start()..word.end()];
    if values::is_absent(bytes) {
        return;
    }
    if !may_be(column, bytes) {
        return event.leave_residue();
    }
    let without_zone = word.part(0, without_zone(bytes).len());
    match column {
        Column::Date | Column::Time => {}
        Column::Client => {
            event.set(Field::SourceAddress, word);
            event.set(Field::SourceIp, without_zone);
        }
        Column::ServerAddress => {
            values::set(event, Own::Destination, word);
            event.set(Field::DestinationIp, without_zone);
        }
        Column::ServerPort => drop(number(event, line, Field::DestinationPort, word)),
        Column::Method => event.set(Field::RequestMethod, word),
        Column::Stem => {
            // A query is in a column of its own, so that one here is part of the path.
            set_target(event, line, word);
        }
        Column::Query => {
            let query = percent_decoded(event, line, word);
            text(event, line, Field::UrlQuery, query);
        }
        Column::User => {
            event.set(Field::UserName, word);
            event.set(Field::RelatedUser, word);
        }
        Column::Agent => {
            let agent = form_decoded(event, line, word);
            text(event, line, Field::UserAgent, agent);
        }
        Column::Referrer => event.set(Field::Referrer, word),
        Column::Cookie => values::set(event, Own::Cookie, word),
        Column::Host => {
            values::host(event, line, word);
            if let Some(name) = event.get(Field::UrlDomain) {
                event.set(Field::DestinationDomain, name);
            }
        }
        Column::Version => {
            values::protocol(event, line, word);
            if event.get(Field::HttpVersion).is_none() {
                event.leave_residue();
            }
        }
        Column::Status => {
            if !values::status(event, line, word) {
                event.leave_residue();
            }
        }
        Column::SubStatus => drop(number(event, line, Own::SubStatus, word)),
        Column::Win32Status => drop(number(event, line, Own::Win32Status, word)),
        Column::Sent => body_bytes(event, line, word),
        Column::Received => drop(number(event, line, Own::RequestBytes, word)),
        Column::TimeTaken => drop(duration(event, line, Own::Duration, word, OF_MILLISECONDS)),
        Column::SiteName => values::set(event, Own::SiteName, word),
        Column::ServerName => values::set(event, Own::ServerName, word),
        Column::ForwardedFor if Address::of(bytes) == Address::Ip => {
            values::set(event, Own::ForwardedIp, word);
        }
        Column::ForwardedFor | Column::Other => event.leave_residue(),
    }
}

/// Sets when it happened, which is said in UTC; a log without dates leaves it open.
fn set_time(columns: &[Column], line: &[u8], words: &[Span], event: &mut EventBuf) {
    let word = |wanted: Column| {
        let at = columns.iter().position(|column| *column == wanted)?;
        Some(event.bytes(line, words[at]))
    };
    let time = word(Column::Date)
        .zip(word(Column::Time))
        .and_then(|(date, clock)| Some(parse_date(date, b'-')? * DAY_MS + parse_clock(clock)?.0));
    if let Some(time) = time {
        event.set_timestamp(render(time));
    }
}
