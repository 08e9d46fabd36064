//! `shipper dlq purge`: letters are removed for good.

use super::filter::Filter;
use super::{Damage, Letters};
use crate::cli::PurgeArgs;
use crate::commands::report::{self, Failure};
use crate::disk::RealDisk;
use crate::hint::Advised;
use crate::outputs::dead_letters::letter::Letter;
use crate::spool::{Editor, Found, Segment};
use jiff::{SignedDuration, Timestamp};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Removes the letters that are meant, when a person agrees.
pub(super) fn run(letters: &Letters, args: &PurgeArgs) -> Result<ExitCode, Failure> {
    let before = args.older_than.map(|age| {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN)
    });
    let filter = args.chosen.filter().before(before);
    let Some(editor) = letters.editor()? else {
        report::out("0 removed, 0 kept\n");
        return Ok(ExitCode::SUCCESS);
    };
    let mut count = 0_u64;
    letters.each(|letter, _| {
        count += u64::from(filter.takes(letter));
        true
    })?;
    if count != 0 && !args.yes {
        agreed(count, letters)?;
    }
    let (mut removed, mut kept, mut damage) = (0, 0, Damage::default());
    let mut aside = None;
    for segment in letters.segments()? {
        let done = one(&editor, &segment, &filter, &mut damage);
        let (gone, left, file) = done.map_err(|error| letters.unreadable(&error))?;
        removed += gone;
        kept += left;
        aside = file.or(aside);
    }
    if let Some(aside) = aside {
        damage.tell(&format!("set aside in `{}`", aside.display()));
    }
    report::out(&format!("{removed} removed, {kept} kept\n"));
    Ok(ExitCode::SUCCESS)
}

/// Asks whether that many letters may be removed.
fn agreed(count: u64, letters: &Letters) -> Result<(), Failure> {
    let stdin = std::io::stdin();
    let directory = letters.spool.directory.display();
    if !stdin.is_terminal() {
        return Err(Advised::new(
            format!("{count} dead letters in `{directory}` would be removed for good"),
            "add --yes if that is meant; `shipper dlq replay` sends them again",
        )
        .into());
    }
    report::err(&format!("Remove {count} dead letters in `{directory}` for good? [y/N]"));
    let mut answer = String::new();
    let _ = stdin.lock().read_line(&mut answer);
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Advised::new("nothing was removed", "answer `y`, or add --yes, if that is meant").into())
}

/// Removes the letters that are meant from one segment; returns how many, how many are left, and where damage is now.
fn one(
    editor: &Editor<RealDisk>,
    segment: &Segment,
    filter: &Filter,
    damage: &mut Damage,
) -> std::io::Result<(u64, u64, Option<PathBuf>)> {
    let mut records = editor.records(segment)?;
    let mut rewrite = editor.rewrite(segment)?;
    let (mut removed, mut kept, mut aside) = (0, 0, None);
    while let Some(found) = records.next_record()? {
        let at = match found {
            Found::Damaged { at } => at,
            Found::Record { at, bytes } => match Letter::read(bytes) {
                Some(letter) if filter.takes(&letter) => {
                    rewrite.remove(at)?;
                    removed += 1;
                    continue;
                }
                Some(_) => {
                    rewrite.keep(at)?;
                    kept += 1;
                    continue;
                }
                None => at,
            },
        };
        damage.add(&at);
        aside = Some(rewrite.set_aside(at)?);
    }
    rewrite.finish()?;
    Ok((removed, kept, aside))
}
