//! Values that are no tensors of numbers: the run of the runtime's objects around the entry, and the ports that are
//! handed over as an `onnxc_value`.
//!
//! The graph has handles instead of such values already ([`onnxc_ops::handles`]). What the run makes belongs to the
//! objects that `onnxc_rt_begin` gives; `onnxc_rt_end` stands before every return, so nothing is left behind on any path.

use super::Assembler;
use super::memory::OUT_OF_MEMORY;
use onnxc_base::sym::Symbol;
use onnxc_base::{Bytes, DType, Diagnostic, Sym};
use onnxc_ir::graph::{Type, ValueId};
use onnxc_ir::loops::{
    Arg, Block, Buf, BufKind, Callee, CmpOp, ConstData, ConstId, ExternId, ParamKind, Stmt, Ty, Value,
};
use onnxc_ops::handles::{linked::string_table, type_text};
use onnxc_ops::routine::{OBJECTS, TensorBuf};

/// What linked functions take.
type Passed = (Arg, ParamKind);

const I64: ParamKind = ParamKind::Scalar(DType::I64);

fn number(v: Value) -> Passed {
    (Arg::Value(v), I64)
}

fn address(buf: Buf, dtype: DType, mutable: bool) -> Passed {
    (Arg::Buf { buf, offset: None }, ParamKind::Buf { dtype, mutable })
}

impl Assembler<'_> {
    /// The model's type of a value, which the graph may have a handle for.
    pub(super) fn model_type(&self, v: ValueId) -> Type {
        let kept = self.handles.as_ref().and_then(|h| h.types[v].clone());
        kept.unwrap_or_else(|| self.graph.values[v].ty.clone())
    }

    /// The type of a port that is an `onnxc_value`: what is no tensor of numbers, and an output that nothing bounds.
    pub(super) fn by_value(&self, v: ValueId) -> Option<String> {
        let ty = self.model_type(v);
        let output = self.graph.body.results.contains(&v) && !self.graph.body.params.contains(&v);
        let unbounded = |t: &Type| t.as_tensor().is_some_and(|t| self.room(&t.count(), t.dtype).is_none());
        (onnxc_ops::handles::is_handle(&ty) || output && unbounded(&ty)).then(|| type_text(&ty))
    }

    /// True if the run needs the runtime.
    pub(super) fn has_objects(&self) -> bool {
        self.handles.is_some() || self.graph.body.results.iter().any(|&v| self.by_value(v).is_some())
    }

    fn objects(&mut self) -> Passed {
        number(self.f.sym(&Sym::var(Symbol::new(OBJECTS))))
    }

    fn linked(&mut self, symbol: &str, args: &[Passed]) {
        if let Some(status) = self.f.call_linked(symbol, args, Some(Ty::I32)) {
            self.return_if_failed(status);
        }
    }

    /// Starts a run of objects that knows the module's strings.
    pub(super) fn begin_objects(&mut self) {
        if !self.has_objects() {
            return;
        }
        self.heap = true;
        let name = |n: &str| format!("strings.{n}");
        let strings = self.handles.as_ref().map(|h| h.strings.clone()).unwrap_or_default();
        let (table, bytes) = string_table(&strings);
        let table: Vec<u8> = table.iter().flat_map(|v| v.to_le_bytes()).collect();
        // An empty constant would have no address of its own.
        let bytes = if bytes.is_empty() { vec![0] } else { bytes };
        let mut add = |n: &str, dtype, data: Vec<u8>| -> ConstId {
            self.program.consts.push(ConstData { name: name(n), dtype, data: Bytes::from(data) })
        };
        let (table, bytes) = (add("table", DType::I64, table), add("bytes", DType::U8, bytes));
        let (table, bytes) = (self.const_buf(table), self.const_buf(bytes));
        let args = [address(table, DType::I64, false), address(bytes, DType::U8, false)];
        let run = self.f.call_linked("onnxc_rt_begin", &args, Some(Ty::I64)).expect("it returns a run");
        let zero = self.f.int(0);
        let none = self.f.compare(CmpOp::Eq, run, zero);
        self.return_if(none, OUT_OF_MEMORY);
        self.f.bind(OBJECTS, run);
    }

    /// Gives the inputs that are handed over as values their memory.
    pub(super) fn import_inputs(&mut self, ports: &[(ValueId, Buf)]) -> Result<(), Diagnostic> {
        for &(v, port) in ports {
            let name = self.graph.values[v].name.clone();
            let cell = self.f.buf(DType::I64, BufKind::Stack(1), &name);
            let args = [self.objects(), address(port, DType::U8, false), address(cell, DType::I64, true)];
            self.linked("onnxc_rt_import", &args);
            let t = self.tensor(v)?;
            if self.model_type(v).as_tensor().is_none() {
                self.storage[v] = Some(TensorBuf { buf: cell, dtype: DType::I64, shape: vec![] });
                continue;
            }
            let to = self.allocate(v)?;
            let zero = self.f.int(0);
            let handle = self.f.load(cell, zero, 1, None);
            let dims = self.dims_array(&to.shape);
            let bytes = self.bytes_of(&to);
            let [dtype, rank, release] = [8, t.rank() as i64, 1].map(|n| number(self.f.int(n)));
            let args = [
                self.objects(),
                number(handle),
                dtype,
                rank,
                address(dims, DType::I64, false),
                address(bytes, DType::U8, true),
                release,
            ];
            self.linked("onnxc_rt_unbox", &args);
        }
        Ok(())
    }

    /// Hands over the outputs that are values.
    pub(super) fn export_outputs(&mut self, ports: &[(ValueId, Buf)], allocator: Buf) -> Result<(), Diagnostic> {
        for &(v, port) in ports {
            let ty = self.model_type(v);
            let from = self.buffer(v)?;
            let handle = match ty.as_tensor() {
                Some(t) => {
                    let dims = self.dims_array(&from.shape);
                    let bytes = self.bytes_of(&from);
                    let code = i64::from(onnxc_ops::handles::dtype_number(t.dtype));
                    let [dtype, rank] = [code, t.rank() as i64].map(|n| number(self.f.int(n)));
                    let objects = self.objects();
                    let args =
                        [objects, dtype, rank, address(dims, DType::I64, false), address(bytes, DType::U8, false)];
                    let handle = self.f.call_linked("onnxc_rt_box", &args, Some(Ty::I64)).expect("it returns a handle");
                    let zero = self.f.int(0);
                    let none = self.f.compare(CmpOp::Eq, handle, zero);
                    self.return_if(none, OUT_OF_MEMORY);
                    handle
                }
                None => {
                    let zero = self.f.int(0);
                    self.f.load(from.buf, zero, 1, None)
                }
            };
            let allocator = address(allocator, DType::U8, true);
            let args = [self.objects(), number(handle), allocator, address(port, DType::U8, true)];
            self.linked("onnxc_rt_export", &args);
        }
        Ok(())
    }

    /// Extents in memory, for linked functions.
    fn dims_array(&mut self, shape: &[Sym]) -> Buf {
        let buf = self.f.buf(DType::I64, BufKind::Stack(shape.len().max(1) as u32), "dims");
        for (i, d) in shape.iter().enumerate() {
            let (at, d) = (self.f.int(i as i64), self.f.sym(d));
            self.f.store(buf, at, d, None);
        }
        buf
    }

    /// A tensor's memory as bytes.
    fn bytes_of(&mut self, t: &TensorBuf) -> Buf {
        if self.f.func.bufs[t.buf].dtype == DType::U8 {
            return t.buf;
        }
        let view = self.f.buf(DType::U8, BufKind::Local, "bytes");
        let zero = self.f.int(0);
        self.f.stmt(Stmt::View { buf: view, base: t.buf, byte_offset: zero, count: None });
        view
    }

    /// Ends the run of objects before every return that comes after its start.
    pub(super) fn end_objects(&mut self, body: &mut Block) {
        let Some(run) = self.f.lookup(&Symbol::new(OBJECTS)) else { return };
        let begin = self.extern_id("onnxc_rt_begin", &[]);
        let end = self.extern_id("onnxc_rt_end", &[I64]);
        let mut running = false;
        // The first return after the start is the one for no memory.
        let mut refused = false;
        end_in(body, begin, end, run, &mut running, &mut refused);
    }

    fn extern_id(&mut self, symbol: &str, params: &[ParamKind]) -> ExternId {
        let known = self.f.externs.iter().find(|(_, e)| e.symbol == symbol).map(|(id, _)| id);
        known.unwrap_or_else(|| {
            let x = onnxc_ir::loops::Extern { symbol: symbol.into(), params: params.to_vec(), ret: None };
            self.f.externs.push(x)
        })
    }
}

fn end_in(b: &mut Block, begin: ExternId, end: ExternId, run: Value, running: &mut bool, refused: &mut bool) {
    let mut out = Vec::with_capacity(b.0.len());
    for mut s in std::mem::take(&mut b.0) {
        match &mut s {
            Stmt::Call { callee: Callee::Extern(x), .. } if *x == begin => *running = true,
            Stmt::Return(_) if *running && !*refused => *refused = true,
            Stmt::Return(_) if *running => {
                out.push(Stmt::Call { callee: Callee::Extern(end), args: vec![Arg::Value(run)], result: None });
            }
            Stmt::If { then, els, .. } => {
                end_in(then, begin, end, run, running, refused);
                end_in(els, begin, end, run, running, refused);
            }
            Stmt::For { body, .. } | Stmt::Loop(body) => end_in(body, begin, end, run, running, refused),
            _ => {}
        }
        out.push(s);
    }
    b.0 = out;
}
