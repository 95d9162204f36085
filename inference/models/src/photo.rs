//! From the bytes of a file to upright pixels, within limits.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage,
};

use crate::{Error, jpeg};

/// Bytes of a file that are read.
pub const FILE_BYTES_MAX: usize = 16 << 20;
/// Pixels that are decoded; a header that announces more is refused.
pub const PIXELS_MAX: u64 = 50_000_000;
/// Bytes of memory that decoded pixels may take.
pub const DECODED_BYTES_MAX: u64 = 256 << 20;
/// Pixels that each side needs.
pub const SIDE_MIN: u32 = 16;

/// A decoded photo, upright as its EXIF orientation says, in sRGB levels.
#[derive(Clone, Debug)]
pub enum Photo {
    /// Opaque everywhere.
    Opaque(RgbImage),
    /// A cut-out: not premultiplied.
    CutOut(RgbaImage),
}

impl Photo {
    /// Decodes a JPEG, PNG or WebP file. The format is told from the bytes.
    ///
    /// Limits are checked on the header, before memory is taken for pixels.
    /// 16-bit channels are reduced to 8, grey becomes RGB; of an animated PNG
    /// the still image counts. Embedded colour profiles are ignored.
    ///
    /// # Errors
    /// One of those for which [`Error::is_image`] holds.
    pub fn decode(file: &[u8]) -> Result<Self, Error> {
        let format = check_file(file)?;
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(DECODED_BYTES_MAX);
        let mut reader = ImageReader::with_format(Cursor::new(file), format);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(decode_error)?;
        check_size(&decoder)?;
        let orientation = decoder.orientation().map_err(decode_error)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(decode_error)?;
        image.apply_orientation(orientation);
        if !image.color().has_alpha() {
            return Ok(Self::Opaque(image.into_rgb8()));
        }
        let rgba = image.into_rgba8();
        if rgba.pixels().all(|pixel| pixel.0[3] == u8::MAX) {
            return Ok(Self::Opaque(DynamicImage::ImageRgba8(rgba).into_rgb8()));
        }
        Ok(Self::CutOut(rgba))
    }

    /// Width and height in pixels.
    pub fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::Opaque(image) => image.dimensions(),
            Self::CutOut(image) => image.dimensions(),
        }
    }
}

/// The format, where it is one that is read and the file looks whole and still.
fn check_file(file: &[u8]) -> Result<ImageFormat, Error> {
    if file.is_empty() {
        return Err(Error::Empty);
    }
    if file.len() > FILE_BYTES_MAX {
        return Err(Error::FileTooLarge {
            len: file.len(),
            max: FILE_BYTES_MAX,
        });
    }
    let format = image::guess_format(file).map_err(|_| Error::NoImage)?;
    match format {
        ImageFormat::Jpeg => jpeg::check(file)?,
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(Cursor::new(file)).map_err(decode_error)?;
            if decoder.has_animation() {
                return Err(Error::Animated);
            }
        }
        ImageFormat::Png => {}
        other => {
            return Err(Error::Format {
                format: other.to_mime_type().to_owned(),
            });
        }
    }
    Ok(format)
}

/// Checks what the header announces.
fn check_size(decoder: &impl ImageDecoder) -> Result<(), Error> {
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(Error::TooManyPixels {
            width,
            height,
            max: PIXELS_MAX,
        });
    }
    if width.min(height) < SIDE_MIN {
        return Err(Error::TooSmall {
            width,
            height,
            min: SIDE_MIN,
        });
    }
    let len = decoder.total_bytes();
    if len > DECODED_BYTES_MAX {
        return Err(Error::DecodedTooLarge {
            len,
            max: DECODED_BYTES_MAX,
        });
    }
    Ok(())
}

/// A decoder that ran out of bytes names the cause less clearly than we can.
fn decode_error(error: ImageError) -> Error {
    match error {
        ImageError::IoError(ref io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::Truncated
        }
        other => Error::Decode(other),
    }
}
