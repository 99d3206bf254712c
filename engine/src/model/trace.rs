//! Named intermediate tensors, kept for comparison with a reference, layer by layer.

use burn::tensor::Tensor;

/// Collects tensors by name, or nothing.
#[derive(Debug, Default)]
pub struct Trace {
    tensors: Option<Vec<(String, Tensor<2>)>>,
}

impl Trace {
    /// Keeps nothing.
    pub fn off() -> Self {
        Self { tensors: None }
    }

    /// Keeps everything.
    pub fn on() -> Self {
        Self {
            tensors: Some(Vec::new()),
        }
    }

    /// Keeps `tensor` under `name`, if this trace is on.
    pub fn add(&mut self, name: &str, tensor: &Tensor<2>) {
        if let Some(tensors) = &mut self.tensors {
            tensors.push((name.to_owned(), tensor.clone()));
        }
    }

    /// What was kept, in order.
    pub fn into_tensors(self) -> Vec<(String, Tensor<2>)> {
        self.tensors.unwrap_or_default()
    }
}
