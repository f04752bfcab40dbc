//! What LLVM reports while it compiles: errors, and how large the frames of functions are.
//!
//! Functions have the attribute `warn-stack-size` of 0, so that each one with a frame is reported: the only way that LLVM's C
//! interface has to the size, spills and saved registers included. A report is a text, `<unknown>:0:0: stack frame size (24)
//! exceeds limit (0) in function 'f'`.
//!
//! Without a listener LLVM would end the process at an error.

use crate::error::llvm;
use crate::raw;
use inkwell::context::Context;
use onnxc_base::Diagnostics;
use onnxc_codegen::Frames;
use std::cell::RefCell;

/// How a report of a frame begins, behind a place in the source that there isn't.
const FRAME: &str = "stack frame size (";

/// The reports of one context, which must not outlive this.
pub(crate) struct Reports(Box<RefCell<Vec<(bool, String)>>>);

impl Reports {
    /// Listens to a context from now on.
    pub fn listen(cx: &Context) -> Reports {
        let heard = Box::new(RefCell::new(vec![]));
        raw::listen(cx, &heard);
        Reports(heard)
    }

    /// The frames of all functions that have one.
    ///
    /// # Errors
    /// What LLVM couldn't compile.
    pub fn frames(&self) -> Result<Frames, Diagnostics> {
        let heard = self.0.borrow();
        if let Some((_, text)) = heard.iter().find(|(error, _)| *error) {
            return Err(llvm("E5307", "LLVM can't write the code", text));
        }
        Ok(heard.iter().filter_map(|(_, text)| frame(text)).collect())
    }
}

/// Symbol and bytes of a frame.
fn frame(text: &str) -> Option<(String, u64)> {
    let (_, report) = text.split_once(FRAME)?;
    let (bytes, rest) = report.split_once(')')?;
    let (_, name) = rest.split_once('\'')?;
    Some((name.strip_suffix('\'')?.to_string(), bytes.parse().ok()?))
}
