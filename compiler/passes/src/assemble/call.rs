//! Steps that call: kernels, routines, functions that the user links.

use super::kernels::{StepKernel, lower_nodes};
use super::{Assembler, StepReport};
use crate::from_kernel::{KernelArg, Lowered, Machine, from_kernel};
use crate::kernel::{optimise, optimise_with_copy};
use crate::loops::in_place::in_place;
use onnxc_base::{DType, Diagnostic, Sym};
use onnxc_ir::graph::{Attr, NodeId, TensorType, ValueId};
use onnxc_ir::kernel::verify::verify;
use onnxc_ir::kernel::{Body, Kernel, ParamId};
use onnxc_ir::loops::{Arg, BufKind, Callee, ConstData, Extern, Func, FuncId, ParamKind, Ty, Value};
use onnxc_ir::scalar::{BinOp, ReduceOp, Scalar};
use onnxc_ops::RoutineCx;
use onnxc_ops::routine::TensorBuf;

/// A kernel as a function, and what to pass.
pub(super) struct Made {
    func: Func,
    pub args: Vec<KernelArg>,
    /// The parameter in whose place the output is.
    pub taken: Option<ParamId>,
}

/// Checks a kernel, in debug builds and tests: an error is a defect of ours, so all problems and the kernel are shown.
fn verified(kernel: &Kernel, after: &str) -> Result<(), Diagnostic> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    verify(kernel).map_err(|problems| {
        Diagnostic::error("E4012", format!("kernel {} breaks a rule after {after}\n{problems}\n{kernel}", kernel.name))
            .help("this is a defect of the compiler; please report it with the model")
    })
}

/// Lowers a kernel. It writes its output in the place of the first of the parameters `ending` for which that gives
/// the same; that is no argument then.
pub(super) fn made(machine: Machine, kernel: &Kernel, ending: &[ParamId]) -> Result<Made, Diagnostic> {
    let Lowered { mut func, mut args } = from_kernel(kernel, "kernel", machine)?;
    let position = |args: &[KernelArg], a: KernelArg| args.iter().position(|x| *x == a);
    for &p in ending {
        let (Some(read), Some(written)) = (position(&args, KernelArg::Param(p)), position(&args, KernelArg::Output(0)))
        else {
            continue;
        };
        if let Some(f) = in_place(&func, read as u32, written as u32) {
            func = f;
            args.remove(read);
            return Ok(Made { func, args, taken: Some(p) });
        }
    }
    Ok(Made { func, args, taken: None })
}

/// A kernel that writes in the place of a parameter because it reads that through a copy of its next block.
pub(super) fn made_with_copy(
    machine: Machine,
    plain: &Kernel,
    ending: &[ParamId],
) -> Result<Option<(Kernel, Made)>, Diagnostic> {
    for &p in ending {
        let mut kernel = plain.clone();
        optimise_with_copy(&mut kernel, machine, p)?;
        verified(&kernel, "scheduling with a copy")?;
        let made = made(machine, &kernel, &[p])?;
        let in_workspace = made.args.iter().any(|a| matches!(a, KernelArg::Scratch { .. }));
        if made.taken.is_some() && !in_workspace {
            return Ok(Some((kernel, made)));
        }
    }
    Ok(None)
}

impl Assembler<'_> {
    /// Nodes that become one kernel.
    pub(super) fn kernel_step(&mut self, nodes: &[NodeId]) -> Result<(), Diagnostic> {
        for &n in nodes {
            self.define_extents(n)?;
        }
        let outputs = self.leaving(nodes);
        let StepKernel { mut kernel, inputs, outputs } =
            lower_nodes(self.graph, self.registry, nodes, &outputs, &self.ranges)?;
        verified(&kernel, "lowering its nodes")?;
        let (flops, macs) = (flops(&kernel), macs(&kernel));
        kernel.hints = self.tuner.map(|t| t.hints(&kernel, self.machine)).unwrap_or_default();
        let (given, plain) = (kernel.params.len(), kernel.clone());
        optimise(&mut kernel, self.machine)?;
        verified(&kernel, "scheduling")?;
        debug_assert!(given <= inputs.len(), "every parameter is a value");
        let ending = self.ending(&kernel, &inputs, &outputs);
        let mut made = made(self.machine, &kernel, &ending)?;
        let tight = self.ends.is_tight() || self.machine.memory.thrift > 0;
        if made.taken.is_none()
            && tight
            && let Some((k, m)) = made_with_copy(self.machine, &plain, &ending)?
        {
            (kernel, made) = (k, m);
        }
        let (func, args, taken) = self.function(&kernel, made);
        if let Some(p) = taken {
            self.take_over(&kernel, p, &inputs, outputs[0])?;
        }
        self.steps.push(StepReport {
            nodes: nodes.iter().map(|&n| self.graph.nodes[n].name.clone()).collect(),
            ops: nodes.iter().map(|&n| self.graph.nodes[n].op.to_string()).collect(),
            function: Some(self.program.funcs[func].name.clone()),
            flops: Some(flops),
            inputs: kernel.params.values().map(|p| tensor_type(p.dtype, p.shape.clone())).collect(),
            outputs: kernel.outputs.iter().map(|&d| &kernel.defs[d]).map(|d| tensor_type(d.dtype, d.shape())).collect(),
            macs: Some(macs),
        });
        self.call_kernel(&kernel, func, &args, &inputs, &outputs)?;
        if taken.is_some() {
            self.end_rest(outputs[0]);
        }
        outputs.iter().try_for_each(|&v| self.define_elements(v))
    }

    /// The outputs of nodes that someone else wants (one by the cut's rule; all outputs of a single node).
    fn leaving(&self, nodes: &[NodeId]) -> Vec<ValueId> {
        match nodes {
            [n] => self.graph.nodes[*n].outputs.clone(),
            _ => nodes.last().map(|n| self.graph.nodes[*n].outputs.clone()).unwrap_or_default(),
        }
    }

    /// The function of a kernel: a new one, or that of an equal kernel.
    fn function(&mut self, kernel: &Kernel, made: Made) -> (FuncId, Vec<KernelArg>, Option<ParamId>) {
        let Made { func, args, taken } = made;
        let (id, new) = self.shared(func, &kernel.name);
        if new {
            self.kernels.push((kernel.clone(), self.program.funcs[id].name.clone()));
        } else if !self.program.funcs[id].doc.contains(&kernel.doc) {
            let doc = &mut self.program.funcs[id].doc;
            *doc = format!("{doc}\n{}", kernel.doc);
        }
        (id, args, taken)
    }

    /// The output has the memory of a parameter from now on.
    fn take_over(&mut self, kernel: &Kernel, p: ParamId, inputs: &[ValueId], y: ValueId) -> Result<(), Diagnostic> {
        let name = &kernel.params[p].name;
        let from = inputs.iter().copied().find(|v| self.graph.values[*v].name == *name);
        let from = from.and_then(|v| self.storage[v].clone());
        let ty = self.tensor(y)?;
        self.storage[y] = from.map(|t| TensorBuf { buf: t.buf, dtype: ty.dtype, shape: ty.shape });
        Ok(())
    }

    /// The function that is the same code, or this one, which then is new.
    pub(super) fn shared(&mut self, mut func: Func, name: &str) -> (FuncId, bool) {
        let number: usize = self.functions.values().map(Vec::len).sum();
        let alike = self.functions.entry(func.sizes()).or_default();
        if let Some(&f) = alike.iter().find(|f| self.program.funcs[**f].same_code(&func)) {
            return (f, false);
        }
        func.name = format!("{}_{name}_{number}", self.program.name);
        let id = self.program.funcs.push(func);
        alike.push(id);
        (id, true)
    }

    fn call_kernel(
        &mut self,
        kernel: &Kernel,
        func: FuncId,
        args: &[KernelArg],
        inputs: &[ValueId],
        outputs: &[ValueId],
    ) -> Result<(), Diagnostic> {
        let mut passed = Vec::new();
        for arg in args {
            passed.push(match arg {
                KernelArg::Dim(s) => match self.f.lookup(s) {
                    Some(v) => Arg::Value(v),
                    None => {
                        return Err(Diagnostic::error(
                            "E4009",
                            format!("kernel {}: dim {s} has no value here", kernel.name),
                        ));
                    }
                },
                KernelArg::Param(p) => self.param_arg(kernel, *p, inputs)?,
                KernelArg::Output(i) => {
                    let buf = self.allocate(outputs[*i])?.buf;
                    Arg::Buf { buf, offset: None }
                }
                KernelArg::Scratch { name, dtype, count } => {
                    let buf = self.memory(name, *dtype, count)?;
                    Arg::Buf { buf, offset: None }
                }
            });
        }
        let ret = self.program.funcs[func].ret;
        if let Some(status) = self.f.call(Callee::Func(func), passed, ret) {
            self.return_if_failed(status);
        }
        Ok(())
    }

    /// A parameter is the graph's value of its name, or a constant that the kernel's passes made.
    fn param_arg(
        &mut self,
        kernel: &Kernel,
        p: onnxc_ir::kernel::ParamId,
        inputs: &[ValueId],
    ) -> Result<Arg, Diagnostic> {
        let param = &kernel.params[p];
        let value = inputs.iter().copied().find(|v| self.graph.values[*v].name == param.name);
        let buf = match (value, &param.value) {
            (Some(v), _) => self.buffer(v)?.buf,
            (None, Some(t)) => {
                let name = format!("{}.{}", kernel.name, param.name);
                let id = self.program.consts.push(ConstData { name, dtype: param.dtype, data: t.bytes().clone() });
                self.const_buf(id)
            }
            (None, None) => {
                return Err(Diagnostic::error(
                    "E4009",
                    format!("kernel {}: parameter {} is no value", kernel.name, param.name),
                ));
            }
        };
        Ok(Arg::Buf { buf, offset: None })
    }

    /// A node that is written in loops IR.
    pub(super) fn routine(
        &mut self,
        n: NodeId,
        f: fn(&mut RoutineCx) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let node = &self.graph.nodes[n];
        let mut inputs: Vec<Option<TensorBuf>> = Vec::new();
        for v in &node.inputs {
            inputs.push(match v {
                Some(v) => Some(self.buffer(*v)?),
                None => None,
            });
        }
        let mut outputs = Vec::new();
        for &v in &node.outputs {
            outputs.push(self.allocate(v)?);
        }
        self.f.comment(format!("{} ({})", node.name, node.op));
        let cx = RoutineCx::new(&mut self.f, &mut self.program, self.graph, n, inputs, outputs);
        let mut cx = cx.with_early(&self.early).on(self.machine.cores());
        f(&mut cx)?;
        self.heap |= cx.uses_heap();
        node.outputs.iter().try_for_each(|&v| self.define_elements(v))
    }

    /// A node that is a C function: for each input its address and its extents, then the attributes in name order,
    /// then the outputs like the inputs.
    pub(super) fn linked_call(&mut self, n: NodeId, symbol: &str) -> Result<(), Diagnostic> {
        let node = self.graph.nodes[n].clone();
        let (mut params, mut args) = (Vec::new(), Vec::new());
        for v in &node.inputs {
            let v = v.ok_or_else(|| self.error(n, "a linked operator can't leave out an input"))?;
            let t = self.buffer(v)?;
            self.pass_tensor(&t, false, &mut params, &mut args);
        }
        for (name, attr) in &node.attrs.0 {
            let s = match attr {
                Attr::Int(v) => Scalar::i64(*v),
                Attr::Float(v) => Scalar::f32(*v),
                _ => {
                    return Err(self
                        .error(n, format!("attribute '{name}' can't be passed to a C function"))
                        .expected("an integer or a float")
                        .help("implement the operator in Rust with the onnxc library"));
                }
            };
            params.push(ParamKind::Scalar(s.dtype));
            args.push(Arg::Value(self.f.scalar(s)));
        }
        for &v in &node.outputs {
            let t = self.allocate(v)?;
            self.pass_tensor(&t, true, &mut params, &mut args);
        }
        let known = self.f.externs.iter().find(|(_, e)| e.symbol == symbol).map(|(id, e)| (id, e.params.clone()));
        let id = match known {
            Some((id, p)) if p == params => id,
            Some(_) => {
                return Err(self
                    .error(n, format!("C function '{symbol}' is used with two different signatures"))
                    .help("give each signature (ranks, dtypes, attributes) a function of its own"));
            }
            None => self.f.externs.push(Extern { symbol: symbol.into(), params, ret: Some(Ty::I32) }),
        };
        let status = self.f.call(Callee::Extern(id), args, Some(Ty::I32));
        self.custom_failed(status);
        Ok(())
    }

    /// Whatever a user's function returns, the module's status is the documented one.
    fn custom_failed(&mut self, status: Option<Value>) {
        let Some(status) = status else { return };
        let zero = self.f.scalar(Scalar::from_i64(DType::I32, 0));
        let failed = self.f.compare(onnxc_ir::scalar::CmpOp::Ne, status, zero);
        self.return_if(failed, 5);
    }

    fn pass_tensor(&mut self, t: &TensorBuf, mutable: bool, params: &mut Vec<ParamKind>, args: &mut Vec<Arg>) {
        params.push(ParamKind::Buf { dtype: t.dtype, mutable });
        args.push(Arg::Buf { buf: t.buf, offset: None });
        let dims = self.f.buf(DType::I64, BufKind::Stack(t.shape.len().max(1) as u32), "extents");
        for (i, d) in t.shape.iter().enumerate() {
            let (at, d) = (self.f.int(i as i64), self.f.sym(d));
            self.f.store(dims, at, d, None);
        }
        params.push(ParamKind::Buf { dtype: DType::I64, mutable: false });
        args.push(Arg::Buf { buf: dims, offset: None });
    }
}

fn tensor_type(dtype: DType, shape: Vec<Sym>) -> TensorType {
    TensorType { dtype, shape }
}

/// Multiplications of a kernel that are added up.
pub(crate) fn macs(kernel: &Kernel) -> Sym {
    use onnxc_ir::kernel::ExprKind::Binary;
    let mut total = Sym::int(0);
    for d in kernel.defs.values() {
        let Body::Reduce { op: ReduceOp::Add, axes, value, .. } = &d.body else { continue };
        let mut products = 0i64;
        crate::kernel::expr::walk(value, &mut |e| products += i64::from(matches!(e.kind(), Binary(BinOp::Mul, ..))));
        let points = d.axes.iter().chain(axes).fold(Sym::int(1), |n, a| &n * &a.extent);
        total += points * products;
    }
    total
}

/// Floating point operations of a kernel: each operation of each point of each definition counts one.
fn flops(kernel: &Kernel) -> Sym {
    let mut total = Sym::int(0);
    for d in kernel.defs.values().filter(|d| d.dtype.is_float()) {
        let mut points = d.axes.iter().fold(Sym::int(1), |n, a| &n * &a.extent);
        let mut ops = 0i64;
        crate::kernel::expr::walk(d.value(), &mut |e| {
            use onnxc_ir::kernel::ExprKind::{Binary, Unary};
            ops += i64::from(
                matches!(e.kind(), Binary(op, ..) if !matches!(op, BinOp::And | BinOp::Or))
                    || matches!(e.kind(), Unary(..)),
            );
        });
        if let Body::Reduce { axes, .. } = &d.body {
            points = axes.iter().fold(points, |n, a| &n * &a.extent);
            ops += 1;
        }
        total += points * ops;
    }
    total
}
