//! Strings of the library.

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

/// A string as the library takes it.
pub(super) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// The number of an error; 0 where there is none.
pub(super) fn code<T>(answer: &Result<T, ResponseError>) -> i16 {
    answer.as_ref().err().map_or(0, ResponseError::code)
}
