//! Durable signed event streams with the same offsets on every node.
