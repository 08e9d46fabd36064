//! The real binary as a listener: every message that was sent is one document, and what is lost is counted.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::format_collect,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real sockets and programs"
)]

#[path = "listeners/bounds.rs"]
mod bounds;
#[path = "listeners/input.rs"]
mod input;
#[path = "listeners/protocols.rs"]
mod protocols;
#[path = "listeners/rig.rs"]
mod rig;
#[path = "listeners/secured.rs"]
mod secured;
#[path = "listeners/senders.rs"]
mod senders;
#[path = "output/server.rs"]
mod server;
#[path = "support/shipper.rs"]
mod shipper;
