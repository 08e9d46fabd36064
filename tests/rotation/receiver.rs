//! A server that stores what is new, answers 409 for an `_id` that it has, and knows which repetition is explained.

use crate::server::{Reply, Request, Server};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

const BANNER: &str =
    r#"{"name":"n","version":{"number":"8.19.0"},"tagline":"You Know, for Search"}"#;

/// The part of a document that is looked at.
#[derive(Deserialize)]
struct Document {
    message: String,
    log: Log,
    agent: Agent,
}

#[derive(Deserialize)]
struct Log {
    offset: u64,
}

#[derive(Deserialize)]
struct Agent {
    ephemeral_id: String,
}

#[derive(Deserialize)]
struct Action {
    create: Id,
}

#[derive(Deserialize)]
struct Id {
    #[serde(rename = "_id")]
    id: String,
}

struct Stored {
    message: String,
    /// The life of the shipper that sent it last.
    life: String,
    /// Whether the whole answer to that was written.
    answered: bool,
}

#[derive(Default)]
struct State {
    stored: HashMap<String, Stored>,
    /// How many documents have this line.
    lines: HashMap<String, usize>,
    /// How far each epoch was saved when the shipper ended last: what lies behind that may come again in its next life.
    saved: BTreeMap<String, u64>,
    conflicts: usize,
    /// Repetitions and collisions that nothing explains.
    unexplained: Vec<String>,
    chances: Faults,
    faults: usize,
    random: fastrand::Rng,
}

/// How many of a hundred requests, or items, meet which fault.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Requests refused with 429.
    pub busy: u8,
    /// Requests refused with 503.
    pub unavailable: u8,
    /// Connections closed before anything of a request is stored.
    pub dropped: u8,
    /// Connections closed within the answer, all being stored.
    pub cut: u8,
    /// Answers that a gateway makes of its own, all being stored.
    pub gateway: u8,
    /// Items refused with 429.
    pub items: u8,
}

impl Faults {
    pub const HEAVY: Self =
        Self { busy: 10, unavailable: 10, dropped: 10, cut: 10, gateway: 10, items: 3 };
}

/// The running server.
pub struct Receiver {
    server: Server,
    state: Arc<Mutex<State>>,
}

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub documents: usize,
    pub conflicts: usize,
    pub faults: usize,
    pub unexplained: Vec<String>,
}

impl Receiver {
    pub fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let taking = Arc::clone(&state);
        let server = Server::forgetful(move |request| {
            if !request.is_bulk() {
                return Reply::json(200, if request.path == "/" { BANNER } else { "" });
            }
            taking.lock().unwrap().answer(request)
        });
        Self { server, state }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// From now on requests meet these faults.
    pub fn set_faults(&self, faults: Faults) {
        self.state().chances = faults;
    }

    /// Notes what the registry held when a shipper had ended.
    pub fn note_saved(&self, saved: BTreeMap<String, u64>) {
        self.state().saved = saved;
    }

    pub fn documents(&self) -> usize {
        self.state().stored.len()
    }

    /// Returns how many documents a line has.
    pub fn count(&self, line: &str) -> usize {
        self.state().lines.get(line).copied().unwrap_or(0)
    }

    /// Returns the lines that none of `expected` is.
    pub fn strangers(&self, is_expected: impl Fn(&str) -> bool) -> Vec<String> {
        self.state().lines.keys().filter(|line| !is_expected(line)).cloned().collect()
    }

    pub fn tally(&self) -> Tally {
        let state = self.state();
        Tally {
            documents: state.stored.len(),
            conflicts: state.conflicts,
            faults: state.faults,
            unexplained: state.unexplained.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Here and now, rather than by the last of its connections beside what is measured next.
        *self.state() = State::default();
    }
}

impl State {
    /// Takes a request, or not.
    fn answer(&mut self, request: &Request) -> Reply {
        let chances = self.chances;
        let mut chance = self.random.u8(..100);
        let mut meets = |share: u8| {
            let met = chance < share;
            chance = if met { u8::MAX } else { chance.saturating_sub(share) };
            met
        };
        let reply = if meets(chances.busy) {
            Reply::json(429, "{}")
        } else if meets(chances.unavailable) {
            Reply::json(503, "{}")
        } else if meets(chances.dropped) {
            Reply::Close
        } else if meets(chances.cut) {
            let answer = self.take(request, false);
            let half = answer.len() / 2;
            Reply::Cut(answer, half)
        } else if meets(chances.gateway) {
            self.take(request, false);
            Reply::json(502, "<html>bad gateway</html>")
        } else {
            return Reply::json(200, self.take(request, true));
        };
        self.faults += 1;
        reply
    }

    /// Stores a request and returns the answer; `answered` when it will reach the client.
    fn take(&mut self, request: &Request, answered: bool) -> String {
        let mut items = String::new();
        let mut errors = false;
        let mut lines = request.body.lines();
        while let (Some(action), Some(document)) = (lines.next(), lines.next()) {
            let id = serde_json::from_str::<Action>(action).unwrap().create.id;
            let document: Document = serde_json::from_str(document).unwrap();
            let (status, kind) = if self.random.u8(..100) < self.chances.items {
                self.faults += 1;
                (429, "es_rejected_execution_exception")
            } else if self.store(id, document, answered) {
                (201, "")
            } else {
                (409, "version_conflict_engine_exception")
            };
            errors |= status != 201;
            if !items.is_empty() {
                items.push(',');
            }
            items.push_str(&if kind.is_empty() {
                format!(r#"{{"create":{{"status":{status}}}}}"#)
            } else {
                let error = format!(r#"{{"type":"{kind}","reason":"because"}}"#);
                format!(r#"{{"create":{{"status":{status},"error":{error}}}}}"#)
            });
        }
        format!(r#"{{"errors":{errors},"items":[{items}]}}"#)
    }

    /// Stores a document; `false` when its id is there already.
    fn store(&mut self, id: String, document: Document, answered: bool) -> bool {
        let Document { message, log, agent } = document;
        let Some(known) = self.stored.get_mut(&id) else {
            *self.lines.entry(message.clone()).or_default() += 1;
            self.stored.insert(id, Stored { message, life: agent.ephemeral_id, answered });
            return true;
        };
        self.conflicts += 1;
        let epoch = &id[..16];
        let was_saved = self.saved.get(epoch).is_some_and(|saved| log.offset < *saved);
        let is_replay = known.life != agent.ephemeral_id && !was_saved;
        if known.message != message {
            self.unexplained.push(format!("{id}: `{}` and `{message}`", known.message));
        } else if known.answered && !is_replay {
            self.unexplained.push(format!("{id}: `{message}` again"));
        }
        known.life = agent.ephemeral_id;
        known.answered = answered;
        false
    }
}
