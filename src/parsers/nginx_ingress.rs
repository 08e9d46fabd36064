//! Access lines of Kubernetes' ingress controller: nginx's combined format, and behind it length and time of the request, the
//! upstream's names, and of each try which address was asked and what came of it.
//!
//! Fields are those of Filebeat's fileset `nginx.ingress_controller`, and ECS's beside them.

use super::access_log::{AccessLog, Server, Shape, add_related};
use super::address::{Address, split_port};
use super::values::{
    OF_SECONDS, duration, enclosed, extras, is_decimal, line_parser, list, nanoseconds_of_seconds,
    number, scratch, set, text, word,
};
use crate::dataset::NGINX_INGRESS;
use crate::event::{EventBuf, Field, Span};
use crate::json_text::push_u64;

extras! {
    Duration = "event.duration" Raw,
    RequestBytes = "http.request.bytes" Raw,
    RequestId = "http.request.id" Text,
    RemoteIps = "nginx.ingress_controller.remote_ip_list" Raw,
    Id = "nginx.ingress_controller.http.request.id" Text,
    Length = "nginx.ingress_controller.http.request.length" Raw,
    Time = "nginx.ingress_controller.http.request.time" Raw,
    Name = "nginx.ingress_controller.upstream.name" Text,
    AlternativeName = "nginx.ingress_controller.upstream.alternative_name" Text,
    Ip = "nginx.ingress_controller.upstream.ip" Text,
    Port = "nginx.ingress_controller.upstream.port" Raw,
    Addresses = "nginx.ingress_controller.upstream_address_list" Raw,
    ResponseLength = "nginx.ingress_controller.upstream.response.length" Raw,
    ResponseLengths = "nginx.ingress_controller.upstream.response.length_list" Raw,
    ResponseTime = "nginx.ingress_controller.upstream.response.time" Raw,
    ResponseTimes = "nginx.ingress_controller.upstream.response.time_list" Raw,
    ResponseStatus = "nginx.ingress_controller.upstream.response.status_code" Raw,
    ResponseStatuses = "nginx.ingress_controller.upstream.response.status_code_list" Raw,
}

/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// Reads access lines of the ingress controller.
#[derive(Debug, Clone)]
pub struct NginxIngress {
    beginning: AccessLog,
}

impl Default for NginxIngress {
    fn default() -> Self {
        let mut beginning = AccessLog::new(Shape::CombinedOrVhost);
        beginning.set_server(Server::Nginx);
        Self { beginning }
    }
}

line_parser!(NginxIngress, |_| &NGINX_INGRESS => beginning);

impl NginxIngress {
    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        let at = self.beginning.read_beginning(line, event)?;
        set_remote_ips(line, event);
        let at = read_request(line, at, event)?;
        let (addresses, at) = tries(line, at)?;
        let (lengths, at) = tries(line, at)?;
        let (times, at) = tries(line, at)?;
        let (statuses, at) = tries(line, at)?;
        set_addresses(line, addresses, event);
        set_last(line, lengths, Own::ResponseLengths, Own::ResponseLength, event);
        set_times(line, times, event);
        set_last(line, statuses, Own::ResponseStatuses, Own::ResponseStatus, event);
        let id = Span::line(at, line.len());
        text(event, line, Own::Id, id);
        text(event, line, Own::RequestId, id);
        Some(())
    }
}

/// Gives the addresses of clients the name that they have here.
fn set_remote_ips(line: &[u8], event: &mut EventBuf) {
    add_related(event);
    if let Some(list) = event.get(Field::RemoteIps) {
        event.unset(Field::RemoteIps);
        set(event, Own::RemoteIps, list);
    } else if let Some(one) = event.get(Field::RemoteIpList) {
        event.unset(Field::RemoteIpList);
        let one = &line[one.start()..one.end()];
        list(event, Own::RemoteIps, [one].into_iter());
    }
}

/// Reads length and time of the request, and the names of the upstream; returns where the next word begins.
fn read_request(line: &[u8], at: usize, event: &mut EventBuf) -> Option<usize> {
    if line.get(at) != Some(&b' ') {
        return None;
    }
    let (length, at) = word(line, at + 1)?;
    number(event, line, Own::Length, length)?;
    number(event, line, Own::RequestBytes, length)?;
    let (time, at) = word(line, at)?;
    if !is_decimal(event.bytes(line, time))
        || !duration(event, line, Own::Duration, time, OF_SECONDS)
    {
        return None;
    }
    set(event, Own::Time, time);
    let (name, at) = enclosed(line, at, b"[", b']')?;
    let (alternative, at) = enclosed(line, at, b" [", b']')?;
    // Filebeat's pipeline keeps names that are empty.
    set(event, Own::Name, name);
    set(event, Own::AlternativeName, alternative);
    (line.get(at) == Some(&b' ')).then_some(at + 1)
}

/// Returns what one variable says of all tries, `10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80`, and where the next one begins.
fn tries(line: &[u8], at: usize) -> Option<(Span, usize)> {
    let mut end = at;
    loop {
        let rest = line.get(end..)?;
        let length = memchr::memchr(b' ', rest).filter(|length| *length != 0)?;
        end += length;
        if line[end - 1] == b',' {
            end += 1;
        } else if line[end..].starts_with(b" : ") {
            end += 3;
        } else {
            return Some((Span::line(at, end), end + 1));
        }
    }
}

/// Returns what was said of each try.
fn each(line: &[u8], tries: Span) -> impl DoubleEndedIterator<Item = &[u8]> {
    let all = line[tries.start()..tries.end()].split(|byte| matches!(byte, b',' | b' '));
    all.filter(|one| !matches!(*one, b"" | b":"))
}

/// Returns where the last try stands, unless nothing is said of it.
fn last(line: &[u8], tries: Span) -> Option<Span> {
    let length = each(line, tries).next_back().filter(|last| *last != b"-")?.len();
    Some(tries.part(tries.len() - length, tries.len()))
}

fn set_list(line: &[u8], tries: Span, to: Own, event: &mut EventBuf) {
    if &line[tries.start()..tries.end()] != b"-" {
        list(event, to, each(line, tries));
    }
}

fn set_addresses(line: &[u8], tries: Span, event: &mut EventBuf) {
    set_list(line, tries, Own::Addresses, event);
    let Some(last) = last(line, tries) else { return };
    let bytes = &line[last.start()..last.end()];
    let split = split_port(bytes).map(|(length, _)| length);
    let length = split.unwrap_or(bytes.len());
    let is_bracketed = bytes.starts_with(b"[") && bytes[..length].ends_with(b"]");
    let ip = if is_bracketed { last.part(1, length - 1) } else { last.part(0, length) };
    // A socket has none.
    if Address::of(&line[ip.start()..ip.end()]) == Address::Ip {
        set(event, Own::Ip, ip);
        if split.is_some() {
            number(event, line, Own::Port, last.part(length + 1, last.len()));
        }
    }
}

/// Sets all numbers, and the last one: the answer that the client got.
fn set_last(line: &[u8], tries: Span, all: Own, one: Own, event: &mut EventBuf) {
    set_list(line, tries, all, event);
    if let Some(last) = last(line, tries) {
        number(event, line, one, last);
    }
}

/// Sets all times, and how long they are together.
fn set_times(line: &[u8], tries: Span, event: &mut EventBuf) {
    set_list(line, tries, Own::ResponseTimes, event);
    if let Some(sum) = sum_of(line, tries) {
        let span = scratch(event, |out| push_seconds(out, sum));
        set(event, Own::ResponseTime, span);
    }
}

/// Returns how many nanoseconds all tries took; `None` where nothing is said of any, or of one something else.
fn sum_of(line: &[u8], tries: Span) -> Option<u64> {
    let times = each(line, tries).filter(|time| *time != b"-");
    let mut times = times.map(nanoseconds_of_seconds).peekable();
    times.peek()?;
    times.try_fold(0, |sum: u64, time| sum.checked_add(time?))
}

/// Appends nanoseconds as seconds with a point, without zeros behind the last digit but one.
fn push_seconds(out: &mut Vec<u8>, nanoseconds: u64) {
    push_u64(out, nanoseconds / NANOSECONDS);
    out.push(b'.');
    let (mut rest, mut unit) = (nanoseconds % NANOSECONDS, NANOSECONDS / 10);
    loop {
        out.push(b'0' + u8::try_from(rest / unit).unwrap_or_default());
        (rest, unit) = (rest % unit, unit / 10);
        if rest == 0 {
            return;
        }
    }
}
