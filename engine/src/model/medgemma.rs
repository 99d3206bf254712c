//! The whole model: text decoder, and image encoder where there is one.

use burn::tensor::Tensor;

use super::config::VisionConfig;
use super::decoder::Decoder;
use super::loader::Loader;
use super::projector::Projector;
use super::siglip::Siglip;
use super::trace::Trace;
use crate::error::{Error, Result};
use crate::kernels::ComputeDevice;
use crate::ports::Progress;
use crate::weights::{TensorInfo, WeightSource};

/// Image encoder and projector.
#[derive(Debug)]
pub struct Vision {
    encoder: Siglip,
    projector: Projector,
}

impl Vision {
    /// The encoder's shape.
    pub fn config(&self) -> &VisionConfig {
        self.encoder.config()
    }

    /// pixels: [3, image_size, image_size], normalised -> [image tokens, text hidden]
    pub fn encode(&self, pixels: &[f32], trace: &mut Trace) -> Tensor<2> {
        let x = self.encoder.forward(pixels, trace);
        let features = self.projector.forward(x, trace);
        trace.add("image_features", &features);
        features
    }
}

/// Gemma 3 with or without eyes.
#[derive(Debug)]
pub struct MedGemma {
    decoder: Decoder,
    vision: Option<Vision>,
    text_bytes: u64,
    weight_bytes: u64,
}

impl MedGemma {
    /// Loads both files onto the device, tensor by tensor; `context_tokens` positions will be usable.
    pub fn load(
        text: &dyn WeightSource,
        vision: Option<&dyn WeightSource>,
        context_tokens: usize,
        device: &ComputeDevice,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let total = device_bytes(text.tensors()) + vision.map_or(0, |v| device_bytes(v.tensors()));
        let mut loader = Loader::new(text, device, progress, 0, total);
        let decoder = Decoder::load(&mut loader, context_tokens)?;
        let text_bytes = loader.loaded_bytes();
        let mut weight_bytes = text_bytes;
        let vision = match vision {
            Some(source) => {
                let mut loader = Loader::new(source, device, progress, weight_bytes, total);
                let encoder = Siglip::load(&mut loader)?;
                let projector = Projector::load(&mut loader, encoder.config())?;
                weight_bytes = loader.loaded_bytes();
                let (found, expected) = (
                    encoder.config().text_hidden_size,
                    decoder.config().hidden_size,
                );
                if found != expected {
                    return Err(Error::Request {
                        problem: format!(
                            "the image encoder makes vectors of {found} where the text model takes {expected}"
                        ),
                        remedy: "choose the mmproj file that belongs to this model".to_owned(),
                    });
                }
                Some(Vision { encoder, projector })
            }
            None => None,
        };
        Ok(Self {
            decoder,
            vision,
            text_bytes,
            weight_bytes,
        })
    }

    /// The text decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The image encoder, if the model has one.
    pub fn vision(&self) -> Option<&Vision> {
        self.vision.as_ref()
    }

    /// Weight bytes that one decoded token reads: everything but an embedding that is not also the output.
    pub fn bytes_read_per_token(&self) -> u64 {
        self.text_bytes - self.decoder.input_only_bytes()
    }

    /// Bytes of weights on the device.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }
}

fn device_bytes(tensors: &[TensorInfo]) -> u64 {
    tensors
        .iter()
        .map(|tensor| {
            let elements = tensor.elements();
            tensor
                .parts()
                .iter()
                .map(|part| tensor.block.part_bytes(*part, elements))
                .sum::<u64>()
        })
        .sum()
}
