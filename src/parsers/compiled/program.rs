//! From pieces to steps: how a line is taken apart, or why it cannot be.

use super::clock::Pattern;
use super::pieces::{Begins, Directive, Fault, Piece, Role, Shape};

/// One step through a line.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// These bytes stand here.
    Literal(Box<[u8]>),
    /// A time begins here.
    Time(usize, Pattern),
    /// A value of one byte stands here.
    Byte(usize),
    /// A value begins here, or several that are told apart by how each of them begins.
    Value { end: End, inner: Box<[Inner]> },
}

/// A value among those of a step.
#[derive(Debug, Clone)]
pub(super) struct Inner {
    /// Its number.
    pub(super) slot: usize,
    /// How it begins, of all but the first.
    pub(super) begins: Option<Begins>,
}

/// Where a value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At the line's end.
    Line,
    /// At the next quote that is not escaped.
    Quote,
    /// At the next such byte, and no blank comes before it.
    At(u8),
    /// Behind the last digit.
    Digits,
    /// At the next blank that is not behind a comma or beside a colon.
    List,
    /// At the next place where what follows fits, as far as it cannot lie elsewhere; of a word before the next blank.
    Open { is_word: bool },
}

/// A quote that every line has: so many bytes behind the end of a value, or the line's beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quote {
    pub(super) behind: Option<usize>,
    pub(super) bytes: usize,
}

/// What takes a line apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    pub(super) steps: Vec<Step>,
    /// Where quotes stand that are no value's.
    pub(super) quotes: Vec<Quote>,
}

/// The pieces, with what belongs together in one.
pub(super) fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Piece::Literal(before)), Piece::Literal(more)) => before.extend(more),
            (Some(Piece::Directive(mark)), Piece::Directive(query))
                if mark.role == Role::Mark && query.role == (Role::Query { has_mark: false }) =>
            {
                mark.range.end = query.range.end;
                mark.text.push_str(&query.text);
                mark.shape = Shape::Text;
                mark.role = Role::Query { has_mark: true };
            }
            (_, piece) => joined.push(piece),
        }
    }
    joined
}

/// Makes the steps; the directives' values have the numbers of their order, from `first_slot` on.
///
/// # Errors
/// When two directives stand side by side of which nobody knows where the first ends, or there is none.
pub(super) fn steps(
    pieces: &[Piece],
    has_escapes: bool,
    first_slot: usize,
) -> Result<Steps, Fault> {
    let mut steps = Steps::default();
    let (mut slot, mut at, mut behind) = (first_slot, 0, None);
    while let Some(piece) = pieces.get(at) {
        let first = match piece {
            Piece::Literal(text) => {
                let quotes = (0..text.len()).filter(|at| text[*at] == b'"');
                steps.quotes.extend(quotes.map(|bytes| Quote { behind, bytes }));
                steps.steps.push(Step::Literal(text.clone().into_boxed_slice()));
                at += 1;
                continue;
            }
            Piece::Directive(first) => first,
        };
        let mut group: Vec<&Directive> = vec![first];
        while let (Some(last), Some(Piece::Directive(next))) =
            (group.last(), pieces.get(at + group.len()))
        {
            if last.shape.is_delimited() {
                break;
            }
            if !is_told_apart(last, next, has_escapes) {
                return Err(side_by_side(last, next));
            }
            group.push(next);
        }
        at += group.len();
        behind = Some(slot + group.len() - 1);
        let next = match pieces.get(at) {
            Some(Piece::Literal(text)) => text.first().copied(),
            _ => None,
        };
        steps.steps.push(match &first.shape {
            Shape::Byte => Step::Byte(slot),
            Shape::Time(pattern) if group.len() == 1 => Step::Time(slot, pattern.clone()),
            _ => Step::Value {
                end: end_of(&group, next, has_escapes),
                inner: (slot..)
                    .zip(&group)
                    .map(|(slot, directive)| Inner { slot, begins: directive.begins })
                    .collect(),
            },
        });
        slot += group.len();
    }
    if slot == 0 {
        let hint = "write directives, such as `%h %l %u %t \"%r\" %>s %b` of Apache or \
                    `$remote_addr [$time_local] \"$request\" $status` of nginx";
        return Err(Fault::new(0..0, "the format has no directive", hint));
    }
    Ok(steps)
}

/// Tells whether `next` begins with what `last` cannot hold.
fn is_told_apart(last: &Directive, next: &Directive, has_escapes: bool) -> bool {
    let Some(begins) = next.begins else { return false };
    let is_query = matches!(last.role, Role::Path) && begins.with == b'?';
    let is_time = matches!(last.shape, Shape::Time(_));
    !is_time && (is_query || !last.shape.may_hold(begins.with, has_escapes))
}

fn side_by_side(last: &Directive, next: &Directive) -> Fault {
    let (one, other) = (&last.text, &next.text);
    Fault::new(
        last.range.start..next.range.end,
        format!("nothing stands between `{one}` and `{other}`, so nobody can tell where one ends"),
        format!(
            "write something between them that neither holds, in the server's configuration as well, for example \
             `{one} {other}` or `{one} \"{other}\"`"
        ),
    )
}

fn end_of(group: &[&Directive], next: Option<u8>, has_escapes: bool) -> End {
    let holds = |byte| group.iter().any(|one| one.shape.may_hold(byte, has_escapes));
    let all = |shapes: &[Shape]| group.iter().all(|one| shapes.contains(&one.shape));
    let is_word = all(&[Shape::Number, Shape::Name, Shape::Word]);
    let Some(next) = next else {
        return match group {
            [one] if one.shape == Shape::Number => End::Digits,
            _ if is_word => End::At(b' '),
            [one] if one.shape == Shape::List => End::List,
            _ => End::Line,
        };
    };
    match group {
        [one] if one.shape == Shape::Number && !holds(next) => End::Digits,
        _ if next == b'"' && has_escapes => End::Quote,
        _ if is_word && (next == b' ' || !holds(next)) => End::At(next),
        [one] if one.shape == Shape::List && next == b' ' => End::List,
        _ => End::Open { is_word },
    }
}
