//! Instants as credentials write them.

use jiff::Timestamp;

/// Longest date that is read, in bytes: nanoseconds and an offset.
const DATE_BYTES_MAX: usize = 35;

/// Reads an XSD `dateTimeStamp`, the only form VCDM 2.0 allows (§4.9): a date, a
/// `T`, a time, and an offset from UTC.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() > DATE_BYTES_MAX || !has_shape(bytes.get(..19)?, b"dddd-dd-ddTdd:dd:dd") {
        return None;
    }
    let rest = &bytes[19..];
    let offset = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if digits == 0 || digits > 9 {
                return None;
            }
            &fraction[digits..]
        }
        None => rest,
    };
    if offset != b"Z" && !has_shape(offset, b"+dd:dd") && !has_shape(offset, b"-dd:dd") {
        return None;
    }
    text.parse().ok()
}

/// Writes an instant in whole seconds of UTC.
pub(crate) fn format(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether every byte is the pattern's, `d` standing for a digit.
fn has_shape(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.len() == pattern.len()
        && bytes
            .iter()
            .zip(pattern)
            .all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_date_time_with_an_offset_is_read() {
        let instant = parse("2026-02-28T23:59:59Z").unwrap();
        assert_eq!(format(instant), "2026-02-28T23:59:59Z");
        assert_eq!(parse("2026-03-01T01:29:59+01:30"), Some(instant));
        assert_eq!(parse("2026-02-28T18:59:59.000000000-05:00"), Some(instant));
        for text in [
            "",
            "2026-02-28",
            "2026-02-28T23:59:59",
            "2026-02-28 23:59:59Z",
            "2026-02-28t23:59:59z",
            "2026-02-30T00:00:00Z",
            "2026-02-28T25:00:00Z",
            "2026-02-28T23:59:59.Z",
            "2026-02-28T23:59:59.0123456789Z",
            "2026-02-28T23:59:59+0100",
            "2026-02-28T23:59:59+01",
            "2026-02-28T23:59:59Z[UTC]",
            "+002026-02-28T23:59:59Z",
            "２026-02-28T23:59:59Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
