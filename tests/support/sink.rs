//! A server that takes everything and shows what it took.

use crate::server::{Reply, Server};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Documents as they come.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<Value>>>);

impl Sink {
    /// Starts a server that puts its documents here.
    pub fn serve(&self) -> Server {
        let sink = self.clone();
        Server::start(move |request| {
            if !request.is_bulk() {
                return Reply::version();
            }
            let lines: Vec<&str> = request.body.lines().collect();
            let documents = lines.chunks(2).map(|pair| serde_json::from_str(pair[1]).unwrap());
            sink.0.lock().unwrap().extend(documents);
            Reply::items(&vec![json!({"create": {"status": 201}}); lines.len() / 2])
        })
    }

    /// Returns the documents for which something holds.
    pub fn those(&self, holds: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.0.lock().unwrap().iter().filter(|one| holds(one)).cloned().collect()
    }
}
