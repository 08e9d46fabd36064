//! Lists of addresses where a client stands, as `X-Forwarded-For` brings them: which of them is the client.
//!
//! Without trusted proxies the client is the first of the list that is no private address, as Filebeat's nginx module
//! has it; anyone can put anything there. With them it is the last that is none of theirs, which nobody can forge.

use super::address::{Address, split_port};
use crate::event::{EventBuf, Field, Span};
use crate::json_text::push_string;
use crate::settings::network::Network;
use core::net::IpAddr;

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
    while at < text.len() {
        let is_between = |byte: &u8| matches!(byte, b',' | b' ' | b'"');
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
    let text = &line[client.start()..client.end()];
    let mut alone = split_port(text).map_or(client, |(length, _)| client.part(0, length));
    if text.starts_with(b"[") && line[alone.end() - 1] == b']' {
        alone = alone.part(1, alone.len() - 1);
    }
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
        let is_trusted =
            address.is_some_and(|address| trusted.iter().any(|network| network.contains(address)));
        if !is_trusted {
            self.last_untrusted = Some(word);
        }
    }

    fn client(&self, trusted: &[Network]) -> Option<Span> {
        let wanted = if trusted.is_empty() { self.first_public } else { self.last_untrusted };
        wanted.or(self.first)
    }
}

/// Reads an address, with a port or without.
fn address_of(text: &[u8]) -> Option<IpAddr> {
    let length = split_port(text).map_or(text.len(), |(length, _)| length);
    let text = std::str::from_utf8(&text[..length]).ok()?;
    text.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_private(address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    address.is_private() || address.is_loopback()
}
