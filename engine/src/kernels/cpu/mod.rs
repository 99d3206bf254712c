//! The operations on slices: plain loops that read like their formulas, the reference that every other kernel is tested
//! against.

pub mod attention;
pub mod candidates;
pub mod elementwise;
pub mod heads;
pub mod linear;
pub mod norm;
