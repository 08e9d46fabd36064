//! From the tree to the typed settings: one reader for single values, and one file for each part.

pub mod fields;
pub mod input;
pub mod value;
