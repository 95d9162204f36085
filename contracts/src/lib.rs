//! The contracts: Solidity sources, committed artifacts and typed bindings.
