//! What the browser says about its GPU, asked before the engine opens it, and what is opened then.

use js_sys::{Function, Promise, Reflect};
use outpost_engine::kernels;
use outpost_engine::session::Engine;
use outpost_protocol::{Adapter, DeviceChoice, DeviceKind};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::event_loop::scope;
use crate::problem::{Problem, Result};

/// What there is to compute on.
pub async fn probe() -> Adapter {
    match adapter().await {
        Ok(name) => Adapter {
            kind: DeviceKind::Gpu,
            name,
            why_not_gpu: None,
        },
        Err(why) => Adapter {
            kind: DeviceKind::Cpu,
            name: "Processor".to_owned(),
            why_not_gpu: Some(why.to_owned()),
        },
    }
}

/// What to open. Opening a GPU that is not there would end the module instead of failing.
///
/// # Errors
/// Why there is no GPU, if it has to be one.
pub fn choose(device: DeviceChoice, probed: &Adapter) -> Result<kernels::DeviceChoice> {
    match (device, probed.kind) {
        (DeviceChoice::Cpu, _) | (DeviceChoice::Auto, DeviceKind::Cpu) => {
            Ok(kernels::DeviceChoice::Cpu)
        }
        (DeviceChoice::Auto, DeviceKind::Gpu) => Ok(kernels::DeviceChoice::Auto),
        (DeviceChoice::Gpu, DeviceKind::Gpu) => Ok(kernels::DeviceChoice::Gpu),
        (DeviceChoice::Gpu, DeviceKind::Cpu) => Err(Problem::new(
            probed.why_not_gpu.clone().unwrap_or_default(),
            "Continue on the processor, or use another browser.",
        )),
    }
}

/// What the engine opened; what the browser said where that tells more.
pub fn adapter_of(engine: &Engine, probed: &Adapter) -> Adapter {
    let stats = engine.stats();
    match stats.device {
        kernels::DeviceKind::Cpu => Adapter {
            kind: DeviceKind::Cpu,
            name: "Processor".to_owned(),
            why_not_gpu: probed.why_not_gpu.clone(),
        },
        kernels::DeviceKind::Gpu => Adapter {
            kind: DeviceKind::Gpu,
            name: match probed.name.is_empty() {
                true => stats.adapter.clone(),
                false => probed.name.clone(),
            },
            why_not_gpu: None,
        },
    }
}

/// The adapter's name, or why there is none.
async fn adapter() -> Result<String, &'static str> {
    const NO_WEBGPU: &str = "This browser has no WebGPU.";
    const NO_ADAPTER: &str = "This browser found no graphics processor that it can use.";
    let gpu = Reflect::get(&scope().navigator(), &"gpu".into()).map_err(|_| NO_WEBGPU)?;
    if gpu.is_undefined() || gpu.is_null() {
        return Err(NO_WEBGPU);
    }
    let request = || -> Result<Promise, JsValue> {
        let method: Function = Reflect::get(&gpu, &"requestAdapter".into())?.dyn_into()?;
        method.call0(&gpu)?.dyn_into()
    };
    let promise = request().map_err(|_| NO_WEBGPU)?;
    let adapter = JsFuture::from(promise).await.map_err(|_| NO_ADAPTER)?;
    if adapter.is_null() || adapter.is_undefined() {
        return Err(NO_ADAPTER);
    }
    // Without it cubecl's timer ends the whole module.
    if !has_feature(&adapter, "timestamp-query") {
        return Err("This graphics processor's driver cannot measure time.");
    }
    Ok(name_of(&adapter))
}

fn has_feature(adapter: &JsValue, name: &str) -> bool {
    let has = || -> Result<bool, JsValue> {
        let features = Reflect::get(adapter, &"features".into())?;
        let method: Function = Reflect::get(&features, &"has".into())?.dyn_into()?;
        Ok(method.call1(&features, &name.into())?.is_truthy())
    };
    has().unwrap_or(false)
}

/// As much as the browser tells, the most telling first.
fn name_of(adapter: &JsValue) -> String {
    let info = Reflect::get(adapter, &"info".into()).unwrap_or_default();
    let field = |name: &str| {
        let text = Reflect::get(&info, &name.into())
            .ok()
            .and_then(|text| text.as_string());
        text.filter(|text| !text.is_empty())
    };
    let words = [field("vendor"), field("architecture")];
    let words: Vec<String> = words.into_iter().flatten().collect();
    field("description")
        .or_else(|| field("device"))
        .or_else(|| (!words.is_empty()).then(|| words.join(" ")))
        .unwrap_or_else(|| "WebGPU".to_owned())
}
