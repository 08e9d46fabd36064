//! The main job against a real OpenSearch, and what only it has here: ingest pipelines, and nginx before it.

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
    pub mod servers;
    pub mod shipper;
    pub mod web_server;
}
mod delivery {
    mod clones;
    pub mod main_job;
    mod modules;
    mod pipelines;
    mod rollover;
    pub mod trouble;
    mod ways;
}
mod security {
    mod nginx;
}

use support::servers::{Product, Server};

/// The server of these tests.
fn shared() -> &'static Server {
    support::servers::shared(Product::OpenSearch)
}
