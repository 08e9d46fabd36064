//! The names of users and groups, as `/etc/passwd` and `/etc/group` have them.

use crate::disk::Disk;
use std::collections::BTreeMap;
use std::path::Path;

/// Largest of these files that is read.
const BYTES_MAX: u64 = 16 << 20;

/// The names of one of both files, read again when it has changed and a number is not known.
#[derive(Debug)]
pub(super) struct Names {
    path: &'static str,
    known: BTreeMap<u32, String>,
    modified: i64,
}

impl Names {
    pub(super) fn of_users() -> Self {
        Self { path: "/etc/passwd", known: BTreeMap::new(), modified: 0 }
    }

    pub(super) fn of_groups() -> Self {
        Self { path: "/etc/group", known: BTreeMap::new(), modified: 0 }
    }

    /// Returns the name that a number has there.
    pub(super) fn name<D: Disk>(&mut self, disk: &D, number: u32) -> Option<&str> {
        if !self.known.contains_key(&number)
            && let Ok(stat) = disk.stat(Path::new(self.path))
            && stat.modified != self.modified
            && let Ok(text) = disk.read_all(Path::new(self.path), BYTES_MAX)
        {
            self.modified = stat.modified;
            self.known = names(&String::from_utf8_lossy(&text));
        }
        self.known.get(&number).map(String::as_str)
    }
}

/// Reads lines such as `www-data:x:33:…`; of several names of a number the first is taken.
fn names(text: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split(':');
        if let (Some(name), Some(_), Some(number)) = (parts.next(), parts.next(), parts.next())
            && let Ok(number) = number.parse()
        {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn names_are_taken_from_whole_lines() {
        let text =
            "root:x:0:0:root:/root:/bin/sh\n# a:b:7\n\nbad\nadm:x:four:\ntoor:x:0:\nwww:x:33:\n";
        let expected = BTreeMap::from([(0, "root".to_owned()), (33, "www".to_owned())]);
        assert_eq!(names(text), expected);
    }

    #[test]
    fn number_without_a_name_has_none() {
        let mut users = Names::of_users();
        assert_eq!(users.name(&RealDisk, 0), Some("root"));
        assert_eq!(users.name(&RealDisk, 3_999_999_999), None);
    }
}
