//! The tensors of a model, read from safetensors.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use crate::{Error, ModelConfig, ModelId};

/// Bytes of a `weights.safetensors` that are read.
pub const WEIGHTS_BYTES_MAX: u64 = 1 << 28;

/// A tensor as it lies in the file.
pub(crate) struct RawTensor<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    values: &'a [u8],
}

impl RawTensor<'_> {
    /// Hash of name, dtype, shape and values; see [`ModelId`].
    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.name.as_bytes());
        hasher.update(&[0]);
        hasher.update(self.dtype.to_string().as_bytes());
        hasher.update(&[u8::try_from(self.shape.len()).unwrap_or(u8::MAX)]);
        for dimension in &self.shape {
            hasher.update(&(*dimension as u64).to_le_bytes());
        }
        hasher.update(self.values);
        *hasher.finalize().as_bytes()
    }

    /// As `f32` on the CPU.
    fn load(&self) -> Result<Tensor, Error> {
        let dtype = match self.dtype {
            Dtype::F16 => DType::F16,
            Dtype::F32 => DType::F32,
            other => return Err(self.problem(format!("has dtype {other}, expected F16 or F32"))),
        };
        let tensor = Tensor::from_raw_buffer(self.values, dtype, &self.shape, &Device::Cpu)?
            .to_dtype(DType::F32)?;
        if !tensor
            .flatten_all()?
            .to_vec1::<f32>()?
            .iter()
            .all(|v| v.is_finite())
        {
            return Err(self.problem("holds values that are not finite".to_owned()));
        }
        Ok(tensor)
    }

    fn problem(&self, problem: String) -> Error {
        Error::Tensor {
            name: self.name.clone(),
            problem,
        }
    }
}

/// The tensors of a model; the network takes each once.
pub(crate) struct Weights(BTreeMap<String, Tensor>);

impl Weights {
    /// Reads all tensors and computes the id of the model.
    pub(crate) fn read(config: &ModelConfig, file: &[u8]) -> Result<(Self, ModelId), Error> {
        if file.len() as u64 > WEIGHTS_BYTES_MAX {
            let len = file.len() as u64;
            return Err(Error::ModelTooLarge {
                what: "weights.safetensors",
                len,
                max: WEIGHTS_BYTES_MAX,
            });
        }
        let archive = SafeTensors::deserialize(file).map_err(Error::Weights)?;
        let mut raw: Vec<RawTensor<'_>> = archive
            .iter()
            .map(|(name, view)| RawTensor {
                name: name.to_owned(),
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                values: view.data(),
            })
            .collect();
        raw.sort_by(|a, b| a.name.cmp(&b.name));
        let mut tensors = BTreeMap::new();
        for tensor in &raw {
            tensors.insert(tensor.name.clone(), tensor.load()?);
        }
        let id = ModelId::of(config, &raw);
        Ok((Self(tensors), id))
    }

    /// Takes out the tensor `name`, which must have this shape.
    pub(crate) fn take(&mut self, name: String, shape: &[usize]) -> Result<Tensor, Error> {
        let Some(tensor) = self.0.remove(&name) else {
            return Err(Error::Tensor {
                name,
                problem: "is missing".to_owned(),
            });
        };
        if tensor.dims() != shape {
            let problem = format!("has shape {:?}, expected {shape:?}", tensor.dims());
            return Err(Error::Tensor { name, problem });
        }
        Ok(tensor)
    }

    /// Refuses tensors that the network did not take.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.0.into_keys().next() {
            Some(name) => Err(Error::Tensor {
                name,
                problem: "has no place in the architecture".to_owned(),
            }),
            None => Ok(()),
        }
    }
}
