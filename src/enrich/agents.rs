//! User agents: name, version, system and device by the rules of uap-core, as Elasticsearch's `user_agent` processor
//! writes them.

use super::parts::Parts;
use crate::event::{EventBuf, Field};
use crate::json_text::push_string;
use std::sync::LazyLock;
use ua_parser::{Regexes, device, os, user_agent};

/// The rules as JSON.
static RULES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/agents.json"));

/// What reads user agents: some 27 MiB, made when the first is read.
static READERS: LazyLock<Readers> = LazyLock::new(Readers::new);

/// What is said of something that no rule knows.
const OTHER: &str = "Other";

/// Device of programs that read the web by themselves.
pub(super) const SPIDER: &str = "Spider";

struct Readers {
    agent: user_agent::Extractor<'static>,
    system: os::Extractor<'static>,
    device: device::Extractor<'static>,
}

impl Readers {
    fn new() -> Self {
        let rules: Regexes<'static> =
            serde_json::from_slice(RULES).expect("our own rules are JSON");
        let agent = user_agent::Builder::new().push_all(rules.user_agent_parsers);
        let system = os::Builder::new().push_all(rules.os_parsers);
        let device = device::Builder::new().push_all(rules.device_parsers);
        let message = "our own rules can be compiled, as a test shows";
        Self {
            agent: agent.ok().and_then(|rules| rules.build().ok()).expect(message),
            system: system.ok().and_then(|rules| rules.build().ok()).expect(message),
            device: device.ok().and_then(|rules| rules.build().ok()).expect(message),
        }
    }
}

/// What a user agent says of itself.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    parts: Parts<4>,
    /// Whether it is a program that reads the web by itself.
    pub(super) is_spider: bool,
}

impl Agent {
    /// Reads a user agent.
    pub(super) fn new(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let readers = &*READERS;
        let (agent, device) = (readers.agent.extract(&text), readers.device.extract(&text));
        let mut parts = Parts::default();
        parts.add(|out| {
            let name = agent.as_ref().map_or(OTHER, |agent| &*agent.family);
            push_string(out, name.as_bytes());
        });
        parts.add(|out| {
            let Some(agent) = &agent else { return };
            let numbers = [agent.major, agent.minor, agent.patch, agent.patch_minor];
            push_version(out, &version(&numbers));
        });
        parts.add(|out| {
            if let Some(system) = readers.system.extract(&text) {
                let numbers = [
                    system.major.as_deref(),
                    system.minor.as_deref(),
                    system.patch.as_deref(),
                    system.patch_minor.as_deref(),
                ];
                push_system(out, &system.os, &version(&numbers));
            }
        });
        let device = device.as_ref().map_or(OTHER, |device| &*device.device);
        parts.add(|out| {
            out.extend_from_slice(b"{\"name\":");
            push_string(out, device.as_bytes());
            out.push(b'}');
        });
        Self { parts, is_spider: device == SPIDER }
    }

    /// Adds what it says to an event.
    pub(super) fn set(&self, event: &mut EventBuf) {
        const FIELDS: [Field; 4] =
            [Field::AgentName, Field::AgentVersion, Field::AgentSystem, Field::AgentDevice];
        self.parts.set(event, FIELDS);
    }
}

/// Joins the numbers of a version as far as there are any.
fn version(numbers: &[Option<&str>]) -> String {
    let there = numbers.iter().map_while(|number| number.filter(|number| !number.is_empty()));
    there.collect::<Vec<_>>().join(".")
}

fn push_version(out: &mut Vec<u8>, version: &str) {
    if !version.is_empty() {
        push_string(out, version.as_bytes());
    }
}

fn push_system(out: &mut Vec<u8>, name: &str, version: &str) {
    out.extend_from_slice(b"{\"name\":");
    push_string(out, name.as_bytes());
    if !version.is_empty() {
        out.extend_from_slice(b",\"version\":");
        push_string(out, version.as_bytes());
        out.extend_from_slice(b",\"full\":");
        push_string(out, format!("{name} {version}").as_bytes());
    }
    out.push(b'}');
}
