//! The device that computes: a GPU through wgpu, or burn's CPU backend.

use std::fmt;
use std::sync::OnceLock;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::gpu::counters::TASKS_MAX;
use crate::error::{Error, Result};

/// Which device to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// The GPU, or an error.
    Gpu,
    /// The CPU.
    Cpu,
}

/// What kind of device was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// wgpu: Vulkan, Metal, DirectX or WebGPU.
    Gpu,
    /// burn's CPU backend.
    Cpu,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpu => "GPU",
            Self::Cpu => "CPU",
        })
    }
}

/// An opened device with what the kernels need to know about it.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    burn: Device,
    kind: DeviceKind,
    adapter: String,
    threads_per_row: usize,
}

/// wgpu allows one initialisation in a process; later engines share it.
static GPU: OnceLock<Result<ComputeDevice>> = OnceLock::new();

impl ComputeDevice {
    /// Opens the chosen device. Only [`DeviceChoice::Gpu`] fails where there is no GPU.
    pub async fn open(choice: DeviceChoice) -> Result<Self> {
        run_constructors_once();
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            DeviceChoice::Gpu => Self::gpu().await,
            DeviceChoice::Auto => match Self::gpu().await {
                Ok(device) => Ok(device),
                Err(error) => {
                    log::warn!("no GPU, using the CPU: {error}");
                    Ok(Self::cpu())
                }
            },
        }
    }

    fn cpu() -> Self {
        Self {
            burn: Device::flex(),
            kind: DeviceKind::Cpu,
            adapter: "CPU".to_owned(),
            threads_per_row: 1,
        }
    }

    #[cfg(not(target_family = "wasm"))]
    async fn gpu() -> Result<Self> {
        GPU.get_or_init(|| {
            Self::opened(
                Device::wgpu_options()
                    .tasks_max(TASKS_MAX)
                    .init_with_setup(),
            )
        })
        .clone()
    }

    #[cfg(target_family = "wasm")]
    async fn gpu() -> Result<Self> {
        if let Some(opened) = GPU.get() {
            return opened.clone();
        }
        let opened = Device::wgpu_options()
            .tasks_max(TASKS_MAX)
            .init_with_setup_async()
            .await;
        GPU.get_or_init(|| Self::opened(opened)).clone()
    }

    fn opened(
        opened: Result<(Device, burn::tensor::wgpu::WgpuSetup), burn::tensor::wgpu::WgpuInitError>,
    ) -> Result<Self> {
        use burn::tensor::wgpu::wgpu::DeviceType;
        let (burn, setup) = opened.map_err(|error| Error::Device {
            device: "GPU".to_owned(),
            detail: error.to_string(),
        })?;
        let info = setup.adapter.get_info();
        // A browser does not say what type its adapter is, only its name.
        let software = info.device_type == DeviceType::Cpu
            || ["SwiftShader", "llvmpipe"]
                .iter()
                .any(|name| info.name.contains(name));
        let name = if info.name.is_empty() {
            "WebGPU".to_owned()
        } else {
            info.name
        };
        Ok(Self {
            burn,
            kind: DeviceKind::Gpu,
            adapter: name,
            // Barriers are dear where threads are emulated; on a GPU neighbours should read neighbours.
            threads_per_row: if software { 1 } else { 16 },
        })
    }

    /// The device for burn's tensors.
    pub fn burn(&self) -> &Device {
        &self.burn
    }

    /// GPU or CPU.
    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// The adapter's own name.
    pub fn adapter(&self) -> &str {
        &self.adapter
    }

    /// Threads that share one row of a matrix; a power of two, at most 64.
    pub fn threads_per_row(&self) -> usize {
        self.threads_per_row
    }

    /// The same device with another work split, to test every variant of a kernel.
    pub fn with_threads_per_row(&self, threads_per_row: usize) -> Self {
        Self {
            threads_per_row,
            ..self.clone()
        }
    }

    /// Bytes that the GPU's allocator has reserved, unused pages among them; `None` on the CPU.
    pub fn reserved_bytes(&self) -> Option<u64> {
        match self.kind {
            DeviceKind::Gpu => self
                .burn
                .memory_pool_usage()
                .map(|usage| usage.bytes_reserved),
            DeviceKind::Cpu => None,
        }
    }
}

/// Runs the module's constructors, in which cubecl registers its operations.
///
/// The linker would otherwise run all of them again on every call from JavaScript: it wraps each export unless
/// something refers to this symbol, which costs milliseconds for each dispatch.
#[cfg(target_family = "wasm")]
fn run_constructors_once() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the linker defines the symbol, and it runs once.
    ONCE.call_once(|| unsafe { __wasm_call_ctors() });
}

#[cfg(not(target_family = "wasm"))]
fn run_constructors_once() {}
