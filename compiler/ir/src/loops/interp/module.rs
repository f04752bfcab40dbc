//! Runs a whole module through its interface: tensors in, tensors out.

use super::{ArgVal, Fault, Interp, InterpError};
use crate::loops::*;
use onnxc_base::Tensor;
use onnxc_base::sym::Symbol;
use std::collections::BTreeMap;

/// The dims of a module, in the interface's order, from the shapes of its inputs; dims known later are 0.
/// The message says which input doesn't fit, where, what was given and what is expected.
pub fn infer_dims(interface: &Interface, inputs: &[Tensor]) -> Result<Vec<i64>, String> {
    if inputs.len() != interface.inputs.len() {
        return Err(format!("{} inputs given, {} expected", inputs.len(), interface.inputs.len()));
    }
    let mut dims: Vec<Option<i64>> = interface.dims.iter().map(|_| None).collect();
    for (port, tensor) in interface.inputs.iter().zip(inputs) {
        if tensor.dtype() != port.dtype {
            return Err(format!("input '{}' has elements of {}, expected {}", port.name, tensor.dtype(), port.dtype));
        }
        if tensor.shape().len() != port.shape.len() {
            return Err(format!(
                "input '{}' has rank {}, expected {}",
                port.name,
                tensor.shape().len(),
                port.shape.len()
            ));
        }
        for (&extent, sym) in tensor.shape().iter().zip(&port.shape) {
            solve(interface, sym, extent as i64, &mut dims);
        }
    }
    let known: Vec<i64> = dims.iter().map(|d| d.unwrap_or(0)).collect();
    for (dim, value) in interface.dims.iter().zip(&dims) {
        check_range(interface, &known, dim, *value)?;
    }
    for (port, tensor) in interface.inputs.iter().zip(inputs) {
        for (axis, (&got, sym)) in tensor.shape().iter().zip(&port.shape).enumerate() {
            let want = eval(interface, &known, sym)?;
            if got as i64 != want {
                let why = if sym.as_int().is_some() { String::new() } else { format!(" ({sym})") };
                return Err(format!("input '{}', dim {axis}: {got} given, {want}{why} expected", port.name));
            }
        }
    }
    Ok(known)
}

/// Sets the dim that `sym = extent` gives, if it is linear in just one that isn't known.
fn solve(interface: &Interface, sym: &Sym, extent: i64, dims: &mut [Option<i64>]) {
    let position = |s: &Symbol| interface.dims.iter().position(|d| d.name == s.as_str());
    let unknown: Vec<Symbol> =
        sym.symbols().into_iter().filter(|s| position(s).is_some_and(|i| dims[i].is_none())).collect();
    let [symbol] = unknown.as_slice() else { return };
    let Some((c, r)) = sym.split_linear(symbol) else { return };
    let value = |s: &Symbol| position(s).and_then(|i| dims[i]);
    if let (Ok(c), Ok(r), Some(i)) = (c.eval(&value), r.eval(&value), position(symbol)) {
        dims[i] = extent.checked_sub(r).and_then(|n| n.checked_div(c));
    }
}

fn check_range(interface: &Interface, dims: &[i64], dim: &DimInfo, value: Option<i64>) -> Result<(), String> {
    if dim.source != DimSource::Input {
        return Ok(());
    }
    let value = value.ok_or_else(|| format!("no input's shape says what '{}' is", dim.name))?;
    let hi = dim.hi.as_ref().map(|h| eval(interface, dims, h)).transpose()?;
    if value < dim.lo || hi.is_some_and(|h| value > h) {
        let hi = hi.map_or_else(|| "any".to_owned(), |h| h.to_string());
        return Err(format!("'{}' is {value}, allowed: {} to {hi}", dim.name, dim.lo));
    }
    Ok(())
}

fn eval(interface: &Interface, dims: &[i64], sym: &Sym) -> Result<i64, String> {
    let value = |s: &Symbol| interface.dims.iter().position(|d| d.name == s.as_str()).map(|i| dims[i]);
    sym.eval(&value).map_err(|e| format!("{sym}: {e}"))
}

/// Bytes of the workspace: what says them, one after the other.
fn workspace(interface: &Interface, dims: &[i64]) -> Result<i64, String> {
    let mut known = BTreeMap::new();
    let dim = |s: &Symbol| interface.dims.iter().position(|d| d.name == s.as_str()).map(|i| dims[i]);
    let last = interface.workspace.iter().map(|w| (None, w));
    for (name, size) in interface.sizes.iter().map(|(name, size)| (Some(name), size)).chain(last) {
        let value = |s: &Symbol| known.get(&Some(s)).copied().or_else(|| dim(s));
        let bytes = size.eval(&value).map_err(|e| format!("{size}: {e}"))?;
        known.insert(name, bytes);
    }
    Ok(known.get(&None).copied().unwrap_or(0))
}

/// Runs a module that needs no linked functions.
pub fn run_module(program: &Program, inputs: &[Tensor]) -> Result<Vec<Tensor>, InterpError> {
    Interp::new(program).run_module(inputs)
}

impl Interp<'_> {
    /// Runs the program's `run` entry (after `plan`, if there is one): dims come from the inputs' shapes, outputs have
    /// the extents that the run found.
    pub fn run_module(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InterpError> {
        let interface = &self.program.interface;
        let name = &self.program.name;
        let fail = |fault| InterpError { func: name.clone(), stmt: String::new(), fault };
        let bad = |text: String| fail(Fault::Arguments(text));
        let mut dims = infer_dims(interface, inputs).map_err(bad)?;
        let tensors: Vec<ArgVal> = inputs.iter().map(|t| ArgVal::Shared(t.bytes().clone())).collect();
        if let Some(plan) = interface.entries.plan {
            self.plan(plan, &tensors, &mut dims)?;
        }
        let run = interface.entries.run.ok_or_else(|| bad("there is no entry 'run'".into()))?;
        for (i, d) in interface.dims.iter().enumerate() {
            if let (DimSource::Run(_), Some(hi)) = (d.source, &d.hi) {
                dims[i] = eval(interface, &dims, hi).map_err(bad)?;
            } else if let DimSource::Run(_) = d.source {
                return Err(bad(format!("'{}' has no upper bound", d.name)));
            }
        }
        let mut args = self.run_args(run, tensors, &dims).map_err(bad)?;
        let status = self.call(run, &mut args)?.map_or(0, Scalar::to_i64);
        if status != 0 {
            return Err(fail(Fault::Status(status)));
        }
        self.outputs(&args, dims).map_err(bad)
    }

    /// `plan(inputs.., dims)`: sets the dims that follow from input values.
    fn plan(&mut self, plan: FuncId, inputs: &[ArgVal], dims: &mut Vec<i64>) -> Result<(), InterpError> {
        let f = &self.program.funcs[plan];
        let at = f.params.iter().position(|p| matches!(p.kind, ParamKind::Buf { mutable: true, .. })).unwrap_or(0);
        let mut args = inputs.to_vec();
        args.insert(at.min(args.len()), ArgVal::buf(dims));
        let status = self.call(plan, &mut args)?.map_or(0, Scalar::to_i64);
        if status != 0 {
            return Err(InterpError { func: f.name.clone(), stmt: String::new(), fault: Fault::Status(status) });
        }
        *dims = args[at].elements();
        Ok(())
    }

    /// `run(dims, inputs.., outputs.., extents, allocator, workspace)`.
    fn run_args(&self, run: FuncId, inputs: Vec<ArgVal>, dims: &[i64]) -> Result<Vec<ArgVal>, String> {
        let interface = &self.program.interface;
        let mut args = Vec::new();
        if !dims.is_empty() {
            args.push(ArgVal::buf(dims));
        }
        args.extend(inputs);
        for port in &interface.outputs {
            let shape = self.shape(port, dims)?;
            let bytes = Tensor::zeros(port.dtype, &shape).map(|t| t.bytes().to_vec());
            args.push(ArgVal::Buf(bytes.ok_or_else(|| format!("output '{}' is too large", port.name))?));
        }
        let extents = run_dims(interface).map(|(_, n)| n + 1).max().unwrap_or(0);
        if extents > 0 {
            args.push(ArgVal::buf(&vec![0i64; extents]));
        }
        let params = &self.program.funcs[run].params;
        while args.len() + 1 < params.len() {
            // The allocator: the interpreter has its own.
            args.push(if params[args.len()].kind == ParamKind::Table { ArgVal::Table(vec![]) } else { ArgVal::Null });
        }
        if args.len() < params.len() {
            let bytes = workspace(interface, dims)?;
            args.push(ArgVal::Buf(vec![0xff; usize::try_from(bytes).unwrap_or(0)]));
        }
        Ok(args)
    }

    /// The outputs among the arguments, cut to their true extents.
    fn outputs(&self, args: &[ArgVal], mut dims: Vec<i64>) -> Result<Vec<Tensor>, String> {
        let interface = &self.program.interface;
        let first = usize::from(!dims.is_empty()) + interface.inputs.len();
        let extents: Vec<i64> = args.get(first + interface.outputs.len()).map(ArgVal::elements).unwrap_or_default();
        for (dim, n) in run_dims(interface) {
            dims[dim] = extents[n];
        }
        let outputs = interface.outputs.iter().zip(&args[first..]);
        outputs
            .map(|(port, arg)| {
                let shape = self.shape(port, &dims)?;
                let need = onnxc_base::tensor::element_count(&shape).and_then(|n| port.dtype.bytes_for(n));
                let data = need.and_then(|n| arg.elements::<u8>().get(..n).map(Bytes::copy_from_slice));
                let tensor = data.and_then(|d| Tensor::from_bytes(port.dtype, shape, d));
                tensor.ok_or_else(|| format!("output '{}' is larger than its bound", port.name))
            })
            .collect()
    }

    fn shape(&self, port: &Port, dims: &[i64]) -> Result<Vec<usize>, String> {
        let extent = |s: &Sym| {
            let v = eval(&self.program.interface, dims, s)?;
            usize::try_from(v).map_err(|_| format!("'{}' has the negative extent {v}", port.name))
        };
        port.shape.iter().map(extent).collect()
    }
}

/// The dims known after the run: position among the dims, position among the extents.
fn run_dims(interface: &Interface) -> impl Iterator<Item = (usize, usize)> + '_ {
    interface.dims.iter().enumerate().filter_map(|(i, d)| match d.source {
        DimSource::Run(n) => Some((i, n as usize)),
        _ => None,
    })
}
