//! What happened in the schedule of this thread, for the report of one that went wrong.

use std::cell::RefCell;
use std::fmt::{Debug, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

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
        let subscriber = tracing_subscriber::registry().with(Log);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
    }
}

struct Log;

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::from("    log:"));
        event.record(&mut text);
        tell(text.0);
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
