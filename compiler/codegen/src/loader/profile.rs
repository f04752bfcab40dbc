//! Reads the counters of a module that was compiled with marks after its steps.

use super::Module;
use onnxc_base::Diagnostic;
use onnxc_runtime::profile::{Counter, SYMBOL, clock};
use std::time::Instant;

type Attach = unsafe extern "C" fn(*mut Counter, i64) -> u64;

/// The counters of a module's steps, while this lives. A module has one at a time.
pub struct Profile<'m> {
    counters: Vec<Counter>,
    attach: libloading::Symbol<'m, Attach>,
    /// The same moment on both clocks.
    begun: (Instant, u64),
}

impl Module {
    /// Counts the time of this many steps.
    ///
    /// # Errors
    /// A module without marks.
    pub fn profile(&self, steps: usize) -> Result<Profile<'_>, Diagnostic> {
        // The symbol has this type wherever it is.
        let attach = self._library.as_ref().and_then(|l| unsafe { l.get::<Attach>(SYMBOL.as_bytes()) }.ok());
        let attach = attach.ok_or_else(|| {
            Diagnostic::error(
                "E6007",
                format!("module '{}' doesn't count the time of its steps", self.description.name()),
            )
            .expected("one that was compiled to be profiled")
            .help("give the model: onnxc bench --profile MODEL.onnx")
        })?;
        let mut counters = vec![Counter::default(); steps];
        // They stay where they are, and are taken back before they go.
        unsafe { attach(counters.as_mut_ptr(), steps as i64) };
        Ok(Profile { counters, attach, begun: (Instant::now(), clock()) })
    }
}

impl Profile<'_> {
    /// What was counted since the last call.
    pub fn take(&mut self) -> Vec<Counter> {
        let taken = self.counters.clone();
        self.counters.fill(Counter::default());
        // Tells the module again, so that it is plain that it writes there.
        unsafe { (self.attach)(self.counters.as_mut_ptr(), self.counters.len() as i64) };
        taken
    }

    /// Seconds per tick, by what has passed on both clocks since the beginning: not before some milliseconds have.
    pub fn tick(&self) -> f64 {
        let ticks = clock().wrapping_sub(self.begun.1);
        self.begun.0.elapsed().as_secs_f64() / ticks.max(1) as f64
    }
}

impl Drop for Profile<'_> {
    fn drop(&mut self) {
        unsafe { (self.attach)(std::ptr::null_mut(), 0) };
    }
}
