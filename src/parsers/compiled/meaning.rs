//! Which fields the values of a format become, all directives taken together: of several that say the same the one that
//! says it best.

use super::clock::Clock;
use super::pieces::{Directive, Fault, How, Other, Piece, Role, Shape};
use crate::event::{EXTRAS_MAX, Extra, Field, Kind};

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Request,
    Target,
    Path {
        with_query: Option<usize>,
    },
    Query {
        has_mark: bool,
    },
    Client,
    Forwarded,
    User,
    Host,
    Port,
    Method,
    Protocol,
    Scheme,
    Status,
    BodyBytes,
    /// Bytes of the whole answer, which stand for those of its body where these are not told.
    SentBytes {
        extra: usize,
        is_body: bool,
    },
    Known(Field),
    Duration {
        extra: usize,
        nanoseconds: u64,
    },
    Tls {
        version: usize,
        protocol: usize,
    },
    Other {
        extra: usize,
        how: How,
    },
}

/// The fields of a format.
#[derive(Debug, Clone, Default)]
pub(super) struct Meanings {
    /// Numbers of the values, and what becomes of them, requests first.
    pub(super) values: Vec<(usize, Meaning)>,
    pub(super) extras: Vec<Extra>,
    /// What says when it was, and the numbers of its values.
    pub(super) time: Clock,
    pub(super) time_slots: Vec<usize>,
    pub(super) end: Clock,
    pub(super) end_slots: Vec<usize>,
    pub(super) end_extra: Option<usize>,
    /// The number of the value that is a list of addresses beside the client.
    pub(super) forwarded: Option<usize>,
}

/// Finds the fields of all directives of a module's format.
///
/// # Errors
/// When there are more than a document may have.
pub(super) fn meanings(pieces: &[Piece], module: &str) -> Result<Meanings, Fault> {
    let directives: Vec<&Directive> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Directive(directive) => Some(directive),
            Piece::Literal(_) => None,
        })
        .collect();
    let mut resolver = Resolver {
        module,
        directives: &directives,
        client: best(&directives, |role| match role {
            Role::Client { rank, .. } => Some(*rank),
            Role::Forwarded { .. } => Some(u8::MAX),
            _ => None,
        }),
        host: best(&directives, |role| match role {
            Role::Host { rank, .. } => Some(*rank),
            _ => None,
        }),
        duration: best(&directives, |role| match role {
            // The finest unit; of seconds those of nginx have a fraction.
            Role::Duration(nanoseconds) => u8::try_from(nanoseconds.ilog10()).ok(),
            _ => None,
        }),
        port: port(pieces),
        meanings: Meanings::default(),
    };
    resolver.times();
    for (slot, directive) in directives.iter().enumerate() {
        if let Some(meaning) = resolver.meaning(slot, directive) {
            resolver.meanings.values.push((slot, meaning));
        }
    }
    let forwarded = |slot: &usize| matches!(directives[*slot].role, Role::Forwarded { .. });
    let beside =
        (0..directives.len()).find(forwarded).filter(|slot| resolver.client != Some(*slot));
    let mut meanings = Meanings { forwarded: beside, ..resolver.meanings };
    if EXTRAS_MAX < meanings.extras.len() {
        let last = directives.last().map_or(0..0, |last| last.range.clone());
        return Err(Fault::new(
            last,
            format!("{} fields are more than the {EXTRAS_MAX} of a format", meanings.extras.len()),
            "leave out of the server's configuration and of this what nobody reads",
        ));
    }
    let is_late = |meaning: &Meaning| !matches!(meaning, Meaning::Request | Meaning::Target);
    meanings.values.sort_by_key(|(_, meaning)| is_late(meaning));
    Ok(meanings)
}

/// Finds the directive of the lowest rank, the first of several.
fn best(directives: &[&Directive], rank: impl Fn(&Role) -> Option<u8>) -> Option<usize> {
    let ranked = directives.iter().enumerate();
    ranked.filter_map(|(slot, one)| Some((rank(&one.role)?, slot))).min().map(|(_, slot)| slot)
}

/// Finds the port that stands behind a host and a colon.
fn port(pieces: &[Piece]) -> Option<usize> {
    let mut slot = 0;
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Directive(directive) = piece else { continue };
        let is_behind_host = at.checked_sub(2).is_some_and(|host| {
            matches!(&pieces[host], Piece::Directive(one) if matches!(one.role, Role::Host { .. }))
                && matches!(&pieces[host + 1], Piece::Literal(text) if text == b":")
        });
        if directive.role == Role::Port && is_behind_host {
            return Some(slot);
        }
        slot += 1;
    }
    None
}

/// Ends the name of a field whose own is taken.
const OTHERWISE: &str = "_value";

/// Tells whether a field has a name, or lies in an object of it.
fn is_taken(name: &str, extras: &[Extra]) -> bool {
    let known = Field::ALL.iter().map(|field| field.name());
    let mut all = known.chain(extras.iter().map(|extra| extra.name.as_str()));
    all.any(|other| other == name || lies_in(other, name))
}

/// Makes a name that is not taken of one that is.
fn free_name(name: &str, extras: &[Extra]) -> String {
    let mut name = format!("{name}{OTHERWISE}");
    while is_taken(&name, extras) {
        name.push_str(OTHERWISE);
    }
    name
}

/// Tells whether a field lies in an object.
fn lies_in(name: &str, object: &str) -> bool {
    name.strip_prefix(object).is_some_and(|rest| rest.starts_with('.'))
}

struct Resolver<'a> {
    module: &'a str,
    directives: &'a [&'a Directive],
    client: Option<usize>,
    host: Option<usize>,
    duration: Option<usize>,
    port: Option<usize>,
    meanings: Meanings,
}

impl Resolver<'_> {
    fn has(&self, role: &Role) -> bool {
        self.directives.iter().any(|directive| directive.role == *role)
    }

    fn has_request(&self) -> bool {
        self.has(&Role::Request)
    }

    /// Tells whether a directive has another of its role before it.
    fn is_first(&self, slot: usize) -> bool {
        !self.directives[..slot].iter().any(|one| one.role == self.directives[slot].role)
    }

    fn meaning(&mut self, slot: usize, directive: &Directive) -> Option<Meaning> {
        let has_line = self.has_request();
        let own = |name: &str| format!("{}.access.{name}", self.module);
        Some(match &directive.role {
            Role::Time { .. } => return self.time_meaning(slot),
            role if !self.is_first(slot) && !matches!(role, Role::Port) => return None,
            Role::Request => Meaning::Request,
            Role::Target if has_line => return None,
            Role::Target => Meaning::Target,
            Role::Method | Role::Protocol if has_line => return None,
            Role::Method => Meaning::Method,
            Role::Protocol => Meaning::Protocol,
            Role::Path if has_line || self.has(&Role::Target) => self.other(own("uri"), How::Text),
            Role::Path => Meaning::Path { with_query: self.query_behind(slot) },
            Role::Query { .. } if has_line || self.has(&Role::Target) => return None,
            Role::Query { has_mark } => Meaning::Query { has_mark: *has_mark },
            Role::Mark => return None,
            Role::Client { .. } if self.client == Some(slot) => Meaning::Client,
            Role::Client { other, .. } => self.other((*other).to_owned(), How::Text),
            Role::Forwarded { .. } if self.client == Some(slot) => Meaning::Forwarded,
            Role::Forwarded { other } => self.other(other.clone(), How::Text),
            Role::Identity => self.other(own("identity"), How::Text),
            Role::User => Meaning::User,
            Role::Host { .. } if self.host == Some(slot) => Meaning::Host,
            Role::Host { other, .. } => self.other((*other).to_owned(), How::Text),
            Role::Port if self.port == Some(slot) => Meaning::Port,
            Role::Port => self.other("server.port".to_owned(), How::Number),
            Role::Scheme => Meaning::Scheme,
            Role::Status { is_final: false } if self.has(&Role::Status { is_final: true }) => {
                self.other(own("original_status"), How::Number)
            }
            Role::Status { .. } => Meaning::Status,
            Role::BodyBytes => Meaning::BodyBytes,
            Role::SentBytes => {
                let is_body = !self.has(&Role::BodyBytes);
                Meaning::SentBytes { extra: self.extra("http.response.bytes", Kind::Raw), is_body }
            }
            Role::Known(field) => Meaning::Known(*field),
            Role::Duration(nanoseconds) if self.duration == Some(slot) => Meaning::Duration {
                extra: self.extra("event.duration", Kind::Raw),
                nanoseconds: *nanoseconds,
            },
            Role::Duration(_) => return None,
            Role::Other(other) => self.other_of(other),
        })
    }

    /// Returns the number of the query that follows a path at once.
    fn query_behind(&self, slot: usize) -> Option<usize> {
        let next = self.directives.get(slot + 1)?;
        let is_behind = next.role == (Role::Query { has_mark: true })
            && next.range.start == self.directives[slot].range.end;
        is_behind.then_some(slot + 1)
    }

    fn other(&mut self, name: String, how: How) -> Meaning {
        self.other_of(&Other::new(name, how))
    }

    fn other_of(&mut self, other: &Other) -> Meaning {
        let is_taken = |name: &str| self.meanings.extras.iter().any(|extra| extra.name == name);
        let is_second = is_taken(&other.name) && !other.second.is_empty();
        let name = if is_second { &other.second } else { &other.name };
        if is_second && matches!(other.how, How::Tls | How::Trace | How::Mime) {
            return Meaning::Other { extra: self.extra(name, Kind::Text), how: How::Text };
        }
        if other.how == How::Tls {
            let version = self.extra(name, Kind::Text);
            return Meaning::Tls {
                version,
                protocol: self.extra("tls.version_protocol", Kind::Raw),
            };
        }
        let kind = if other.how.is_json() { Kind::Raw } else { Kind::Text };
        Meaning::Other { extra: self.extra(name, kind), how: other.how }
    }

    /// Makes a field. Where one has the name of another, or of an object in which another lies, it gets another name.
    fn extra(&mut self, name: &str, kind: Kind) -> usize {
        let extras = &mut self.meanings.extras;
        let moved: Vec<usize> =
            (0..extras.len()).filter(|number| lies_in(name, &extras[*number].name)).collect();
        for number in moved {
            extras[number].name = free_name(&extras[number].name, extras);
        }
        let name = if is_taken(name, extras) { free_name(name, extras) } else { name.to_owned() };
        extras.push(Extra { name, kind });
        extras.len() - 1
    }

    /// Finds what says when it was: of several directives the one that says it exactly, else all together.
    fn times(&mut self) {
        let of = |is_end: bool| {
            let wanted = Role::Time { is_end };
            let mut slots: Vec<usize> = (0..self.directives.len())
                .filter(|slot| self.directives[*slot].role == wanted)
                .collect();
            let mut clock = self.clock(&slots);
            let alone = slots.iter().copied().find(|slot| {
                clock.precision() != 0 && clock.precision() <= self.clock(&[*slot]).precision()
            });
            if let Some(slot) = alone {
                slots = vec![slot];
                clock = self.clock(&slots);
            }
            (clock, slots)
        };
        let (begin, end) = (of(false), of(true));
        if begin.0.precision() != 0 {
            (self.meanings.time, self.meanings.time_slots) = begin;
            if end.0.precision() != 0 {
                (self.meanings.end, self.meanings.end_slots) = end;
            }
        } else if end.0.precision() != 0 {
            (self.meanings.time, self.meanings.time_slots) = end;
        }
    }

    fn clock(&self, slots: &[usize]) -> Clock {
        let mut clock = Clock::default();
        for slot in slots {
            if let Shape::Time(pattern) = &self.directives[*slot].shape {
                clock.push(pattern.clone());
            }
        }
        clock
    }

    /// Returns what becomes of a time that is not the event's.
    fn time_meaning(&mut self, slot: usize) -> Option<Meaning> {
        if self.meanings.end_slots.first() == Some(&slot) {
            self.meanings.end_extra = Some(self.extra("event.end", Kind::Text));
            return None;
        }
        if !self.meanings.time_slots.is_empty() {
            return None;
        }
        // No date, so no time of an event.
        let name = format!("{}.access.time", self.module);
        let extra = self.extra(&name, Kind::Text);
        Some(Meaning::Other { extra, how: How::Text })
    }
}
