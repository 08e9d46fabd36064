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
