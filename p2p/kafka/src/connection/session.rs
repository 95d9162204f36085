//! Whether a client may ask, and which request comes next.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::Closed;
use crate::credentials::Token;
use crate::protocol::{Frame, Incoming, api_versions, decode_body, open};
use crate::requests::{self, Answer, Asker, encode, encode_in};
use crate::slots::Slot;

/// The one way to show the token (RFC 4616), over TLS alone.
const MECHANISM: StrBytes = StrBytes::from_static_str("PLAIN");
/// The version of SaslHandshake since which the token comes in a request of its own (KIP-43).
const HANDSHAKE_MIN: i16 = 1;

/// How far a client has come with showing its token (KIP-43, KIP-152).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Has not said how it will show it.
    Greeting,
    /// Must show it next.
    Proving,
    /// Has shown it, or need not.
    Admitted,
    /// Has shown another.
    Over,
}

/// One client.
pub(super) struct Session<'a> {
    token: Option<&'a Token>,
    stage: Stage,
    slot: Slot,
}

impl<'a> Session<'a> {
    /// A client that must show a token, if there is one.
    pub(super) const fn new(token: Option<&'a Token>, slot: Slot) -> Self {
        let stage = match token {
            Some(_) => Stage::Greeting,
            None => Stage::Admitted,
        };
        Self { token, stage, slot }
    }

    pub(super) fn is_admitted(&self) -> bool {
        self.stage == Stage::Admitted
    }

    /// Whether the connection ends with this answer.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// The answer to a frame; none where the client wants none.
    pub(super) async fn answer(
        &mut self,
        asker: &Asker<'_>,
        frame: Bytes,
    ) -> Result<Option<Answer>, Closed> {
        let frame = match open(frame).map_err(requests::Hangup::from)? {
            Incoming::Request(frame) => frame,
            Incoming::UnknownApiVersions { correlation } => {
                let versions = api_versions(Some(ResponseError::UnsupportedVersion));
                let bytes = encode_in(ApiKey::ApiVersions, 0, correlation, &versions)?;
                return Ok(Some(Answer::whole(bytes)));
            }
        };
        let name = frame.key;
        let requests = &asker.shared.metrics.requests;
        requests.with_label_values(&[&format!("{name:?}")]).inc();
        match frame.key {
            ApiKey::ApiVersions => {
                let _: ApiVersionsRequest = body(&frame)?;
                reply(&frame, &api_versions(None))
            }
            ApiKey::SaslHandshake => self.greet(&frame),
            ApiKey::SaslAuthenticate => self.prove(&frame),
            _ if self.is_admitted() => Ok(requests::answer(asker, &frame).await?),
            _ => Err(Closed::Unauthenticated),
        }
    }

    fn greet(&mut self, frame: &Frame) -> Result<Option<Answer>, Closed> {
        let request: SaslHandshakeRequest = body(frame)?;
        let answer = SaslHandshakeResponse::default().with_mechanisms(vec![MECHANISM]);
        let error = if self.token.is_none() || self.stage != Stage::Greeting {
            ResponseError::IllegalSaslState
        } else if request.mechanism != MECHANISM || frame.version < HANDSHAKE_MIN {
            ResponseError::UnsupportedSaslMechanism
        } else {
            self.stage = Stage::Proving;
            return reply(frame, &answer);
        };
        reply(frame, &answer.with_error_code(error.code()))
    }

    fn prove(&mut self, frame: &Frame) -> Result<Option<Answer>, Closed> {
        let request: SaslAuthenticateRequest = body(frame)?;
        let answer = SaslAuthenticateResponse::default();
        let (Some(token), Stage::Proving) = (self.token, self.stage) else {
            let error = ResponseError::IllegalSaslState.code();
            return reply(frame, &answer.with_error_code(error));
        };
        if token.admits(&request.auth_bytes) {
            self.stage = Stage::Admitted;
            self.slot.admit();
            return reply(frame, &answer);
        }
        self.stage = Stage::Over;
        let reason = StrBytes::from_static_str("the user is `phytomer`, the password the token");
        let error = ResponseError::SaslAuthenticationFailed.code();
        reply(
            frame,
            &answer
                .with_error_code(error)
                .with_error_message(Some(reason)),
        )
    }
}

fn body<T: kafka_protocol::protocol::Decodable>(frame: &Frame) -> Result<T, Closed> {
    Ok(decode_body(frame).map_err(requests::Hangup::from)?)
}

fn reply<T: Encodable>(frame: &Frame, response: &T) -> Result<Option<Answer>, Closed> {
    let bytes = encode(frame, response)?;
    Ok(Some(Answer::whole(bytes)))
}
