//! What the iterations of a Loop or Scan give, stacked along a new first axis.
//!
//! The memory is that of the output where something bounds it; else it is from the caller's allocator and grows. Slices of
//! one output that differ in extent end the run.

use super::super::Assembler;
use super::super::entry::BAD_DIMS;
use onnxc_base::Diagnostic;
use onnxc_base::sym::Symbol;
use onnxc_ir::graph::{NodeId, ValueId};
use onnxc_ir::loops::{BufKind, CmpOp, Stmt, Ty, Value, Var};
use onnxc_ir::scalar::BinOp;
use onnxc_ops::routine::TensorBuf;

/// What the iterations of a loop give, one after the other.
pub(super) struct Scanned {
    pub(super) result: ValueId,
    pub(super) out: ValueId,
    /// How many elements the memory holds so far, where it grows.
    pub(super) capacity: Option<Var>,
    /// Symbols of a slice's extents that are known only when there is one, with their variables and axes.
    pub(super) dims: Vec<(Symbol, Var, usize)>,
}

impl Assembler<'_> {
    /// Memory for a scan output. Where nothing bounds it, it grows with what the iterations give.
    pub(super) fn start_scan(&mut self, n: NodeId, result: ValueId, out: ValueId) -> Result<Scanned, Diagnostic> {
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

    /// Puts an iteration's result behind those before it.
    pub(super) fn append(&mut self, scan: &Scanned, i: Value) -> Result<(), Diagnostic> {
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

    /// Binds the extents of slices to what the last iteration found; 0 if there was none.
    pub(super) fn end_scans(&mut self, scans: &[Scanned]) {
        for (s, var, _) in scans.iter().flat_map(|s| &s.dims) {
            let (v, zero) = (self.f.get(*var, &[]), self.f.int(0));
            let v = self.f.binary(BinOp::Max, v, zero);
            self.f.bind(s.clone(), v);
        }
    }
}
