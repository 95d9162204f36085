//! Arguments by position, read as geth reads them (`rpc/json.go`, `parsePositionalArguments`):
//! what is missing or `null` at the end is absent, and what does not fit is named by its index.

use jsonrpsee::types::Params;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::rpc::error::RpcError;

/// The longest excerpt of a decoder's complaint, in characters.
const COMPLAINT_LEN_MAX: usize = 200;

/// The arguments of a method: a tuple, of which the last ones may be `Option`s.
pub(crate) trait Arguments: Sized + Send + 'static {
    /// Reads them from the positions of `arguments`.
    fn read(arguments: &[&RawValue]) -> Result<Self, RpcError>;
}

macro_rules! tuples {
    ($(($($name:ident $index:literal),*) of $count:literal;)+) => {
        $(impl<$($name: DeserializeOwned + Send + 'static),*> Arguments for ($($name,)*) {
            fn read(arguments: &[&RawValue]) -> Result<Self, RpcError> {
                at_most(arguments, $count)?;
                Ok(($(argument::<$name>(arguments, $index)?,)*))
            }
        })+
    };
}

tuples! {
    () of 0;
    (A 0) of 1;
    (A 0, B 1) of 2;
    (A 0, B 1, C 2) of 3;
    (A 0, B 1, C 2, D 3) of 4;
}

fn at_most(arguments: &[&RawValue], max: usize) -> Result<(), RpcError> {
    if arguments.len() > max {
        return Err(RpcError::InvalidParams(format!(
            "too many arguments, want at most {max}"
        )));
    }
    Ok(())
}

fn argument<T: DeserializeOwned>(arguments: &[&RawValue], index: usize) -> Result<T, RpcError> {
    let given = arguments
        .get(index)
        .map_or("null", |argument| argument.get());
    serde_json::from_str(given).map_err(|error| {
        RpcError::InvalidParams(if given == "null" {
            format!("missing value for required argument {index}")
        } else {
            let complaint: String = error.to_string().chars().take(COMPLAINT_LEN_MAX).collect();
            format!("invalid argument {index}: {complaint}")
        })
    })
}

/// Reads the arguments of a call.
pub(crate) fn read<A: Arguments>(params: &Params<'_>) -> Result<A, RpcError> {
    let arguments: Vec<&RawValue> = match params.as_str() {
        None | Some("null") => Vec::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|_| RpcError::InvalidParams("non-array args".into()))?,
    };
    A::read(&arguments)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, address};
    use jsonrpsee::types::ErrorObjectOwned;

    use super::*;

    fn message<A: Arguments + std::fmt::Debug>(params: Option<&str>) -> String {
        let error: ErrorObjectOwned = read::<A>(&Params::new(params)).unwrap_err().into();
        assert_eq!(error.code(), -32602);
        error.message().to_owned()
    }

    #[test]
    fn absent_and_null_are_the_same_at_the_end() {
        let account = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        let with = |rest: &str| {
            let params = format!("[\"{account}\"{rest}]");
            read::<(Address, Option<bool>)>(&Params::new(Some(&params))).unwrap()
        };
        assert_eq!(with(", true"), (account, Some(true)));
        assert_eq!(with(", null"), (account, None));
        assert_eq!(with(""), (account, None));
        assert_eq!(super::read::<()>(&Params::new(None)).unwrap(), ());
        assert_eq!(super::read::<()>(&Params::new(Some("[]"))).unwrap(), ());
    }

    #[test]
    fn the_words_are_geths() {
        assert_eq!(
            message::<(Address, bool)>(Some("[]")),
            "missing value for required argument 0"
        );
        assert_eq!(
            message::<(Address,)>(None),
            "missing value for required argument 0"
        );
        assert_eq!(
            message::<()>(Some("[1]")),
            "too many arguments, want at most 0"
        );
        assert_eq!(message::<(Address,)>(Some(r#"{"a":1}"#)), "non-array args");
        let invalid = message::<(Option<u8>, Address)>(Some(r#"[1, "0x12"]"#));
        assert!(invalid.starts_with("invalid argument 1: "), "{invalid}");
    }
}
