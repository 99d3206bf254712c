//! Whether a model would run here, found out by trying: storage and graphics memory are taken and given back, and a
//! product of a model's size is timed.

use js_sys::{Array, Function, Object, Promise, Reflect};
use outpost_protocol::{Adapter, DeviceChoice, DeviceKind, Fit, Need, ProductShape};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::desk::Task;
use crate::event_loop::scope;
use crate::install::free_bytes;
use crate::problem::Result;
use crate::{gpu, measure, models};

/// A product as large as those of a 4B model, so that its weights come from memory and not from a cache.
const PRODUCT: ProductShape = ProductShape {
    rows: 10_240,
    cols: 2_560,
    tokens: 1,
};
/// Bytes of 32 weights in Q4_0.
const BLOCK_BYTES: f64 = 18.0;
const BLOCK_WEIGHTS: f64 = 32.0;
/// What is taken of a GPU at once: what every WebGPU device lets one binding have.
const PIECE_BYTES: u64 = 128 << 20;
/// `GPUBufferUsage`: COPY_DST and STORAGE.
const USAGE: u32 = 0x0008 | 0x0080;

/// What this device has for a model.
///
/// # Errors
/// [`Problem::Cancelled`](crate::problem::Problem::Cancelled) if the page stops it, and what the product's measurement says.
pub async fn fit(task: &Task, need: Need, adapter: &Adapter) -> Result<Fit> {
    let gpu_bytes = match adapter.kind {
        DeviceKind::Gpu => Some(obtainable(need.gpu_bytes()).await.unwrap_or(0)),
        DeviceKind::Cpu => None,
    };
    task.check().await?;
    let choice = gpu::choose(DeviceChoice::Auto, adapter)?;
    let times = measure::products(task, &[PRODUCT], choice).await?;
    let weight_bytes =
        f64::from(PRODUCT.rows) * f64::from(PRODUCT.cols) / BLOCK_WEIGHTS * BLOCK_BYTES;
    let token_ms = |product_ms: f64| product_ms * need.weight_bytes as f64 / weight_bytes;
    let measured = times.first().map(|time| time.ms).filter(|ms| *ms > 0.0);
    Ok(Fit {
        need,
        has_room: models::has_room(need.stored_bytes).await.ok(),
        free_bytes: free_bytes().await,
        is_kept: is_kept().await,
        adapter: adapter.clone(),
        gpu_bytes,
        expected_tok_s: measured.map(|ms| 1000.0 / token_ms(ms)),
    })
}

/// Whether the browser has promised not to clear the page's storage by itself.
pub async fn is_kept() -> bool {
    let Ok(asked) = scope().navigator().storage().persisted() else {
        return false;
    };
    JsFuture::from(asked)
        .await
        .is_ok_and(|kept| kept.is_truthy())
}

/// How many of `wanted` bytes a GPU gives, on a device of its own, all at once.
async fn obtainable(wanted: u64) -> Result<u64, JsValue> {
    let gpu = Reflect::get(&scope().navigator(), &"gpu".into())?;
    let adapter = promised(&gpu, "requestAdapter", &[]).await?;
    let device = promised(&adapter, "requestDevice", &[]).await?;
    let buffers = Array::new();
    let taken = take(&device, wanted, &buffers).await;
    for buffer in buffers.iter() {
        call(&buffer, "destroy", &[])?;
    }
    call(&device, "destroy", &[])?;
    taken
}

async fn take(device: &JsValue, wanted: u64, buffers: &Array) -> Result<u64, JsValue> {
    let mut taken = 0;
    while taken < wanted {
        let bytes = PIECE_BYTES.min(wanted - taken).next_multiple_of(4);
        let description = Object::new();
        Reflect::set(&description, &"size".into(), &(bytes as f64).into())?;
        Reflect::set(&description, &"usage".into(), &USAGE.into())?;
        call(device, "pushErrorScope", &["out-of-memory".into()])?;
        let buffer = call(device, "createBuffer", &[description.into()])?;
        let refused = promised(device, "popErrorScope", &[]).await?;
        if !refused.is_null() && !refused.is_undefined() {
            break;
        }
        buffers.push(&buffer);
        taken += bytes;
    }
    Ok(taken)
}

async fn promised(
    object: &JsValue,
    method: &str,
    arguments: &[JsValue],
) -> Result<JsValue, JsValue> {
    JsFuture::from(call(object, method, arguments)?.dyn_into::<Promise>()?).await
}

fn call(object: &JsValue, method: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let method: Function = Reflect::get(object, &method.into())?.dyn_into()?;
    method.apply(object, &arguments.iter().collect::<Array>())
}
