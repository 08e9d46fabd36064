//! PHP-FPM's slow log: blocks of `[time]  [pool name] pid n`, `script_filename = path` and the calls that were on the stack.

use super::values::{self, enclosed, extras, line_parser, number, text};
use super::zone::Zone;
use crate::dataset::PHP_FPM_SLOW;
use crate::event::{EventBuf, Span};

extras! {
    Timezone = "event.timezone" Text,
    Pool = "php_fpm.slow.pool" Text,
    Pid = "process.pid" Raw,
    Script = "file.path" Text,
    Function = "log.origin.function" Text,
    OriginFile = "log.origin.file.name" Text,
    OriginLine = "log.origin.file.line" Raw,
    Stack = "error.stack_trace" Text,
}

/// Reads blocks of the slow log; a block is one event of several lines.
#[derive(Debug, Clone, Default)]
pub struct PhpFpmSlow {
    zone: Zone,
}

line_parser!(PhpFpmSlow, |_| &PHP_FPM_SLOW, zone);

impl PhpFpmSlow {
    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        const POOL: &[u8] = b"[pool ";
        const PID: &[u8] = b" pid ";
        const SCRIPT: &[u8] = b"script_filename = ";
        let (time, at) = enclosed(line, 0, b"[", b']')?;
        values::time(event, line, time, &mut self.zone, Own::Timezone)?;
        let blanks = line[at..].iter().take_while(|byte| **byte == b' ').count();
        let (pool, at) = enclosed(line, at + blanks, POOL, b']')?;
        text(event, line, Own::Pool, pool);
        if !line[at..].starts_with(PID) {
            return None;
        }
        let mut at = at + PID.len();
        let end = end_of_line(line, at);
        number(event, line, Own::Pid, Span::line(at, end))?;
        let mut stack = None;
        while let Some(start) = next_line(line, at) {
            at = start;
            let end = end_of_line(line, at);
            if line[at..end].starts_with(SCRIPT) {
                text(event, line, Own::Script, Span::line(at + SCRIPT.len(), end));
            } else if line[at..].starts_with(b"[0x") {
                let (first, _) = *stack.get_or_insert((at, end));
                if first == at {
                    read_call(line, at, end, event);
                }
                stack = Some((first, end));
            } else if at < end {
                event.leave_residue();
            }
        }
        if let Some((start, end)) = stack {
            values::set(event, Own::Stack, Span::line(start, end));
        }
        Some(())
    }
}

fn end_of_line(text: &[u8], at: usize) -> usize {
    let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length);
    if at < end && text[end - 1] == b'\r' { end - 1 } else { end }
}

/// Returns where the line behind the one at `at` begins.
fn next_line(text: &[u8], at: usize) -> Option<usize> {
    let next = at + memchr::memchr(b'\n', &text[at..])? + 1;
    (next < text.len()).then_some(next)
}

/// Reads `[0x00007f] function() /path:12`.
fn read_call(line: &[u8], at: usize, end: usize, event: &mut EventBuf) {
    let Some((_, next)) = enclosed(&line[..end], at, b"[", b']') else { return };
    let Some((function, next)) = values::word(&line[..end], (next + 1).min(end)) else { return };
    let name = match event.bytes(line, function) {
        [.., b'(', b')'] => function.part(0, function.len() - 2),
        _ => function,
    };
    text(event, line, Own::Function, name);
    let place = Span::line(next.min(end), end);
    if let Some(colon) = memchr::memrchr(b':', event.bytes(line, place))
        && number(event, line, Own::OriginLine, place.part(colon + 1, place.len())).is_some()
    {
        text(event, line, Own::OriginFile, place.part(0, colon));
    }
}
