//! Which kinds of lines an input has, and what is rendered once for each: where they go, and what all of them have.

use super::columns::Columns;
use super::layout::Layout;
use crate::dataset::{APACHE_ACCESS, Dataset, GENERIC, NGINX_ACCESS};
use crate::parsers::Parser;
use crate::parsers::access_log::Server;
use crate::settings::{Format, InputSettings, WebServer};
use crate::target::FormatString;
use serde_json::json;
use std::sync::Arc;

/// One of the kinds of lines that an input may have.
#[derive(Debug, Clone)]
pub(super) struct KindOfLines {
    pub(super) dataset: &'static Dataset,
    /// Where they go.
    pub(super) target: FormatString,
    /// Members of those that were recognised, `event` last and open.
    pub(super) recognised: Vec<u8>,
    /// Members of the others, each with a comma before it.
    pub(super) unrecognised: Vec<u8>,
    /// How they are laid out, when they have fields among ours that are not the known ones.
    pub(super) layout: Option<Arc<Layout>>,
    /// How they are ordered, when their parser has fields of its own and they have no layout.
    pub(super) columns: Option<Arc<Columns>>,
}

/// Number of the kind of an `auto` input's lines that are none of the two servers'.
pub(super) const OF_NO_SERVER: usize = 2;

/// Returns the kinds of lines of an input. Those of an `auto` one are the two servers' and then all others; any other
/// has one kind, unless a dataset is named.
pub(super) fn datasets(input: &InputSettings, parser: &Parser) -> Vec<&'static Dataset> {
    if let Some(dataset) = input.dataset {
        return vec![dataset; if input.format == Format::Auto { 3 } else { 1 }];
    }
    match &input.format {
        Format::Auto => vec![&APACHE_ACCESS, &NGINX_ACCESS, &GENERIC],
        Format::Nginx => vec![&NGINX_ACCESS],
        Format::Apache | Format::Common | Format::Combined | Format::VhostCombined => {
            vec![&APACHE_ACCESS]
        }
        Format::Compiled(format) => match format.server {
            WebServer::Apache => vec![&APACHE_ACCESS],
            WebServer::Nginx => vec![&NGINX_ACCESS],
        },
        Format::Raw | Format::Regex(_) | Format::Known(_) | Format::Own(_) => {
            match parser.inner() {
                Parser::Other(parser) => vec![parser.dataset()],
                _ => vec![&GENERIC],
            }
        }
    }
}

/// Returns the number of the kind of a server's lines among those of [`datasets`].
pub(super) fn number_of(format: &Format, server: Server) -> usize {
    match (format, server) {
        (Format::Auto, Server::Nginx) => 1,
        _ => 0,
    }
}

/// Returns the members that all lines of a kind have, recognised or not, by dotted name: Filebeat's modules set them
/// before a pipeline reads the line.
pub(super) fn members_of_all(dataset: &Dataset) -> Vec<(&'static str, serde_json::Value)> {
    if !dataset.is_known() {
        return Vec::new();
    }
    vec![
        ("fileset.name", json!(dataset.fileset)),
        ("service.type", json!(dataset.module)),
        ("event.module", json!(dataset.module)),
        ("event.dataset", json!(dataset.name)),
    ]
}

/// Returns the members that recognised lines of a kind have beside their fields, by dotted name.
pub(super) fn members_of(dataset: &Dataset) -> Vec<(&'static str, serde_json::Value)> {
    let mut members = members_of_all(dataset);
    if members.is_empty() {
        return members;
    }
    members.push(("event.kind", json!("event")));
    for (name, values) in [("event.category", dataset.category), ("event.type", dataset.types)] {
        if !values.is_empty() {
            members.push((name, json!(values)));
        }
    }
    members
}

/// Renders what recognised lines of a kind have in common, as far as the time of reading.
pub(super) fn recognised(dataset: &Dataset) -> Vec<u8> {
    let (mut text, inside) = rendered(members_of(dataset));
    text.push_str(",\"event\":{");
    for member in inside {
        text.push_str(&member);
        text.push(',');
    }
    text.push_str("\"created\":\"");
    text.into_bytes()
}

/// Renders what the other lines of a kind have in common.
pub(super) fn unrecognised(dataset: &Dataset) -> Vec<u8> {
    let (mut text, inside) = rendered(members_of_all(dataset));
    if !inside.is_empty() {
        text.push_str(&format!(",\"event\":{{{}}}", inside.join(",")));
    }
    text.into_bytes()
}

/// Renders members: the objects at the top level, each with a comma before it, and what is inside of `event`.
fn rendered(members: Vec<(&'static str, serde_json::Value)>) -> (String, Vec<String>) {
    let (mut outside, mut inside) = (String::new(), Vec::new());
    for (name, value) in members {
        if let Some(name) = name.strip_prefix("event.") {
            inside.push(format!("\"{name}\":{value}"));
        } else if let Some((outer, inner)) = name.split_once('.') {
            outside.push_str(&format!(",\"{outer}\":{{\"{inner}\":{value}}}"));
        }
    }
    (outside, inside)
}
