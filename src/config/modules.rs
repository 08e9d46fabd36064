//! The modules: ready-made inputs for the logs of a program, under the names and with the places of Filebeat's.

use crate::dataset::{
    APACHE_ACCESS, APACHE_ERROR, Dataset, GENERIC, HAPROXY_LOG, IIS_ACCESS, NGINX_ACCESS,
    NGINX_ERROR, NGINX_INGRESS, TRAEFIK_ACCESS,
};

/// Logs of one program.
#[derive(Debug)]
pub struct Module {
    /// Its name: what stands behind `module:`.
    pub name: &'static str,
    /// Its filesets.
    pub filesets: &'static [Fileset],
}

/// One kind of logs of a program.
#[derive(Debug)]
pub struct Fileset {
    /// Its name: a key beside `module`.
    pub name: &'static str,
    /// What its lines are, in a few words.
    pub about: &'static str,
    /// Where its files are when nobody says otherwise; nowhere on this system when there are none.
    pub paths: &'static [&'static str],
    /// The name of its lines' format.
    pub format: &'static str,
    /// What its events say of where they come from, in whichever format its lines are.
    pub dataset: &'static Dataset,
    /// Whether lines may come by syslog, and do where nothing else is said.
    pub by_syslog: bool,
    /// Whether it is switched on in the file that `modules enable` writes.
    pub is_usual: bool,
}

const FILESET: Fileset = Fileset {
    name: "access",
    about: "Access logs",
    paths: &[],
    format: "raw",
    dataset: &GENERIC,
    by_syslog: false,
    is_usual: true,
};

/// All of them, by name.
pub static MODULES: &[Module] = &[
    Module {
        name: "apache",
        filesets: &[
            Fileset {
                paths: &[
                    "/var/log/apache2/access.log*",
                    "/var/log/apache2/other_vhosts_access.log*",
                    "/var/log/httpd/access_log*",
                ],
                format: "apache",
                dataset: &APACHE_ACCESS,
                ..FILESET
            },
            Fileset {
                name: "error",
                about: "Error logs",
                paths: &["/var/log/apache2/error.log*", "/var/log/httpd/error_log*"],
                format: "apache_error",
                dataset: &APACHE_ERROR,
                ..FILESET
            },
        ],
    },
    Module {
        name: "haproxy",
        filesets: &[Fileset {
            name: "log",
            about: "All logs",
            paths: &["/var/log/haproxy.log*"],
            format: "haproxy",
            dataset: &HAPROXY_LOG,
            by_syslog: true,
            ..FILESET
        }],
    },
    Module { name: "iis", filesets: &[Fileset { format: "iis", dataset: &IIS_ACCESS, ..FILESET }] },
    Module {
        name: "nginx",
        filesets: &[
            Fileset {
                paths: &["/var/log/nginx/access.log*"],
                format: "nginx",
                dataset: &NGINX_ACCESS,
                ..FILESET
            },
            Fileset {
                name: "error",
                about: "Error logs",
                paths: &["/var/log/nginx/error.log*"],
                format: "nginx_error",
                dataset: &NGINX_ERROR,
                ..FILESET
            },
            Fileset {
                name: "ingress_controller",
                about: "Access logs of the ingress controller of Kubernetes",
                paths: &["/var/log/nginx/ingress.log*"],
                format: "nginx_ingress",
                dataset: &NGINX_INGRESS,
                is_usual: false,
                ..FILESET
            },
        ],
    },
    Module {
        name: "traefik",
        filesets: &[Fileset {
            paths: &["/var/log/traefik/access.log*"],
            format: "traefik",
            dataset: &TRAEFIK_ACCESS,
            ..FILESET
        }],
    },
];

/// Names under which modules were known before, and those of today.
pub const RENAMED: [(&str, &str); 1] = [("apache2", "apache")];

/// Modules of Filebeat's that are not built.
#[rustfmt::skip]
pub const OF_FILEBEAT: [&str; 42] = [
    "activemq", "auditd", "aws", "awsfargate", "azure", "cef", "checkpoint", "cisco", "coredns", "crowdstrike",
    "cyberarkpas", "elasticsearch", "envoyproxy", "fortinet", "gcp", "google_workspace", "ibmmq", "icinga",
    "iptables", "juniper", "kafka", "kibana", "logstash", "microsoft", "misp", "mongodb", "mssql", "mysql",
    "mysqlenterprise", "nats", "netflow", "o365", "okta", "oracle", "osquery", "panw", "pensando", "postgresql",
    "rabbitmq", "redis", "santa", "system",
];

/// Filesets of these modules that Filebeat has and that are not built.
pub const FILESETS_OF_FILEBEAT: [(&str, &str); 1] = [("iis", "error")];

/// Finds a module by its name, or by one that it had before.
#[must_use]
pub fn module(name: &str) -> Option<&'static Module> {
    let renamed = RENAMED.iter().find(|(old, _)| *old == name).map(|(_, now)| *now);
    let name = renamed.unwrap_or(name);
    MODULES.iter().find(|module| module.name == name)
}

impl Module {
    /// Finds a fileset by its name.
    #[must_use]
    pub fn fileset(&self, name: &str) -> Option<&'static Fileset> {
        self.filesets.iter().find(|fileset| fileset.name == name)
    }

    /// Returns the file of `modules.d` for it: the usual filesets switched on, all else commented out.
    #[must_use]
    pub fn file(&self) -> String {
        let mut text = format!("- module: {}\n", self.name);
        for (number, fileset) in self.filesets.iter().enumerate() {
            if 0 < number {
                text.push('\n');
            }
            fileset.describe(&mut text);
        }
        text
    }
}

impl Fileset {
    /// Tells whether its lines name user agents, which the ingest pipelines of Filebeat's modules take apart.
    #[must_use]
    pub fn names_agents(&self) -> bool {
        self.name != "error" && !self.by_syslog
    }

    /// Returns the variables that it knows beside those of all.
    #[must_use]
    pub fn variables(&self) -> &'static [&'static str] {
        if self.by_syslog { &["input", "syslog_host", "syslog_port"] } else { &[] }
    }

    fn describe(&self, text: &mut String) {
        text.push_str(&format!("  # {}\n", self.about));
        text.push_str(&format!("  {}:\n    enabled: {}\n", self.name, self.is_usual));
        if self.by_syslog {
            text.push_str(
                "    # `file` reads files; `syslog`, which is the default, listens to UDP.\n    var.input: file\n    \
                 #var.syslog_host: localhost\n    #var.syslog_port: 9001\n",
            );
        }
        match self.paths {
            [] => text.push_str(
                "    # Where its logs are; there is no usual place on this system.\n    var.paths: []\n",
            ),
            paths => {
                text.push_str("    # Where its logs are, if not here:\n    #var.paths:\n");
                for path in paths {
                    text.push_str(&format!("    #  - {path}\n"));
                }
            }
        }
        text.push_str(
            "    #var.tags: []\n    # Proxies whose word on who the client is counts: addresses or networks.\n    \
             #var.trusted_proxies: []\n    # Any option of an input, over those of the module.\n    #input:\n",
        );
    }
}
