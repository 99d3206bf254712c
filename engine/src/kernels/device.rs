//! The device that computes: a GPU through wgpu, or burn's CPU backend.

use std::fmt;
use std::rc::Rc;
use std::sync::OnceLock;

use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuInitError, WgpuSetup};
use serde::{Deserialize, Serialize};

use super::gpu::counters::TASKS_MAX;
use super::params::{Arithmetic, Tuning};
use super::simd::Level;
use crate::error::{Error, Result};
use crate::ports::Helpers;

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
    opened: Opened,
    /// Threads beside this one, on the processor.
    helpers: Option<Rc<dyn Helpers>>,
}

/// What does not change after a device was opened.
#[derive(Debug, Clone)]
struct Opened {
    burn: Device,
    kind: DeviceKind,
    adapter: String,
    software: bool,
    /// Whether kernels may multiply packed integers.
    integers: bool,
    /// Whether kernels may compute with halves.
    halves: bool,
    /// Threads of the smallest subgroup; 0 where kernels may not speak of subgroups.
    subgroup: usize,
    tuning: Tuning,
}

/// wgpu allows one initialisation in a process; later engines share it.
static GPU: OnceLock<Result<Opened>> = OnceLock::new();

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
            opened: Opened {
                burn: Device::flex(),
                kind: DeviceKind::Cpu,
                adapter: "CPU".to_owned(),
                software: true,
                integers: false,
                halves: false,
                subgroup: 0,
                tuning: Tuning {
                    level: Some(Level::detect()),
                    ..Tuning::PLAIN
                },
            },
            helpers: None,
        }
    }

    #[cfg(not(target_family = "wasm"))]
    async fn gpu() -> Result<Self> {
        let options = Device::wgpu_options().tasks_max(TASKS_MAX);
        let opened = GPU.get_or_init(|| Opened::gpu(options.init_with_setup()));
        Ok(Self::without_helpers(opened.clone()?))
    }

    #[cfg(target_family = "wasm")]
    async fn gpu() -> Result<Self> {
        if let Some(opened) = GPU.get() {
            return Ok(Self::without_helpers(opened.clone()?));
        }
        let options = Device::wgpu_options().tasks_max(TASKS_MAX);
        let opened = options.init_with_setup_async().await;
        let opened = GPU.get_or_init(|| Opened::gpu(opened));
        Ok(Self::without_helpers(opened.clone()?))
    }

    fn without_helpers(opened: Opened) -> Self {
        Self {
            opened,
            helpers: None,
        }
    }

    /// The device for burn's tensors.
    pub fn burn(&self) -> &Device {
        &self.opened.burn
    }

    /// GPU or CPU.
    pub fn kind(&self) -> DeviceKind {
        self.opened.kind
    }

    /// The adapter's own name.
    pub fn adapter(&self) -> &str {
        &self.opened.adapter
    }

    /// Whether a processor does the work, as a GPU or as itself.
    pub fn is_software(&self) -> bool {
        self.opened.software
    }

    /// Whether products can be computed in `arithmetic` here.
    pub fn offers(&self, arithmetic: Arithmetic) -> bool {
        match arithmetic {
            Arithmetic::F32 => true,
            Arithmetic::F16 => self.opened.halves,
            Arithmetic::I8 => self.opened.integers,
        }
    }

    /// Whether so many neighbouring threads belong to one subgroup here.
    pub fn has_subgroups_of(&self, threads: usize) -> bool {
        threads > 1 && threads <= self.opened.subgroup
    }

    /// How products are worked out.
    pub fn tuning(&self) -> Tuning {
        self.opened.tuning
    }

    /// The same device with products worked out in another way, to test every variant.
    pub fn with_tuning(&self, tuning: Tuning) -> Self {
        let mut device = self.clone();
        device.opened.tuning = tuning;
        device
    }

    /// Threads beside this one that hold rows of matrices.
    pub fn helpers(&self) -> Option<&Rc<dyn Helpers>> {
        self.helpers.as_ref()
    }

    /// The same device with threads beside this one. A GPU needs none.
    pub fn with_helpers(&self, helpers: Option<Rc<dyn Helpers>>) -> Self {
        Self {
            opened: self.opened.clone(),
            helpers: helpers.filter(|_| self.kind() == DeviceKind::Cpu),
        }
    }

    /// Threads that compute on the processor.
    pub fn threads(&self) -> usize {
        1 + self.helpers().map_or(0, |helpers| helpers.count())
    }

    /// Gives back what the GPU's allocator has reserved and nothing uses.
    pub fn free_unused(&self) {
        if self.kind() == DeviceKind::Gpu {
            self.opened.burn.memory_cleanup();
        }
    }

    /// Bytes that the GPU's allocator has reserved, unused pages among them; `None` on the CPU.
    pub fn reserved_bytes(&self) -> Option<u64> {
        match self.opened.kind {
            DeviceKind::Gpu => self
                .opened
                .burn
                .memory_pool_usage()
                .map(|usage| usage.bytes_reserved),
            DeviceKind::Cpu => None,
        }
    }
}

impl Opened {
    fn gpu(opened: Result<(Device, WgpuSetup), WgpuInitError>) -> Result<Self> {
        use burn::tensor::wgpu::wgpu::{DeviceType, Features, WgslLanguageFeatures};
        let (burn, setup) = opened.map_err(|error| Error::Device {
            device: "GPU".to_owned(),
            detail: error.to_string(),
        })?;
        let info = setup.adapter.get_info();
        // burn's device has all of them.
        let features = setup.adapter.features();
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
            software,
            integers: setup
                .instance
                .wgsl_language_features()
                .contains(WgslLanguageFeatures::Packed4x8IntegerDotProduct),
            halves: features.contains(Features::SHADER_F16),
            subgroup: match features.contains(Features::SUBGROUP) {
                true => info.subgroup_min_size as usize,
                false => 0,
            },
            tuning: Tuning {
                // Barriers are dear where threads are emulated; on a GPU neighbours should read neighbours.
                threads_per_row: if software { 1 } else { 16 },
                square: if software { 0 } else { 8 },
                ..Tuning::PLAIN
            },
        })
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
