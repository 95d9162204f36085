//! Brings logs up to date with other nodes'.

mod core;
