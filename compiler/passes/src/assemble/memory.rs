//! Where tensors live: constants, allocations, aliases, copies.

use super::Assembler;
use super::reuse::Owned;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Sym};
use onnxc_ir::graph::{NodeId, TensorType, ValueDef, ValueId};
use onnxc_ir::loops::{Buf, BufKind, CmpOp, ConstData, ConstId, FuncBuilder, LoopKind, Op, Space, Stmt, Ty, Value};
use onnxc_ir::scalar::Scalar;
use onnxc_ops::routine::TensorBuf;

/// The status for a failed allocation.
pub(super) const OUT_OF_MEMORY: i32 = onnxc_ops::routine::OUT_OF_MEMORY;

/// The most bytes that are set aside for a tensor whose size is known only during the run. A larger bound says nothing: pads
/// that the run finds are bounded by what arithmetic bears. Such memory is asked for when the size is known.
const MOST_BYTES: i64 = 1 << 32;

/// Do two element types share no memory where memory has a type? Small ones are bytes in the end, and so are flags; complex128
/// is f64.
fn retyped(a: DType, b: DType) -> bool {
    let [a, b] = [a, b].map(|d| if d == DType::Bool { DType::U8 } else { d });
    a != b && ![a, b].iter().any(|d| d.is_small() || *d == DType::C128)
}

impl Assembler<'_> {
    /// A value's tensor type.
    pub(super) fn tensor(&self, v: ValueId) -> Result<TensorType, Diagnostic> {
        self.graph.tensor_type(v).cloned().ok_or_else(|| {
            Diagnostic::error("E4005", "the value is no tensor, which compiled code can't hold yet")
                .tensor(self.graph.values[v].name.clone())
                .help("sequences, optionals and maps are supported only where the graph passes remove them")
        })
    }

    /// Where a value is: its storage, or its constant.
    pub(super) fn buffer(&mut self, v: ValueId) -> Result<TensorBuf, Diagnostic> {
        if let Some(t) = &self.storage[v] {
            return Ok(t.clone());
        }
        let ty = self.tensor(v)?;
        if let ValueDef::Const(t) = &self.graph.values[v].def {
            let id = match self.consts[v] {
                Some(id) => id,
                None => {
                    let name = self.graph.values[v].name.clone();
                    let id = self.program.consts.push(ConstData { name, dtype: ty.dtype, data: t.bytes().clone() });
                    self.consts[v] = Some(id);
                    id
                }
            };
            let buf = self.const_buf(id);
            return Ok(TensorBuf { buf, dtype: ty.dtype, shape: ty.shape });
        }
        let name = self.graph.values[v].name.clone();
        Err(Diagnostic::error("E4006", "the value has no memory yet")
            .tensor(name)
            .help("this is a defect; please report it"))
    }

    /// The entry's buffer for a constant of the program.
    pub(super) fn const_buf(&mut self, id: ConstId) -> Buf {
        if let Some(b) = self.const_bufs.get(&id) {
            return *b;
        }
        let (dtype, name) = (self.program.consts[id].dtype, self.program.consts[id].name.clone());
        let b = self.f.buf(dtype, BufKind::Const(id), &name);
        self.const_bufs.insert(id, b);
        b
    }

    /// Memory for a value that is about to be computed. Extents that are known only after its node has run count
    /// with their upper bounds.
    pub(super) fn allocate(&mut self, v: ValueId) -> Result<TensorBuf, Diagnostic> {
        if let Some(t) = &self.storage[v] {
            return Ok(t.clone());
        }
        let ty = self.tensor(v)?;
        let name = self.graph.values[v].name.clone();
        let buf = match self.graph.frame(v) {
            None => self.memory(&name, ty.dtype, &ty.count())?,
            Some(frame) if frame.root != v => self.allocate(frame.root)?.buf,
            Some(frame) => {
                let buf = self.memory(&name, ty.dtype, &frame.extents.iter().product())?;
                self.fill_border(buf, v)?;
                buf
            }
        };
        let t = TensorBuf { buf, dtype: ty.dtype, shape: ty.shape };
        self.storage[v] = Some(t.clone());
        Ok(t)
    }

    /// An upper bound of `count` that is known before the run, if memory could be set aside for it.
    pub(super) fn room(&self, count: &Sym, dtype: DType) -> Option<Sym> {
        let late = |s: &Symbol| !self.early.contains(s);
        let bound = self.ranges.upper_bound(count, &late)?;
        let least = |s: &Symbol| Some(Sym::int(self.ranges.get(s).and_then(|r| r.lo).unwrap_or(1).max(1)));
        let bytes = bound.subst(&least) * dtype.size() as i64;
        let fits = bytes.as_int().is_some_and(|n| n <= MOST_BYTES);
        (fits || !count.any_symbol(&late)).then_some(bound)
    }

    /// Memory for `count` elements.
    pub(super) fn memory(&mut self, name: &str, dtype: DType, count: &Sym) -> Result<Buf, Diagnostic> {
        if !Scalar::lies_in_memory(dtype) {
            return Err(Diagnostic::error("E4007", format!("tensors of {dtype} can't be computed yet")).tensor(name));
        }
        let unbound = |s: &Symbol| self.f.lookup(s).is_none();
        let bound = self.room(count, dtype);
        let known =
            if count.any_symbol(&unbound) { self.ranges.upper_bound(count, &unbound) } else { Some(count.clone()) };
        let buf = self.f.buf(dtype, BufKind::Local, name);
        let Some(known) = known else {
            return Err(Diagnostic::error(
                "E4008",
                format!("nothing bounds the size of this tensor: {count} elements"),
            )
            .tensor(name)
            .help("give the input dims a range (--dim h=1..1024)"));
        };
        let n = self.f.sym(&known);
        match bound {
            Some(bound) => {
                self.owned.insert(buf, Owned { dtype, count: count.clone() });
                self.f.stmt(Stmt::Alloc { buf, count: n, space: Space::Workspace, bound: Some(bound) });
            }
            None => {
                self.heap = true;
                self.f.stmt(Stmt::Alloc { buf, count: n, space: Space::Heap, bound: None });
                let null = self.f.op(onnxc_ir::loops::Ty::BOOL, onnxc_ir::loops::Op::IsNull(buf));
                self.return_if(null, OUT_OF_MEMORY);
            }
        }
        Ok(buf)
    }

    /// Leaves the entry with a status.
    pub(super) fn return_if(&mut self, cond: Value, status: i32) {
        self.f.if_else(
            cond,
            |f| {
                let s = f.scalar(Scalar::from_i64(DType::I32, i64::from(status)));
                f.stmt(Stmt::Return(Some(s)));
            },
            |_| {},
        );
    }

    /// Leaves the entry with the status of a call, unless it is 0.
    pub(super) fn return_if_failed(&mut self, status: Value) {
        let zero = self.f.scalar(Scalar::from_i64(DType::I32, 0));
        let failed = self.f.compare(CmpOp::Ne, status, zero);
        self.f.if_else(failed, |f| f.stmt(Stmt::Return(Some(status))), |_| {});
    }

    /// An output that is input 0 under another shape. A value that has memory already (an output of the model) gets a
    /// copy.
    pub(super) fn alias(&mut self, n: NodeId) -> Result<(), Diagnostic> {
        let node = &self.graph.nodes[n];
        let (Some(Some(x)), Some(&y)) = (node.inputs.first().copied(), node.outputs.first()) else {
            return Err(self.error(n, "an alias needs an input and an output"));
        };
        self.alias_value(x, y)
    }

    /// Makes `y` the same memory as `x`, or a copy if `y` has memory already.
    pub(super) fn alias_value(&mut self, x: ValueId, y: ValueId) -> Result<(), Diagnostic> {
        let from = self.buffer(x)?;
        let TensorType { dtype, shape } = self.tensor(y)?;
        if self.machine.memory.typed && retyped(from.dtype, dtype) {
            let to = self.allocate(y)?;
            if [from.dtype, dtype].contains(&DType::Bool) {
                self.copy_flags(&from, &to);
            } else {
                self.copy_bits(&from, &to);
            }
            return Ok(());
        }
        match self.storage[y].clone() {
            Some(to) => {
                let buf = self.seen_as(&to, from.dtype);
                self.copy(&from, &TensorBuf { buf, ..from.clone() });
            }
            None => {
                let buf = self.seen_as(&from, dtype);
                if buf != from.buf {
                    self.owned.remove(&from.buf);
                }
                self.storage[y] = Some(TensorBuf { buf, dtype, shape });
            }
        }
        Ok(())
    }

    /// Copies a tensor to memory of another type, bit by bit.
    fn copy_bits(&mut self, from: &TensorBuf, to: &TensorBuf) {
        let (read, written) = (from.dtype.size(), to.dtype.size());
        // As many elements of each as the wider one has bytes.
        let wide = read.max(written);
        let lanes = |size: usize| (wide / size) as u16;
        let count = if read == wide { self.count(from) } else { self.count(to) };
        let zero = self.f.int(0);
        self.f.for_loop("i", zero, count, 1, LoopKind::Serial, |f, i| {
            let place = |f: &mut FuncBuilder, lanes: u16| {
                let lanes = f.int(i64::from(lanes));
                f.mul(i, lanes)
            };
            let at = place(f, lanes(read));
            let v = f.load(from.buf, at, lanes(read), None);
            let v = f.op(Ty::vector(to.dtype, lanes(written)), Op::Bitcast(v));
            let at = place(f, lanes(written));
            f.store(to.buf, at, v, None);
        });
    }

    /// Copies flags to memory of bytes, or bytes to memory of flags, of which all but 0 are set.
    fn copy_flags(&mut self, from: &TensorBuf, to: &TensorBuf) {
        let (zero, count) = (self.f.int(0), self.count(from));
        self.f.for_loop("i", zero, count, 1, LoopKind::Serial, |f, i| {
            let v = f.load(from.buf, i, 1, None);
            let v = if to.dtype == DType::Bool {
                let none = f.scalar(Scalar::from_i64(from.dtype, 0));
                f.compare(CmpOp::Ne, v, none)
            } else {
                f.cast(v, to.dtype)
            };
            f.store(to.buf, i, v, None);
        });
    }

    /// The same bytes as elements of another type.
    fn seen_as(&mut self, t: &TensorBuf, dtype: DType) -> Buf {
        if t.dtype == dtype {
            return t.buf;
        }
        let name = self.f.func.bufs[t.buf].name.clone();
        let buf = self.f.buf(dtype, BufKind::Local, &name);
        let byte_offset = self.f.int(0);
        self.f.stmt(Stmt::View { buf, base: t.buf, byte_offset, count: None });
        buf
    }

    /// Copies all elements; both have as many.
    pub(super) fn copy(&mut self, from: &TensorBuf, to: &TensorBuf) {
        let n = self.count(from);
        if from.dtype != DType::C128 {
            return self.copy_elements(from.buf, to.buf, None, n);
        }
        let (from, to) = (self.seen_as(from, DType::F64), self.seen_as(to, DType::F64));
        let twice = self.f.add(n, n);
        self.copy_elements(from, to, None, twice);
    }

    /// The number of elements of a tensor.
    pub(super) fn count(&mut self, t: &TensorBuf) -> Value {
        let count = t.shape.iter().fold(Sym::int(1), |n, d| &n * d);
        self.f.sym(&count)
    }

    /// Copies `n` elements to an offset by vectors, then one by one.
    pub(super) fn copy_elements(&mut self, from: Buf, to: Buf, offset: Option<Value>, n: Value) {
        let bits = self.f.func.bufs[from].dtype.bits().max(8) as u32;
        let lanes = (self.machine.vector_bits / bits).clamp(1, 64) as u16;
        let zero = self.f.int(0);
        let step = i64::from(lanes);
        let whole = {
            let l = self.f.int(step);
            let q = self.f.binary(onnxc_ir::scalar::BinOp::Div, n, l);
            self.f.mul(q, l)
        };
        for (lo, hi, step, lanes) in [(zero, whole, step, lanes), (whole, n, 1, 1)] {
            self.f.for_loop("i", lo, hi, step, LoopKind::Serial, |f, i| {
                let v = f.load(from, i, lanes, None);
                let at = offset.map_or(i, |o| f.add(o, i));
                f.store(to, at, v, None);
            });
        }
    }
}
