//! Memory and pointers for runs of a module with inputs of one shape.

use super::Module;
use crate::heap::{self, ALIGN, AlignedBytes};
use onnxc_base::tensor::element_count;
use onnxc_base::{Bytes, DType, Diagnostic, Diagnostics, Tensor};
use onnxc_runtime::Allocator;
use onnxc_runtime::module::SOURCE_RUN;
use onnxc_runtime::reader::Port;
use std::ffi::c_void;

/// Everything that a run needs. Runs may follow each other; results stay until the next one.
pub struct Session<'m> {
    module: &'m Module,
    dims: Vec<i64>,
    inputs: Vec<Bytes>,
    outputs: Vec<AlignedBytes>,
    extents: Vec<i64>,
    workspace: AlignedBytes,
    allocator: Allocator,
}

impl<'m> Session<'m> {
    pub(super) fn new(module: &'m Module, inputs: &[Tensor]) -> Result<Self, Diagnostics> {
        let description = module.description();
        let mut dims = module.bind(inputs)?.dims;
        let mut kept = Vec::with_capacity(inputs.len());
        for (tensor, port) in inputs.iter().zip(description.inputs()) {
            kept.push(aligned(tensor).ok_or_else(|| no_memory(port.name, tensor.bytes().len()))?);
        }
        plan(module, &mut dims, &kept)?;
        let bytes = match description.raw().workspace_bytes {
            // The dims are as many as the module says.
            Some(f) => unsafe { f(dims.as_ptr()) },
            None => 0,
        };
        let bytes = usize::try_from(bytes).map_err(|_| no_memory("the workspace", usize::MAX))?;
        let workspace = AlignedBytes::zeros(bytes).ok_or_else(|| no_memory("the workspace", bytes))?;
        let bounds = upper_bounds(module, &dims)?;
        let outputs = description.outputs().map(|p| {
            let bytes = size(&p, &bounds).and_then(|(dtype, shape)| dtype.bytes_for(element_count(&shape)?));
            let bytes = bytes.ok_or_else(|| no_memory(p.name, usize::MAX))?;
            AlignedBytes::zeros(bytes).ok_or_else(|| no_memory(p.name, bytes))
        });
        let outputs = outputs.collect::<Result<_, _>>()?;
        let extents = vec![0; description.extent_count()];
        Ok(Self { module, dims, inputs: kept, outputs, extents, workspace, allocator: heap::allocator() })
    }

    /// The dims of these runs; those known after a run are 0 before.
    pub fn dims(&self) -> &[i64] {
        &self.dims
    }

    /// Bytes of workspace.
    pub fn workspace_bytes(&self) -> usize {
        self.workspace.as_ref().len()
    }

    /// Runs the module.
    pub fn run(&mut self) -> Result<(), Diagnostics> {
        let inputs: Vec<*const c_void> = self.inputs.iter().map(|b| b.as_ptr().cast()).collect();
        let outputs: Vec<*mut c_void> = self.outputs.iter_mut().map(AlignedBytes::as_mut_ptr).collect();
        let Some(call) = self.module.description().raw().call else {
            return Err(Diagnostic::error("E6005", "the module has no entry to call").into());
        };
        // As many dims and buffers as the module says, each of the size that follows from the dims.
        let status = unsafe {
            call(
                self.dims.as_ptr(),
                inputs.as_ptr(),
                outputs.as_ptr(),
                self.extents.as_mut_ptr(),
                &raw const self.allocator,
                self.workspace.as_mut_ptr(),
            )
        };
        if status == 0 { Ok(()) } else { Err(self.module.failed("a run", status).into()) }
    }

    /// The results of the last run, with their true extents.
    pub fn outputs(&self) -> Result<Vec<Tensor>, Diagnostics> {
        let description = self.module.description();
        let mut dims = self.dims.clone();
        for (i, d) in description.dims().iter().enumerate().filter(|(_, d)| d.source == SOURCE_RUN) {
            dims[i] = self.extents.get(d.extent).copied().unwrap_or(0);
        }
        let tensors = description.outputs().zip(&self.outputs).map(|(p, buffer)| {
            let broken = || Diagnostic::error("E6021", format!("output '{}' has extents beyond its bound", p.name));
            let (dtype, shape) = size(&p, &dims).ok_or_else(broken)?;
            let bytes = element_count(&shape).and_then(|n| dtype.bytes_for(n)).and_then(|n| buffer.as_ref().get(..n));
            let data = bytes.map(Bytes::copy_from_slice).ok_or_else(broken)?;
            Tensor::from_bytes(dtype, shape, data).ok_or_else(broken)
        });
        Ok(tensors.collect::<Result<_, Diagnostic>>()?)
    }
}

fn no_memory(what: &str, bytes: usize) -> Diagnostic {
    let much = if bytes == usize::MAX { "more bytes than there can be".to_string() } else { format!("{bytes} bytes") };
    Diagnostic::error("E6016", format!("there is no memory for {what}: {much}"))
}

/// Bytes aligned as modules may expect; a copy only if they aren't.
fn aligned(tensor: &Tensor) -> Option<Bytes> {
    let bytes = tensor.bytes();
    if bytes.as_ptr().addr().is_multiple_of(ALIGN) && !bytes.is_empty() {
        return Some(bytes.clone());
    }
    AlignedBytes::copy_of(bytes).map(Bytes::from_owner)
}

/// Lets the module find the dims that follow from the inputs' values.
fn plan(module: &Module, dims: &mut [i64], inputs: &[Bytes]) -> Result<(), Diagnostics> {
    let Some(plan) = module.description().raw().plan_call else { return Ok(()) };
    let inputs: Vec<*const c_void> = inputs.iter().map(|b| b.as_ptr().cast()).collect();
    // The inputs have the shapes that the dims so far say.
    let status = unsafe { plan(dims.as_mut_ptr(), inputs.as_ptr()) };
    if status == 0 { Ok(()) } else { Err(module.failed("the plan", status).into()) }
}

/// The dims with those of the run at their bounds.
fn upper_bounds(module: &Module, dims: &[i64]) -> Result<Vec<i64>, Diagnostics> {
    let mut out = dims.to_vec();
    for (i, d) in module.description().dims().iter().enumerate().filter(|(_, d)| d.source == SOURCE_RUN) {
        let bound = d.hi.eval(&out);
        out[i] = bound.ok_or_else(|| {
            Diagnostic::error("E6017", format!("dim '{}', known only after the run, has no bound", d.name))
        })?;
    }
    Ok(out)
}

fn size(port: &Port<'_>, dims: &[i64]) -> Option<(DType, Vec<usize>)> {
    let shape = port.shape().map(|e| usize::try_from(e.eval(dims)?).ok()).collect::<Option<_>>()?;
    Some((crate::abi::dtype_of_number(port.dtype)?, shape))
}
