//! What a caller must know who goes on from one place of the cache several times.

use super::{Core, Reading};
use crate::error::Result;
use crate::kernels::DeviceKind;

impl Core {
    /// Whether the token at `position` would still find all that it sees.
    pub fn can_go_back_to(&self, position: usize) -> bool {
        self.cache.can_go_back(self.written, position)
    }

    /// Whether chunks are of the same size each time. A GPU's never are: a browser would take it away.
    pub fn keep_steady(&mut self, steady: bool) {
        self.pace
            .keep_steady(steady && self.device.kind() == DeviceKind::Cpu);
    }

    /// Most tokens that [`run_ahead`](Self::run_ahead) takes.
    pub fn most_tokens_ahead(&self) -> usize {
        self.cache.chunk_tokens()
    }
}

impl Reading {
    /// Waits for the numbers without giving up the reading: whoever keeps it can leave it to the core if the wait is given
    /// up. Not to be called again once it has answered.
    pub async fn wait(&mut self) -> Result<Vec<f32>> {
        self.0.as_mut().await
    }
}
