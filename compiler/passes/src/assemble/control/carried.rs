//! The carried values of a Loop or Scan.
//!
//! Each lives in one state buffer: the initial value is copied in, each iteration's result is copied over it when the
//! iteration is done. If its extents change, the state is a pointer to memory from the caller's allocator, made anew each
//! iteration. After the loop the state is the output. Nothing here runs the iterations.

use super::super::Assembler;
use super::super::memory::OUT_OF_MEMORY;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Diagnostics, Sym};
use onnxc_ir::graph::{NodeId, SymbolSource, ValueId};
use onnxc_ir::loops::{Buf, BufKind, Op, Space, Stmt, Ty, Value, Var};
use onnxc_ops::routine::TensorBuf;

/// One carried value of a loop.
pub(super) struct Carried {
    pub(super) param: ValueId,
    pub(super) result: ValueId,
    pub(super) output: ValueId,
    pub(super) state: TensorBuf,
    /// Symbols of extents that change, with the variables that hold them between iterations.
    pub(super) dims: Vec<(Symbol, Var, usize)>,
}

impl Assembler<'_> {
    /// One element of memory that the body reads as a tensor.
    pub(super) fn cell(&mut self, dtype: DType, name: &str) -> Buf {
        self.f.buf(dtype, BufKind::Stack(1), name)
    }

    pub(super) fn place(&mut self, v: ValueId, buf: Buf) -> Result<(), Diagnostic> {
        let t = self.tensor(v)?;
        self.storage[v] = Some(TensorBuf { buf, dtype: t.dtype, shape: t.shape });
        Ok(())
    }

    /// Sets up the state of a carried value.
    pub(super) fn carry(
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
            if let (Some(s), Some(SymbolSource::Carried(p, _))) = (d.as_symbol(), source)
                && p == param
            {
                let var = self.f.var(Ty::I64, &[], s.as_str());
                let v = self.f.sym(&from.shape[axis]);
                self.f.set(var, &[], v);
                dims.push((s.clone(), var, axis));
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

    pub(super) fn bind_carried(&mut self, states: &[Carried]) {
        for (s, var, _) in states.iter().flat_map(|c| &c.dims) {
            let v = self.f.get(*var, &[]);
            self.f.bind(s.clone(), v);
        }
    }

    /// Results become the states of the next iteration. A result that is another's state is saved first.
    pub(super) fn update(&mut self, states: &[Carried]) -> Result<(), Diagnostic> {
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

    pub(super) fn after_loop(&mut self, n: NodeId, trips: Var, states: &[Carried]) -> Result<(), Diagnostics> {
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

    /// A copy in memory from the caller's allocator.
    fn heap_copy(&mut self, from: &TensorBuf, name: &str) -> Result<Buf, Diagnostic> {
        let n = self.count(from);
        let buf = self.heap_memory(from.dtype, n, name);
        self.copy_elements(from.buf, buf, None, n);
        Ok(buf)
    }

    /// Memory from the caller's allocator.
    pub(super) fn heap_memory(&mut self, dtype: DType, count: Value, name: &str) -> Buf {
        self.heap = true;
        let buf = self.f.buf(dtype, BufKind::Local, name);
        self.f.stmt(Stmt::Alloc { buf, count, space: Space::Heap, bound: None });
        let null = self.f.op(Ty::BOOL, Op::IsNull(buf));
        self.return_if(null, OUT_OF_MEMORY);
        buf
    }
}
