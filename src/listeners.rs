//! Listeners: inputs that are sent to. What comes goes whole, message by message, into the open batch.

pub mod framing;
