//! Which parts of an expression take text that lies in none of its groups, made into groups: so that what a match
//! leaves behind is known.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{Ast, ClassPerlKind, GroupKind, RepetitionKind, RepetitionRange};

/// Which groups of an expression become fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All.
    All,
    /// Those with a name.
    Named,
}

/// What a group of the new expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A group of the expression as it was.
    Own,
    /// One around text that is in no field.
    Rest,
}

/// An expression with groups around all that takes text which no field has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithRest {
    /// It matches what the one before matched.
    pub expression: String,
    /// For each group from the first on: what it is.
    pub roles: Vec<Role>,
}

/// What text a part of an expression takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Takes {
    /// The expression's own, or blanks.
    Literal,
    /// Any, which no field has.
    Any,
    /// Text of a field, beside others.
    Field,
}

/// A place where a group begins, and for one around the rest where it ends.
type Begins = (usize, Option<usize>);

impl WithRest {
    /// Makes one; an expression that cannot be read stays as it is, without roles.
    #[must_use]
    pub fn new(expression: &str, kept: Kept) -> Self {
        let unchanged = Self { expression: expression.to_owned(), roles: Vec::new() };
        let Ok(ast) = Parser::new().parse(expression) else { return unchanged };
        let mut begins = Vec::new();
        find_rest(&ast, kept, &mut begins);
        let mut own = Vec::new();
        find_own(&ast, &mut own);
        begins.extend(own.into_iter().map(|start| (start, None)));
        // A group around another one that begins there as well stands before it.
        begins.sort_by_key(|(start, end)| (*start, end.is_none()));
        let roles = begins.iter().map(|(_, end)| end.map_or(Role::Own, |_| Role::Rest)).collect();
        let mut brackets: Vec<(usize, char)> = Vec::new();
        for (start, end) in &begins {
            if let Some(end) = end {
                brackets.extend([(*start, '('), (*end, ')')]);
            }
        }
        // Those around the rest lie in no other, so one ends before the next begins.
        brackets.sort_by_key(|(at, bracket)| (*at, *bracket == '('));
        let (mut written, mut from) = (String::new(), 0);
        for (at, bracket) in brackets {
            written.push_str(&expression[from..at]);
            written.push(bracket);
            from = at;
        }
        written.push_str(&expression[from..]);
        Self { expression: written, roles }
    }
}

/// Tells whether text is nothing that a document would miss: blanks, and `-`.
#[must_use]
pub fn is_nothing(text: &[u8]) -> bool {
    matches!(text.trim_ascii(), b"" | b"-")
}

fn takes(ast: &Ast, kept: Kept) -> Takes {
    let most = |all: &[Ast]| all.iter().map(|ast| takes(ast, kept)).max();
    match ast {
        Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Assertion(_) => Takes::Literal,
        Ast::ClassPerl(class) if class.kind == ClassPerlKind::Space && !class.negated => {
            Takes::Literal
        }
        Ast::Dot(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_) | Ast::ClassBracketed(_) => {
            Takes::Any
        }
        Ast::Repetition(repetition) => takes(&repetition.ast, kept),
        Ast::Group(group) => match group.kind {
            GroupKind::CaptureName { .. } => Takes::Field,
            GroupKind::CaptureIndex(_) if kept == Kept::All => Takes::Field,
            GroupKind::CaptureIndex(_) | GroupKind::NonCapturing(_) => takes(&group.ast, kept),
        },
        Ast::Alternation(all) => most(&all.asts).unwrap_or(Takes::Literal),
        Ast::Concat(all) => most(&all.asts).unwrap_or(Takes::Literal),
    }
}

/// Finds the largest parts that take text which no field has.
fn find_rest(ast: &Ast, kept: Kept, found: &mut Vec<Begins>) {
    let span = ast.span();
    let whole = (span.start.offset, Some(span.end.offset));
    match (takes(ast, kept), ast) {
        (Takes::Literal, _) => {}
        (_, Ast::Alternation(all)) => all.asts.iter().for_each(|ast| find_rest(ast, kept, found)),
        (_, Ast::Concat(all)) => all.asts.iter().for_each(|ast| find_rest(ast, kept, found)),
        (Takes::Any, _) => found.push(whole),
        // Of what comes several times, a group has the last.
        (Takes::Field, Ast::Repetition(repetition)) => match &repetition.op.kind {
            RepetitionKind::ZeroOrOne
            | RepetitionKind::Range(
                RepetitionRange::Exactly(0 | 1) | RepetitionRange::Bounded(0, 1),
            ) => {
                find_rest(&repetition.ast, kept, found);
            }
            _ => found.push(whole),
        },
        (Takes::Field, Ast::Group(group)) => {
            let is_field = match group.kind {
                GroupKind::CaptureName { .. } => true,
                GroupKind::CaptureIndex(_) => kept == Kept::All,
                GroupKind::NonCapturing(_) => false,
            };
            if !is_field {
                find_rest(&group.ast, kept, found);
            }
        }
        (Takes::Field, _) => {}
    }
}

/// Finds where the expression's own groups begin.
fn find_own(ast: &Ast, found: &mut Vec<usize>) {
    match ast {
        Ast::Repetition(repetition) => find_own(&repetition.ast, found),
        Ast::Group(group) => {
            if !matches!(group.kind, GroupKind::NonCapturing(_)) {
                found.push(group.span.start.offset);
            }
            find_own(&group.ast, found);
        }
        Ast::Alternation(all) => all.asts.iter().for_each(|ast| find_own(ast, found)),
        Ast::Concat(all) => all.asts.iter().for_each(|ast| find_own(ast, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_take_text_of_no_field_become_groups() {
        for (kept, expression, expected, roles) in [
            (Kept::All, "a(b)c", "a(b)c", "o"),
            (Kept::All, "a(b) +\\s*-c?", "a(b) +\\s*-c?", "o"),
            (Kept::All, "a.*(b)[cd]", "a(.*)(b)([cd])", "ror"),
            (Kept::All, "(?:(a)|b(?:.*?))", "(?:(a)|b((?:.*?)))", "or"),
            (Kept::All, "(?:x(a))? (?:x(a))+", "(?:x(a))? ((?:x(a))+)", "oro"),
            (Kept::All, "(?:ä\\d){2}(a.)\\d", "((?:ä\\d){2})(a.)(\\d)", "ror"),
            (Kept::All, "(?i)\\w(?-i)(\\w)|\\S", "(?i)(\\w)(?-i)(\\w)|(\\S)", "ror"),
            (Kept::Named, "(a.)(?<b>(.)c)(d|e)", "((a.))(?<b>(.)c)(d|e)", "roooo"),
            (Kept::Named, "(?x) . # any (\n (?<b>.)", "(?x) (.) # any (\n (?<b>.)", "ro"),
            (Kept::Named, "(", "(", ""),
        ] {
            let seen = WithRest::new(expression, kept);
            let short: String =
                seen.roles.iter().map(|role| if *role == Role::Own { 'o' } else { 'r' }).collect();
            assert_eq!((seen.expression.as_str(), short.as_str()), (expected, roles));
        }
    }

    #[test]
    fn own_groups_are_where_they_were() {
        let lines = ["", "a", "ab 12 -x", "aab\nb", "x: 7, y: 8", "ä 1", "\"a b\" HTTP/1.1"];
        for expression in [
            "(?:(a)|b.)*(\\w)?",
            "(?i)[^b]+?(B)|(\\d+)\\D*",
            "^(\\w+)(?:\\W+(\\d*))?.*$",
            "(?s)(?:.|(x))(.)(?:[a-z]: ){0,2}",
            "(?x) \\S* # (\n (\\s) [_] ? (.)?",
            "(?U)\\w+(.+)\\b",
        ] {
            let WithRest { expression: written, roles } = WithRest::new(expression, Kept::All);
            assert!(roles.contains(&Role::Rest), "{expression}");
            let old = regex::Regex::new(expression).unwrap();
            let new = regex::Regex::new(&written).unwrap();
            assert_eq!(new.captures_len(), 1 + roles.len(), "{written}");
            let is_own = |group: &usize| *group == 0 || roles[group - 1] == Role::Own;
            for line in lines {
                let old = old.captures(line).map(|found| {
                    found.iter().map(|at| at.map(|at| at.range())).collect::<Vec<_>>()
                });
                let new = new.captures(line).map(|found| {
                    let own = (0..found.len()).filter(is_own);
                    own.map(|group| found.get(group).map(|at| at.range())).collect::<Vec<_>>()
                });
                assert_eq!(new, old, "{written} of {line}");
            }
        }
    }
}
