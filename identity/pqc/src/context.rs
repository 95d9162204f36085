//! What a signature is for.

/// The most bytes of a context's name: its length is signed as one byte.
pub const CONTEXT_BYTES_MAX: usize = 64;

/// Begins everything that is signed, so that no other program's signature is taken for ours.
const PREFIX: &[u8] = b"phytomer operator signature 1\0";

/// What a signature is for, such as `checkpoint/1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(&'static str);

impl Context {
    /// A context.
    ///
    /// # Panics
    /// When `name` is empty or longer than [`CONTEXT_BYTES_MAX`]; at compile time in constants.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(
            !name.is_empty() && name.len() <= CONTEXT_BYTES_MAX,
            "the name of a context has 1 to 64 bytes"
        );
        Self(name)
    }

    /// What is signed: prefix, length and name of the context, message.
    pub(crate) fn bind(self, message: &[u8]) -> Vec<u8> {
        let len = u8::try_from(self.0.len()).expect("at most 64 bytes");
        [PREFIX, &[len], self.0.as_bytes(), message].concat()
    }
}
