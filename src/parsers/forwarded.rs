//! Lists of addresses, as `X-Forwarded-For` brings them: which of them is the client.
//!
//! Where a list stands as the client, and no proxies are trusted, it is the first that is no private address, as
//! Filebeat's nginx module has it; anyone can put anything there. With them it is the last that is none of theirs, which
//! nobody can forge. A list beside the client counts only when that is a trusted proxy, as with nginx's `real_ip_recursive`.

use super::address::{Address, split_port};
use crate::event::{EventBuf, Field, Span};
use crate::json_text::push_string;
use crate::settings::network::Network;
use core::net::IpAddr;
use std::sync::Arc;

/// Networks whose word on who the client is counts.
#[derive(Debug, Clone, Default)]
pub struct Proxies(pub Arc<[Network]>);

impl Proxies {
    /// Says which they are.
    pub fn trust(&mut self, proxies: &[Network]) {
        self.0 = proxies.into();
    }
}

/// Most addresses of a list; a longer one is not recognised.
const ADDRESSES_MAX: usize = 100;

/// Tells whether what stands before the identity is a list, and not one client.
#[inline]
#[must_use]
pub fn is_list(text: &[u8]) -> bool {
    memchr::memchr(b',', text).is_some()
}

/// Sets the client from a list; `None` when it is none.
pub fn set_list(line: &[u8], list: Span, trusted: &[Network], event: &mut EventBuf) -> Option<()> {
    let text = &line[list.start()..list.end()];
    if memchr::memchr(b'"', text).is_some() {
        event.forget_marks();
    }
    let mut chosen = Chosen::default();
    let start = event.scratch().len();
    let (mut count, mut at) = (0, 0);
    event.scratch_mut().push(b'[');
    let is_between = |byte: &u8| matches!(byte, b',' | b' ' | b'"');
    while at < text.len() {
        if is_between(&text[at]) {
            at += 1;
            continue;
        }
        let length = text[at..].iter().position(is_between).unwrap_or(text.len() - at);
        let word = list.part(at, at + length);
        if count != 0 {
            event.scratch_mut().push(b',');
        }
        push_string(event.scratch_mut(), &text[at..at + length]);
        chosen.look(word, address_of(&text[at..at + length]), trusted);
        count += 1;
        at += length;
    }
    event.scratch_mut().push(b']');
    if ADDRESSES_MAX < count {
        return None;
    }
    let client = chosen.client(trusted)?;
    event.set(Field::RemoteIps, Span::scratch(start, event.scratch().len()));
    event.set(Field::SourceAddress, client);
    let (from, to) = alone(&line[client.start()..client.end()]);
    let alone = client.part(from, to);
    match Address::of(&line[alone.start()..alone.end()]) {
        Address::Ip => event.set(Field::SourceIp, alone),
        Address::Name => event.set(Field::SourceDomain, alone),
        Address::Other => {}
    }
    Some(())
}

/// What was found on the way through a list.
#[derive(Default)]
struct Chosen {
    first: Option<Span>,
    first_public: Option<Span>,
    last_untrusted: Option<Span>,
}

impl Chosen {
    fn look(&mut self, word: Span, address: Option<IpAddr>, trusted: &[Network]) {
        self.first.get_or_insert(word);
        if !address.is_some_and(is_private) {
            self.first_public.get_or_insert(word);
        }
        if !address.is_some_and(|address| is_trusted(address, trusted)) {
            self.last_untrusted = Some(word);
        }
    }

    fn client(&self, trusted: &[Network]) -> Option<Span> {
        let wanted = if trusted.is_empty() { self.first_public } else { self.last_untrusted };
        wanted.or(self.first)
    }
}

/// Has a list beside the client say who that is, when whoever connected is a trusted proxy, whose address becomes
/// `source.nat.ip`; tells whether somebody else is the client now.
///
/// Trusted proxies are passed over from the end of the list; what is no address ends the walk. With `keeps_list`, all
/// addresses are kept, whoever connected last.
#[cold]
pub fn set_behind_proxies(
    line: &[u8],
    list: Span,
    trusted: &[Network],
    keeps_list: bool,
    event: &mut EventBuf,
) -> bool {
    let Some(peer) = event.get(Field::SourceIp) else { return false };
    let is_proxy =
        address_of(event.bytes(line, peer)).is_some_and(|peer| is_trusted(peer, trusted));
    if !is_proxy || !set_last_untrusted(line, list, trusted, event) {
        return false;
    }
    event.set(Field::SourceNatIp, peer);
    if keeps_list {
        keep_list(line, list, peer, event);
    }
    true
}

/// Keeps the addresses of a list, and behind them who connected; more of them than a list may have are not kept.
fn keep_list(line: &[u8], list: Span, peer: Span, event: &mut EventBuf) {
    if list.is_scratch() || peer.is_scratch() {
        return;
    }
    let words = || {
        line[list.start()..list.end()]
            .split(|byte| is_between(*byte))
            .filter(|word: &&[u8]| !word.is_empty())
    };
    let peer = &line[peer.start()..peer.end()];
    if ADDRESSES_MAX <= words().count() {
        return;
    }
    let start = event.scratch().len();
    let out = event.scratch_mut();
    let is_there = words().next_back() == Some(peer);
    for (number, word) in words().chain((!is_there).then_some(peer)).enumerate() {
        out.push(if number == 0 { b'[' } else { b',' });
        push_string(out, word);
    }
    out.push(b']');
    event.set(Field::RemoteIps, Span::scratch(start, event.scratch().len()));
}

/// Sets the client that a list says, passing over trusted proxies from its end: of what is no address, whoever stands behind
/// it. Tells whether there is one.
#[cold]
pub fn set_last_untrusted(
    line: &[u8],
    list: Span,
    trusted: &[Network],
    event: &mut EventBuf,
) -> bool {
    let mut client = None;
    for (at, word) in words_from_end(event.bytes(line, list)) {
        let Some(address) = address_of(word) else { break };
        client = Some((list.part(at, at + word.len()), alone(word)));
        if !is_trusted(address, trusted) {
            break;
        }
    }
    let Some((client, (from, to))) = client else { return false };
    event.set(Field::SourceAddress, client);
    event.set(Field::SourceIp, client.part(from, to));
    event.unset(Field::SourceDomain);
    true
}

/// Tells whether a byte stands between the addresses of a list beside the client. IIS writes `+` for a blank.
fn is_between(byte: u8) -> bool {
    matches!(byte, b',' | b' ' | b'"' | b'+' | b'\t')
}

/// Returns the words of a list, the last first, and where each begins.
fn words_from_end(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut end = text.len();
    std::iter::from_fn(move || {
        end = text[..end].iter().rposition(|byte| !is_between(*byte))? + 1;
        let at =
            text[..end].iter().rposition(|byte| is_between(*byte)).map_or(0, |between| between + 1);
        let word = (at, &text[at..end]);
        end = at;
        Some(word)
    })
}

/// Returns where the address in a word begins and ends: without a port, and without brackets.
fn alone(word: &[u8]) -> (usize, usize) {
    let length = split_port(word).map_or(word.len(), |(length, _)| length);
    if word.starts_with(b"[") && word[..length].ends_with(b"]") {
        (1, length - 1)
    } else {
        (0, length)
    }
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// Reads an address, with a port or without.
fn address_of(text: &[u8]) -> Option<IpAddr> {
    let (from, to) = alone(text);
    std::str::from_utf8(&text[from..to]).ok()?.parse().ok()
}

fn is_private(address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    address.is_private() || address.is_loopback()
}
