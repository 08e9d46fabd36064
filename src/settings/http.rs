//! Settings of the endpoint that is asked by HTTP how shipper fares.

use std::path::PathBuf;

/// Where the endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpSettings {
    /// At a name or an address, and a port; 0 is any free one.
    Tcp {
        /// A name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// At a socket of the file system.
    Unix(PathBuf),
}
