//! Takes named tensors from a weight source and puts them on the device, counting their bytes.

use burn::tensor::{Tensor, TensorData};

use crate::error::Result;
use crate::kernels::{ComputeDevice, Matrix, PIECE_BYTES};
use crate::ports::Progress;
use crate::weights::WeightSource;

/// Loads the tensors of one file.
pub struct Loader<'a> {
    source: &'a dyn WeightSource,
    device: &'a ComputeDevice,
    progress: &'a mut dyn Progress,
    loaded_bytes: u64,
    total_bytes: u64,
}

impl<'a> Loader<'a> {
    /// A loader that reports progress up to `total_bytes`.
    pub fn new(
        source: &'a dyn WeightSource,
        device: &'a ComputeDevice,
        progress: &'a mut dyn Progress,
        loaded_bytes: u64,
        total_bytes: u64,
    ) -> Self {
        Self {
            source,
            device,
            progress,
            loaded_bytes,
            total_bytes,
        }
    }

    /// A loader of another file for the same device, which goes on counting where this one is.
    pub fn at<'b>(&'b mut self, source: &'b dyn WeightSource) -> Loader<'b> {
        Loader {
            source,
            device: self.device,
            progress: &mut *self.progress,
            loaded_bytes: self.loaded_bytes,
            total_bytes: self.total_bytes,
        }
    }

    /// Takes over the count of a loader that [`at`](Self::at) gave.
    pub fn advance(&mut self, loaded_bytes: u64) {
        self.loaded_bytes = loaded_bytes;
    }

    /// The matrix `name`, which must be [rows, cols].
    pub fn matrix(&mut self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        let info = self.source.require(name, &[rows as u64, cols as u64])?;
        let matrix = Matrix::load(self.source, info, self.device)?;
        self.loaded(matrix.bytes());
        Ok(matrix)
    }

    /// The matrix `name`, which must be [rows, cols], in one piece.
    pub fn whole(&mut self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        let info = self.source.require(name, &[rows as u64, cols as u64])?;
        let matrix = Matrix::load_whole(self.source, info, self.device)?;
        self.loaded(matrix.bytes());
        Ok(matrix)
    }

    /// The matrices `names` below each other, each with its number of rows, all of them with `cols` columns.
    pub fn stacked(&mut self, names: &[(&str, usize)], cols: usize) -> Result<Matrix> {
        let infos = names
            .iter()
            .map(|(name, rows)| self.source.require(name, &[*rows as u64, cols as u64]))
            .collect::<Result<Vec<_>>>()?;
        let matrix = Matrix::load_stacked(self.source, &infos, self.device, PIECE_BYTES)?;
        self.loaded(matrix.bytes());
        Ok(matrix)
    }

    /// The tensors `names`, each of `count` elements, as f32 one after the other. -> `[names * count]`
    pub fn vectors(&mut self, names: &[&str], count: usize) -> Result<Tensor<1>> {
        let mut values = Vec::new();
        for name in names {
            let info = self.source.require(name, &[count as u64])?;
            values.extend(self.source.read_f32(info)?);
        }
        Ok(self.keep(values))
    }

    /// The tensor `name` as f32, whatever its type. shape -> [product of shape]
    pub fn vector(&mut self, name: &str, shape: &[usize]) -> Result<Tensor<1>> {
        let shape: Vec<u64> = shape.iter().map(|n| *n as u64).collect();
        let info = self.source.require(name, &shape)?;
        let values = self.source.read_f32(info)?;
        Ok(self.keep(values))
    }

    fn keep(&mut self, values: Vec<f32>) -> Tensor<1> {
        self.loaded(4 * values.len() as u64);
        let count = values.len();
        let device = self.device.burn();
        let data = TensorData::new(values, [count]);
        device.memory_persistent_allocations(data, |data| Tensor::from_data(data, device))
    }

    /// The tensor `name` of any shape, seen as a matrix [rows, cols] of the same elements.
    pub fn matrix_as(
        &mut self,
        name: &str,
        shape: &[usize],
        rows: usize,
        cols: usize,
    ) -> Result<Matrix> {
        let shape: Vec<u64> = shape.iter().map(|n| *n as u64).collect();
        let mut info = self.source.require(name, &shape)?.clone();
        info.shape = vec![rows as u64, cols as u64];
        let matrix = Matrix::load(self.source, &info, self.device)?;
        self.loaded(matrix.bytes());
        Ok(matrix)
    }

    /// The source that tensors come from.
    pub fn source(&self) -> &dyn WeightSource {
        self.source
    }

    /// The device that tensors go to.
    pub fn device(&self) -> &ComputeDevice {
        self.device
    }

    /// Bytes put on the device so far.
    pub fn loaded_bytes(&self) -> u64 {
        self.loaded_bytes
    }

    fn loaded(&mut self, bytes: u64) {
        self.loaded_bytes += bytes;
        self.progress
            .report(self.loaded_bytes.min(self.total_bytes), self.total_bytes);
    }
}
