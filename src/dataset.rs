//! Kinds of lines: what documents of each say of themselves, as Filebeat's modules name them.

/// What is the same in all documents of lines that one fileset of a module reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Dataset {
    /// `event.dataset`, by which a document's target is named as well.
    pub name: &'static str,
    /// `event.module` and `service.type`.
    pub module: &'static str,
    /// `fileset.name`.
    pub fileset: &'static str,
    /// `event.category`.
    pub category: &'static [&'static str],
    /// `event.type`; empty where it differs from line to line, so that the parser sets it.
    pub types: &'static [&'static str],
}

/// Lines of no known kind, as far as a target's name needs one.
pub static GENERIC: Dataset =
    Dataset { name: "generic", module: "", fileset: "", category: &[], types: &[] };

/// Access lines of Apache.
pub static APACHE_ACCESS: Dataset = Dataset::of_access("apache.access", "apache", "access");

/// Access lines of nginx.
pub static NGINX_ACCESS: Dataset = Dataset::of_access("nginx.access", "nginx", "access");

/// Access lines of Kubernetes' ingress controller, which is nginx.
pub static NGINX_INGRESS: Dataset = Dataset {
    types: &["info"],
    ..Dataset::of_access("nginx.ingress_controller", "nginx", "ingress_controller")
};

/// Error lines of Apache.
pub static APACHE_ERROR: Dataset = Dataset::of_errors("apache.error", "apache", "error");

/// Error lines of nginx, which Filebeat's module takes all for errors.
pub static NGINX_ERROR: Dataset =
    Dataset { types: &["error"], ..Dataset::of_errors("nginx.error", "nginx", "error") };

/// Lines of HAProxy: of requests or of connections, which each line tells.
pub static HAPROXY_LOG: Dataset =
    Dataset { name: "haproxy.log", module: "haproxy", fileset: "log", category: &[], types: &[] };

/// Access lines of Traefik.
pub static TRAEFIK_ACCESS: Dataset = Dataset::of_access("traefik.access", "traefik", "access");

/// Access lines of Caddy.
pub static CADDY_ACCESS: Dataset = Dataset::of_access("caddy.access", "caddy", "access");

/// Access lines of IIS.
pub static IIS_ACCESS: Dataset = Dataset {
    category: &["web", "network"],
    types: &["connection"],
    ..Dataset::of_access("iis.access", "iis", "access")
};

/// Access lines of PHP-FPM.
pub static PHP_FPM_ACCESS: Dataset = Dataset::of_access("php_fpm.access", "php_fpm", "access");

/// Requests that PHP-FPM found slow.
pub static PHP_FPM_SLOW: Dataset =
    Dataset { types: &["info"], ..Dataset::of_errors("php_fpm.slow", "php_fpm", "slow") };

/// Access lines of any server that writes JSON.
pub static JSON_ACCESS: Dataset = Dataset::of_access("web.access", "web", "access");

/// All that have a name of their own.
pub static DATASETS: [&Dataset; 12] = [
    &APACHE_ACCESS,
    &APACHE_ERROR,
    &CADDY_ACCESS,
    &HAPROXY_LOG,
    &IIS_ACCESS,
    &JSON_ACCESS,
    &NGINX_ACCESS,
    &NGINX_ERROR,
    &NGINX_INGRESS,
    &PHP_FPM_ACCESS,
    &PHP_FPM_SLOW,
    &TRAEFIK_ACCESS,
];

impl Dataset {
    /// Makes the kind of a web server's access lines.
    #[must_use]
    pub const fn of_access(
        name: &'static str,
        module: &'static str,
        fileset: &'static str,
    ) -> Self {
        Self { name, module, fileset, category: &["web"], types: &["access"] }
    }

    /// Makes the kind of a web server's error lines, whose type each line tells.
    #[must_use]
    pub const fn of_errors(
        name: &'static str,
        module: &'static str,
        fileset: &'static str,
    ) -> Self {
        Self { name, module, fileset, category: &["web"], types: &[] }
    }

    /// Tells whether it is a kind that is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.module.is_empty()
    }
}
