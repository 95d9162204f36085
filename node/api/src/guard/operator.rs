//! The operator's token on everything that acts in the node's name.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use phytomer_identity::OperatorToken;

use crate::config::OperatorAccess;
use crate::problem::{Kind, Problem};

/// Who counts as the operator.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) token: OperatorToken,
    pub(crate) access: OperatorAccess,
}

impl Operator {
    fn admit(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<(), Problem> {
        if self.access == OperatorAccess::Loopback && !peer.ip().to_canonical().is_loopback() {
            return Err(Problem::new(
                Kind::OPERATOR_ACCESS,
                format!("the call comes from {}", peer.ip()),
            ));
        }
        let refused = |detail| {
            Problem::new(Kind::UNAUTHORIZED, detail)
                .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        };
        let given = headers
            .get(AUTHORIZATION)
            .ok_or_else(|| refused("there is no Authorization header"))?;
        let token = match given
            .to_str()
            .ok()
            .and_then(|given| given.split_at_checked(7))
        {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim(),
            _ => {
                return Err(refused(
                    "the Authorization header is not of the form `Bearer <token>`",
                ));
            }
        };
        if self.token.matches(token) {
            Ok(())
        } else {
            Err(refused("the token is not the operator's"))
        }
    }
}

/// Answers only the operator.
pub(crate) async fn require(
    State(operator): State<Arc<Operator>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match operator.admit(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to a call from `peer` with a header made from the right token.
    fn status(access: OperatorAccess, peer: &str, authorization: fn(&str) -> String) -> u16 {
        let folder = tempfile::tempdir().unwrap();
        let token = OperatorToken::open_or_create(&folder.path().join("operator.token")).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            authorization(token.expose()).parse().unwrap(),
        );
        let operator = Operator { token, access };
        let admitted = operator.admit(peer.parse().unwrap(), &headers);
        admitted.map_or_else(|problem| problem.status, |()| 200)
    }

    #[test]
    fn only_the_right_token_passes() {
        let local = |header| status(OperatorAccess::Loopback, "127.0.0.1:5000", header);
        assert_eq!(local(|token| format!("Bearer {token}")), 200);
        assert_eq!(local(|token| format!("bearer {token}")), 200);
        assert_eq!(local(|token| format!("Bearer {token}0")), 401);
        assert_eq!(local(|token| format!("Bearer {}", &token[1..])), 401);
        assert_eq!(local(|token| format!("Basic {token}")), 401);
        assert_eq!(local(|token| token.to_owned()), 401);
        assert_eq!(local(|_| "Bearer ".into()), 401);
        assert_eq!(local(|_| String::new()), 401);
    }

    #[test]
    fn the_right_token_passes_from_loopback_only_unless_told_otherwise() {
        let from = |access, peer| status(access, peer, |token| format!("Bearer {token}"));
        for peer in ["[::1]:5000", "127.8.8.8:5000", "[::ffff:127.0.0.1]:5000"] {
            assert_eq!(from(OperatorAccess::Loopback, peer), 200, "{peer}");
        }
        assert_eq!(from(OperatorAccess::Loopback, "192.0.2.7:5000"), 403);
        assert_eq!(from(OperatorAccess::Anywhere, "192.0.2.7:5000"), 200);
    }
}
