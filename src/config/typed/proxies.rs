//! `trusted_proxies` of an input.

use crate::config::typed::value::At;
use crate::parsers::Parser;
use crate::settings::Format;
use crate::settings::network::Network;

/// Reads `trusted_proxies` of an input with a format; where they decide nothing, a warning says so.
#[must_use]
pub fn trusted_proxies(at: &At<'_>, format: &Format) -> Vec<Network> {
    let list = at.get("trusted_proxies");
    let networks = networks(&list);
    if !networks.is_empty() && Parser::new(format).is_ok_and(|parser| !parser.heeds_proxies()) {
        list.warn(format!(
            "`{}` decides nothing: what the `format` of this input reads brings no list of addresses",
            list.path()
        ));
    }
    networks
}

fn networks(list: &At<'_>) -> Vec<Network> {
    let mut networks = Vec::new();
    for (text, item) in list.texts() {
        match Network::parse(&text) {
            Ok(network) => networks.push(network),
            Err(error) => item.problem_with(
                error.to_string(),
                "write an address as `192.0.2.7`, or a network as `10.0.0.0/8`",
            ),
        }
    }
    networks
}
