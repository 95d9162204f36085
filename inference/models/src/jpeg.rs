//! What the header of a JPEG says that its decoder keeps to itself.
//!
//! The decoder fills a file that was cut off with grey and returns it as whole,
//! and reads any four channels as Adobe's inverted CMYK. Both would be wrong
//! answers, so the markers (ITU-T T.81, annex B) are looked at first.

use crate::Error;

const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
const START_OF_SCAN: u8 = 0xDA;
const ADOBE: u8 = 0xEE;

/// Refuses a JPEG that ends early or whose colours are ambiguous.
pub(crate) fn check(file: &[u8]) -> Result<(), Error> {
    let mut rest = file.get(2..).ok_or(Error::Truncated)?;
    let (mut adobe, mut channels) = (false, 0);
    loop {
        let (marker, payload, after) = next_segment(rest)?;
        match marker {
            ADOBE => adobe |= payload.starts_with(b"Adobe"),
            // The start-of-frame markers are C0 to CF but for the tables C4, C8
            // and CC; the sixth byte is the number of channels.
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                channels = payload.get(5).copied().unwrap_or(0);
            }
            START_OF_SCAN => {
                rest = after;
                break;
            }
            _ => {}
        }
        rest = after;
    }
    if channels == 4 && !adobe {
        return Err(Error::ColourModel);
    }
    // Inside a scan FF is followed by 00, so this pair can only be the marker.
    // Cameras append data of their own, so it need not stand last.
    if rest.windows(2).any(|pair| pair == END_OF_IMAGE) {
        Ok(())
    } else {
        Err(Error::Truncated)
    }
}

/// Marker, payload and what follows of the segment at the start of `bytes`.
fn next_segment(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), Error> {
    // A marker may be preceded by any number of fill bytes FF, and lenient
    // encoders leave stray bytes between segments.
    let start = bytes
        .windows(2)
        .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF))
        .ok_or(Error::Truncated)?;
    let marker = bytes[start + 1];
    let rest = &bytes[start + 2..];
    if matches!(marker, 0x01 | 0xD0..=0xD9) {
        return Ok((marker, &[], rest));
    }
    let length = rest.first_chunk::<2>().ok_or(Error::Truncated)?;
    let length = usize::from(u16::from_be_bytes(*length)).max(2);
    let payload = rest.get(2..length).ok_or(Error::Truncated)?;
    Ok((marker, payload, &rest[length..]))
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    use super::*;

    fn jpeg() -> Vec<u8> {
        let pixels =
            image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8 * 8, 99]));
        let mut file = Vec::new();
        pixels
            .write_with_encoder(JpegEncoder::new_with_quality(&mut file, 90))
            .unwrap();
        file
    }

    #[test]
    fn a_whole_file_passes_with_or_without_data_behind_it() {
        let mut file = jpeg();
        check(&file).unwrap();
        file.extend_from_slice(b"a film of the moment before");
        check(&file).unwrap();
    }

    #[test]
    fn a_thumbnail_that_ends_does_not_pass_for_the_image() {
        let whole = jpeg();
        let mut file = vec![0xFF, 0xD8, 0xFF, 0xE1];
        file.extend_from_slice(&u16::try_from(whole.len() + 2).unwrap().to_be_bytes());
        file.extend_from_slice(&whole);
        file.extend_from_slice(&whole[2..]);
        check(&file).unwrap();
        file.truncate(file.len() - 20);
        assert!(matches!(check(&file), Err(Error::Truncated)));
    }

    proptest! {
        #[test]
        fn every_cut_is_noticed(part in 0.0f64..1.0) {
            let file = jpeg();
            let len = ((file.len() - 1) as f64 * part) as usize;
            prop_assert!(matches!(check(&file[..len]), Err(Error::Truncated)));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = check(&bytes);
            let mut scan = vec![0xFF, 0xD8, 0xFF];
            scan.extend(bytes);
            let _ = check(&scan);
        }
    }
}
