//! Content by BLAKE3 hash: verified streaming, several providers, a cache with a budget.
