//! The main job against a real Elasticsearch, and what only it has: users and keys.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, has real files and servers, and shares its tools with others"
)]

mod support {
    pub mod authority;
    pub mod http;
    pub mod secured;
    pub mod servers;
    pub mod shipper;
    pub mod web_server;
}
mod delivery {
    mod clones;
    pub mod main_job;
    mod rollover;
    pub mod trouble;
}
mod security {
    mod keys;
    mod users;
}

use support::servers::{Product, Server};

/// The server of these tests.
fn shared() -> &'static Server {
    support::servers::shared(Product::Elasticsearch)
}
