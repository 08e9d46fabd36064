//! `status` and `drain`, and the socket between them and the running shipper: whole outputs and exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files"
)]

#[path = "status/draining.rs"]
mod draining;
#[path = "status/hidden.rs"]
mod hidden;
#[path = "registry_commands/rig.rs"]
mod rig;
#[path = "support/shipper.rs"]
mod shipper;
#[path = "status/socket.rs"]
mod socket;
#[path = "status/telling.rs"]
mod telling;

/// Returns a port that nobody listens on now.
fn http_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
