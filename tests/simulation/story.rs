//! What happened in the schedule of this thread, for the report of one that went wrong.

use crate::log::listener;
use std::cell::RefCell;

thread_local! {
    static STORY: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Adds to the story.
pub fn tell(text: String) {
    STORY.with_borrow_mut(|story| story.push(text));
}

/// Takes the story so far.
pub fn take() -> Vec<String> {
    STORY.take()
}

/// Tells every panic, and, when `aloud`, what the stages log.
pub fn listen(aloud: bool) {
    std::panic::set_hook(Box::new(|panic| {
        if !panic.payload().is::<crate::disk::HardStop>() {
            tell(panic.to_string());
        }
    }));
    if aloud {
        let listener = listener(|_, text| tell(format!("    log: {text}")));
        tracing::subscriber::set_global_default(listener).expect("nobody else listens");
    }
}
