//! The few words that differ from one decoded token to the next.

use burn::tensor::{Int, Tensor};

use super::device::ComputeDevice;
use super::device_words::DeviceWords;

/// A token's id and position, on the device.
#[derive(Debug)]
pub struct StepState(DeviceWords);

impl StepState {
    /// Token 0 at position 0.
    pub fn new(device: &ComputeDevice) -> Self {
        Self(DeviceWords::new(&[0, 0], device))
    }

    /// Puts another token there.
    pub fn set(&mut self, id: u32, position: usize) {
        self.0.set(&[id, position as u32]);
    }

    /// Where it is.
    pub fn device(&self) -> &ComputeDevice {
        self.0.device()
    }

    /// `[2]`: id, position
    pub fn words(&self) -> &Tensor<1, Int> {
        self.0.words()
    }
}
