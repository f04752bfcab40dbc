//! Memory and pointers for runs of a module with inputs of one shape.

use super::Module;
use super::values::{self, Built};
use crate::heap::{self, AlignedBytes};
use onnxc_base::tensor::element_count;
use onnxc_base::{Bytes, DType, Diagnostic, Diagnostics, Tensor, Value};
use onnxc_runtime::Allocator;
use onnxc_runtime::module::SOURCE_RUN;
use onnxc_runtime::reader::Port;
use onnxc_runtime::value::ValueV1;
use std::ffi::c_void;

/// Everything that a run needs. Runs may follow each other; results stay until the next one.
pub struct Session<'m> {
    module: &'m Module,
    dims: Vec<i64>,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    extents: Vec<i64>,
    workspace: AlignedBytes,
    allocator: Allocator,
    /// What the inputs' structs point to.
    _built: Built,
}

/// What a module is given for an input.
enum Input {
    Elements(Bytes),
    Value(Box<ValueV1>),
}

/// Where a module puts an output.
enum Output {
    Elements(AlignedBytes),
    Value(Box<ValueV1>),
}

// The structs point to memory that the session owns alone.
unsafe impl Send for Session<'_> {}
unsafe impl Sync for Session<'_> {}

impl<'m> Session<'m> {
    pub(super) fn new(module: &'m Module, inputs: &[Value]) -> Result<Self, Diagnostics> {
        let description = module.description();
        let mut dims = module.bind(inputs)?.dims;
        let mut built = Built::default();
        let mut kept = Vec::with_capacity(inputs.len());
        for (value, port) in inputs.iter().zip(description.inputs()) {
            kept.push(match value.tensor().filter(|_| !port.by_value) {
                Some(t) => Input::Elements(aligned(t).ok_or_else(|| no_memory(port.name, t.bytes().len()))?),
                None => Input::Value(Box::new(built.value(value))),
            });
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
            if p.by_value {
                return Ok(Output::Value(Box::new(ValueV1::NONE)));
            }
            let bytes = size(&p, &bounds).and_then(|(dtype, shape)| dtype.bytes_for(element_count(&shape)?));
            let bytes = bytes.ok_or_else(|| no_memory(p.name, usize::MAX))?;
            AlignedBytes::zeros(bytes).map(Output::Elements).ok_or_else(|| no_memory(p.name, bytes))
        });
        let outputs = outputs.collect::<Result<_, Diagnostic>>()?;
        let extents = vec![0; description.extent_count()];
        let allocator = heap::allocator();
        Ok(Self { module, dims, inputs: kept, outputs, extents, workspace, allocator, _built: built })
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
        self.give_back();
        let inputs: Vec<*const c_void> = self.inputs.iter().map(Input::address).collect();
        let outputs: Vec<*mut c_void> = self.outputs.iter_mut().map(Output::address).collect();
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
        if status == 0 { Ok(()) } else { Err(self.module.failed("a run", status, &self.dims).into()) }
    }

    /// The results of the last run, with their true extents; refuses one that is no tensor.
    pub fn outputs(&self) -> Result<Vec<Tensor>, Diagnostics> {
        tensors(self.module, self.values()?)
    }

    /// The results of the last run, of any kind.
    pub fn values(&self) -> Result<Vec<Value>, Diagnostics> {
        self.results(self.outputs.iter().map(|o| match o {
            Output::Elements(b) => Bytes::copy_from_slice(b.as_ref()),
            Output::Value(_) => Bytes::new(),
        }))
    }

    /// As [`Session::outputs`], for the last of all runs: the tensors keep the buffers.
    pub fn into_outputs(self) -> Result<Vec<Tensor>, Diagnostics> {
        let module = self.module;
        tensors(module, self.into_values()?)
    }

    /// As [`Session::values`], for the last of all runs: tensors keep the buffers.
    pub fn into_values(mut self) -> Result<Vec<Value>, Diagnostics> {
        let mut buffers = Vec::with_capacity(self.outputs.len());
        for output in &mut self.outputs {
            let empty = Output::Value(Box::new(ValueV1::NONE));
            buffers.push(match output {
                Output::Value(_) => Bytes::new(),
                Output::Elements(_) => match std::mem::replace(output, empty) {
                    Output::Elements(b) => Bytes::from_owner(b),
                    Output::Value(_) => Bytes::new(),
                },
            });
        }
        self.results(buffers.into_iter())
    }

    /// The values of outputs, tensors from these buffers, with the extents of the last run.
    fn results(&self, buffers: impl Iterator<Item = Bytes>) -> Result<Vec<Value>, Diagnostics> {
        let description = self.module.description();
        let mut dims = self.dims.clone();
        for (i, d) in description.dims().iter().enumerate().filter(|(_, d)| d.source == SOURCE_RUN) {
            dims[i] = self.extents.get(d.extent).copied().unwrap_or(0);
        }
        let values = description.outputs().zip(&self.outputs).zip(buffers).map(|((p, output), buffer)| {
            let broken = || Diagnostic::error("E6021", format!("output '{}' has extents beyond its bound", p.name));
            if let (true, Output::Value(v)) = (p.by_value, output) {
                // What the module wrote, or nothing yet.
                return unsafe { values::read(v, p.type_text.starts_with("optional(")) }.ok_or_else(broken);
            }
            let (dtype, shape) = size(&p, &dims).ok_or_else(broken)?;
            let bytes = element_count(&shape).and_then(|n| dtype.bytes_for(n)).filter(|&n| n <= buffer.len());
            let data = bytes.map(|n| buffer.slice(..n)).ok_or_else(broken)?;
            Tensor::from_bytes(dtype, shape, data).map(Value::Tensor).ok_or_else(broken)
        });
        Ok(values.collect::<Result<_, Diagnostic>>()?)
    }

    /// Gives back what the last run has taken from the allocator for its outputs.
    fn give_back(&mut self) {
        for output in &mut self.outputs {
            if let Output::Value(v) = output {
                if !v.block.is_null() {
                    // The module got it from this allocator.
                    unsafe { (self.allocator.release)(self.allocator.context, v.block) };
                }
                **v = ValueV1::NONE;
            }
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Input {
    fn address(&self) -> *const c_void {
        match self {
            Input::Elements(b) => b.as_ptr().cast(),
            Input::Value(v) => (&raw const **v).cast(),
        }
    }
}

impl Output {
    fn address(&mut self) -> *mut c_void {
        match self {
            Output::Elements(b) => b.as_mut_ptr(),
            Output::Value(v) => (&raw mut **v).cast(),
        }
    }
}

/// Outputs as tensors.
fn tensors(module: &Module, values: Vec<Value>) -> Result<Vec<Tensor>, Diagnostics> {
    let tensor = |(v, p): (Value, Port<'_>)| {
        let kind = v.kind();
        v.into_tensor().ok_or_else(|| Diagnostic::error("E6022", format!("output '{}' is {kind}, no tensor", p.name)))
    };
    Ok(values.into_iter().zip(module.description().outputs()).map(tensor).collect::<Result<_, _>>()?)
}

fn no_memory(what: &str, bytes: usize) -> Diagnostic {
    let much = if bytes == usize::MAX { "more bytes than there can be".to_string() } else { format!("{bytes} bytes") };
    Diagnostic::error("E6016", format!("there is no memory for {what}: {much}"))
}

/// Bytes aligned to their elements, which is all that modules expect of inputs; a copy only if they aren't.
fn aligned(tensor: &Tensor) -> Option<Bytes> {
    let bytes = tensor.bytes();
    // The parts of complex numbers are elements of their own.
    let align = tensor.dtype().size().clamp(1, 8);
    if bytes.as_ptr().addr().is_multiple_of(align) && !bytes.is_empty() {
        return Some(bytes.clone());
    }
    AlignedBytes::copy_of(bytes).map(Bytes::from_owner)
}

/// Lets the module find the dims that follow from the inputs' values.
fn plan(module: &Module, dims: &mut [i64], inputs: &[Input]) -> Result<(), Diagnostics> {
    let Some(plan) = module.description().raw().plan_call else { return Ok(()) };
    let inputs: Vec<*const c_void> = inputs.iter().map(Input::address).collect();
    // The inputs have the shapes that the dims so far say.
    let status = unsafe { plan(dims.as_mut_ptr(), inputs.as_ptr()) };
    if status == 0 { Ok(()) } else { Err(module.failed("the plan", status, &[]).into()) }
}

/// The dims with those of the run at their bounds. One without a bound is 0: only outputs that the module makes room for
/// itself may have it, and others are refused when their size is asked for.
fn upper_bounds(module: &Module, dims: &[i64]) -> Result<Vec<i64>, Diagnostics> {
    let description = module.description();
    let mut out = dims.to_vec();
    let counts = |i: usize| description.outputs().any(|p| !p.by_value && p.shape().any(|e| super::bind::uses(e, i)));
    for (i, d) in description.dims().iter().enumerate().filter(|(_, d)| d.source == SOURCE_RUN) {
        out[i] = match d.hi.eval(&out) {
            Some(bound) => bound,
            None if !counts(i) => 0,
            None => {
                let what = format!("dim '{}', known only after the run, has no bound", d.name);
                return Err(Diagnostic::error("E6017", what).into());
            }
        };
    }
    Ok(out)
}

fn size(port: &Port<'_>, dims: &[i64]) -> Option<(DType, Vec<usize>)> {
    let shape = port.shape().map(|e| usize::try_from(e.eval(dims)?).ok()).collect::<Option<_>>()?;
    Some((crate::abi::dtype_of_number(port.dtype)?, shape))
}
