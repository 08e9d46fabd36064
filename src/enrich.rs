//! What is added to recognised lines: user agents taken apart, places of addresses, what a client is, what is related.
//!
//! What is found for a user agent or an address is kept ready as JSON, because both repeat; a line then costs a look into
//! a small cache and a copy. Databases are put into [`GeoTables`] by whoever reads their files.

mod agents;
mod cache;
mod clients;
mod geo;
mod parts;

use crate::event::{EventBuf, Extra, Field, Kind, Span};
use crate::parsers::address::Address;
use crate::parsers::escapes::{form_decoded, is_percent_encoded_of};
use crate::settings::enrich::{EnrichSettings, field_of_parameter};
use agents::Agent;
use cache::Cache;
use clients::Client;
use geo::{Geo, Location};
pub use geo::{GeoError, GeoTable, GeoTables};
use std::sync::Arc;

/// User agents that are kept.
const AGENTS: usize = 1024;

/// Addresses that are kept.
const ADDRESSES: usize = 4096;

/// Adds to events of one input.
#[derive(Debug, Clone)]
pub struct Enricher {
    settings: EnrichSettings,
    agents: Cache<KnownAgent>,
    geo: Option<Geo>,
    locations: Cache<Location>,
    extras: Vec<Extra>,
    /// Number of the first of `extras` among all of the pipeline's.
    first: usize,
}

#[derive(Debug, Clone)]
struct KnownAgent {
    agent: Option<Agent>,
    client: Option<Client>,
}

impl Enricher {
    /// Makes one, if anything is to be added; its own extra fields come behind the first `first` ones.
    #[must_use]
    pub fn new(settings: &EnrichSettings, tables: &Arc<GeoTables>, first: usize) -> Option<Self> {
        let names = settings.query.iter().map(|name| field_of_parameter(name));
        let geo = !settings.geoip.is_empty();
        (!settings.is_empty()).then(|| Self {
            extras: names.map(|name| Extra::new(&name, Kind::Text)).collect(),
            settings: settings.clone(),
            agents: Cache::new(AGENTS),
            geo: geo.then(|| Geo::new(Arc::clone(tables), settings.geoip.clone())),
            locations: Cache::new(ADDRESSES),
            first,
        })
    }

    /// Returns the fields that are not in [`Field`].
    #[must_use]
    pub fn extras(&self) -> &[Extra] {
        &self.extras
    }

    /// Takes over databases that have changed.
    pub fn refresh(&mut self) {
        if self.geo.as_mut().is_some_and(Geo::refresh) {
            self.locations.clear();
        }
    }

    /// Adds to the event of a recognised line.
    #[inline]
    pub fn apply(&mut self, line: &[u8], event: &mut EventBuf) {
        if self.settings.user_agent || self.settings.bots {
            self.add_agent(line, event);
        }
        if let Some(geo) = &self.geo
            && let Some(address) = event.get(Field::SourceIp)
        {
            let address = event.bytes(line, address);
            self.locations.get_or_insert(address, |address| geo.find(address)).set(event);
        }
        if self.settings.related {
            add_related(line, event);
        }
        if !self.extras.is_empty() {
            self.add_parameters(line, event);
        }
    }

    fn add_agent(&mut self, line: &[u8], event: &mut EventBuf) {
        let EnrichSettings { user_agent, bots, .. } = self.settings;
        let mut client = None;
        if let Some(text) = event.get(Field::UserAgent) {
            let known = self.agents.get_or_insert(event.bytes(line, text), |text| {
                let agent = user_agent.then(|| Agent::new(text));
                let is_spider = agent.as_ref().is_some_and(|agent| agent.is_spider);
                KnownAgent { client: clients::of_agent(text, is_spider), agent }
            });
            client = known.client;
            if let Some(agent) = &known.agent {
                agent.set(event);
            }
        }
        if !bots {
            return;
        }
        let target = event.get(Field::UrlOriginal);
        if target.is_some_and(|target| clients::is_probe(event.bytes(line, target))) {
            client = Some(Client::Scanner);
        }
        if let Some(client) = client {
            let start = event.scratch().len();
            event.scratch_mut().extend_from_slice(client.json());
            event.set(Field::LabelClient, Span::scratch(start, event.scratch().len()));
        }
    }

    fn add_parameters(&self, line: &[u8], event: &mut EventBuf) {
        let Some(target) = event.get(Field::UrlOriginal) else { return };
        let text = event.bytes(line, target);
        let end = memchr::memchr(b'#', text).unwrap_or(text.len());
        let Some(begin) = memchr::memchr(b'?', &text[..end]) else { return };
        let mut at = begin + 1;
        while at < end {
            let text = event.bytes(line, target);
            let stop = memchr::memchr(b'&', &text[at..end]).map_or(end, |length| at + length);
            let equals = memchr::memchr(b'=', &text[at..stop]).map(|length| at + length);
            let name = &text[at..equals.unwrap_or(stop)];
            let is_name = |known: &String| is_percent_encoded_of(name, known.as_bytes());
            let number = self.settings.query.iter().position(is_name);
            if let Some((number, equals)) = number.zip(equals)
                && event.extra(self.first + number).is_none()
                && equals + 1 < stop
            {
                let value = form_decoded(event, line, target.part(equals + 1, stop));
                event.set_extra(self.first + number, value);
            }
            at = stop + 1;
        }
    }
}

/// Sets `related.*` where they are not set.
fn add_related(line: &[u8], event: &mut EventBuf) {
    // A parser may know of several addresses.
    let has_several = event.get(Field::RelatedIps).is_some();
    for (from, to) in [(Field::SourceIp, Field::RelatedIp), (Field::UserName, Field::RelatedUser)] {
        let is_set = event.get(to).is_some() || (has_several && to == Field::RelatedIp);
        if let Some(value) = event.get(from).filter(|_| !is_set) {
            event.set(to, value);
        }
    }
    let hosts = [Field::UrlDomain, Field::DestinationDomain, Field::SourceDomain];
    let host = hosts.into_iter().find_map(|field| event.get(field));
    if let Some(host) = host
        && Address::of(event.bytes(line, host)) == Address::Name
    {
        event.set(Field::RelatedHosts, host);
    }
}
