//! `shipper`: follows the logs of web servers and delivers each line to Elasticsearch, effectively once.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "a test may fail, and has real files"
    )
)]

pub mod account;
pub mod acker;
pub mod advice;
pub mod app;
pub mod assembly;
pub mod batch;
pub mod certificates;
pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod dataset;
pub mod demo;
pub mod discovery;
pub mod disk;
pub mod document;
pub mod enrich;
pub mod event;
pub mod follow;
pub mod geoip;
pub mod harvester;
pub mod hint;
pub mod host;
pub mod identity;
pub mod json_text;
pub mod ledger;
pub mod limits;
pub mod listeners;
pub mod logging;
pub mod manager;
pub mod monitor;
pub mod outputs;
pub mod packing;
pub mod parsers;
pub mod pipeline;
pub mod pool;
pub mod position;
pub mod queue;
pub mod registrar;
pub mod reporter;
pub mod rescue;
pub mod scan;
pub mod settings;
pub mod spool;
pub mod stats;
pub mod status;
pub mod target;
pub mod tls;
pub mod trail;
pub mod units;
pub mod unpacked;
pub mod wake;
