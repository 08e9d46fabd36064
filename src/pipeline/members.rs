//! Events that bring members of their own: JSON lines, lines of containers.

use super::Encoder;
use crate::assembly::ndjson::{Members, Merge, expanded, merge};
use crate::batch::{BatchBuilder, Fit};
use crate::document::item::{Content, Place, push_item};
use crate::event::{Field, Span};
use serde_json::{Map, Value};

/// Members that stay as we write them, whatever an event brings.
const OURS: [&str; 4] = ["agent", "ecs", "host", "input"];

impl Encoder {
    /// Appends one item with an event's own members.
    pub(super) fn append_members(
        &mut self,
        text: &[u8],
        place: Place,
        content: &mut Content,
        members: &mut Members,
        batch: &mut BatchBuilder,
    ) -> Fit {
        if *content == Content::Line {
            *content = Content::Envelope;
            // A layout writes what the event has; where nothing is left of an object, that it has no text.
            if 0 < place.length || members.json.is_empty() {
                self.event.set(Field::Message, Span::line(0, place.length));
            }
            if let Some(time) = members.time {
                self.event.set_timestamp(time);
            }
        }
        std::mem::swap(&mut self.frame.id, &mut members.id);
        let fit = self.append_with(text, place, *content, members, batch);
        std::mem::swap(&mut self.frame.id, &mut members.id);
        fit
    }

    fn append_with(
        &mut self,
        text: &[u8],
        place: Place,
        content: Content,
        members: &mut Members,
        batch: &mut BatchBuilder,
    ) -> Fit {
        let Some(how) = members.merge else {
            std::mem::swap(&mut self.frame.members, &mut members.json);
            let fit = self.append(text, place, content, batch);
            std::mem::swap(&mut self.frame.members, &mut members.json);
            return fit;
        };
        let Self { writer, frame, action, event, .. } = self;
        writer.prepare(frame, action, text, event, content);
        let mut item = Vec::new();
        push_item(&mut item, frame, text, place, event, content);
        let no_text = event.text_part().map_or(place.length == 0, crate::event::Span::is_empty);
        let item = merged(&item, &members.json, how, no_text)
            .expect("the document is ours, and members that are merged were read");
        if batch.room() < item.len() {
            return Fit::Full;
        }
        let Some(body) = batch.open_item() else { return Fit::Full };
        body.extend_from_slice(&item);
        batch.close_item()
    }
}

/// Puts members into the document of an item.
#[cold]
fn merged(item: &[u8], members: &[u8], how: Merge, no_text: bool) -> Option<Vec<u8>> {
    let action = memchr::memchr(b'\n', item)? + 1;
    let mut document: Map<String, Value> = serde_json::from_slice(&item[action..]).ok()?;
    let members = [b"{", members.strip_prefix(b",").unwrap_or(members), b"}"].concat();
    let mut members: Map<String, Value> = serde_json::from_slice(&members).ok()?;
    if how.expands {
        members = expanded(members);
    }
    if no_text && !members.is_empty() {
        document.remove("message");
    }
    let ours: Vec<_> = OURS
        .iter()
        .filter_map(|name| document.get(*name).map(|value| (*name, value.clone())))
        .collect();
    merge(&mut document, members, how.overwrites);
    if how.overwrites {
        let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        merge(&mut document, ours, true);
    }
    let mut out = item[..action].to_vec();
    serde_json::to_writer(&mut out, &document).ok()?;
    out.push(b'\n');
    Some(out)
}
