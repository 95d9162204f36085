//! The one codec: protobuf with a limit, and length-prefixed frames on streams.

use bytes::{Bytes, BytesMut};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A message of the wire.
pub trait Message: prost::Message + Default {
    /// The most bytes that an encoded message may have.
    const BYTES_MAX: usize;
    /// Its name in errors.
    const NAME: &'static str;

    /// Whether the bytes may be parsed. Here a message bounds what its bytes alone do not: of how
    /// many parts it is made, each of which may take far more memory than bytes.
    ///
    /// # Errors
    /// What is too much.
    fn check(_bytes: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Bytes that are not the message they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More bytes than a message of this kind may have.
    #[error("a {name} message of {len} bytes; at most {max} are allowed")]
    TooLarge {
        /// The message's name.
        name: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Not the protobuf of this message.
    #[error("not a {name} message: {source}")]
    Malformed {
        /// The message's name.
        name: &'static str,
        /// What protobuf says.
        source: prost::DecodeError,
    },
    /// A field holds what it must not.
    #[error("a {name} message with an invalid `{field}`: {reason}")]
    Invalid {
        /// The message's name.
        name: &'static str,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stream failed or ended in the middle of a frame.
    #[error("the stream failed: {0}")]
    Io(#[from] std::io::Error),
    /// The frame is not the message it should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// The fields of an encoded message that have a length: their numbers and bytes, unparsed. They
/// end where the bytes are no protobuf.
pub(crate) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        loop {
            let (number, kind) = decode_key(&mut bytes).ok()?;
            if kind != WireType::LengthDelimited {
                skip_field(kind, number, &mut bytes, DecodeContext::default()).ok()?;
                continue;
            }
            let len = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
            let (field, rest) = bytes.split_at_checked(len)?;
            bytes = rest;
            return Some((number, field));
        }
    })
}

/// The bytes of a message.
pub fn encode<M: Message>(message: &M) -> Bytes {
    let mut bytes = BytesMut::with_capacity(message.encoded_len());
    message
        .encode(&mut bytes)
        .expect("a buffer that grows takes any message");
    bytes.freeze()
}

/// The message in `bytes`; fields of type `Bytes` share its memory where `bytes` is [`Bytes`].
///
/// # Errors
/// [`DecodeError::TooLarge`] and what [`Message::check`] says before anything is parsed, else
/// [`DecodeError::Malformed`].
pub fn decode<M: Message>(bytes: &Bytes) -> Result<M, DecodeError> {
    check_len::<M>(bytes.len())?;
    M::check(bytes)?;
    M::decode(bytes.clone()).map_err(|source| DecodeError::Malformed {
        name: M::NAME,
        source,
    })
}

/// A message behind its length (u32, big-endian), as [`read`] takes it.
///
/// # Errors
/// [`DecodeError::TooLarge`] for a message that no peer would take.
pub fn frame<M: Message>(message: &M) -> Result<Bytes, DecodeError> {
    let len = message.encoded_len();
    check_len::<M>(len)?;
    let mut frame = BytesMut::with_capacity(4 + len);
    frame.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    message
        .encode(&mut frame)
        .expect("a buffer that grows takes any message");
    Ok(frame.freeze())
}

/// Writes a message behind its length. Does not flush.
///
/// # Errors
/// What the stream says; [`DecodeError::TooLarge`] for a message that no peer would take.
pub async fn write<M: Message>(
    stream: &mut (impl AsyncWrite + Unpin + ?Sized),
    message: &M,
) -> Result<(), FrameError> {
    Ok(stream.write_all(&frame(message)?).await?)
}

/// Reads one message, or nothing where the stream ended before it.
///
/// # Errors
/// What the stream says, [`DecodeError::TooLarge`] before the body is read, else
/// [`DecodeError::Malformed`].
pub async fn read<M: Message>(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<Option<M>, FrameError> {
    let mut prefix = [0; 4];
    let mut filled = 0;
    while filled < prefix.len() {
        match stream.read(&mut prefix[filled..]).await? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            read => filled += read,
        }
    }
    let len = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    check_len::<M>(len)?;
    // Grown as bytes arrive: a peer that announces much and sends little holds little.
    let mut body = BytesMut::with_capacity(len.min(READ_BYTES));
    while body.len() < len {
        // Little at once: some streams clear what they are given before they fill it.
        let missing = (len - body.len()).min(READ_BYTES);
        let mut chunk = bytes::BufMut::limit(&mut body, missing);
        if stream.read_buf(&mut chunk).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(Some(decode(&body.freeze())?))
}

/// What is set aside for a frame before any of it has arrived, and read at once.
const READ_BYTES: usize = 64 << 10;

fn check_len<M: Message>(len: usize) -> Result<(), DecodeError> {
    if len > M::BYTES_MAX {
        return Err(DecodeError::TooLarge {
            name: M::NAME,
            len,
            max: M::BYTES_MAX,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::handshake::Hello;

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_before_the_body() {
        let prefix = u32::MAX.to_be_bytes();
        let mut stream = prefix.as_slice();
        let error = read::<Hello>(&mut stream).await.unwrap_err();
        assert!(matches!(
            error,
            FrameError::Decode(DecodeError::TooLarge { len, .. }) if len == u32::MAX as usize
        ));
    }

    #[tokio::test]
    async fn a_stream_may_end_between_frames_and_not_within() {
        let mut stream = [].as_slice();
        assert!(read::<Hello>(&mut stream).await.unwrap().is_none());
        for cut in 1..6 {
            let mut stream = &[0, 0, 0, 2, 10, 0][..cut];
            assert!(matches!(
                read::<Hello>(&mut stream).await,
                Err(FrameError::Io(_))
            ));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode::<Hello>(&Bytes::from(bytes));
        }

        #[test]
        fn frames_come_out_as_they_went_in(network in ".{0,40}", agent in ".{0,40}") {
            let hello = Hello { network, agent, ..Hello::default() };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut buffer = Vec::new();
                write(&mut buffer, &hello).await.unwrap();
                write(&mut buffer, &hello).await.unwrap();
                let mut stream = buffer.as_slice();
                assert_eq!(read::<Hello>(&mut stream).await.unwrap().unwrap(), hello);
                assert_eq!(read::<Hello>(&mut stream).await.unwrap().unwrap(), hello);
                assert!(read::<Hello>(&mut stream).await.unwrap().is_none());
            });
        }
    }
}
