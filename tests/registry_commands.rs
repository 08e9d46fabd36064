//! The commands that look at the registry and put it right, as an operator calls them: whole outputs and exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files"
)]

#[path = "registry_commands/auditing.rs"]
mod auditing;
#[path = "registry_commands/editing.rs"]
mod editing;
#[path = "registry_commands/looking.rs"]
mod looking;
#[path = "registry_commands/rig.rs"]
mod rig;
#[path = "support/shipper.rs"]
mod shipper;
