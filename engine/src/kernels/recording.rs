//! Work that is done again and again on the same buffers, recorded once.
//!
//! A GPU step of a language model is a few hundred dispatches whose encoding costs more than many of them take. cubecl
//! can record them with their bind groups and encode them again at a fraction of that.

use burn::backend::wgpu::CubeBackend;
use burn::tensor::Tensor;
use cubecl::client::Graph;

use super::device::DeviceKind;
use super::gpu::counters::{self, Traffic};
use super::step_state::StepState;
use crate::error::Result;

/// A step that may be recorded. It must read and write the same buffers each time.
#[derive(Debug, Default)]
pub struct Recording {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Nothing,
    Recorded {
        graph: Graph,
        result: Box<Tensor<2>>,
        dispatches: u64,
    },
    /// Recording failed once, and would again.
    Impossible(String),
}

impl Recording {
    /// Does the step, from the recording where there is one. `state` is what the step reads; what it returns is
    /// overwritten by the next run.
    ///
    /// # Errors
    /// Those of `step`.
    pub fn run(
        &mut self,
        state: &StepState,
        mut step: impl FnMut() -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        if let State::Nothing = self.state
            && state.device().kind() == DeviceKind::Gpu
        {
            self.state = match record(state, &mut step) {
                Ok(recorded) => recorded,
                Err(problem) => {
                    log::warn!("decoding is not recorded: {problem}");
                    State::Impossible(problem)
                }
            };
        }
        if let State::Recorded {
            graph,
            result,
            dispatches,
        } = &self.state
        {
            // SAFETY: the graph guards the memory that it touches; `result` and whatever `step` reads live as long as the
            // recording's owner, and all of them are used on this thread's stream only.
            match unsafe { graph.replay() } {
                Ok(()) => {
                    counters::dispatched(*dispatches);
                    return Ok(Tensor::clone(result));
                }
                Err(error) => {
                    let problem = error.to_string();
                    log::warn!("a recording no longer plays: {problem}");
                    self.state = State::Impossible(problem);
                }
            }
        }
        step()
    }

    /// Why there is no recording, if it was tried and failed.
    pub fn problem(&self) -> Option<&str> {
        match &self.state {
            State::Impossible(problem) => Some(problem),
            _ => None,
        }
    }
}

/// Runs the step once, so that every pipeline and every buffer is there, and once more to record it.
fn record(
    state: &StepState,
    step: &mut impl FnMut() -> Result<Tensor<2>>,
) -> std::result::Result<State, String> {
    let anchor = state.words().clone().try_into_primitive::<CubeBackend>();
    let client = anchor.map_err(|error| format!("{error:?}"))?.client;
    client.graph_prepare().map_err(|error| error.to_string())?;
    let warm = step();
    let started = warm
        .map_err(|error| error.to_string())
        .and_then(|_| client.start_capture().map_err(|error| error.to_string()));
    if let Err(problem) = started {
        // Ends what was prepared.
        let _ = client.stop_capture();
        return Err(problem);
    }
    counters::submitted(false);
    let before = Traffic::so_far();
    let result = step();
    let graph = client.stop_capture().map_err(|error| error.to_string())?;
    let recorded = counters::recorded_since(before);
    Ok(State::Recorded {
        graph,
        result: Box::new(result.map_err(|error| error.to_string())?),
        dispatches: recorded,
    })
}
