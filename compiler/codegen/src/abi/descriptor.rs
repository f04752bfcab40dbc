//! The bytes of a module's [`ModuleV1`](onnxc_runtime::module::ModuleV1): structs, arrays and texts in one data object,
//! with pointers between them left to the linker.

use super::ModuleInfo;
use super::dtype::dtype_number;
use super::extent::{DimNumbers, Extent};
use super::threads;
use crate::object_file::{DataObject, Pointer};
use onnxc_base::{Diagnostics, Sym};
use onnxc_ir::loops::{Check, DimSource, FuncId, ParamKind, Port, Program};
use onnxc_runtime::module::*;
use std::mem::offset_of;

/// Bytes under construction.
struct Builder {
    data: DataObject,
    problems: Diagnostics,
    dims: DimNumbers,
}

/// Builds the description of a program that has a `call` entry. `status_text`: the function's symbol.
pub(super) fn build(program: &Program, info: &ModuleInfo, status_text: &str) -> Result<DataObject, Diagnostics> {
    let face = &program.interface;
    let dims = face.dims.iter().enumerate().map(|(i, d)| (d.name.clone(), i as i64)).collect();
    let data = DataObject { symbol: format!("{}_module", program.name), align: 64, ..DataObject::default() };
    let mut b = Builder { data, problems: Diagnostics::new(), dims };
    b.reserve(size_of::<ModuleV1>());
    b.u32(offset_of!(ModuleV1, magic), MAGIC);
    b.u32(offset_of!(ModuleV1, version), VERSION);
    b.u32(offset_of!(ModuleV1, size), size_of::<ModuleV1>() as u32);
    b.u32(offset_of!(ModuleV1, flags), flags(program));
    b.text(offset_of!(ModuleV1, name), &program.name);
    b.text(offset_of!(ModuleV1, compiler), &info.compiler);
    b.text(offset_of!(ModuleV1, model_sha256), &info.model_sha256);
    b.u32(offset_of!(ModuleV1, dim_count), face.dims.len() as u32);
    b.u32(offset_of!(ModuleV1, input_count), face.inputs.len() as u32);
    b.u32(offset_of!(ModuleV1, output_count), face.outputs.len() as u32);
    let runs = face.dims.iter().filter(|d| matches!(d.source, DimSource::Run(_))).count();
    b.u32(offset_of!(ModuleV1, extent_count), runs as u32);
    b.dims(offset_of!(ModuleV1, dims), program);
    b.ports(offset_of!(ModuleV1, inputs), &face.inputs);
    b.ports(offset_of!(ModuleV1, outputs), &face.outputs);
    // A check that can't be said is done all the same.
    let said = |c: &&Check| [&c.left, &c.right].iter().all(|s| Extent::of(s, &b.dims).is_ok());
    let checks: Vec<&Check> = face.checks.iter().filter(said).collect();
    b.u32(offset_of!(ModuleV1, check_count), checks.len() as u32);
    b.checks(offset_of!(ModuleV1, checks), &checks);
    // Operations that depend on sizes known only inside of the run aren't said: nobody could evaluate them.
    let said = info.flops.as_ref().filter(|f| Extent::of(f, &b.dims).is_ok());
    b.extent(offset_of!(ModuleV1, flops), said);
    let symbol = |f: FuncId| program.funcs[f].name.clone();
    let functions = [
        (offset_of!(ModuleV1, workspace_bytes), face.entries.workspace_bytes.map(symbol)),
        (offset_of!(ModuleV1, plan_call), super::plan_call(program).map(symbol)),
        (offset_of!(ModuleV1, call), face.entries.call.map(symbol)),
        (offset_of!(ModuleV1, status_text), Some(status_text.to_string())),
        (offset_of!(ModuleV1, set_threads), threads::set_threads(program).map(symbol)),
        (offset_of!(ModuleV1, set_parallel_for), threads::set_parallel_for(program).map(symbol)),
    ];
    for (at, name) in functions {
        if let Some(name) = name {
            b.pointer(at, &name, 0);
        }
    }
    b.problems.into_result(b.data)
}

fn flags(program: &Program) -> u32 {
    let uses = |f: FuncId| {
        program.funcs[f]
            .params
            .iter()
            .any(|p| p.name == crate::backend::ALLOCATOR_PARAM && matches!(p.kind, ParamKind::Buf { .. }))
    };
    if program.interface.entries.run.is_some_and(uses) { FLAG_ALLOCATOR } else { 0 }
}

impl Builder {
    /// Zero bytes at the end, aligned to 8; where they begin.
    fn reserve(&mut self, bytes: usize) -> usize {
        let at = self.data.bytes.len().next_multiple_of(8);
        self.data.bytes.resize(at + bytes, 0);
        at
    }

    fn u32(&mut self, at: usize, v: u32) {
        self.data.bytes[at..at + 4].copy_from_slice(&v.to_le_bytes());
    }

    fn i64(&mut self, at: usize, v: i64) {
        self.data.bytes[at..at + 8].copy_from_slice(&v.to_le_bytes());
    }

    fn pointer(&mut self, at: usize, symbol: &str, addend: usize) {
        self.data.pointers.push(Pointer { offset: at as u64, symbol: symbol.into(), addend: addend as i64 });
    }

    /// A pointer to a place in these bytes.
    fn inner(&mut self, at: usize, to: usize) {
        let symbol = self.data.symbol.clone();
        self.pointer(at, &symbol, to);
    }

    fn text(&mut self, at: usize, text: &str) {
        let start = self.data.bytes.len();
        // A C string ends at its first zero byte.
        self.data.bytes.extend(text.bytes().filter(|&b| b != 0));
        self.data.bytes.push(0);
        self.inner(at, start);
    }

    fn extent(&mut self, at: usize, sym: Option<&Sym>) {
        let e = match sym.map(|s| Extent::of(s, &self.dims)) {
            None => Extent::NONE,
            Some(Ok(e)) => e,
            Some(Err(d)) => {
                self.problems.push(d);
                Extent::NONE
            }
        };
        self.u32(at + offset_of!(ExtentV1, kind), e.kind);
        self.u32(at + offset_of!(ExtentV1, length), e.code.len() as u32);
        self.i64(at + offset_of!(ExtentV1, value), e.value);
        if !e.code.is_empty() {
            let code = self.reserve(e.code.len() * 8);
            for (i, &word) in e.code.iter().enumerate() {
                self.i64(code + i * 8, word);
            }
            self.inner(at + offset_of!(ExtentV1, code), code);
        }
    }

    fn ports(&mut self, at: usize, ports: &[Port]) {
        let first = self.reserve(ports.len() * size_of::<PortV1>());
        self.inner(at, first);
        for (i, p) in ports.iter().enumerate() {
            let at = first + i * size_of::<PortV1>();
            self.text(at + offset_of!(PortV1, name), &p.name);
            self.u32(at + offset_of!(PortV1, dtype), dtype_number(p.dtype));
            self.u32(at + offset_of!(PortV1, rank), p.shape.len() as u32);
            let shape = self.reserve(p.shape.len() * size_of::<ExtentV1>());
            self.inner(at + offset_of!(PortV1, shape), shape);
            for (j, sym) in p.shape.iter().enumerate() {
                self.extent(shape + j * size_of::<ExtentV1>(), Some(sym));
            }
            self.u32(at + offset_of!(PortV1, form), if p.value.is_some() { FORM_VALUE } else { FORM_ELEMENTS });
            let type_text = p.value.clone().unwrap_or_else(|| format!("tensor({})", p.dtype.type_word()));
            self.text(at + offset_of!(PortV1, type_text), &type_text);
        }
    }

    fn checks(&mut self, at: usize, checks: &[&Check]) {
        let first = self.reserve(checks.len() * size_of::<CheckV1>());
        self.inner(at, first);
        for (i, c) in checks.iter().enumerate() {
            let at = first + i * size_of::<CheckV1>();
            self.text(at + offset_of!(CheckV1, reason), &c.reason);
            self.u32(at + offset_of!(CheckV1, relation), if c.or_one { CHECK_REPEATED } else { CHECK_EQUAL });
            self.extent(at + offset_of!(CheckV1, left), Some(&c.left));
            self.extent(at + offset_of!(CheckV1, right), Some(&c.right));
        }
    }

    fn dims(&mut self, at: usize, program: &Program) {
        let dims = &program.interface.dims;
        let first = self.reserve(dims.len() * size_of::<DimV1>());
        self.inner(at, first);
        for (i, d) in dims.iter().enumerate() {
            let at = first + i * size_of::<DimV1>();
            let (source, extent) = match d.source {
                DimSource::Input => (SOURCE_INPUT, 0),
                DimSource::Plan => (SOURCE_PLAN, 0),
                DimSource::Run(n) => (SOURCE_RUN, n),
            };
            self.text(at + offset_of!(DimV1, name), &d.name);
            self.u32(at + offset_of!(DimV1, source), source);
            self.u32(at + offset_of!(DimV1, extent), extent);
            self.i64(at + offset_of!(DimV1, lo), d.lo);
            self.extent(at + offset_of!(DimV1, hi), d.hi.as_ref());
        }
    }
}
