//! Builds a whole node from a store, a clock and entropy.
