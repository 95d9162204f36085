//! Logs and metrics of the node.
