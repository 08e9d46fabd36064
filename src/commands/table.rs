//! Tables of commands, which fit the terminal where there is one.

use std::io::IsTerminal as _;

/// Least width to which a column is shortened, in characters.
pub(super) const SHORTEST: usize = 16;

/// Returns the width of the terminal that standard output is, if it is one, in characters.
pub(super) fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|_| stdout.is_terminal())?;
    Some(usize::from(size.ws_col)).filter(|width| 0 < *width)
}

/// Makes the text of a table; the columns in `right` hold numbers. Where it would be wider than `width`, what stands in the
/// column `elastic` is shortened in its middle.
pub(super) fn text(
    mut rows: Vec<Vec<String>>,
    right: &[usize],
    elastic: usize,
    width: Option<usize>,
) -> String {
    let mut widths = widths(&rows);
    let whole = whole(&widths);
    if let Some(excess) = width.map(|width| whole.saturating_sub(width)).filter(|one| 0 < *one)
        && let Some(most) = widths.get_mut(elastic)
    {
        *most = most.saturating_sub(excess).max(SHORTEST.min(*most));
        for row in &mut rows {
            row[elastic] = shortened(&row[elastic], *most);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if right.contains(&column) {
                line.push_str(&format!("{cell:>width$}  "));
            } else {
                line.push_str(&format!("{cell:<width$}  "));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Tells whether a table fits a width with at least `least` characters of what stands in the column `elastic`, or all of it.
pub(super) fn fits(rows: &[Vec<String>], elastic: usize, least: usize, width: usize) -> bool {
    let mut widths = widths(rows);
    if let Some(most) = widths.get_mut(elastic) {
        *most = least.min(*most);
    }
    whole(&widths) <= width
}

/// Makes the text of a table whose first column is shortened; where that is not enough, columns are left out, the first of
/// `spare` first.
pub(super) fn text_without(
    mut rows: Vec<Vec<String>>,
    right: &[usize],
    spare: &[usize],
    width: Option<usize>,
) -> String {
    let mut left: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).collect();
    for column in spare {
        if width.is_none_or(|width| fits(&rows, 0, SHORTEST, width)) {
            break;
        }
        if let Some(place) = left.iter().position(|one| one == column) {
            left.remove(place);
            for row in &mut rows {
                row.remove(place);
            }
        }
    }
    let right: Vec<usize> = (0..left.len()).filter(|place| right.contains(&left[*place])).collect();
    text(rows, &right, 0, width)
}

/// Returns how wide a table is.
fn whole(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)
}

/// Breaks a text between words, where it is longer than `width`; every line begins with `indent`. A word that is longer stands
/// in a line of its own.
pub(super) fn wrapped(text: &str, indent: &str, width: Option<usize>) -> String {
    let width = width.unwrap_or(usize::MAX);
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if wrapped.is_empty() {
            wrapped.push_str(indent);
            used = indent.chars().count();
        } else if used + 1 + length <= width {
            wrapped.push(' ');
            used += 1;
        } else {
            wrapped.push('\n');
            wrapped.push_str(indent);
            used = indent.chars().count();
        }
        wrapped.push_str(word);
        used += length;
    }
    wrapped.push('\n');
    wrapped
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths = vec![0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

/// Leaves characters out in the middle of a text that has more than `most`; more of its end stays, which tells more of a path.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let front = most.saturating_sub(1) / 3;
    let back = most.saturating_sub(1) - front;
    let (begin, end) = (text.chars().take(front), text.chars().skip(count - back));
    begin.chain(['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_fits_the_terminal_by_its_elastic_column_alone() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows =
            || vec![row(["FILE", "SIZE", "STATE"]), row(["/var/log/nginx/ä/access.log", "7", "x"])];
        for (width, expected) in [
            (
                None,
                "FILE                         SIZE  STATE\n/var/log/nginx/ä/access.log     7  x\n",
            ),
            (
                Some(40),
                "FILE                         SIZE  STATE\n/var/log/nginx/ä/access.log     7  x\n",
            ),
            (Some(33), "FILE                  SIZE  STATE\n/var/l…/ä/access.log     7  x\n"),
            (Some(5), "FILE              SIZE  STATE\n/var/…access.log     7  x\n"),
        ] {
            assert_eq!(text(rows(), &[1], 0, width), expected, "{width:?}");
        }
        assert_eq!(text(Vec::new(), &[], 0, Some(3)), "");
    }

    #[test]
    fn table_fits_where_enough_of_its_elastic_column_is_left() {
        let rows = vec![vec!["twelve chars".to_owned(), "7".to_owned()]];
        for (least, width, expected) in
            [(12, 15, true), (12, 14, false), (5, 8, true), (5, 7, false), (99, 15, true)]
        {
            assert_eq!(fits(&rows, 0, least, width), expected, "{least} in {width}");
        }
    }

    #[test]
    fn columns_are_left_out_one_after_the_other_where_the_terminal_is_narrow() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let rows = || {
            vec![
                row(["FILE", "INODE", "EPOCH", "SIZE"]),
                row(["/var/log/nginx/access.log", "1234567", "AAECAwQFBgcICQoL", "7"]),
            ]
        };
        for (width, expected) in [
            (
                40,
                "FILE                         INODE  SIZE\n/var/log/nginx/access.log  1234567     7\n",
            ),
            (
                38,
                "FILE                       INODE  SIZE\n/var/lo…ginx/access.log  1234567     7\n",
            ),
            (22, "FILE              SIZE\n/var/…access.log     7\n"),
            (5, "FILE              SIZE\n/var/…access.log     7\n"),
        ] {
            let found = text_without(rows(), &[1, 3], &[2, 1], Some(width));
            assert_eq!(found, expected, "{width}");
        }
        assert_eq!(text_without(rows(), &[1, 3], &[2, 1], None), text(rows(), &[1, 3], 0, None));
    }

    #[test]
    fn text_is_wrapped_between_words() {
        for (width, expected) in [
            (None, "  ä longer-than-that c d\n"),
            (Some(11), "  ä\n  longer-than-that\n  c d\n"),
            (Some(5), "  ä\n  longer-than-that\n  c d\n"),
            (Some(4), "  ä\n  longer-than-that\n  c\n  d\n"),
            (Some(20), "  ä longer-than-that\n  c d\n"),
        ] {
            assert_eq!(wrapped("ä longer-than-that c d", "  ", width), expected, "{width:?}");
        }
    }
}
