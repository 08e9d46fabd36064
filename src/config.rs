//! The configuration: YAML to a tree that keeps positions, from it the typed settings, and all problems
//! at once.

pub mod check;
pub mod expand;
pub mod keys;
pub mod mask;
pub mod problems;
pub mod read;
pub mod syntax;
pub mod tree;
pub mod typed;
