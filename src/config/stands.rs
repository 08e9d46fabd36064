//! Where settings stand whose worth shows only later, when what they name is looked at: the files of `ssl.*`.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::problems::{Place, Problem, Problems, Source};
use crate::config::typed::value::At;

/// Settings below `ssl` that name a file.
const NAMING: [&str; 4] =
    ["ssl.certificate_authorities", "ssl.certificate", "ssl.key", "ssl.key_passphrase_path"];

/// Whose setting it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The output's.
    Output,
    /// That of a listener: its index in the settings.
    Listener(usize),
}

/// What such a setting is told with: its place, the line, and what is not to be shown.
#[derive(Clone, Default)]
pub struct Stands {
    /// Places of the settings of the output that are there.
    output: BTreeMap<&'static str, Place>,
    /// Places of the listeners.
    listeners: Vec<Place>,
    sources: Vec<Source>,
    secrets: Vec<String>,
}

/// Leaves the sources out: they hold secrets.
impl fmt::Debug for Stands {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stands").field("output", &self.output).finish_non_exhaustive()
    }
}

impl Stands {
    /// Notes where the settings of an output stand, and the listeners.
    #[must_use]
    pub fn new(
        output: &At<'_>,
        listeners: Vec<Place>,
        sources: Vec<Source>,
        secrets: Vec<String>,
    ) -> Self {
        let place = |key: &'static str| Some((key, output.get(key).place()?));
        let output = NAMING.into_iter().filter_map(place).collect();
        Self { output, listeners, sources, secrets }
    }

    /// Makes a problem of a setting, `key` from `ssl` on.
    #[must_use]
    pub fn problem(&self, owner: Owner, key: Option<&str>, message: &str, hint: &str) -> Problem {
        let place = match owner {
            Owner::Output => key.and_then(|key| self.output.get(key)),
            Owner::Listener(index) => self.listeners.get(index),
        };
        let mut problem = Problem::general(message).hint(hint);
        problem.place = place.copied();
        problem
    }

    /// Puts problems together as those of a configuration are told; at least one.
    #[must_use]
    pub fn told(&self, problems: Vec<Problem>) -> Problems {
        Problems::new(problems, self.sources.clone(), self.secrets.clone())
    }
}
