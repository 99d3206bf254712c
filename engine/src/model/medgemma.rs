//! The whole model: text decoder, and image encoder where there is one.

use std::fmt;

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

/// Bytes of an image encoder from which on it stays in its file but for the layer that works.
const STREAMED_BYTES: u64 = 256 << 20;

/// Image encoder and projector.
pub struct Vision {
    encoder: Siglip,
    projector: Projector,
    /// Where streamed layers are read from.
    source: Box<dyn WeightSource>,
    device: ComputeDevice,
}

/// A picture on its way through the encoder.
#[derive(Debug)]
pub struct Encoding {
    x: Tensor<2>, // [side * side, hidden]
    layer: usize,
}

impl Vision {
    fn load(
        source: Box<dyn WeightSource>,
        streamed: bool,
        loader: &mut Loader<'_>,
    ) -> Result<Self> {
        let mut own = loader.at(source.as_ref());
        let encoder = Siglip::load(&mut own, streamed)?;
        let projector = Projector::load(&mut own, encoder.config())?;
        let loaded_bytes = own.loaded_bytes();
        loader.advance(loaded_bytes);
        Ok(Self {
            encoder,
            projector,
            device: loader.device().clone(),
            source,
        })
    }

    /// The encoder's shape.
    pub fn config(&self) -> &VisionConfig {
        self.encoder.config()
    }

    /// What identifies its weights, where that is known.
    pub fn identity(&self) -> Option<[u8; 32]> {
        self.source.identity()
    }

    /// Begins with a picture. pixels: [3, image_size, image_size], normalised
    pub fn begin(&self, pixels: &[f32], trace: &mut Trace) -> Encoding {
        Encoding {
            x: self.encoder.embed(pixels, trace),
            layer: 0,
        }
    }

    /// Runs the next layer -> layers that are done.
    ///
    /// # Errors
    /// Those of reading a layer from its file.
    pub fn advance(&self, encoding: &mut Encoding, trace: &mut Trace) -> Result<usize> {
        let mut silent = ();
        let mut loader = Loader::new(self.source.as_ref(), &self.device, &mut silent, 0, 0);
        let x = encoding.x.clone();
        encoding.x = self.encoder.layer(encoding.layer, x, &mut loader, trace)?;
        encoding.layer += 1;
        Ok(encoding.layer)
    }

    /// The picture as tokens, once all layers are done -> [image tokens, text hidden]
    pub fn finish(&self, encoding: Encoding, trace: &mut Trace) -> Tensor<2> {
        let x = self.encoder.finish(encoding.x, trace);
        let features = self.projector.forward(x, trace);
        trace.add("image_features", &features);
        features
    }

    /// All of it in one go. pixels: as [`begin`](Self::begin) takes them -> [image tokens, text hidden]
    ///
    /// # Errors
    /// Those of reading a layer from its file.
    pub fn encode(&self, pixels: &[f32], trace: &mut Trace) -> Result<Tensor<2>> {
        let mut encoding = self.begin(pixels, trace);
        while self.advance(&mut encoding, trace)? < self.config().layers {}
        Ok(self.finish(encoding, trace))
    }
}

impl fmt::Debug for Vision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vision")
            .field("encoder", &self.encoder)
            .field("projector", &self.projector)
            .finish_non_exhaustive()
    }
}

impl Encoding {
    /// The vectors so far: [side * side, hidden]
    pub fn vectors(&self) -> &Tensor<2> {
        &self.x
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
    /// Loads both files onto the device, tensor by tensor; `context_tokens` positions will be usable. The image encoder's
    /// file is kept open: a large one is read again for each picture.
    pub fn load(
        text: &dyn WeightSource,
        vision: Option<Box<dyn WeightSource>>,
        context_tokens: usize,
        device: &ComputeDevice,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let vision_bytes = vision.as_ref().map_or(0, |v| device_bytes(v.tensors()));
        let streamed = vision_bytes >= STREAMED_BYTES;
        let resident_bytes = if streamed { 0 } else { vision_bytes };
        let total = device_bytes(text.tensors()) + resident_bytes;
        let mut loader = Loader::new(text, device, progress, 0, total);
        let decoder = Decoder::load(&mut loader, context_tokens)?;
        let text_bytes = loader.loaded_bytes();
        let vision = match vision {
            Some(source) => Some(Vision::load(source, streamed, &mut loader)?),
            None => None,
        };
        let weight_bytes = loader.loaded_bytes();
        if let Some(vision) = &vision {
            let (found, expected) = (
                vision.config().text_hidden_size,
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
        }
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
    let bytes = |tensor: &TensorInfo| -> u64 {
        let parts = tensor.parts().iter();
        parts.map(|part| tensor.part_bytes(*part)).sum()
    };
    tensors.iter().map(bytes).sum()
}
