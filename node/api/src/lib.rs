//! The HTTP edge: JSON-RPC, REST, server-sent events and the web page on one origin.
