//! Byzantine fault tolerant agreement on blocks: one driver over Malachite's core.
