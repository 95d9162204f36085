//! Executes transactions and blocks with revm and computes state roots.
