//! From the tree to the typed settings: one reader for single values, and one file for each part.

pub mod cloud;
pub mod compiled;
pub mod dead_letters;
pub mod elasticsearch;
pub mod enrich;
pub mod fields;
pub mod files;
pub mod host;
pub mod http;
pub mod input;
pub mod listener;
pub mod modules;
pub mod output;
pub mod own;
pub mod process;
pub mod proxies;
pub mod reading;
pub mod tls;
pub mod value;
