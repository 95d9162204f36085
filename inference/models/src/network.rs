//! The forward pass: a residual network of dense convolutions.

use candle_core::{Device, Tensor};

use crate::weights::Weights;
use crate::{Error, ModelConfig, Pixels};

/// A convolution with its bias; batch norm is folded into both.
struct Conv {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
    padding: usize,
}

impl Conv {
    fn load(
        weights: &mut Weights,
        name: &str,
        [inputs, outputs, side]: [usize; 3],
        stride: usize,
    ) -> Result<Self, Error> {
        let weight = weights.take(format!("{name}.weight"), &[outputs, inputs, side, side])?;
        let bias = weights.take(format!("{name}.bias"), &[outputs])?;
        Ok(Self {
            weight,
            bias: bias.reshape((1, outputs, 1, 1))?,
            stride,
            padding: side / 2,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.conv2d(&self.weight, self.padding, self.stride, 1, 1)?
            .broadcast_add(&self.bias)
    }
}

/// `relu(shortcut(x) + second(relu(first(x))))`
/// (He et al., "Deep Residual Learning for Image Recognition", 2015).
struct Block {
    first: Conv,
    second: Conv,
    shortcut: Option<Conv>,
}

impl Block {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let inner = self.second.forward(&self.first.forward(x)?.relu()?)?;
        match &self.shortcut {
            Some(shortcut) => (inner + shortcut.forward(x)?)?.relu(),
            None => (inner + x)?.relu(),
        }
    }
}

/// The layers of a model.
pub(crate) struct Network {
    stem: Vec<Conv>,
    blocks: Vec<Block>,
    head_weight: Tensor,
    head_bias: Tensor,
    mean: Tensor,
    std: Tensor,
}

impl Network {
    /// Takes the tensors that the architecture asks for, and no other.
    pub(crate) fn load(config: &ModelConfig, mut weights: Weights) -> Result<Self, Error> {
        let mut stem = Vec::new();
        let mut inputs = 3;
        for (i, &outputs) in config.network.stem.iter().enumerate() {
            stem.push(Conv::load(
                &mut weights,
                &format!("stem.{i}"),
                [inputs, outputs, 3],
                2,
            )?);
            inputs = outputs;
        }
        let mut blocks = Vec::new();
        for (s, stage) in config.network.stages.iter().enumerate() {
            for b in 0..stage.blocks {
                let stride = if b == 0 { stage.stride } else { 1 };
                let name = format!("stages.{s}.{b}");
                blocks.push(load_block(
                    &mut weights,
                    &name,
                    [inputs, stage.channels],
                    stride,
                )?);
                inputs = stage.channels;
            }
        }
        let classes = config.species.len();
        let head_weight = weights
            .take("head.weight".to_owned(), &[classes, inputs])?
            .t()?;
        let head_bias = weights.take("head.bias".to_owned(), &[classes])?;
        weights.finish()?;
        let channels = |values: [f64; 3]| {
            Tensor::new(&values.map(|v| v as f32), &Device::Cpu)?.reshape((1, 3, 1, 1))
        };
        let (mean, std) = (channels(config.input.mean)?, channels(config.input.std)?);
        Ok(Self {
            stem,
            blocks,
            head_weight,
            head_bias,
            mean,
            std,
        })
    }

    /// Logits, one a class, of one image.
    pub(crate) fn forward(&self, pixels: &Pixels) -> Result<Vec<f32>, Error> {
        let side = pixels.side() as usize;
        let levels = Tensor::from_slice(pixels.levels(), (1, side, side, 3), &Device::Cpu)?
            .permute((0, 3, 1, 2))?
            .to_dtype(candle_core::DType::F32)?;
        let mut x = (levels / 255.0)?
            .broadcast_sub(&self.mean)?
            .broadcast_div(&self.std)?;
        for conv in &self.stem {
            x = conv.forward(&x)?.relu()?;
        }
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        let logits = x
            .mean((2, 3))?
            .matmul(&self.head_weight)?
            .broadcast_add(&self.head_bias)?;
        Ok(logits.squeeze(0)?.to_vec1()?)
    }
}

fn load_block(
    weights: &mut Weights,
    name: &str,
    [inputs, outputs]: [usize; 2],
    stride: usize,
) -> Result<Block, Error> {
    let shortcut = if stride != 1 || inputs != outputs {
        Some(Conv::load(
            weights,
            &format!("{name}.shortcut"),
            [inputs, outputs, 1],
            stride,
        )?)
    } else {
        None
    };
    Ok(Block {
        first: Conv::load(
            weights,
            &format!("{name}.first"),
            [inputs, outputs, 3],
            stride,
        )?,
        second: Conv::load(weights, &format!("{name}.second"), [outputs, outputs, 3], 1)?,
        shortcut,
    })
}
