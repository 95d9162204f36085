//! Frames: a length, a header, a body.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::Decodable;

use super::api::{self, Api};
use super::shape::{self, Misshapen};

/// A request whose header was read.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    /// What the client calls itself.
    pub(crate) client: String,
    pub(crate) body: Bytes,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A request in a version that is offered.
    Request(Frame),
    /// The question which versions are offered, in a version that is not (KIP-35): answered with
    /// an error and the versions, in the oldest form.
    UnknownApiVersions {
        /// The request's number.
        correlation: i32,
    },
}

/// Why a frame is not a request that can be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// Too short for a header.
    #[error("the frame ends within its header")]
    Short,
    /// A request that nobody defined, or that is not offered.
    #[error("request {key} in version {version} is not offered")]
    NotOffered {
        /// The request's key.
        key: i16,
        /// Its version.
        version: i16,
    },
    /// A count or length that does not fit.
    #[error(transparent)]
    Misshapen(#[from] Misshapen),
    /// The library cannot read it.
    #[error("request {key:?} in version {version} cannot be read: {reason}")]
    Malformed {
        /// The request's key.
        key: ApiKey,
        /// Its version.
        version: i16,
        /// What the library says.
        reason: String,
    },
}

/// Reads the header of a frame.
///
/// # Errors
/// [`FrameError`]: a client that asked for the offered versions sends no such frame.
pub(crate) fn open(mut frame: Bytes) -> Result<Incoming, FrameError> {
    if frame.len() < 8 {
        return Err(FrameError::Short);
    }
    let (key, version, correlation) = {
        let mut front = &frame[..8];
        (front.get_i16(), front.get_i16(), front.get_i32())
    };
    let not_offered = FrameError::NotOffered { key, version };
    let Ok(key) = ApiKey::try_from(key) else {
        return Err(not_offered);
    };
    match api::offered(key) {
        Some(Api { min, max, .. }) if (min..=max).contains(&version) => {}
        Some(_) if key == ApiKey::ApiVersions => {
            return Ok(Incoming::UnknownApiVersions { correlation });
        }
        _ => return Err(not_offered),
    }
    let header = RequestHeader::decode(&mut frame, key.request_header_version(version))
        .map_err(|error| malformed(key, version, &error))?;
    Ok(Incoming::Request(Frame {
        key,
        version,
        correlation,
        client: header
            .client_id
            .map_or_else(String::new, |id| id.to_string()),
        body: frame,
    }))
}

/// Reads the body of a request.
///
/// # Errors
/// [`FrameError`] where the bytes are not this request.
pub(crate) fn decode_body<T: Decodable>(frame: &Frame) -> Result<T, FrameError> {
    let Frame { key, version, .. } = *frame;
    shape::check(key, version, &frame.body)?;
    let mut body = frame.body.clone();
    T::decode(&mut body, version).map_err(|error| malformed(key, version, &error))
}

fn malformed(key: ApiKey, version: i16, error: &dyn std::fmt::Display) -> FrameError {
    FrameError::Malformed {
        key,
        version,
        reason: error.to_string(),
    }
}
