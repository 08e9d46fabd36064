//! Files that are removed once nothing of them is left to be done.

use super::Worker;
use super::file::Harvester;
use crate::advice;
use crate::disk::{Disk, Kind, ReadFile};
use crate::follow::FileKey;
use crate::identity::same_inode;
use std::io;
use tracing::{info, warn};

impl<D: Disk> Worker<D> {
    /// Removes a file that is read to its end, if it is to be and still is what it was; tells whether it did. What a writer
    /// puts there between the last look and the removal is read from the open file, which is finished then.
    pub(super) fn delete_at_end(&mut self, key: FileKey) -> bool {
        let Some(file) = self.files.get_mut(&key).filter(|file| file.at_end.delete) else {
            return false;
        };
        file.at_end.delete = false;
        let name = file.assignment.name.clone();
        match delete(&self.disk, file) {
            Ok(Deletion::Removed) => {
                let size = file.assignment.offset;
                info!(file = %name.display(), size, "file was removed: all of it is settled, as `delete.enabled` asks for");
                file.removed = true;
                return true;
            }
            Ok(Deletion::NotYet) => {}
            Ok(Deletion::Link) if !file.at_end.told => {
                file.at_end.told = true;
                warn!(
                    hint = "name the file itself in `paths`",
                    "`{}` is a symbolic link and not removed",
                    name.display()
                );
            }
            Err(error) if !file.at_end.told => {
                file.at_end.told = true;
                warn!(
                    hint = "let the user that runs shipper write to its directory; it is tried again by itself",
                    "cannot remove `{}`: {}",
                    name.display(),
                    advice::reason(&error)
                );
            }
            Ok(Deletion::Link) | Err(_) => {}
        }
        false
    }
}

enum Deletion {
    Removed,
    /// More is to be read, or the name leads elsewhere.
    NotYet,
    Link,
}

fn delete<D: Disk>(disk: &D, file: &Harvester<D>) -> io::Result<Deletion> {
    let (assignment, Some(open)) = (&file.assignment, &file.file) else {
        return Ok(Deletion::NotYet);
    };
    if !file.is_settled() || assignment.is_packed || file.removed {
        return Ok(Deletion::NotYet);
    }
    let named = disk.link_stat(&assignment.name)?;
    if named.kind == Kind::Link {
        return Ok(Deletion::Link);
    }
    let is_same = named.kind == Kind::File && same_inode(named.inode, assignment.inode);
    if !is_same || open.stat()?.size != assignment.offset {
        return Ok(Deletion::NotYet);
    }
    disk.remove(&assignment.name)?;
    Ok(Deletion::Removed)
}
