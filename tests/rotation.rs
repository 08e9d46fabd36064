//! The real binary under real rotation: logrotate with the configurations of Debian's web servers, a server that keeps
//! Elasticsearch's promise about `create`, and every line accounted for.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::format_collect,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files and programs"
)]

#[path = "rotation/clock.rs"]
mod clock;
#[path = "rotation/crash.rs"]
mod crash;
#[path = "support/http.rs"]
mod http;
#[path = "rotation/limits.rs"]
mod limits;
#[path = "support/servers.rs"]
mod real_servers;
#[path = "rotation/receiver.rs"]
mod receiver;
#[path = "rotation/rig.rs"]
mod rig;
#[path = "rotation/running.rs"]
mod running;
#[path = "output/server.rs"]
mod server;
#[path = "rotation/servers.rs"]
mod servers;
#[path = "support/shipper.rs"]
mod shipper;
#[path = "rotation/short.rs"]
mod short;
#[path = "rotation/stopped.rs"]
mod stopped;
#[path = "rotation/writer.rs"]
mod writer;
