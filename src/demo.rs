//! The demo: the real pipeline between a generator of traffic and a receiver on loopback.

pub mod generator;
pub mod receiver;
