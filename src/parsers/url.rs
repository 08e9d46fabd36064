//! A request's target into the parts of `url.*`.
//!
//! Path, query and fragment are percent-decoded, as the server's own `uri_parts` processor does it;
//! `url.original` keeps what was sent. Unlike there, a target that begins with `//` is a path, which is what the
//! web server took it for, and a character that is no part of a URL spoils nothing.

use super::address::split_port;
use super::escapes::percent_decoded;
use crate::event::{EventBuf, Field, Span};
use crate::scan::find;

/// Sets `url.original` and what can be told from it. `target` is not empty.
#[inline]
pub fn set_target(event: &mut EventBuf, line: &[u8], target: Span) {
    event.set(Field::UrlOriginal, target);
    if event.bytes(line, target).first() == Some(&b'/') {
        set_path(event, line, target);
    } else {
        set_other_form(event, line, target);
    }
}

/// Sets path, extension, query and fragment from the rest of a target, which begins with its path.
#[inline]
fn set_path(event: &mut EventBuf, line: &[u8], target: Span) {
    let text = event.bytes(line, target);
    let Some(first) = find(text, 0, [b'?', b'#', b'%']) else {
        return set_decoded_path(event, line, target);
    };
    let encoded = text[first] == b'%';
    let cut = if encoded { find(text, first, [b'?', b'#']) } else { Some(first) };
    let mut path = target;
    if let Some(cut) = cut {
        path = target.part(0, cut);
        set_query(event, line, target.part(cut, target.len()));
    }
    if encoded {
        path = percent_decoded(event, line, path);
    }
    set_decoded_path(event, line, path);
}

/// Sets path and extension.
#[inline]
pub(super) fn set_decoded_path(event: &mut EventBuf, line: &[u8], path: Span) {
    if !path.is_empty() {
        event.set(Field::UrlPath, path);
        set_extension(event, line, path);
    }
}

/// Sets query and fragment from what begins with `?` or `#`; empty ones are left out.
fn set_query(event: &mut EventBuf, line: &[u8], rest: Span) {
    let text = event.bytes(line, rest);
    let special = find(text, 0, [b'#', b'%']);
    let hash = match special {
        Some(at) if text[at] == b'%' => find(text, at, [b'#']),
        other => other,
    };
    let hash = hash.unwrap_or(text.len());
    if 1 < hash {
        let query = rest.part(1, hash);
        let query = if special.is_some() { percent_decoded(event, line, query) } else { query };
        event.set(Field::UrlQuery, query);
    }
    if hash + 1 < rest.len() {
        let fragment = percent_decoded(event, line, rest.part(hash + 1, rest.len()));
        event.set(Field::UrlFragment, fragment);
    }
}

/// Sets the extension: what follows the last dot of the last segment.
#[inline]
fn set_extension(event: &mut EventBuf, line: &[u8], path: Span) {
    let text = event.bytes(line, path);
    for (position, byte) in text.iter().enumerate().rev() {
        match byte {
            b'/' => return,
            b'.' => {
                if position + 1 < text.len() {
                    event.set(Field::UrlExtension, path.part(position + 1, path.len()));
                }
                return;
            }
            _ => {}
        }
    }
}

/// Sets the parts of `http://host:port/path`, `host:port` (of CONNECT) or `*`.
fn set_other_form(event: &mut EventBuf, line: &[u8], target: Span) {
    let text = event.bytes(line, target);
    let Some(colon) = memchr::memmem::find(text, b"://").filter(|colon| is_scheme(&text[..*colon]))
    else {
        if split_port(text).is_some() {
            return set_host(event, line, target);
        }
        return set_path(event, line, target);
    };
    let host = colon + 3;
    let end = text[host..].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let end = end.map_or(text.len(), |end| host + end);
    let after_user = memchr::memrchr(b'@', &text[host..end]).map_or(host, |at| host + at + 1);
    event.set(Field::UrlScheme, target.part(0, colon));
    set_host(event, line, target.part(after_user, end));
    set_path(event, line, target.part(end, target.len()));
}

fn set_host(event: &mut EventBuf, line: &[u8], host: Span) {
    let text = event.bytes(line, host);
    let split = split_port(text).map(|(length, digits)| (length, leading_zeros(digits)));
    let name = split.map_or(host, |(length, _)| host.part(0, length));
    if !name.is_empty() {
        event.set(Field::UrlDomain, name);
    }
    if let Some((length, zeros)) = split {
        event.set(Field::UrlPort, host.part(length + 1 + zeros, host.len()));
    }
}

/// Counts the zeros that a JSON number must not begin with.
#[must_use]
pub fn leading_zeros(digits: &[u8]) -> usize {
    digits.iter().take(digits.len().saturating_sub(1)).take_while(|digit| **digit == b'0').count()
}

fn is_scheme(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}
