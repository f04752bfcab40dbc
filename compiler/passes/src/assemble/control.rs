//! Control flow: If, Loop and Scan with any bodies.
//!
//! A loop-carried tensor lives in one state buffer: the initial value is copied in, each iteration's result is copied
//! over it when the iteration is done. If its extents change, the state is a pointer to memory from the caller's
//! allocator, made anew each iteration.

use super::Assembler;
use super::entry::BAD_DIMS;
use super::memory::OUT_OF_MEMORY;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Diagnostics, Sym};
use onnxc_ir::graph::{NodeId, Region, SymbolSource, ValueId};
use onnxc_ir::loops::{Buf, BufKind, CmpOp, LoopKind, Op, Space, Stmt, Ty, Value, Var};
use onnxc_ir::scalar::{BinOp, Scalar, UnOp};
use onnxc_ops::Control;
use onnxc_ops::routine::TensorBuf;

/// One carried value of a loop.
struct Carried {
    param: ValueId,
    result: ValueId,
    output: ValueId,
    state: TensorBuf,
    /// Symbols of extents that change, with the variables that hold them between iterations.
    dims: Vec<(Symbol, Var, usize)>,
}

/// What the iterations of a loop give, one after the other.
struct Scanned {
    result: ValueId,
    out: ValueId,
    /// How many elements the memory holds so far, where it grows.
    capacity: Option<Var>,
    /// Symbols of a slice's extents that are known only when there is one, with their variables and axes.
    dims: Vec<(Symbol, Var, usize)>,
}

impl Assembler<'_> {
    /// Emits a control flow node.
    pub(super) fn control(&mut self, n: NodeId, control: Control) -> Result<(), Diagnostics> {
        self.f.comment(format!("{} ({})", self.graph.nodes[n].name, self.graph.nodes[n].op));
        match control {
            Control::If => self.if_node(n)?,
            Control::Loop => self.loop_node(n)?,
            Control::Scan => self.scan_node(n)?,
        }
        for &v in &self.graph.nodes[n].outputs {
            self.define_elements(v)?;
        }
        Ok(())
    }

    /// Extents of the outputs that are known only when the node has run: symbol and number.
    fn result_symbols(&self, n: NodeId) -> Vec<Symbol> {
        let mine = |s: &SymbolSource| matches!(s, SymbolSource::Result(node, _) if *node == n);
        self.graph.symbols.iter().filter(|(_, i)| mine(&i.source)).map(|(s, _)| s.clone()).collect()
    }

    fn input(&self, n: NodeId, i: usize) -> Option<ValueId> {
        self.graph.nodes[n].inputs.get(i).copied().flatten()
    }

    /// The single element of a tensor.
    fn scalar_of(&mut self, v: ValueId) -> Result<Value, Diagnostic> {
        let t = self.buffer(v)?;
        let zero = self.f.int(0);
        Ok(self.f.load(t.buf, zero, 1, None))
    }

    fn if_node(&mut self, n: NodeId) -> Result<(), Diagnostics> {
        let node = self.graph.nodes[n].clone();
        let cond = self.input(n, 0).ok_or_else(|| self.error(n, "If has no condition"))?;
        let cond = self.scalar_of(cond)?;
        let symbols: Vec<(Symbol, Var)> =
            self.result_symbols(n).into_iter().map(|s| (s.clone(), self.f.var(Ty::I64, &[], s.as_str()))).collect();
        let mut outputs = Vec::new();
        for &v in &node.outputs {
            outputs.push(self.allocate(v)?);
        }
        let mut blocks = Vec::new();
        for (i, region) in node.regions.iter().enumerate() {
            let mut checked = self.checkable_guards();
            self.f.open_block();
            self.branches.push((n, i));
            self.check_new_guards(&mut checked);
            let done = self.branch(region, &node.outputs, &outputs, &symbols);
            self.check_new_guards(&mut checked);
            self.branches.pop();
            blocks.push(self.f.close_block());
            done?;
        }
        let els = blocks.pop().unwrap_or_default();
        let then = blocks.pop().unwrap_or_default();
        self.f.stmt(Stmt::If { cond, then, els });
        for (s, var) in symbols {
            let v = self.f.get(var, &[]);
            self.f.bind(s, v);
        }
        Ok(())
    }

    /// One branch: its results go to the outputs, their extents to the variables.
    fn branch(
        &mut self,
        region: &Region,
        values: &[ValueId],
        outputs: &[TensorBuf],
        symbols: &[(Symbol, Var)],
    ) -> Result<(), Diagnostics> {
        self.region(region)?;
        for ((&result, &value), to) in region.results.iter().zip(values).zip(outputs) {
            let from = self.buffer(result)?;
            self.copy(&from, to);
            self.set_extents(value, &from.shape, symbols)?;
        }
        Ok(())
    }

    /// Sets the variable of each extent of a value that is a bare symbol of the node.
    fn set_extents(&mut self, value: ValueId, shape: &[Sym], symbols: &[(Symbol, Var)]) -> Result<(), Diagnostic> {
        for (d, actual) in self.tensor(value)?.shape.iter().zip(shape) {
            if let Some((_, var)) = symbols.iter().find(|(s, _)| d.as_symbol() == Some(s)) {
                let v = self.f.sym(actual);
                self.f.set(*var, &[], v);
            }
        }
        Ok(())
    }

    fn loop_node(&mut self, n: NodeId) -> Result<(), Diagnostics> {
        let node = self.graph.nodes[n].clone();
        let body = node.regions[0].clone();
        let carried = node.inputs.len().saturating_sub(2);
        let limit = match self.input(n, 0) {
            Some(m) => {
                let m = self.scalar_of(m)?;
                self.f.cast(m, DType::I64)
            }
            None => self.f.int(i64::MAX),
        };
        let going = self.f.var(Ty::BOOL, &[], "going");
        let start = match self.input(n, 1) {
            Some(c) => self.scalar_of(c)?,
            None => self.f.scalar(Scalar::bool(true)),
        };
        self.f.set(going, &[], start);
        let trips = self.f.var(Ty::I64, &[], "trips");
        let zero = self.f.int(0);
        self.f.set(trips, &[], zero);
        let index = self.cell(DType::I64, "iteration");
        let flag = self.cell(DType::Bool, "condition");
        self.place(body.params[0], index)?;
        self.place(body.params[1], flag)?;
        let mut states = Vec::new();
        for k in 0..carried {
            let initial = self.input(n, k + 2).ok_or_else(|| self.error(n, format!("carried value {k} is missing")))?;
            states.push(self.carry(initial, body.params[k + 2], body.results[k + 1], node.outputs[k])?);
        }
        let scans: Vec<(ValueId, ValueId)> =
            body.results[carried + 1..].iter().copied().zip(node.outputs[carried..].iter().copied()).collect();
        let scans = scans.into_iter().map(|(r, out)| self.start_scan(n, r, out)).collect::<Result<Vec<_>, _>>()?;
        self.f.open_block();
        let done = self.loop_body(&body, limit, (going, trips), (index, flag), &states, &scans);
        let block = self.f.close_block();
        self.f.stmt(Stmt::Loop(block));
        done?;
        self.end_scans(&scans);
        self.after_loop(n, trips, &states)
    }

    /// Memory for a scan output. Where nothing bounds it, it grows with what the iterations give.
    fn start_scan(&mut self, n: NodeId, result: ValueId, out: ValueId) -> Result<Scanned, Diagnostic> {
        let symbols = self.result_symbols(n);
        let t = self.tensor(out)?;
        let mut dims = Vec::new();
        for (axis, d) in t.shape.iter().enumerate().skip(1) {
            if let Some(s) = d.as_symbol().filter(|s| symbols.contains(s)) {
                let var = self.f.var(Ty::I64, &[], s.as_str());
                let none = self.f.int(-1);
                self.f.set(var, &[], none);
                dims.push((s.clone(), var, axis - 1));
            }
        }
        let unbound = |s: &Symbol| self.f.lookup(s).is_none();
        let known = !t.count().any_symbol(&unbound) || self.ranges.upper_bound(&t.count(), &unbound).is_some();
        if known || self.storage[out].is_some() {
            self.allocate(out)?;
            return Ok(Scanned { result, out, capacity: None, dims });
        }
        let name = self.graph.values[out].name.clone();
        let capacity = self.f.var(Ty::I64, &[], "capacity");
        let one = self.f.int(1);
        self.f.set(capacity, &[], one);
        let first = self.heap_memory(t.dtype, one, &name);
        let pointer = self.f.buf(t.dtype, BufKind::Pointer, &name);
        self.f.stmt(Stmt::Assign { buf: pointer, from: first });
        self.storage[out] = Some(TensorBuf { buf: pointer, dtype: t.dtype, shape: t.shape });
        Ok(Scanned { result, out, capacity: Some(capacity), dims })
    }

    /// Binds the extents of slices to what the last iteration found; 0 if there was none.
    fn end_scans(&mut self, scans: &[Scanned]) {
        for (s, var, _) in scans.iter().flat_map(|s| &s.dims) {
            let (v, zero) = (self.f.get(*var, &[]), self.f.int(0));
            let v = self.f.binary(BinOp::Max, v, zero);
            self.f.bind(s.clone(), v);
        }
    }

    fn loop_body(
        &mut self,
        body: &Region,
        limit: Value,
        (going, trips): (Var, Var),
        (index, flag): (Buf, Buf),
        states: &[Carried],
        scans: &[Scanned],
    ) -> Result<(), Diagnostics> {
        let mut checked = self.checkable_guards();
        let zero = self.f.int(0);
        let i = self.f.get(trips, &[]);
        let go = self.f.get(going, &[]);
        let below = self.f.compare(CmpOp::Lt, i, limit);
        let go = self.f.binary(BinOp::And, go, below);
        self.break_unless(go);
        self.f.store(index, zero, i, None);
        let go = self.f.get(going, &[]);
        self.f.store(flag, zero, go, None);
        self.define_elements(body.params[0])?;
        self.bind_carried(states);
        self.check_new_guards(&mut checked);
        self.region(body)?;
        self.check_new_guards(&mut checked);
        for scan in scans {
            self.append(scan, i)?;
        }
        let go = self.scalar_of(body.results[0])?;
        self.f.set(going, &[], go);
        self.update(states)?;
        let one = self.f.int(1);
        let next = self.f.add(i, one);
        self.f.set(trips, &[], next);
        Ok(())
    }

    fn break_unless(&mut self, go: Value) {
        let stop = self.f.unary(UnOp::Not, go);
        self.f.if_else(stop, |f| f.stmt(Stmt::Break), |_| {});
    }

    fn after_loop(&mut self, n: NodeId, trips: Var, states: &[Carried]) -> Result<(), Diagnostics> {
        let symbols = self.result_symbols(n);
        for c in states {
            let output = self.tensor(c.output)?.shape;
            for (_, var, axis) in &c.dims {
                if let Some(s) = output[*axis].as_symbol().filter(|s| symbols.contains(s)) {
                    let v = self.f.get(*var, &[]);
                    self.f.bind(s.clone(), v);
                }
            }
            match self.storage[c.output].clone() {
                Some(to) if to.buf != c.state.buf => {
                    let from = TensorBuf { shape: output, ..c.state.clone() };
                    self.copy(&from, &to);
                }
                Some(_) => {}
                None => self.storage[c.output] = Some(TensorBuf { shape: output, ..c.state.clone() }),
            }
        }
        // What is left is the trip count.
        for s in symbols {
            if self.f.lookup(&s).is_none() {
                let v = self.f.get(trips, &[]);
                self.f.bind(s, v);
            }
        }
        Ok(())
    }

    /// One element of memory that the body reads as a tensor.
    fn cell(&mut self, dtype: DType, name: &str) -> Buf {
        self.f.buf(dtype, BufKind::Stack(1), name)
    }

    fn place(&mut self, v: ValueId, buf: Buf) -> Result<(), Diagnostic> {
        let t = self.tensor(v)?;
        self.storage[v] = Some(TensorBuf { buf, dtype: t.dtype, shape: t.shape });
        Ok(())
    }

    /// Sets up the state of a carried value.
    fn carry(
        &mut self,
        initial: ValueId,
        param: ValueId,
        result: ValueId,
        output: ValueId,
    ) -> Result<Carried, Diagnostic> {
        let from = self.buffer(initial)?;
        let ty = self.tensor(param)?;
        let mut dims = Vec::new();
        for (axis, d) in ty.shape.iter().enumerate() {
            let source = d.as_symbol().and_then(|s| self.graph.symbols.get(s)).map(|i| i.source);
            if let (Some(s), Some(SymbolSource::Carried(p, _))) = (d.as_symbol(), source) {
                if p == param {
                    let var = self.f.var(Ty::I64, &[], s.as_str());
                    let v = self.f.sym(&from.shape[axis]);
                    self.f.set(var, &[], v);
                    dims.push((s.clone(), var, axis));
                }
            }
        }
        let state = if dims.is_empty() {
            let state = match self.storage[output].clone() {
                Some(t) => t,
                None => {
                    let name = self.graph.values[param].name.clone();
                    let buf = self.memory(&name, ty.dtype, &ty.count())?;
                    TensorBuf { buf, dtype: ty.dtype, shape: ty.shape.clone() }
                }
            };
            self.copy(&from, &state);
            state
        } else {
            let name = self.graph.values[param].name.clone();
            let pointer = self.f.buf(ty.dtype, BufKind::Pointer, &name);
            let fresh = self.heap_copy(&from, &name)?;
            self.f.stmt(Stmt::Assign { buf: pointer, from: fresh });
            TensorBuf { buf: pointer, dtype: ty.dtype, shape: ty.shape.clone() }
        };
        self.storage[param] = Some(state.clone());
        Ok(Carried { param, result, output, state, dims })
    }

    /// A copy in memory from the caller's allocator.
    fn heap_copy(&mut self, from: &TensorBuf, name: &str) -> Result<Buf, Diagnostic> {
        let n = self.count(from);
        let buf = self.heap_memory(from.dtype, n, name);
        self.copy_elements(from.buf, buf, None, n);
        Ok(buf)
    }

    fn bind_carried(&mut self, states: &[Carried]) {
        for (s, var, _) in states.iter().flat_map(|c| &c.dims) {
            let v = self.f.get(*var, &[]);
            self.f.bind(s.clone(), v);
        }
    }

    /// Results become the states of the next iteration. A result that is another's state is saved first.
    fn update(&mut self, states: &[Carried]) -> Result<(), Diagnostic> {
        let mut news = Vec::new();
        for c in states {
            let from = self.buffer(c.result)?;
            let foreign = states.iter().any(|o| o.param != c.param && o.state.buf == from.buf);
            let name = self.graph.values[c.param].name.clone();
            news.push(if !c.dims.is_empty() {
                let buf = self.heap_copy(&from, &name)?;
                TensorBuf { buf, ..from }
            } else if foreign {
                let count = from.shape.iter().fold(Sym::int(1), |n, d| &n * d);
                let buf = self.memory(&name, from.dtype, &count)?;
                let saved = TensorBuf { buf, ..from.clone() };
                self.copy(&from, &saved);
                saved
            } else {
                from
            });
        }
        for (c, new) in states.iter().zip(news) {
            if c.dims.is_empty() {
                if new.buf != c.state.buf {
                    self.copy(&new, &c.state);
                }
                continue;
            }
            for (_, var, axis) in &c.dims {
                let v = self.f.sym(&new.shape[*axis]);
                self.f.set(*var, &[], v);
            }
            self.f.stmt(Stmt::Free(c.state.buf));
            self.f.stmt(Stmt::Assign { buf: c.state.buf, from: new.buf });
        }
        Ok(())
    }

    /// Puts an iteration's result behind those before it.
    fn append(&mut self, scan: &Scanned, i: Value) -> Result<(), Diagnostic> {
        let from = self.buffer(scan.result)?;
        let to = self.buffer(scan.out)?;
        for (_, var, axis) in &scan.dims {
            let d = self.f.sym(&from.shape[*axis]);
            let (before, zero) = (self.f.get(*var, &[]), self.f.int(0));
            let differs = self.f.compare(CmpOp::Ne, before, d);
            let later = self.f.compare(CmpOp::Ge, before, zero);
            let wrong = self.f.binary(BinOp::And, differs, later);
            self.return_if(wrong, BAD_DIMS);
            self.f.set(*var, &[], d);
        }
        let n = self.count(&from);
        let at = self.f.mul(i, n);
        if let Some(capacity) = scan.capacity {
            self.grow(&to, capacity, at, n);
        }
        self.copy_elements(from.buf, to.buf, Some(at), n);
        Ok(())
    }

    /// Makes room for `n` elements behind the first `used` ones: twice as much, or what is needed.
    fn grow(&mut self, t: &TensorBuf, capacity: Var, used: Value, n: Value) {
        let have = self.f.get(capacity, &[]);
        let need = self.f.add(used, n);
        let full = self.f.compare(CmpOp::Gt, need, have);
        self.f.open_block();
        let two = self.f.int(2);
        let twice = self.f.mul(have, two);
        let more = self.f.binary(BinOp::Max, twice, need);
        let name = self.f.func.bufs[t.buf].name.clone();
        let fresh = self.heap_memory(t.dtype, more, &name);
        self.copy_elements(t.buf, fresh, None, used);
        self.f.stmt(Stmt::Free(t.buf));
        self.f.stmt(Stmt::Assign { buf: t.buf, from: fresh });
        self.f.set(capacity, &[], more);
        let then = self.f.close_block();
        self.f.stmt(Stmt::If { cond: full, then, els: Default::default() });
    }

    /// Memory from the caller's allocator.
    fn heap_memory(&mut self, dtype: DType, count: Value, name: &str) -> Buf {
        self.heap = true;
        let buf = self.f.buf(dtype, BufKind::Local, name);
        self.f.stmt(Stmt::Alloc { buf, count, space: Space::Heap, bound: None });
        let null = self.f.op(Ty::BOOL, Op::IsNull(buf));
        self.return_if(null, OUT_OF_MEMORY);
        buf
    }

    /// Scan over axis 0, forwards or backwards.
    fn scan_node(&mut self, n: NodeId) -> Result<(), Diagnostics> {
        let node = self.graph.nodes[n].clone();
        let body = node.regions[0].clone();
        let scanned = node.attrs.int("num_scan_inputs").unwrap_or(0) as usize;
        let carried = node.inputs.len().saturating_sub(scanned);
        let reverse = |key: &str, k: usize| node.attrs.ints(key).and_then(|d| d.get(k)).is_some_and(|&d| d == 1);
        let mut states = Vec::new();
        for k in 0..carried {
            let initial = self.input(n, k).ok_or_else(|| self.error(n, format!("state {k} is missing")))?;
            states.push(self.carry(initial, body.params[k], body.results[k], node.outputs[k])?);
        }
        let first = self.input(n, carried).ok_or_else(|| self.error(n, "Scan has nothing to scan"))?;
        let length = self.tensor(first)?.shape[0].clone();
        let length = self.f.sym(&length);
        let scans: Vec<(ValueId, ValueId)> =
            body.results[carried..].iter().copied().zip(node.outputs[carried..].iter().copied()).collect();
        let scans = scans.into_iter().map(|(r, out)| self.start_scan(n, r, out)).collect::<Result<Vec<_>, _>>()?;
        if scans.iter().enumerate().any(|(k, s)| s.capacity.is_some() && reverse("scan_output_directions", k)) {
            return Err(self
                .error(n, "what is stacked backwards must be bounded")
                .help("give the input dims a range")
                .into());
        }
        let zero = self.f.int(0);
        let trips = self.f.var(Ty::I64, &[], "trips");
        self.f.set(trips, &[], length);
        let mut checked = self.checkable_guards();
        let i = self.f.open_loop("step");
        let last = {
            let one = self.f.int(1);
            let l = self.f.sub(length, one);
            self.f.sub(l, i)
        };
        let mut done = Ok(());
        for k in 0..scanned {
            let at = if reverse("scan_input_directions", k) { last } else { i };
            done = done.and_then(|()| self.slice(n, carried + k, body.params[carried + k], at));
        }
        self.bind_carried(&states);
        self.check_new_guards(&mut checked);
        let done = done.map_err(Diagnostics::from).and_then(|()| self.region(&body)).and_then(|()| {
            self.check_new_guards(&mut checked);
            for (k, scan) in scans.iter().enumerate() {
                let at = if reverse("scan_output_directions", k) { last } else { i };
                self.append(scan, at)?;
            }
            Ok(self.update(&states)?)
        });
        self.f.close_loop(i, zero, length, 1, LoopKind::Serial);
        done?;
        self.end_scans(&scans);
        self.after_loop(n, trips, &states)
    }

    /// Makes a body's parameter the slice of a scanned input at one position.
    fn slice(&mut self, n: NodeId, input: usize, param: ValueId, at: Value) -> Result<(), Diagnostic> {
        let v = self.input(n, input).ok_or_else(|| self.error(n, format!("input {input} is missing")))?;
        let from = self.buffer(v)?;
        let shape = from.shape[1..].to_vec();
        let count = shape.iter().fold(Sym::int(1), |n, d| &n * d) * from.dtype.size() as i64;
        let bytes = self.f.sym(&count);
        let byte_offset = self.f.mul(at, bytes);
        let buf = self.f.buf(from.dtype, BufKind::Local, &self.graph.values[param].name.clone());
        self.f.stmt(Stmt::View { buf, base: from.buf, byte_offset, count: None });
        self.storage[param] = Some(TensorBuf { buf, dtype: from.dtype, shape });
        Ok(())
    }
}
