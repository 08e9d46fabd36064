//! The formats that are known by a name, beside those of access lines.
//!
//! A new one is one file beside this one and one row here.

use super::apache_error::ApacheError;
use super::caddy::Caddy;
use super::haproxy::HaProxy;
use super::iis::Iis;
use super::json_access::JsonAccess;
use super::nginx_error::NginxError;
use super::nginx_ingress::NginxIngress;
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
    Known {
        name: "nginx_ingress",
        about: "access log of Kubernetes' ingress controller, nginx's",
        begins: None,
        make: || Box::new(NginxIngress::default()),
    },
];

/// Finds one by its name.
#[must_use]
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EXTRAS_MAX, Field};

    /// Fields that a syslog header has.
    const OF_A_HEADER: usize = 15;

    #[test]
    fn fields_of_formats_are_theirs_alone_and_lie_in_no_other() {
        for known in KNOWN {
            let parser = (known.make)();
            let extras = parser.extras();
            assert!(extras.len() + OF_A_HEADER <= EXTRAS_MAX, "{}: {}", known.name, extras.len());
            for (number, extra) in extras.iter().enumerate() {
                let mut others: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
                others.extend(extras[number + 1..].iter().map(|other| &*other.name));
                for other in others {
                    let within = |inner: &str, outer: &str| {
                        inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
                    };
                    let clash = extra.name == other
                        || within(&extra.name, other)
                        || within(other, &extra.name);
                    assert!(!clash, "{}: `{}` and `{other}`", known.name, extra.name);
                }
            }
        }
    }

    #[test]
    fn formats_have_names_of_their_own_and_are_found_by_them() {
        for (number, one) in KNOWN.iter().enumerate() {
            assert_eq!(known(one.name).map(|found| found.about), Some(one.about));
            assert!(KNOWN[..number].iter().all(|other| other.name != one.name), "{}", one.name);
            assert!(one.begins.is_none_or(|pattern| ::regex::bytes::Regex::new(pattern).is_ok()));
        }
        assert!(known("apache_eror").is_none());
    }
}
