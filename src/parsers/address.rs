//! What a client or host name in a log is: an IP address, a name, or neither.
//!
//! `source.ip` is mapped as an address by every ECS template: a value that is not one would be refused by the
//! server, so the check is strict.

use crate::event::{EventBuf, Field};
// `core` and not `std`: parsing an address is no network access.
use core::net::Ipv6Addr;

/// Kind of an address as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6.
    Ip,
    /// Letters, digits, `.`, `-` and `_`.
    Name,
    /// Anything else, `unix:` for one.
    Other,
}

impl Address {
    /// Tells what `text` is.
    #[must_use]
    #[inline]
    pub fn of(text: &[u8]) -> Self {
        if is_ipv4(text) {
            return Self::Ip;
        }
        Self::of_other(text)
    }

    fn of_other(text: &[u8]) -> Self {
        if is_ipv6(text) {
            return Self::Ip;
        }
        let named = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let starts = text.first().is_some_and(u8::is_ascii_alphanumeric);
        if starts && text.iter().all(named) { Self::Name } else { Self::Other }
    }
}

/// Fields of which one is the IP address that the other one may be.
const PAIRS: [(Field, Field); 2] =
    [(Field::SourceAddress, Field::SourceIp), (Field::DestinationDomain, Field::DestinationIp)];

/// Returns the fields that [`set_ips`] may set beside some others.
pub fn ips_of(fields: &[Field]) -> impl Iterator<Item = Field> {
    let pairs = PAIRS.into_iter();
    let added = pairs.filter(|(address, ip)| fields.contains(address) && !fields.contains(ip));
    added.map(|(_, ip)| ip)
}

/// Sets `source.ip` and `destination.ip` where a line gives them in `source.address` or `destination.domain` alone.
pub fn set_ips(line: &[u8], event: &mut EventBuf) {
    for (address, ip) in PAIRS {
        if event.get(ip).is_none()
            && let Some(span) = event.get(address)
            && Address::of(event.bytes(line, span)) == Address::Ip
        {
            event.set(ip, span);
        }
    }
}

/// Longest IPv4 address, and the byte behind it.
pub const IPV4_WINDOW_BYTES: usize = 16;

/// Returns the length of the IPv4 address that `window` begins with: four numbers of 0 to 255 without leading zeros.
///
/// What follows is not looked at, but that it is no digit.
#[must_use]
#[inline]
pub fn ipv4_length(window: &[u8; IPV4_WINDOW_BYTES]) -> Option<usize> {
    // The longest address has 15 bytes, so no position is above 15.
    let digit = |at: usize| window[at & 15].wrapping_sub(b'0');
    let mut at = 0;
    for number in 0..4 {
        let (first, second, third) = (digit(at), digit(at + 1), digit(at + 2));
        if 9 < first {
            return None;
        }
        at += if 9 < second {
            1
        } else if first == 0 {
            return None;
        } else if 9 < third {
            2
        } else if 255 < u32::from(first) * 100 + u32::from(second) * 10 + u32::from(third) {
            return None;
        } else {
            3
        };
        if number < 3 {
            if window[at & 15] != b'.' {
                return None;
            }
            at += 1;
        }
    }
    (9 < digit(at)).then_some(at)
}

fn is_ipv4(text: &[u8]) -> bool {
    let mut window = [0; IPV4_WINDOW_BYTES];
    let Some(room) = window.get_mut(..text.len()) else { return false };
    room.copy_from_slice(text);
    text.len() < IPV4_WINDOW_BYTES && ipv4_length(&window) == Some(text.len())
}

fn is_ipv6(text: &[u8]) -> bool {
    text.contains(&b':')
        && std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Splits `name:port` into the length of the name and the port's digits; a lone IPv6 address has no port.
///
/// Returns `None` when there is no port of 1 to 5 digits behind a colon.
#[must_use]
pub fn split_port(text: &[u8]) -> Option<(usize, &[u8])> {
    if is_ipv6(text) {
        return None;
    }
    let colon = memchr::memrchr(b':', text)?;
    let port = &text[colon + 1..];
    let valid = !port.is_empty() && port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
    (colon != 0 && valid).then_some((colon, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_told_from_names() {
        for (text, expected) in [
            ("192.0.2.7", Address::Ip),
            ("255.255.255.255", Address::Ip),
            ("256.1.1.1", Address::Name),
            ("1.2.3", Address::Name),
            ("1.2.3.4.5", Address::Name),
            ("01.2.3.4", Address::Name),
            ("::1", Address::Ip),
            ("2001:db8::192.0.2.7", Address::Ip),
            ("fe80::1%eth0", Address::Other),
            ("web-1.example.org", Address::Name),
            ("unix:", Address::Other),
            ("-", Address::Other),
            ("", Address::Other),
        ] {
            assert_eq!(Address::of(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn ports_are_split_off() {
        for (text, expected) in [
            ("example.org:443", Some((11, "443"))),
            ("[::1]:80", Some((5, "80"))),
            ("::1", None),
            ("example.org", None),
            ("example.org:", None),
            (":80", None),
            ("example.org:123456", None),
        ] {
            let expected = expected.map(|(length, port): (usize, &str)| (length, port.as_bytes()));
            assert_eq!(split_port(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        /// For every text like an address, the standard library agrees.
        #[test]
        fn property_addresses_are_those_of_the_standard_library(
            text in "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}|[0-9.]{0,17}|[0-9a-f:.]{0,40}",
        ) {
            let is_ip = Address::of(text.as_bytes()) == Address::Ip;
            prop_assert_eq!(is_ip, text.parse::<IpAddr>().is_ok());
        }
    }
}
