//! The ledger: pool, block production, chain state and queries.
