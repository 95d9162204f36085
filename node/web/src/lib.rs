//! The web page: a TypeScript bundle, embedded.
