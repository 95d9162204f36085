//! The node of a network that recognises, certifies and trades plants.
fn main() {}
