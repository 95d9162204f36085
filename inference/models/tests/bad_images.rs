//! Images as people send them: each a right answer or a clear error.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use phytomer_models::{Error, FILE_BYTES_MAX, PIXELS_MAX, Photo};
use proptest::prelude::*;

const CMYK: &[u8] = include_bytes!("fixtures/odd/cmyk.jpg");
const ANIMATED: &[u8] = include_bytes!("fixtures/odd/animated.webp");
const TURNED: [&[u8]; 8] = [
    include_bytes!("fixtures/odd/orientation-1.jpg"),
    include_bytes!("fixtures/odd/orientation-2.jpg"),
    include_bytes!("fixtures/odd/orientation-3.jpg"),
    include_bytes!("fixtures/odd/orientation-4.jpg"),
    include_bytes!("fixtures/odd/orientation-5.jpg"),
    include_bytes!("fixtures/odd/orientation-6.jpg"),
    include_bytes!("fixtures/odd/orientation-7.jpg"),
    include_bytes!("fixtures/odd/orientation-8.jpg"),
];

/// The picture that the odd images show: paper, a green and a red rectangle.
fn picture() -> RgbImage {
    RgbImage::from_fn(64, 48, |x, y| {
        if (8..40).contains(&x) && (8..24).contains(&y) {
            Rgb([30, 120, 40])
        } else if (40..60).contains(&x) && (30..44).contains(&y) {
            Rgb([200, 60, 20])
        } else {
            Rgb([250, 250, 245])
        }
    })
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn opaque(file: &[u8]) -> RgbImage {
    match Photo::decode(file).unwrap() {
        Photo::Opaque(image) => image,
        Photo::CutOut(_) => unreachable!("the image has no transparent pixel"),
    }
}

/// Mean difference of two images in levels; infinite where the sizes differ.
fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    if a.dimensions() != b.dimensions() {
        return f64::INFINITY;
    }
    let sum: f64 = a
        .iter()
        .zip(b.iter())
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum();
    sum / f64::from(a.width() * a.height() * 3)
}

#[test]
fn whole_images_of_each_format_decode_to_their_picture() {
    let image = DynamicImage::ImageRgb8(picture());
    for (format, allowed) in [
        (ImageFormat::Png, 0.0),
        (ImageFormat::WebP, 0.0),
        (ImageFormat::Jpeg, 4.0),
    ] {
        let found = difference(&opaque(&encode(&image, format)), &picture());
        assert!(found <= allowed, "{format:?}: {found}");
    }
}

#[test]
fn sixteen_bits_and_grey_decode_to_the_same_levels() {
    let deep = DynamicImage::ImageRgb8(picture()).into_rgb16();
    let file = encode(&DynamicImage::ImageRgb16(deep), ImageFormat::Png);
    assert_eq!(opaque(&file), picture());

    let grey = image::GrayImage::from_fn(40, 30, |x, y| Luma([(x * 5 + y) as u8]));
    let expected = RgbImage::from_fn(40, 30, |x, y| Rgb([(x * 5 + y) as u8; 3]));
    let file = encode(&DynamicImage::ImageLuma8(grey), ImageFormat::Png);
    assert_eq!(opaque(&file), expected);
}

#[test]
fn transparency_is_kept_and_an_opaque_alpha_channel_is_no_cut_out() {
    let mut image = RgbaImage::from_pixel(20, 20, Rgba([1, 2, 3, 255]));
    let file = encode(&DynamicImage::ImageRgba8(image.clone()), ImageFormat::Png);
    assert!(matches!(Photo::decode(&file), Ok(Photo::Opaque(_))));
    image.put_pixel(0, 0, Rgba([1, 2, 3, 254]));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let file = encode(&DynamicImage::ImageRgba8(image.clone()), format);
        assert!(matches!(Photo::decode(&file), Ok(Photo::CutOut(found)) if found == image));
    }
}

#[test]
fn all_eight_orientations_show_the_same_picture() {
    for (i, file) in TURNED.iter().enumerate() {
        let found = difference(&opaque(file), &picture());
        assert!(found < 2.0, "orientation {}: {found}", i + 1);
    }
    // The files do differ: without the orientation most would be another picture.
    let as_stored = image::load_from_memory(TURNED[5]).unwrap();
    assert_eq!((as_stored.width(), as_stored.height()), (48, 64));
}

#[test]
fn cmyk_with_adobe_s_marker_is_right_and_without_it_refused() {
    let found = difference(&opaque(CMYK), &picture());
    assert!(found < 4.0, "{found}");
    let at = CMYK.windows(5).position(|w| w == b"Adobe").unwrap();
    let mut unmarked = CMYK.to_vec();
    unmarked[at] = b'a';
    assert!(matches!(Photo::decode(&unmarked), Err(Error::ColourModel)));
}

#[test]
fn an_animation_is_refused() {
    assert!(matches!(Photo::decode(ANIMATED), Err(Error::Animated)));
}

#[test]
fn what_is_no_image_is_refused() {
    assert!(matches!(Photo::decode(b""), Err(Error::Empty)));
    assert!(matches!(
        Photo::decode(b"a leaf, described"),
        Err(Error::NoImage)
    ));
    assert!(
        matches!(Photo::decode(b"GIF89a\x01\x00\x01\x00"), Err(Error::Format { format }) if format == "image/gif")
    );
    let large = vec![0; FILE_BYTES_MAX + 1];
    assert!(matches!(
        Photo::decode(&large),
        Err(Error::FileTooLarge { .. })
    ));
}

#[test]
fn images_with_too_few_or_too_many_pixels_are_refused_by_their_header() {
    let narrow = encode(&DynamicImage::new_rgb8(15, 400), ImageFormat::Png);
    assert!(matches!(
        Photo::decode(&narrow),
        Err(Error::TooSmall {
            width: 15,
            min: 16,
            ..
        })
    ));

    // A 100-megapixel image of one colour: some ten kilobytes of deflate.
    let bomb = encode(&DynamicImage::new_luma8(10_000, 10_000), ImageFormat::Png);
    assert!(bomb.len() < 1 << 20);
    assert!(matches!(
        Photo::decode(&bomb),
        Err(Error::TooManyPixels {
            width: 10_000,
            height: 10_000,
            max: PIXELS_MAX
        })
    ));
    // Only the header is needed to refuse it: IHDR ends after 33 bytes.
    let header = [&bomb[..33], &b"\0\0\0\0IDAT"[..]].concat();
    assert!(matches!(
        Photo::decode(&header),
        Err(Error::TooManyPixels { .. })
    ));

    // The same for a JPEG whose frame header claims 20,000 × 20,000.
    let mut jpeg = TURNED[0].to_vec();
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x4E, 0x20, 0x4E, 0x20]);
    assert!(matches!(
        Photo::decode(&jpeg),
        Err(Error::TooManyPixels { width: 20_000, .. })
    ));
}

#[test]
fn pixels_that_would_take_too_much_memory_are_refused() {
    // 36 megapixels of 16-bit RGBA are below the limit of pixels, but 288 MB.
    let mut header = encode(&DynamicImage::new_rgba16(16, 16), ImageFormat::Png);
    header[16..24].copy_from_slice(&[0, 0, 0x17, 0x70, 0, 0, 0x17, 0x70]);
    let crc = crc32(&header[12..29]);
    header[29..33].copy_from_slice(&crc.to_be_bytes());
    assert!(matches!(
        Photo::decode(&header),
        Err(Error::DecodedTooLarge {
            len: 288_000_000,
            ..
        })
    ));
}

/// The checksum of PNG chunks (ISO 3309), to forge a header.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), step)
    })
}

#[test]
fn images_cut_off_anywhere_are_errors() {
    let image = DynamicImage::ImageRgb8(picture());
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
        let file = encode(&image, format);
        // The last bytes of a PNG are its end marker, without which the pixels
        // are whole; WebP may end in a byte of padding.
        let spare = if format == ImageFormat::Png { 16 } else { 2 };
        for len in (1..file.len() - spare).step_by(7) {
            let error = Photo::decode(&file[..len]).unwrap_err();
            assert!(error.is_image(), "{format:?} cut to {len}: {error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500), start in 0usize..4) {
        let magics: [&[u8]; 4] =
            [b"", b"\xFF\xD8\xFF\xE0", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"RIFF\xFF\x00\x00\x00WEBPVP8X"];
        let file = [magics[start], &bytes].concat();
        if let Err(error) = Photo::decode(&file) {
            prop_assert!(error.is_image());
        }
    }

    #[test]
    fn a_damaged_file_never_panics(format in 0usize..3, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let format = [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg][format];
        let mut file = encode(&DynamicImage::ImageRgb8(picture()), format);
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Err(error) = Photo::decode(&file) {
            prop_assert!(error.is_image());
        }
    }
}
