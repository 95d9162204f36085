//! Keys, DIDs, verifiable credentials and their verification.
