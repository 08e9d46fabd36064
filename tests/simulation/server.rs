//! A server that keeps Elasticsearch's promise about `create`: an id is stored once, and every later one is a conflict.

use fastrand::Rng;
use shipper::batch::Batch;
use shipper::ledger::{Ledger, Note};
use shipper::position::{DIGITS, EPOCH_TEXT_BYTES, Epoch, Outcome, Settled};
use std::collections::BTreeMap;
use std::ops::Range;

/// Documents of each epoch by their start: length and text.
pub type Events = BTreeMap<Epoch, BTreeMap<usize, (usize, String)>>;

/// The server.
#[derive(Default)]
pub struct Server {
    documents: BTreeMap<String, String>,
    /// How often each message is stored.
    pub stored: BTreeMap<String, usize>,
    /// Which bytes of each epoch are stored, by start.
    pub ranges: BTreeMap<Epoch, BTreeMap<u64, u64>>,
    /// Which were sent in this life, stored already or not.
    pub sent: Vec<(Epoch, Range<u64>)>,
    /// The same with what they say, where a document may have several lines.
    pub events: Option<Events>,
}

impl Server {
    fn create(&mut self, id: &str, message: &str) -> Result<(), String> {
        let (epoch, start, length) = parts_of(id)?;
        self.sent.push((epoch, start..start + length));
        if let Some(before) = self.documents.get(id) {
            if before != message {
                return Err(format!("id {id} stands for `{before:.60}` and `{message:.60}`"));
            }
            return Ok(());
        }
        self.documents.insert(id.to_owned(), message.to_owned());
        if self.events.is_none() {
            *self.stored.entry(message.trim_start_matches('\0').to_owned()).or_default() += 1;
        }
        let ranges = self.ranges.entry(epoch).or_default();
        let before = ranges.range(..start + length).next_back();
        if let Some((other, bytes)) = before.filter(|(other, bytes)| start < *other + *bytes) {
            let told = format!("{other}..{} and {start}..{}", other + bytes, start + length);
            return Err(format!("two documents of {epoch} have the same bytes: {told}"));
        }
        ranges.insert(start, length);
        if let Some(events) = &mut self.events {
            for line in message.split('\n').map(|line| line.trim_start_matches('\0')) {
                *self.stored.entry(line.to_owned()).or_default() += 1;
            }
            let event = (usize::try_from(length).unwrap(), message.to_owned());
            events.entry(epoch).or_default().insert(usize::try_from(start).unwrap(), event);
        }
        Ok(())
    }

    /// Returns those of these bytes of an epoch that are in no stored document, without those that need none.
    pub fn missing(
        &self,
        epoch: Epoch,
        bytes: Range<u64>,
        needs_none: impl Fn(Range<u64>) -> bool,
    ) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = bytes.start;
        let stored = self.ranges.get(&epoch).into_iter().flatten();
        let stored = stored.map(|(start, length)| (*start, start + length));
        for (start, end) in stored.chain([(bytes.end, bytes.end)]) {
            let gap = at..start.min(bytes.end);
            if !gap.is_empty() && !needs_none(gap.clone()) {
                missing.push(gap);
            }
            at = at.max(end);
        }
        missing
    }
}

/// Returns which bytes an id stands for: epoch, start and length.
fn parts_of(id: &str) -> Result<(Epoch, u64, u64), String> {
    let (epoch, position) = id.split_at(EPOCH_TEXT_BYTES);
    let position = position.trim_start_matches('.');
    let (start, length) = position.split_once('.').ok_or_else(|| format!("id {id}"))?;
    let epoch = Epoch::from_text(epoch).ok_or_else(|| format!("id {id}"))?;
    Ok((epoch, number(start), number(length)))
}

fn number(digits: &str) -> u64 {
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit).unwrap() as u64;
    digits.bytes().fold(0, |number, digit| number << 6 | value(digit))
}

/// A batch on its way, and which of its items the server has not answered for.
struct Flight {
    batch: Batch,
    open: Vec<usize>,
}

/// Takes batches to the server as a deliverer does, through whatever happens on the way.
#[derive(Default)]
pub struct Deliverer {
    flights: Vec<Flight>,
    /// Nothing arrives for the time being.
    pub away: bool,
}

impl Deliverer {
    pub fn is_free(&self, most: usize) -> bool {
        self.flights.len() < most
    }

    pub fn take(&mut self, batch: Batch) {
        let open = (0..batch.items()).collect();
        self.flights.push(Flight { batch, open });
    }

    /// Sends one request of any of the batches and settles the batch when all its items are answered for.
    pub fn step(
        &mut self,
        rng: &mut Rng,
        server: &mut Server,
        ledger: &Ledger,
        smooth: bool,
    ) -> Result<(), String> {
        if self.flights.is_empty() || self.away {
            return Ok(());
        }
        let index = rng.usize(..self.flights.len());
        let flight = &mut self.flights[index];
        let trouble = if smooth { 9 } else { rng.u8(..10) };
        match trouble {
            // The connection fails before the request has arrived.
            0 => return Ok(()),
            // The request arrives, its answer does not.
            1 => return flight.send(server, |_| true).map(drop),
            // A part of it is answered with 429.
            2 => {
                let answered = flight.send(server, |_| rng.bool())?;
                flight.open.retain(|item| !answered.contains(item));
            }
            _ => {
                flight.send(server, |_| true)?;
                flight.open.clear();
            }
        }
        if flight.open.is_empty() {
            let flight = self.flights.swap_remove(index);
            let (ranges, others) = (flight.batch.ranges.clone(), flight.batch.others.clone());
            let settled = Settled { ranges, outcome: Outcome::Stored, others };
            ledger.tell_quietly(Note::Settled(settled));
        }
        Ok(())
    }

    /// The process is gone; a request that was under way may still be stored.
    pub fn stop(&mut self, rng: &mut Rng, server: &mut Server) -> Result<(), String> {
        for flight in self.flights.drain(..) {
            if rng.bool() {
                flight.send(server, |_| true)?;
            }
        }
        Ok(())
    }
}

impl Flight {
    fn send(
        &self,
        server: &mut Server,
        mut arrives: impl FnMut(usize) -> bool,
    ) -> Result<Vec<usize>, String> {
        let mut answered = Vec::new();
        for item in self.open.iter().copied().filter(|item| arrives(*item)) {
            let text =
                std::str::from_utf8(self.batch.item(item)).map_err(|error| error.to_string())?;
            let (id, message) = id_and_message(text)?;
            server.create(id, &message)?;
            answered.push(item);
        }
        Ok(answered)
    }
}

fn id_and_message(item: &str) -> Result<(&str, String), String> {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        create: Create<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Create<'a> {
        #[serde(rename = "_id")]
        id: &'a str,
    }
    #[derive(serde::Deserialize)]
    struct Document {
        message: String,
    }
    let mut lines = item.lines();
    let (action, document) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let action: Line<'_> =
        serde_json::from_str(action).map_err(|error| format!("{error}: {action}"))?;
    let document: Document =
        serde_json::from_str(document).map_err(|error| format!("{error}: {document}"))?;
    Ok((action.create.id, document.message))
}
