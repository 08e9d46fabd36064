//! Networks of addresses, as `trusted_proxies` has them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// The first of them: bits behind the prefix are 0. Never an IPv4 address in the form of IPv6.
    first: IpAddr,
    /// How many bits are the same: 0 to 32, or to 128.
    bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// What should be an address is none.
    #[error("`{0}` is no address and no network")]
    Address(String),
    /// What stands behind the slash is no number, or too large.
    #[error("`{text}` has no length of a prefix from 0 to {most} behind its slash")]
    Prefix {
        /// The whole text.
        text: String,
        /// Largest length for such an address.
        most: u8,
    },
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or an address, which is a network of its own. Bits behind the prefix do not
    /// count.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| NetworkError::Address(text.to_owned()))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let wrong = || NetworkError::Prefix { text: text.to_owned(), most };
        let mut bits = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let mut first = first_of(address, bits);
        if 96 <= bits && address.to_canonical() != address {
            first = first_of(address.to_canonical(), bits - 96);
            bits -= 96;
        }
        Ok(Self { first, bits })
    }

    /// Tells whether an address lies in it; an IPv4 address in the form of IPv6 (`::ffff:10.0.0.1`) is one of IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && first_of(address, self.bits) == self.first
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.first.is_ipv4() { 32 } else { 128 };
        if self.bits == whole {
            return write!(formatter, "{}", self.first);
        }
        write!(formatter, "{}/{}", self.first, self.bits)
    }
}

/// Returns an address with all bits behind the first so many cleared.
fn first_of(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_written_in_their_shortest_form() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::1", "::1"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("", "`` is no address and no network"),
            ("10.0.0", "`10.0.0` is no address and no network"),
            ("localhost", "`localhost` is no address and no network"),
            ("10.0.0.0/", "`10.0.0.0/` has no length of a prefix from 0 to 32 behind its slash"),
            (
                "10.0.0.0/33",
                "`10.0.0.0/33` has no length of a prefix from 0 to 32 behind its slash",
            ),
            (
                "10.0.0.0/+8",
                "`10.0.0.0/+8` has no length of a prefix from 0 to 32 behind its slash",
            ),
            ("::/129", "`::/129` has no length of a prefix from 0 to 128 behind its slash"),
        ] {
            let read = match Network::parse(text) {
                Ok(network) => network.to_string(),
                Err(error) => error.to_string(),
            };
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn addresses_lie_in_a_network_whichever_way_they_are_written() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.0/104", "10.0.0.1", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.9", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("fd00::/8", "fdff::1", true),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{network} {address}");
        }
    }
}
