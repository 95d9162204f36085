//! Empty on purpose: libp2p-swarm asks for exactly this version of this crate, for
//! WebAssembly only, and that pin clashes with what other libraries ask for.
