//! The entry functions: `run`, `plan`, `call` and `workspace_bytes`, and the interface that describes them.

use super::symbols::is_early;
use super::{Assembler, c_identifier};
use crate::loops::in_place::remove_param;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Diagnostics, SecondaryMap, Sym};
use onnxc_ir::graph::{Guard, Relation, SymbolSource, ValueId};
use onnxc_ir::loops::{
    Arg, Buf, BufKind, Callee, Check, CmpOp, DimInfo, DimSource, Func, FuncBuilder, Interface, Linkage, ParamKind,
    Port, Program, Stmt, Ty,
};
use onnxc_ir::scalar::Scalar;
use onnxc_ops::routine::TensorBuf;
use onnxc_ops::{Lower, OpRef};

/// The status for dims out of range or in contradiction.
pub(super) const BAD_DIMS: i32 = 1;
/// The backends' name for the parameter that is the caller's allocator.
const ALLOCATOR: &str = "allocator";

impl Assembler<'_> {
    /// Builds every entry function.
    pub(super) fn entry(&mut self) -> Result<(), Diagnostics> {
        self.program.interface = self.interface()?;
        self.plan()?;
        self.run()?;
        self.call()?;
        Ok(())
    }

    fn interface(&self) -> Result<Interface, Diagnostic> {
        let inputs = self.ports(&self.graph.body.params)?;
        let outputs = self.ports(&self.graph.body.results)?;
        let used = self.used_symbols();
        let mut dims = Vec::new();
        let mut late = 0;
        // Dims of inputs first, then what the plan computes, then what the run finds.
        for pass in 0..3 {
            for (s, info) in self.graph.symbols.iter().filter(|(s, _)| used.contains(*s)) {
                let source = match info.source {
                    SymbolSource::Dim(..) => DimSource::Input,
                    other if is_early(self.graph, other) => DimSource::Plan,
                    _ if outputs.iter().any(|p| p.shape.iter().any(|d| d.contains(s))) => DimSource::Run(late),
                    _ => continue,
                };
                let level = match source {
                    DimSource::Input => 0,
                    DimSource::Plan => 1,
                    DimSource::Run(_) => 2,
                };
                if level == pass {
                    late += u32::from(pass == 2);
                    let early = |x: &Symbol| !self.early.contains(x);
                    let hi = info.hi.as_ref().and_then(|h| self.ranges.upper_bound(h, &early));
                    dims.push(DimInfo { name: s.as_str().into(), source, lo: info.lo, hi });
                }
            }
        }
        let checks = self.checks(&dims);
        Ok(Interface { dims, inputs, outputs, checks, ..Interface::default() })
    }

    /// The guards that a caller who knows the dims can follow.
    fn checks(&self, dims: &[DimInfo]) -> Vec<Check> {
        let known = |s: &Symbol| dims.iter().any(|d| d.name == s.as_str() && !matches!(d.source, DimSource::Run(_)));
        let said = |g: &&Guard| g.region.is_none() && [&g.left, &g.right].iter().all(|s| !s.any_symbol(&|x| !known(x)));
        let check = |g: &Guard| {
            let (left, right, reason) = (g.left.clone(), g.right.clone(), g.reason.clone());
            Check { left, right, or_one: g.relation == Relation::Repeated, reason }
        };
        self.graph.guards.iter().filter(said).map(check).collect()
    }

    fn ports(&self, values: &[ValueId]) -> Result<Vec<Port>, Diagnostic> {
        let port = |&v: &ValueId| {
            let (name, value) = (self.graph.values[v].name.clone(), self.by_value(v));
            let ty = self.model_type(v);
            let shape = ty.as_tensor().map(|t| t.shape.clone()).unwrap_or_default();
            Ok(Port { name, dtype: onnxc_ops::handles::leaf(&ty), shape, value })
        };
        values.iter().map(port).collect()
    }

    /// Starts an entry function: nothing has memory yet.
    fn begin(&mut self, role: &str) {
        self.f = FuncBuilder::new(format!("{}_{role}", self.program.name));
        self.f.externs = std::mem::take(&mut self.program.externs);
        self.f.func.linkage = Linkage::Export;
        self.f.func.ret = Some(Ty::I32);
        self.storage = SecondaryMap::new();
        self.const_bufs.clear();
        self.owned.clear();
    }

    fn finish(&mut self) -> Func {
        let zero = self.f.scalar(Scalar::from_i64(DType::I32, 0));
        self.f.stmt(Stmt::Return(Some(zero)));
        self.taken()
    }

    /// The function being built, complete.
    fn taken(&mut self) -> Func {
        let builder = FuncBuilder::new("");
        let mut f = std::mem::replace(&mut self.f, builder);
        self.program.externs = std::mem::take(&mut f.externs);
        f.finish()
    }

    /// What the parameter of an input or output is called: not like one of the entry's own, which later passes look for.
    fn port_name(&self, v: ValueId) -> String {
        let name = c_identifier(&self.graph.values[v].name);
        if ["dims", "extents", "workspace", ALLOCATOR].contains(&name.as_str()) { name + "_" } else { name }
    }

    /// A parameter per input; gives those that are handed over as values, which have no memory yet.
    fn input_params(&mut self) -> Result<Vec<(ValueId, Buf)>, Diagnostic> {
        let mut values = Vec::new();
        for &v in &self.graph.body.params {
            let t = self.tensor(v)?;
            if self.by_value(v).is_some() {
                values.push((v, self.f.param_buf(&self.port_name(v), DType::U8, false)));
                continue;
            }
            let buf = self.f.param_buf(&self.port_name(v), t.dtype, false);
            self.storage[v] = Some(TensorBuf { buf, dtype: t.dtype, shape: t.shape });
        }
        Ok(values)
    }

    /// Binds dims to the elements of the dims buffer.
    fn bind_dims(&mut self, dims: Buf, wanted: impl Fn(DimSource) -> bool) {
        for (i, d) in self.program.interface.dims.clone().iter().enumerate() {
            if wanted(d.source) {
                let at = self.f.int(i as i64);
                let v = self.f.load(dims, at, 1, None);
                let v = self.f.named(v, &d.name);
                self.f.bind(Symbol::new(&d.name), v);
            }
        }
    }

    /// `plan(inputs.., dims)`: from the dims of inputs and the values of inputs to every other dim known before the run.
    fn plan(&mut self) -> Result<(), Diagnostics> {
        let dims = self.program.interface.dims.clone();
        if !dims.iter().any(|d| d.source == DimSource::Plan) {
            return Ok(());
        }
        self.begin("plan");
        self.input_params()?;
        let out = self.f.param_buf("dims", DType::I64, true);
        self.bind_dims(out, |s| s == DimSource::Input);
        // Also those that no shape mentions: extents may follow from them.
        for &v in &self.graph.body.params {
            self.define_elements(v)?;
        }
        for (i, d) in dims.iter().enumerate().filter(|(_, d)| d.source == DimSource::Plan) {
            let symbol = Symbol::new(&d.name);
            if self.f.lookup(&symbol).is_none() {
                match self.graph.symbols[&symbol].source {
                    SymbolSource::Extent(n, _) => self.define_extents(n)?,
                    SymbolSource::Element(v, _) => self.define_elements(v)?,
                    _ => {}
                }
            }
            let value = self.f.sym(&Sym::var(symbol));
            let at = self.f.int(i as i64);
            self.f.store(out, at, value, None);
        }
        self.check_dims(|s| s != DimSource::Input);
        let f = self.finish();
        self.program.interface.entries.plan = Some(self.program.funcs.push(f));
        Ok(())
    }

    /// Dims out of their range end the function.
    fn check_dims(&mut self, wanted: impl Fn(DimSource) -> bool) {
        for d in self
            .program
            .interface
            .dims
            .clone()
            .iter()
            .filter(|d| wanted(d.source) && !matches!(d.source, DimSource::Run(_)))
        {
            let v = self.f.sym(&Sym::var(Symbol::new(&d.name)));
            let lo = self.f.int(d.lo);
            let low = self.f.compare(CmpOp::Lt, v, lo);
            self.return_if(low, BAD_DIMS);
            if let Some(hi) = &d.hi {
                let hi = self.f.sym(hi);
                let high = self.f.compare(CmpOp::Gt, v, hi);
                self.return_if(high, BAD_DIMS);
            }
        }
    }

    /// `run(dims, inputs.., outputs.., extents, allocator, workspace)`.
    fn run(&mut self) -> Result<(), Diagnostics> {
        self.begin("run");
        let dims = self.program.interface.dims.clone();
        let dims_buf = (!dims.is_empty()).then(|| self.f.param_buf("dims", DType::I64, false));
        let given = self.input_params()?;
        let outputs = self.output_params()?;
        let late = dims.iter().any(|d| matches!(d.source, DimSource::Run(_)));
        let extents = late.then(|| self.f.param_buf("extents", DType::I64, true));
        let byte = ParamKind::Buf { dtype: DType::U8, mutable: true };
        let allocator = self.f.param_hidden(ALLOCATOR, byte);
        self.f.param_buf("workspace", DType::U8, true);
        if let Some(b) = dims_buf {
            self.bind_dims(b, |s| !matches!(s, DimSource::Run(_)));
            self.check_dims(|_| true);
        }
        self.start_profile();
        self.begin_objects();
        self.import_inputs(&given)?;
        for &v in &self.graph.body.params {
            self.define_elements(v)?;
        }
        self.check_guards(true);
        let body = self.graph.body.clone();
        self.region(&body)?;
        self.check_guards(false);
        let mut values = Vec::new();
        for (&v, buf) in body.results.iter().zip(&outputs) {
            if self.by_value(v).is_some() {
                values.push((v, *buf));
                continue;
            }
            let from = self.buffer(v)?;
            if from.buf != *buf {
                let to = TensorBuf { buf: *buf, ..from.clone() };
                self.copy(&from, &to);
            }
        }
        if let Some(extents) = extents {
            self.store_extents(extents, &dims)?;
        }
        if !values.is_empty() {
            let allocator = self.f.buf(DType::U8, BufKind::Param(allocator), ALLOCATOR);
            self.export_outputs(&values, allocator)?;
        }
        let zero = self.f.scalar(Scalar::from_i64(DType::I32, 0));
        self.f.stmt(Stmt::Return(Some(zero)));
        let mut ended = self.f.open_body();
        self.end_objects(&mut ended);
        self.f.set_body(ended);
        let mut f = self.taken();
        if !self.heap {
            remove_param(&mut f, allocator);
        }
        self.program.interface.entries.run = Some(self.program.funcs.push(f));
        Ok(())
    }

    /// A parameter per output. What an output is an alias of lives there too.
    fn output_params(&mut self) -> Result<Vec<Buf>, Diagnostic> {
        let mut bufs = Vec::new();
        for &v in &self.graph.body.results {
            let name = self.port_name(v);
            if self.by_value(v).is_some() {
                bufs.push(self.f.param_buf(&name, DType::U8, true));
                continue;
            }
            let t = self.tensor(v)?;
            let buf = self.f.param_buf(&name, t.dtype, true);
            bufs.push(buf);
            let mut at = v;
            loop {
                let free = self.storage[at].is_none() && self.graph.producer(at).is_some();
                if !free || (at != v && self.graph.body.results.contains(&at)) {
                    break;
                }
                let t = self.tensor(at)?;
                self.storage[at] = Some(TensorBuf { buf, dtype: t.dtype, shape: t.shape });
                match self.alias_source(at) {
                    Some(x) => at = x,
                    None => break,
                }
            }
        }
        Ok(bufs)
    }

    /// The value that another is just another shape of, of the same dtype.
    fn alias_source(&self, v: ValueId) -> Option<ValueId> {
        let n = self.graph.producer(v)?;
        let node = &self.graph.nodes[n];
        let in_body = self.graph.body.nodes.contains(&n);
        match self.registry.find(&node.op) {
            Some(OpRef::Builtin(d)) if in_body && matches!(d.lower, Lower::Alias) => {
                let x = node.inputs.first().copied().flatten()?;
                let from_body = self.graph.producer(x).is_some_and(|p| self.graph.body.nodes.contains(&p));
                let dtype = |v: ValueId| self.graph.tensor_type(v).map(|t| t.dtype);
                (from_body && dtype(x) == dtype(v)).then_some(x)
            }
            _ => None,
        }
    }

    fn store_extents(&mut self, extents: Buf, dims: &[DimInfo]) -> Result<(), Diagnostic> {
        for d in dims {
            if let DimSource::Run(k) = d.source {
                let symbol = Symbol::new(&d.name);
                let value = self.f.lookup(&symbol).ok_or_else(|| {
                    Diagnostic::error("E4011", format!("extent {symbol} is not known at the end of the run"))
                        .help("this is a defect; please report it with the model")
                })?;
                let at = self.f.int(i64::from(k));
                self.f.store(extents, at, value, None);
            }
        }
        Ok(())
    }

    /// `call(dims, inputs, outputs, extents, allocator, workspace)`: `run` for loaders, the same for every module.
    fn call(&mut self) -> Result<(), Diagnostics> {
        let Some(run) = self.program.interface.entries.run else { return Ok(()) };
        let params = self.program.funcs[run].params.clone();
        let interface = self.program.interface.clone();
        self.begin("call");
        let dims = self.f.param_buf("dims", DType::I64, false);
        let (inputs, outputs) = (self.f.param_table("inputs"), self.f.param_table("outputs"));
        let extents = self.f.param_buf("extents", DType::I64, true);
        let allocator = self.f.param_buf(ALLOCATOR, DType::U8, true);
        let workspace = self.f.param_buf("workspace", DType::U8, true);
        let mut args = Vec::new();
        let whole = |buf: Buf| Arg::Buf { buf, offset: None };
        if !interface.dims.is_empty() {
            args.push(whole(dims));
        }
        for (table, ports) in [(inputs, &interface.inputs), (outputs, &interface.outputs)] {
            for (i, p) in ports.iter().enumerate() {
                let dtype = if p.value.is_some() { DType::U8 } else { p.dtype };
                let buf = self.f.buf(dtype, BufKind::Local, &c_identifier(&p.name));
                self.f.stmt(Stmt::Entry { buf, table, index: i as u32 });
                args.push(whole(buf));
            }
        }
        let rest = params.len() - args.len();
        let late = interface.dims.iter().any(|d| matches!(d.source, DimSource::Run(_)));
        let tail = [(late, extents), (self.heap, allocator), (true, workspace)];
        args.extend(tail.into_iter().filter(|(used, _)| *used).map(|(_, b)| whole(b)));
        debug_assert_eq!(args.len() - (params.len() - rest), rest, "call passes what run takes");
        let status = self.f.call(Callee::Func(run), args, Some(Ty::I32));
        self.f.stmt(Stmt::Return(status));
        let f = self.taken();
        self.program.interface.entries.call = Some(self.program.funcs.push(f));
        Ok(())
    }
}

/// Adds `NAME_workspace_bytes(dims) -> i64`, or makes it anew, once the interface's closed form is set.
pub fn set_workspace_function(program: &mut Program) {
    let bytes = program.interface.workspace.clone().unwrap_or(Sym::int(0));
    let mut f = FuncBuilder::new(format!("{}_workspace_bytes", program.name));
    f.func.linkage = Linkage::Export;
    f.func.ret = Some(Ty::I64);
    if !program.interface.dims.is_empty() {
        let dims = f.param_buf("dims", DType::I64, false);
        for (i, d) in program.interface.dims.iter().enumerate() {
            if !matches!(d.source, DimSource::Run(_)) {
                let at = f.int(i as i64);
                let v = f.load(dims, at, 1, None);
                f.bind(Symbol::new(&d.name), v);
            }
        }
    }
    for (name, size) in &program.interface.sizes {
        let v = f.sym(size);
        f.bind(name.clone(), v);
    }
    let v = f.sym(&bytes);
    f.stmt(Stmt::Return(Some(v)));
    match program.interface.entries.workspace_bytes {
        Some(id) => program.funcs[id] = f.finish(),
        None => program.interface.entries.workspace_bytes = Some(program.funcs.push(f.finish())),
    }
}
