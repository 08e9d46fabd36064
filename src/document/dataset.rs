//! Kinds of lines: what `event.dataset` says, and where they go.

use crate::parsers::access_log::Server;

/// `event.dataset` of lines of no known kind, as far as a target's name needs one.
const GENERIC: &str = "generic";

/// Kinds of lines that may go to different places; the number of each is its place in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dataset {
    ApacheAccess,
    NginxAccess,
    Generic,
}

impl Dataset {
    pub(super) const ALL: [Self; 3] = [Self::ApacheAccess, Self::NginxAccess, Self::Generic];

    pub(super) fn of_server(server: Server) -> Self {
        match server {
            Server::Apache => Self::ApacheAccess,
            Server::Nginx => Self::NginxAccess,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ApacheAccess => "apache.access",
            Self::NginxAccess => "nginx.access",
            Self::Generic => GENERIC,
        }
    }

    pub(super) fn module(self) -> &'static str {
        match self {
            Self::ApacheAccess => "apache",
            Self::NginxAccess => "nginx",
            Self::Generic => "",
        }
    }
}
