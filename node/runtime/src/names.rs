//! The streams that a node writes itself.

use phytomer_streams::StreamName;

/// One of the registry's constants as the name of a stream.
pub(crate) fn stream(name: &'static str) -> StreamName {
    StreamName::new(name).expect("the names of our streams are names of streams")
}
