//! Tests across crates, and the rules of the house as a test.
