//! The real binary where the system is short of something: descriptors, events, the directory itself.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files and programs"
)]

#[path = "surroundings/large.rs"]
mod large;
#[path = "surroundings/places.rs"]
mod places;
#[path = "rotation/receiver.rs"]
mod receiver;
#[path = "rotation/rig.rs"]
mod rig;
#[path = "output/server.rs"]
mod server;
#[path = "support/shipper.rs"]
mod shipper;
#[path = "surroundings/shortage.rs"]
mod shortage;
#[path = "rotation/writer.rs"]
mod writer;
