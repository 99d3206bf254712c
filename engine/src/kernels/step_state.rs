//! The few words that differ from one decoded token to the next.

use burn::backend::wgpu::CubeBackend;
use burn::tensor::{Bytes, Int, Tensor};

use super::device::{ComputeDevice, DeviceKind};
use super::gpu::counters;
use super::matrix::words_on;

/// A token's id and position, on the device.
#[derive(Debug)]
pub struct StepState {
    words: Tensor<1, Int>, // [2]: id, position
    device: ComputeDevice,
}

impl StepState {
    /// Token 0 at position 0.
    pub fn new(device: &ComputeDevice) -> Self {
        let burn = device.burn();
        let bytes = vec![0; 8];
        Self {
            words: burn.memory_persistent_allocations(bytes, |bytes| words_on(bytes, burn)),
            device: device.clone(),
        }
    }

    /// Puts another token there. On a GPU into the same buffer, which recorded work reads.
    pub fn set(&mut self, id: u32, position: usize) {
        let bytes = bytemuck::cast_slice(&[id, position as u32]).to_vec();
        if self.device.kind() == DeviceKind::Gpu
            && let Ok(words) = self.words.clone().try_into_primitive::<CubeBackend>()
        {
            let bytes = Bytes::from_bytes_vec(bytes);
            words.client.write(&words.handle, bytes);
            // A write hands over what waits, so that it comes after it.
            counters::submitted(false);
        } else {
            self.words = words_on(bytes, self.device.burn());
        }
    }

    /// Where it is.
    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    /// `[2]`: id, position
    pub fn words(&self) -> &Tensor<1, Int> {
        &self.words
    }
}
