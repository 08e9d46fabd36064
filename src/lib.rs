//! `shipper`: follows the logs of web servers and delivers each line to Elasticsearch, effectively once.
#![forbid(unsafe_code)]

pub mod settings;
