//! The blobs of several nodes on a network within the process, honest peers and others.

#![allow(clippy::unwrap_used, missing_docs)]

mod faults;
mod hostile;
mod limits;
mod node;
mod serving;
mod slow;
mod sockets;
mod transfer;
