//! Who may ask, and how much at once.
//!
//! Every request passes [`origin`] (which host and which page), then [`load`] (how many at once,
//! how long). What changes something in the node's name also passes [`operator`], and what costs
//! much without changing anything passes [`rate`].

pub(crate) mod load;
pub(crate) mod operator;
pub(crate) mod origin;
pub(crate) mod rate;
