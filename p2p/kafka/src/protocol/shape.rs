//! Checks that the counts in a request fit the bytes that are there.
//!
//! The library sets memory aside for as many elements as a request announces before it reads the
//! first. Twenty bytes could so ask for hundreds of gigabytes and end the process. Every array of
//! every request that is offered is therefore walked first.

use bytes::Buf;
use kafka_protocol::messages::ApiKey;

/// The most array elements of one request, all arrays together.
const ELEMENTS_MAX: usize = 100_000;

/// A piece of a request's body.
enum Field {
    /// So many bytes.
    Fixed(usize),
    /// Bytes behind a 16-bit length; -1 for none.
    Text,
    /// Bytes behind a 32-bit length; -1 for none.
    Blob,
    /// Elements behind a 32-bit count; -1 for none.
    Many(&'static [Self]),
    /// There since this version.
    Since(i16, &'static Self),
    /// There until this version.
    Until(i16, &'static Self),
}

use Field::{Blob, Fixed, Many, Since, Text, Until};

/// The fields of a body up to its last array. Flexible versions are walked as far as they have
/// arrays: those that are offered have none.
const fn fields(key: ApiKey) -> &'static [Field] {
    match key {
        ApiKey::Produce => &[Text, Fixed(6), Many(&[Text, Many(&[Fixed(4), Blob])])],
        ApiKey::Fetch => &[
            Fixed(17),
            Since(7, &Fixed(8)),
            Many(&[
                Text,
                Many(&[
                    Fixed(4),
                    Since(9, &Fixed(4)),
                    Fixed(8),
                    Since(5, &Fixed(8)),
                    Fixed(4),
                ]),
            ]),
            Since(7, &Many(&[Text, Many(&[Fixed(4)])])),
        ],
        ApiKey::ListOffsets => &[
            Fixed(4),
            Since(2, &Fixed(1)),
            Many(&[Text, Many(&[Fixed(4), Since(4, &Fixed(4)), Fixed(8)])]),
        ],
        ApiKey::Metadata | ApiKey::DescribeGroups => &[Many(&[Text])],
        ApiKey::OffsetCommit => &[
            Text,
            Fixed(4),
            Text,
            Since(7, &Text),
            Until(4, &Fixed(8)),
            Many(&[Text, Many(&[Fixed(12), Since(6, &Fixed(4)), Text])]),
        ],
        ApiKey::OffsetFetch => &[Text, Many(&[Text, Many(&[Fixed(4)])])],
        ApiKey::JoinGroup => &[
            Text,
            Fixed(4),
            Since(1, &Fixed(4)),
            Text,
            Since(5, &Text),
            Text,
            Many(&[Text, Blob]),
        ],
        ApiKey::SyncGroup => &[Text, Fixed(4), Text, Since(3, &Text), Many(&[Text, Blob])],
        ApiKey::LeaveGroup => &[Text, Since(3, &Many(&[Text, Text]))],
        ApiKey::DescribeConfigs => &[Many(&[Fixed(1), Text, Many(&[Text])])],
        ApiKey::CreateTopics => &[Many(&[
            Text,
            Fixed(6),
            Many(&[Fixed(4), Many(&[Fixed(4)])]),
            Many(&[Text, Text]),
        ])],
        _ => &[],
    }
}

/// A body whose counts or lengths do not fit its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counts or lengths do not fit the request's bytes")]
pub(crate) struct Misshapen;

/// Checks every count and length up to the last array.
///
/// # Errors
/// [`Misshapen`] where the bytes do not hold what they announce.
pub(crate) fn check(key: ApiKey, version: i16, body: &[u8]) -> Result<(), Misshapen> {
    let mut left = ELEMENTS_MAX;
    let mut rest = body;
    walk(fields(key), version, &mut rest, &mut left)
}

fn walk(
    fields: &'static [Field],
    version: i16,
    rest: &mut &[u8],
    left: &mut usize,
) -> Result<(), Misshapen> {
    fields
        .iter()
        .try_for_each(|field| step(field, version, rest, left))
}

fn step(
    field: &'static Field,
    version: i16,
    rest: &mut &[u8],
    left: &mut usize,
) -> Result<(), Misshapen> {
    match field {
        Fixed(len) => skip(rest, *len),
        Text => match rest.try_get_i16().map_err(|_| Misshapen)? {
            -1 => Ok(()),
            len => skip(rest, usize::try_from(len).map_err(|_| Misshapen)?),
        },
        Blob => match rest.try_get_i32().map_err(|_| Misshapen)? {
            -1 => Ok(()),
            len => skip(rest, usize::try_from(len).map_err(|_| Misshapen)?),
        },
        Many(element) => {
            let count = match rest.try_get_i32().map_err(|_| Misshapen)? {
                -1 => 0,
                count => usize::try_from(count).map_err(|_| Misshapen)?,
            };
            // Every element has at least two bytes.
            if count > rest.len() / 2 {
                return Err(Misshapen);
            }
            *left = left.checked_sub(count).ok_or(Misshapen)?;
            (0..count).try_for_each(|_| walk(element, version, rest, left))
        }
        Since(since, field) if version >= *since => step(field, version, rest, left),
        Until(until, field) if version <= *until => step(field, version, rest, left),
        Since(..) | Until(..) => Ok(()),
    }
}

fn skip(rest: &mut &[u8], len: usize) -> Result<(), Misshapen> {
    *rest = rest.get(len..).ok_or(Misshapen)?;
    Ok(())
}

#[cfg(test)]
mod tests;
