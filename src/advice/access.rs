//! What a file's owner must change so that this process may read it: with the mode, the group and the names.

use crate::disk::{Disk, Kind, Stat};
use std::path::Path;

/// Longest file of users or groups that names are looked up in, in bytes.
const NAMES_BYTES_MAX: u64 = 1 << 20;

/// Who asks to read, by number and by name.
struct Reader {
    user: (u32, String),
    /// Its groups, its own one first.
    groups: Vec<(u32, String)>,
}

/// Returns what to do about a file that may not be read.
/// For a log that rotates, how that lasts as well.
pub(super) fn hint<D: Disk>(disk: &D, path: &Path, stat: &Stat, rotates: bool) -> String {
    let named = |file: &str, number: u32| {
        let text = disk.read_all(Path::new(file), NAMES_BYTES_MAX).unwrap_or_default();
        (number, name_in(&text, number).unwrap_or_else(|| number.to_string()))
    };
    let own = rustix::process::getegid().as_raw();
    let others = rustix::process::getgroups().unwrap_or_default();
    let others = others.into_iter().map(rustix::process::Gid::as_raw).filter(|group| *group != own);
    let groups = std::iter::once(own).chain(others);
    let reader = Reader {
        user: named("/etc/passwd", rustix::process::geteuid().as_raw()),
        groups: groups.map(|group| named("/etc/group", group)).collect(),
    };
    let owner = named("/etc/passwd", stat.user).1;
    let group = named("/etc/group", stat.group).1;
    words(path, stat, (&owner, &group), &reader, rotates)
}

fn words(
    path: &Path,
    stat: &Stat,
    (owner, group): (&str, &str),
    reader: &Reader,
    rotates: bool,
) -> String {
    let path = path.display();
    let user = &reader.user.1;
    let (rights, mode) =
        if stat.kind == Kind::Directory { ("g+rx", 0o050) } else { ("g+r", 0o040) };
    let chmod = (stat.mode & mode != mode).then(|| format!("`chmod {rights} {path}`"));
    let is_member = reader.groups.iter().any(|(number, _)| *number == stat.group);
    let (change, needed) = if is_member {
        (None, group)
    } else if stat.group == 0 {
        // Nobody is to join root's group for the sake of a log.
        let own = reader.groups[0].1.as_str();
        (Some(format!("`chgrp {own} {path}`")), own)
    } else {
        (Some(format!("`usermod -aG {group} {user}` and a restart of shipper")), group)
    };
    let steps: Vec<String> = change.into_iter().chain(chmod).collect();
    let steps = if steps.is_empty() {
        "look at its access control list".to_owned()
    } else {
        steps.join(", ")
    };
    let kept = if stat.kind == Kind::Directory || !rotates {
        String::new()
    } else {
        // Whoever writes a log opens it again.
        let mode = stat.mode | mode | 0o600;
        format!(
            "; for the next rotation `create {mode:04o} {owner} {needed}` in logrotate's configuration"
        )
    };
    format!(
        "it has mode {:04o}, owner {owner} and group {group}, and this process runs as {user}: {steps}{kept}",
        stat.mode
    )
}

/// Finds the name of a number in the text of `/etc/passwd` or `/etc/group`.
fn name_in(text: &[u8], number: u32) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Inode;

    fn said(mode: u32, group: (u32, &str), kind: Kind) -> String {
        said_of(mode, group, kind, true)
    }

    fn said_of(mode: u32, group: (u32, &str), kind: Kind, rotates: bool) -> String {
        let inode = Inode { device: 1, number: 2, birth: 3 };
        let stat = Stat { kind, inode, size: 0, modified: 0, mode, user: 33, group: group.0 };
        let reader = Reader {
            user: (998, "shipper".to_owned()),
            groups: vec![(997, "shipper".to_owned()), (4, "adm".to_owned())],
        };
        words(Path::new("/var/log/a"), &stat, ("www-data", group.1), &reader, rotates)
    }

    #[test]
    fn what_is_missing_is_told_and_no_more() {
        let file = Kind::File;
        assert_eq!(
            said(0o600, (4, "adm"), file),
            "it has mode 0600, owner www-data and group adm, and this process runs as shipper: \
             `chmod g+r /var/log/a`; for the next rotation `create 0640 www-data adm` in logrotate's configuration"
        );
        assert_eq!(
            said(0o640, (33, "www-data"), file),
            "it has mode 0640, owner www-data and group www-data, and this process runs as shipper: \
             `usermod -aG www-data shipper` and a restart of shipper; for the next rotation \
             `create 0640 www-data www-data` in logrotate's configuration"
        );
        assert_eq!(
            said(0o600, (0, "root"), file),
            "it has mode 0600, owner www-data and group root, and this process runs as shipper: \
             `chgrp shipper /var/log/a`, `chmod g+r /var/log/a`; for the next rotation \
             `create 0640 www-data shipper` in logrotate's configuration"
        );
        assert_eq!(
            said(0o000, (4, "adm"), file),
            "it has mode 0000, owner www-data and group adm, and this process runs as shipper: \
             `chmod g+r /var/log/a`; for the next rotation `create 0640 www-data adm` in logrotate's configuration"
        );
        assert_eq!(
            said_of(0o600, (4, "adm"), file, false),
            "it has mode 0600, owner www-data and group adm, and this process runs as shipper: `chmod g+r /var/log/a`"
        );
        assert_eq!(
            said(0o640, (33, "www-data"), Kind::Directory),
            "it has mode 0640, owner www-data and group www-data, and this process runs as shipper: \
             `usermod -aG www-data shipper` and a restart of shipper, `chmod g+rx /var/log/a`"
        );
    }

    #[test]
    fn names_are_found_by_their_number() {
        let text = b"root:x:0:0:root:/root:/bin/bash\nadm:x:4:someone\nbad\n";
        assert_eq!(name_in(text, 4).as_deref(), Some("adm"));
        assert_eq!(name_in(text, 40), None);
    }
}
