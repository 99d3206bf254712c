//! Bringing models to this device: from files of the device, or from the network.

mod download;
mod import;

pub use download::download;
pub use import::import;

use wasm_bindgen_futures::JsFuture;
use web_sys::StorageEstimate;

use crate::event_loop::scope;
use crate::problem::{Problem, Result};

/// Fails early where the browser says that `needed` bytes do not fit. What it says is an estimate, so writing may still
/// fail later.
async fn check_space(needed: u64) -> Result<()> {
    let Ok(estimate) = scope().navigator().storage().estimate() else {
        return Ok(());
    };
    let Ok(estimate) = JsFuture::from(estimate).await else {
        return Ok(());
    };
    let estimate = StorageEstimate::from(estimate);
    let (Some(quota), Some(used)) = (estimate.get_quota(), estimate.get_usage()) else {
        return Ok(());
    };
    let free = (quota - used).max(0.0) as u64;
    match needed <= free {
        true => Ok(()),
        false => {
            let bytes = outpost_protocol::format::bytes;
            Err(Problem::new(
                format!(
                    "The model needs {}, and {} are free.",
                    bytes(needed),
                    bytes(free)
                ),
                "Free some space on this device, or choose a smaller model.",
            ))
        }
    }
}
