//! The formats that are known by a name, beside those of access lines.
//!
//! A new one is one file beside this one and one row here.

use super::apache_error::ApacheError;
use super::caddy::Caddy;
use super::haproxy::HaProxy;
use super::iis::Iis;
use super::json_access::JsonAccess;
use super::nginx_error::NginxError;
use super::php_fpm::PhpFpmAccess;
use super::php_fpm_slow::PhpFpmSlow;
use super::traefik::Traefik;
use crate::event::LineParser;

/// A format.
#[derive(Debug)]
pub struct Known {
    /// Its name, as `format` has it.
    pub name: &'static str,
    /// Which lines it reads, in a few words.
    pub about: &'static str,
    /// Regular expression of the first line of an event, where events have several lines.
    pub begins: Option<&'static str>,
    /// Makes its parser.
    pub make: fn() -> Box<dyn LineParser>,
}

/// All of them.
pub static KNOWN: &[Known] = &[
    Known {
        name: "apache_error",
        about: "Apache's error log, 2.2 and 2.4",
        begins: None,
        make: || Box::new(ApacheError::default()),
    },
    Known {
        name: "nginx_error",
        about: "nginx's error log",
        begins: Some(r"^\d{4}/\d{2}/\d{2} "),
        make: || Box::new(NginxError::default()),
    },
    Known {
        name: "haproxy",
        about: "HAProxy's HTTP and TCP lines, with or without a syslog header",
        begins: None,
        make: || Box::new(HaProxy::default()),
    },
    Known {
        name: "traefik",
        about: "Traefik's access log, common or JSON",
        begins: None,
        make: || Box::new(Traefik::default()),
    },
    Known {
        name: "caddy",
        about: "Caddy's access log, JSON",
        begins: None,
        make: || Box::new(Caddy::default()),
    },
    Known {
        name: "iis",
        about: "IIS's access log, W3C extended, with the columns that `#Fields:` names",
        begins: None,
        make: || Box::new(Iis::default()),
    },
    Known {
        name: "php_fpm_access",
        about: "PHP-FPM's access log",
        begins: None,
        make: || Box::new(PhpFpmAccess::default()),
    },
    Known {
        name: "php_fpm_slow",
        about: "PHP-FPM's slow log, blocks of several lines",
        begins: Some(r"^\[\d{2}-[A-Z][a-z]{2}-\d{4} "),
        make: || Box::new(PhpFpmSlow::default()),
    },
    Known {
        name: "json_access",
        about: "access lines in JSON",
        begins: None,
        make: || Box::new(JsonAccess::default()),
    },
    Known {
        name: "apache_json",
        about: "access lines in JSON, as Apache's",
        begins: None,
        make: || Box::new(JsonAccess::of_apache()),
    },
    Known {
        name: "nginx_json",
        about: "access lines in JSON, as nginx's",
        begins: None,
        make: || Box::new(JsonAccess::of_nginx()),
    },
];

/// Finds one by its name.
#[must_use]
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}
