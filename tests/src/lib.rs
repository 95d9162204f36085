//! Holds the tests across crates, in `it/`, and the tests that drive the node
//! with programs that we did not write, in `npm/`.
