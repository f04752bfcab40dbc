//! One loops function to one CLIF function: entry, variables, statements and control flow.
//!
//! Values are in `value`, memory in `memory`. What can't be translated is noted in `problems` and replaced by zeros, so
//! that one run finds everything; the caller throws the code away then.

use crate::rep::{Rep, part_count, scalar_type};
use crate::vars::Home;
use cranelift_codegen::ir::{
    self, AbiParam, Block, FuncRef, GlobalValue, InstBuilder, Signature, StackSlot, StackSlotData, StackSlotKind,
};
use cranelift_codegen::ir::{Type, types};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, Variable};
use onnxc_base::{DType, Diagnostic, Diagnostics, PrimaryMap, SecondaryMap};
use onnxc_codegen::ConstLayout;
use onnxc_codegen::backend::ALLOCATOR_PARAM;
use onnxc_ir::loops::{self as l, Buf, BufKind, ParamKind, Stmt, Ty, Value, Var};
use std::collections::BTreeMap;

/// What a translation needs of the module around it.
pub(crate) struct Surroundings<'a> {
    /// The program.
    pub program: &'a l::Program,
    /// Where constants are.
    pub constants: &'a ConstLayout,
    /// The type of an address.
    pub pointer: Type,
    /// C calls.
    pub call_conv: CallConv,
    /// True if there are vector registers.
    pub vectors: bool,
    /// True if `Op::Fma` is one instruction.
    pub has_fma: bool,
}

/// A function under translation.
pub(crate) struct Translator<'a, 'f> {
    pub b: FunctionBuilder<'f>,
    pub cx: &'a Surroundings<'a>,
    pub func: &'a l::Func,
    /// Functions and externs that this one calls.
    pub callees: BTreeMap<Callee, FuncRef>,
    /// The constants' symbol.
    pub constants: GlobalValue,
    pub params: Vec<ir::Value>,
    values: SecondaryMap<Value, Option<Rep>>,
    pub homes: PrimaryMap<Var, Home>,
    /// Addresses of parameters, stack buffers and local buffers.
    pub addresses: SecondaryMap<Buf, Option<ir::Value>>,
    /// Buffers that `Assign` sets.
    pub pointers: SecondaryMap<Buf, Option<Variable>>,
    /// Where `Break` goes, innermost last.
    pub exits: Vec<Block>,
    /// 64 bytes that masked accesses touch instead of memory.
    pub dummy: Option<StackSlot>,
    pub problems: Diagnostics,
}

/// A callee, as a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Callee {
    Func(l::FuncId),
    Extern(l::ExternId),
    /// The function for the runtime to call behind a forked one.
    Task(l::FuncId),
    /// The runtime's function that forks.
    Fork,
}

impl From<l::Callee> for Callee {
    fn from(c: l::Callee) -> Self {
        match c {
            l::Callee::Func(f) => Callee::Func(f),
            l::Callee::Extern(e) => Callee::Extern(e),
        }
    }
}

/// The C signature of a list of parameters.
pub(crate) fn signature<'p>(
    cx: &Surroundings<'_>,
    params: impl IntoIterator<Item = &'p ParamKind>,
    ret: Option<Ty>,
) -> Signature {
    let mut sig = Signature::new(cx.call_conv);
    let abi = |d: DType| {
        let ty = scalar_type(d).unwrap_or(types::I64);
        let p = AbiParam::new(ty);
        // Small integers are extended by the caller, as C compilers for these targets expect.
        match ty.bits() {
            8 | 16 if d.is_signed_int() => p.sext(),
            8 | 16 => p.uext(),
            _ => p,
        }
    };
    for kind in params {
        sig.params.push(match *kind {
            ParamKind::Scalar(d) => abi(d),
            ParamKind::Buf { .. } | ParamKind::Table => AbiParam::new(cx.pointer),
        });
    }
    sig.returns.extend(ret.map(|ty| abi(ty.elem)));
    sig
}

impl<'a, 'f> Translator<'a, 'f> {
    /// A translator whose builder is empty yet.
    pub fn new(
        b: FunctionBuilder<'f>,
        cx: &'a Surroundings<'a>,
        func: &'a l::Func,
        callees: BTreeMap<Callee, FuncRef>,
        constants: GlobalValue,
    ) -> Self {
        Self {
            b,
            cx,
            func,
            callees,
            constants,
            params: vec![],
            values: SecondaryMap::new(),
            homes: PrimaryMap::new(),
            addresses: SecondaryMap::new(),
            pointers: SecondaryMap::new(),
            exits: vec![],
            dummy: None,
            problems: Diagnostics::new(),
        }
    }

    /// Translates the whole function; what was wrong with it.
    pub fn run(mut self) -> Diagnostics {
        let entry = self.b.create_block();
        self.b.append_block_params_for_function_params(entry);
        self.b.switch_to_block(entry);
        self.b.seal_block(entry);
        self.params = self.b.block_params(entry).to_vec();
        self.declare_buffers();
        self.declare_vars();
        let body = &self.func.body;
        self.block(body);
        self.ret(None);
        self.b.seal_all_blocks();
        let config = ir_config(self.cx);
        self.b.finalize(config);
        self.problems
    }

    /// Notes that something can't be compiled.
    pub fn fail(&mut self, what: impl Into<String>) {
        let d = Diagnostic::error("E5110", what)
            .node(self.func.name.clone(), "function")
            .help("this is a bug of the compiler: please report it");
        self.problems.push(d);
    }

    fn declare_buffers(&mut self) {
        for (buf, def) in &self.func.bufs {
            match def.kind {
                BufKind::Param(i) => match self.params.get(i as usize) {
                    Some(&v) => self.addresses[buf] = Some(v),
                    None => self.fail(format!("buffer {buf} is a parameter that isn't there")),
                },
                BufKind::Stack(n) => {
                    let bytes = (n as usize).saturating_mul(def.dtype.size()).max(1) as u32;
                    let slot = self.slot(bytes);
                    self.addresses[buf] = Some(self.b.ins().stack_addr(self.cx.pointer, slot, 0));
                }
                BufKind::Pointer => {
                    let var = self.b.declare_var(self.cx.pointer);
                    let null = self.int(self.cx.pointer, 0);
                    self.b.def_var(var, null);
                    self.pointers[buf] = Some(var);
                }
                BufKind::Const(_) | BufKind::Local => {}
            }
        }
    }

    /// Room on the stack.
    pub fn slot(&mut self, bytes: u32) -> StackSlot {
        // 16 bytes is the stack's own alignment; wider accesses here are unaligned ones.
        self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes.next_multiple_of(16), 4))
    }

    /// The address of memory that masked-off lanes read or write.
    pub fn dummy(&mut self) -> ir::Value {
        let slot = match self.dummy {
            Some(s) => s,
            None => self.slot(64),
        };
        self.dummy = Some(slot);
        self.b.ins().stack_addr(self.cx.pointer, slot, 0)
    }

    /// Zero of any CLIF type.
    pub fn zero(&mut self, ty: Type) -> ir::Value {
        match ty {
            types::F32 => self.b.ins().f32const(0.0),
            types::F64 => self.b.ins().f64const(0.0),
            t if t.is_vector() => {
                let v = self.int(types::I64X2, 0);
                self.recast(t, v)
            }
            t => self.int(t, 0),
        }
    }

    /// Remembers what a value is.
    pub fn define(&mut self, value: Value, rep: Rep) {
        self.values[value] = Some(rep);
    }

    /// What a value is; zeros, and a problem, if it isn't defined.
    pub fn rep(&mut self, value: Value) -> Rep {
        if let Some(r) = &self.values[value] {
            return r.clone();
        }
        self.fail(format!("value {value} is used before it is defined"));
        self.zeros(self.func.values[value].ty)
    }

    /// A scalar value.
    pub fn scalar(&mut self, value: Value) -> ir::Value {
        self.rep(value).one()
    }

    /// Zeros of a type, in its canonical form.
    pub fn zeros(&mut self, ty: Ty) -> Rep {
        let part = self.part_type(ty).unwrap_or(types::I64);
        let width = self.width(ty);
        let zero = self.zero(part);
        Rep { width, parts: vec![zero; part_count(ty.lanes, width)] }
    }

    /// A value in the canonical form of its type.
    pub fn canonical(&mut self, rep: Rep, ty: Ty) -> Rep {
        let width = self.width(ty);
        if rep.width == width {
            return rep;
        }
        if width == 0 {
            return Rep::scalars(self.lanes(&rep, ty));
        }
        // Only masks have more than one packed form.
        self.mask_of_width(&rep, ty.lanes, width)
    }

    /// The constant behind a value.
    pub fn constant(&self, value: Value) -> Option<i64> {
        match self.func.values[value].op {
            l::Op::Const(s) => Some(s.to_i64()),
            _ => None,
        }
    }

    /// Translates the statements of a block.
    pub fn block(&mut self, block: &l::Block) {
        for stmt in &block.0 {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let(v) => self.value(*v),
            Stmt::Set(place, v) => self.set(place, *v),
            Stmt::Store { buf, offset, value, mask } => self.store(*buf, *offset, *value, *mask),
            Stmt::Scatter { buf, offsets, value, mask } => self.scatter(*buf, *offsets, *value, *mask),
            Stmt::Alloc { buf, count, space: l::Space::Heap, .. } => self.heap_alloc(*buf, *count),
            Stmt::Alloc { buf, .. } => self.fail(format!("buffer {buf} still has no place in the workspace")),
            Stmt::Free(buf) => self.heap_free(*buf),
            Stmt::View { buf, base, byte_offset, .. } => {
                let (base, offset) = (self.address(*base), self.scalar(*byte_offset));
                let offset = self.pointer_sized(offset);
                self.addresses[*buf] = Some(self.b.ins().iadd(base, offset));
            }
            Stmt::Entry { buf, table, index } => match self.params.get(*table as usize) {
                Some(&t) => {
                    let at = (*index * self.cx.pointer.bytes()) as i32;
                    self.addresses[*buf] = Some(self.b.ins().load(self.cx.pointer, crate::memory::plain(), t, at));
                }
                None => self.fail(format!("parameter {table} isn't there")),
            },
            Stmt::Assign { buf, from } => {
                let from = self.address(*from);
                match self.pointers[*buf] {
                    Some(var) => self.b.def_var(var, from),
                    None => self.fail(format!("buffer {buf} isn't a pointer")),
                }
            }
            // What `outline-parallel` has left of parallel loops runs in order.
            Stmt::For { index, lo, hi, step, body, .. } => self.for_loop(*index, *lo, *hi, *step, body),
            Stmt::Loop(body) => self.loop_forever(body),
            Stmt::Break => match self.exits.last() {
                Some(&exit) => {
                    self.b.ins().jump(exit, &[]);
                    self.unreachable();
                }
                None => self.fail("break outside of a loop"),
            },
            Stmt::If { cond, then, els } => self.if_else(*cond, then, els),
            Stmt::Call { callee, args, result } => self.call(*callee, args, *result),
            Stmt::Fork { callee, args, count, team } => self.fork(*callee, args, *count, *team),
            Stmt::Return(v) => {
                self.ret(*v);
                self.unreachable();
            }
            // Cranelift has no such instruction.
            Stmt::Prefetch { .. } | Stmt::Comment(_) => {}
        }
    }

    /// Goes on after a jump away: what follows is dropped by Cranelift.
    fn unreachable(&mut self) {
        let next = self.b.create_block();
        self.b.switch_to_block(next);
        self.b.seal_block(next);
    }

    fn ret(&mut self, value: Option<Value>) {
        let v = match (value, self.func.ret) {
            (Some(v), Some(_)) => Some(self.scalar(v)),
            (None, Some(ty)) => Some(self.zeros(ty).one()),
            _ => None,
        };
        self.b.ins().return_(v.as_slice());
    }

    /// The program's parameter that is the caller's allocator.
    pub fn allocator(&mut self) -> Option<ir::Value> {
        let i = self.func.params.iter().position(|p| p.name == ALLOCATOR_PARAM);
        if i.is_none() {
            self.fail(format!("heap memory is used without a parameter named '{ALLOCATOR_PARAM}'"));
        }
        i.map(|i| self.params[i])
    }
}

/// What the frontend asks of the target when it finishes a function.
fn ir_config(cx: &Surroundings<'_>) -> cranelift_codegen::isa::TargetFrontendConfig {
    cranelift_codegen::isa::TargetFrontendConfig {
        default_call_conv: cx.call_conv,
        pointer_width: if cx.pointer == types::I32 {
            target_lexicon::PointerWidth::U32
        } else {
            target_lexicon::PointerWidth::U64
        },
        page_size_align_log2: 12,
    }
}
