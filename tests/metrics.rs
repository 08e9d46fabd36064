//! The endpoint that is asked by HTTP, and what the service manager is told: the real binary, real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files"
)]

#[path = "metrics/hostile.rs"]
mod hostile;
#[path = "support/http.rs"]
mod http;
#[path = "metrics/manager.rs"]
mod manager;
#[path = "metrics/pages.rs"]
mod pages;
#[path = "metrics/prometheus.rs"]
mod prometheus;
#[path = "metrics/rig.rs"]
mod rig;
#[path = "output/server.rs"]
mod server;
#[path = "support/shipper.rs"]
mod shipper;
