//! Errors in geth's codes and words (`rpc/errors.go`, `internal/ethapi/errors.go`, EIP-1474,
//! EIP-7966).

use alloy::primitives::TxHash;
use alloy::sol_types::{GenericContractError, SolInterface};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::types::error::{
    INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE, INVALID_REQUEST_CODE, METHOD_NOT_FOUND_CODE,
    PARSE_ERROR_CODE,
};
use phytomer_ledger::{CallError, QueryError, SubmitError};

use crate::limits::RPC_BATCH_LEN_MAX;

/// geth's default: the call was understood and failed.
const SERVER_ERROR_CODE: i32 = -32000;
/// geth's `errcodeResponseTooLarge`.
const RESPONSE_TOO_LARGE_CODE: i32 = -32003;
/// EIP-1474's "limit exceeded".
const LIMIT_EXCEEDED_CODE: i32 = -32005;
/// geth's code of a revert; `data` is the revert's output.
const REVERT_CODE: i32 = 3;
/// EIP-7966's code of a transaction that was accepted but not mined in time; `data` is its hash.
const SYNC_TIMEOUT_CODE: i32 = 4;

/// A failed call.
#[derive(Debug)]
pub(crate) enum RpcError {
    /// The message is not JSON.
    Parse,
    /// The message is JSON but not a call.
    InvalidRequest(&'static str),
    /// There are too many calls in a batch.
    BatchTooLarge(usize),
    /// There is no such method.
    MethodNotFound(String),
    /// A subscription over HTTP.
    NotificationsUnsupported,
    /// The arguments do not fit the method.
    InvalidParams(String),
    /// The call asks for more than a limit allows.
    LimitExceeded(String),
    /// The answer has too many bytes.
    ResponseTooLarge,
    /// The ledger could not answer.
    Query(QueryError),
    /// The ledger did not take a transaction.
    Submit(SubmitError),
    /// There is no filter of this id, or it has expired.
    FilterNotFound,
}

impl From<QueryError> for RpcError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<SubmitError> for RpcError {
    fn from(error: SubmitError) -> Self {
        Self::Submit(error)
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let plain = |code, message: String| Self::owned(code, message, None::<()>);
        match error {
            RpcError::Parse => plain(PARSE_ERROR_CODE, "parse error".into()),
            RpcError::InvalidRequest(why) => plain(INVALID_REQUEST_CODE, why.into()),
            RpcError::BatchTooLarge(len) => plain(
                INVALID_REQUEST_CODE,
                format!("batch too large: {len} calls, at most {RPC_BATCH_LEN_MAX} are taken"),
            ),
            RpcError::MethodNotFound(method) => plain(
                METHOD_NOT_FOUND_CODE,
                format!("the method {method} does not exist/is not available"),
            ),
            RpcError::NotificationsUnsupported => {
                plain(METHOD_NOT_FOUND_CODE, "notifications not supported".into())
            }
            RpcError::InvalidParams(why) => plain(INVALID_PARAMS_CODE, why),
            RpcError::LimitExceeded(why) => plain(LIMIT_EXCEEDED_CODE, why),
            RpcError::ResponseTooLarge => {
                plain(RESPONSE_TOO_LARGE_CODE, "response too large".into())
            }
            RpcError::FilterNotFound => plain(SERVER_ERROR_CODE, "filter not found".into()),
            RpcError::Query(error) => query(error),
            RpcError::Submit(error) => submit(error),
        }
    }
}

fn query(error: QueryError) -> ErrorObjectOwned {
    let code = match &error {
        QueryError::Call(CallError::Reverted { output, .. }) => {
            return ErrorObjectOwned::owned(REVERT_CODE, revert_message(output), Some(output));
        }
        QueryError::InvalidRange => INVALID_PARAMS_CODE,
        QueryError::LogRangeTooWide { .. } | QueryError::TooManyLogs { .. } => LIMIT_EXCEEDED_CODE,
        QueryError::Read(_)
        | QueryError::Internal { .. }
        | QueryError::Call(CallError::Store(_) | CallError::Evm(_)) => {
            tracing::error!(%error, "the ledger cannot answer; see /readyz");
            INTERNAL_ERROR_CODE
        }
        _ => SERVER_ERROR_CODE,
    };
    ErrorObjectOwned::owned(code, error.to_string(), None::<()>)
}

/// What a revert says: the text of `Error(string)`, the kind of `Panic(uint256)`; nothing for a
/// custom error, which clients decode from `data` with the contract's ABI.
fn revert_message(output: &[u8]) -> String {
    let reason = match GenericContractError::abi_decode(output) {
        Ok(GenericContractError::Revert(revert)) => Some(revert.reason),
        Ok(GenericContractError::Panic(panic)) => Some(
            panic
                .kind()
                .map_or("unknown panic code", |kind| kind.as_str())
                .to_owned(),
        ),
        Err(_) => None,
    };
    match reason {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".into(),
    }
}

fn submit(error: SubmitError) -> ErrorObjectOwned {
    let message = error.to_string();
    match error {
        SubmitError::TimedOut { hash, .. } => {
            ErrorObjectOwned::owned::<TxHash>(SYNC_TIMEOUT_CODE, message, Some(hash))
        }
        _ => ErrorObjectOwned::owned(SERVER_ERROR_CODE, message, None::<()>),
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::hex;

    use super::revert_message;

    /// Outputs as solc writes them; messages as go-ethereum's `abi.UnpackRevert` gives them.
    #[test]
    fn reverts_are_worded_as_in_geth() {
        let text = hex!(
            "08c379a0"
            "0000000000000000000000000000000000000000000000000000000000000020"
            "0000000000000000000000000000000000000000000000000000000000000007"
            "6e6f206c65616600000000000000000000000000000000000000000000000000"
        );
        assert_eq!(revert_message(&text), "execution reverted: no leaf");
        let overflow =
            hex!("4e487b710000000000000000000000000000000000000000000000000000000000000011");
        assert_eq!(
            revert_message(&overflow),
            "execution reverted: arithmetic underflow or overflow"
        );
        assert_eq!(revert_message(&hex!("e450d38c")), "execution reverted");
        assert_eq!(revert_message(&[]), "execution reverted");
        assert_eq!(revert_message(&text[..40]), "execution reverted");
    }
}
