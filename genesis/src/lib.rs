//! The chain specification: presets, allocations and predeployed contracts.
