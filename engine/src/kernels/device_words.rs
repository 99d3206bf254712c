//! A few words on the device that the host changes while work that was recorded reads them.

use burn::backend::wgpu::CubeBackend;
use burn::tensor::{Bytes, Int, Tensor};

use super::device::{ComputeDevice, DeviceKind};
use super::gpu::counters;
use super::matrix::words_on;

/// Words in a buffer that stays the same.
#[derive(Debug)]
pub struct DeviceWords {
    words: Tensor<1, Int>, // [count]
    device: ComputeDevice,
}

impl DeviceWords {
    /// These words.
    pub fn new(words: &[u32], device: &ComputeDevice) -> Self {
        let burn = device.burn();
        let bytes = bytemuck::cast_slice(words).to_vec();
        Self {
            words: burn.memory_persistent_allocations(bytes, |bytes| words_on(bytes, burn)),
            device: device.clone(),
        }
    }

    /// Puts others there, as many. On a GPU into the same buffer, which recorded work reads.
    pub fn set(&mut self, words: &[u32]) {
        let bytes = bytemuck::cast_slice(words).to_vec();
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

    /// Where they are.
    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    /// `[count]`
    pub fn words(&self) -> &Tensor<1, Int> {
        &self.words
    }
}
