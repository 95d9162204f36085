//! What goes wrong with an image or with a model.

use std::path::PathBuf;

/// Why an image was not recognised or a model not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No bytes at all.
    #[error("the image is empty; send a JPEG, PNG or WebP photo")]
    Empty,
    /// More bytes than [`crate::FILE_BYTES_MAX`].
    #[error("the image has {len} bytes, at most {max} are read; send a smaller photo")]
    FileTooLarge {
        /// Bytes received.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The first bytes are those of no image format.
    #[error("these bytes are no image; send a JPEG, PNG or WebP photo")]
    NoImage,
    /// An image, but of a format that is not read.
    #[error("{format} images are not read; send a JPEG, PNG or WebP photo")]
    Format {
        /// The format found.
        format: String,
    },
    /// The header announces more pixels than [`crate::PIXELS_MAX`].
    #[error("the image has {width}×{height} pixels, at most {max} are decoded; scale it down")]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Pixels allowed.
        max: u64,
    },
    /// A side is shorter than [`crate::SIDE_MIN`].
    #[error("the image has {width}×{height} pixels, each side needs {min}; send a larger photo")]
    TooSmall {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Pixels needed along each side.
        min: u32,
    },
    /// The pixels would take more memory than [`crate::DECODED_BYTES_MAX`].
    #[error("the image decodes to {len} bytes, at most {max} are held; use 8 bits a channel")]
    DecodedTooLarge {
        /// Bytes of the decoded pixels.
        len: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// The file stops before the image does.
    #[error("the image is cut off before its end; send the whole file")]
    Truncated,
    /// A moving picture.
    #[error("the image is animated; send a still photo")]
    Animated,
    /// A JPEG of four inks that does not say how they are to be read.
    #[error("the JPEG has four colour channels and no Adobe marker; save it as RGB")]
    ColourModel,
    /// Nothing but transparent pixels.
    #[error("the image is transparent throughout; send a photo of a leaf")]
    Transparent,
    /// The decoder found the file broken.
    #[error("the image cannot be decoded; save it again as JPEG or PNG")]
    Decode(#[source] image::ImageError),

    /// A file of the model cannot be read.
    #[error("cannot read {path}; a model is a directory with model.toml and weights.safetensors", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of the model has more bytes than are read.
    #[error("{what} has {len} bytes, at most {max} are read")]
    ModelTooLarge {
        /// Which file.
        what: &'static str,
        /// Bytes found.
        len: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// `model.toml` is not TOML of the expected fields.
    #[error("model.toml cannot be read; compare it with the one of leaf-40")]
    ConfigSyntax(#[source] Box<toml::de::Error>),
    /// A value in `model.toml` is out of its range.
    #[error("model.toml: {field} is {found}, expected {expected}")]
    ConfigValue {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it may hold.
        expected: String,
    },
    /// The weights are not a safetensors file.
    #[error("the weights are no valid safetensors file; fetch the model again")]
    Weights(#[source] safetensors::SafeTensorError),
    /// A tensor is missing, superfluous, or of another kind than the
    /// architecture in `model.toml` asks for.
    #[error("tensor {name}: {problem}; the weights do not belong to this model.toml")]
    Tensor {
        /// Name in the safetensors file.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// candle refused an operation: a fault of this crate.
    #[error("the network cannot be computed")]
    Compute(#[from] candle_core::Error),
}

impl Error {
    /// Whether the image is at fault, not the model or the machine: whoever
    /// sent the image can mend it.
    pub fn is_image(&self) -> bool {
        match self {
            Self::Empty
            | Self::FileTooLarge { .. }
            | Self::NoImage
            | Self::Format { .. }
            | Self::TooManyPixels { .. }
            | Self::TooSmall { .. }
            | Self::DecodedTooLarge { .. }
            | Self::Truncated
            | Self::Animated
            | Self::ColourModel
            | Self::Transparent
            | Self::Decode(_) => true,
            Self::Read { .. }
            | Self::ModelTooLarge { .. }
            | Self::ConfigSyntax(_)
            | Self::ConfigValue { .. }
            | Self::Weights(_)
            | Self::Tensor { .. }
            | Self::Compute(_) => false,
        }
    }
}
