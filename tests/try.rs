//! `try`, `detect` and `modules`, as people call them: what they print, what they say to mistakes, and by which exit code.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail, and has real files"
)]

#[path = "try/detect.rs"]
mod detect;
#[path = "try/inputs.rs"]
mod inputs;
#[path = "try/modules.rs"]
mod modules;
#[path = "try/rig.rs"]
mod rig;
#[path = "try/trying.rs"]
mod trying;
