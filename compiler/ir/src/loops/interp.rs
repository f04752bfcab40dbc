//! Runs functions of a program on host memory: the slow, obvious definition of loops IR.
//!
//! Every access is checked: bounds, use after free, null, writes to what is read-only. An error names the statement.
//! Memory from `alloc` starts as bytes of 0xff (NaN, -1), so that code that counts on zeros is found out; stack buffers
//! start as zeros. Parallel loops run in order, or backwards on request: a result that differs tells of a race.
//!
//! The program must pass [`super::verify::verify`]; on one that doesn't this may panic.
//! NOT modelled: views that overlap where they shouldn't, alignment, several threads.

mod exec;
mod externs;
mod lanes;
mod memory;
mod module;
mod ops;
#[cfg(test)]
mod tests;

use super::print::LinePrinter;
use super::*;
pub use externs::{ExternCall, ExternFn};
use memory::{Memory, Origin, Ptr};
pub use module::{infer_dims, run_module};
use onnxc_base::tensor::Element;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// An argument of a call; buffers are taken for the call and put back with what was written.
#[derive(Clone, PartialEq, Debug)]
pub enum ArgVal {
    /// A scalar.
    Scalar(Scalar),
    /// The bytes of a buffer, little-endian.
    Buf(Vec<u8>),
    /// The bytes of a buffer that is only read.
    Shared(Bytes),
    /// A null address.
    Null,
    /// A table of addresses: buffers, shared ones or nulls.
    Table(Vec<ArgVal>),
}

impl ArgVal {
    /// A buffer of these elements.
    pub fn buf<T: Element>(elements: &[T]) -> ArgVal {
        ArgVal::Buf(bytemuck::cast_slice(elements).to_vec())
    }

    /// The elements of a buffer; empty for anything else.
    pub fn elements<T: Element>(&self) -> Vec<T> {
        match self {
            ArgVal::Buf(b) => bytemuck::pod_collect_to_vec(b),
            ArgVal::Shared(b) => bytemuck::pod_collect_to_vec(b),
            _ => vec![],
        }
    }
}

/// What went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An access at these bytes of memory that has fewer.
    OutOfBounds {
        /// First byte of the access, from the start of the memory.
        at: i128,
        /// Bytes accessed.
        len: usize,
        /// Bytes that exist.
        size: usize,
    },
    /// The memory was given back, or its function has returned.
    UseAfterFree,
    /// The address is null.
    Null,
    /// The memory is a constant, or was handed in for reading.
    ReadOnly,
    /// A tile index outside of its extents.
    TileIndex(i64),
    /// A count that is negative or more than the machine has.
    BadCount(i64),
    /// More statements than allowed.
    StepLimit,
    /// Heap buffers that nobody freed.
    Leak(Vec<String>),
    /// A linked function that isn't supplied or that failed.
    Extern(String),
    /// Arguments that don't fit the function, or inputs that don't fit the interface.
    Arguments(String),
    /// A run that ended with a status other than 0.
    Status(i64),
}

/// What went wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterpError {
    /// The function.
    pub func: String,
    /// The statement as printed; empty if the fault concerns the call as a whole.
    pub stmt: String,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::OutOfBounds { at, len, size } => write!(f, "{len} bytes at {at} of memory of {size} bytes"),
            Fault::UseAfterFree => f.write_str("the memory is gone"),
            Fault::Null => f.write_str("the address is null"),
            Fault::ReadOnly => f.write_str("the memory is read-only"),
            Fault::TileIndex(i) => write!(f, "tile index {i} is out of range"),
            Fault::BadCount(n) => write!(f, "there is no memory for {n} elements"),
            Fault::StepLimit => f.write_str("the step limit is reached"),
            Fault::Leak(bufs) => write!(f, "never freed: {}", bufs.join(", ")),
            Fault::Extern(text) | Fault::Arguments(text) => f.write_str(text),
            Fault::Status(s) => write!(f, "status {s}"),
        }
    }
}

impl fmt::Display for InterpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}: {}", self.func, self.fault)?;
        if self.stmt.is_empty() { Ok(()) } else { write!(f, "\n  | {}", self.stmt) }
    }
}

impl std::error::Error for InterpError {}

/// Where the values and variables of a function lie in its registers.
struct Layout {
    values: Vec<u32>,
    vars: Vec<u32>,
    /// The registers at entry: constants, and zeros.
    init: Vec<u64>,
}

impl Layout {
    fn new(func: &Func) -> Layout {
        let mut l = Layout { values: vec![], vars: vec![], init: vec![] };
        for def in func.values.values() {
            l.values.push(l.init.len() as u32);
            l.init.resize(l.init.len() + usize::from(def.ty.lanes), 0);
            if let Op::Const(s) = def.op {
                let at = l.init.len() - usize::from(def.ty.lanes);
                l.init[at] = s.bits;
            }
        }
        for def in func.vars.values() {
            l.vars.push(l.init.len() as u32);
            let elements: usize = def.dims.iter().map(|&d| d as usize).product();
            l.init.resize(l.init.len() + elements * usize::from(def.ty.lanes), 0);
        }
        l
    }
}

/// Runs functions of one program.
pub struct Interp<'p> {
    program: &'p Program,
    layouts: PrimaryMap<FuncId, Rc<Layout>>,
    consts: PrimaryMap<ConstId, Ptr>,
    mem: Memory,
    externs: BTreeMap<String, ExternFn<'p>>,
    steps_left: u64,
    heap_limit: usize,
    backwards: bool,
    /// How many threads a team has, at most.
    threads: Rc<Cell<i64>>,
    /// What the last `return` gave: its lanes.
    returned: Vec<u64>,
    /// The function and line of the innermost statement that failed.
    place: Option<(String, String)>,
}

impl<'p> Interp<'p> {
    /// Prepares a program.
    pub fn new(program: &'p Program) -> Self {
        let mut mem = Memory::default();
        let consts = program.consts.values().map(|c| mem.add_shared(c.data.clone())).collect();
        let threads = Rc::new(Cell::new(1));
        let team = threads.clone();
        let begin: ExternFn<'p> =
            Box::new(move |c| Ok(Some(Scalar::i64(team.get().min(c.scalar(0)?.to_i64()).max(1)))));
        let end: ExternFn<'p> = Box::new(|_| Ok(None));
        Self {
            threads,
            program,
            layouts: program.funcs.values().map(|f| Rc::new(Layout::new(f))).collect(),
            consts,
            mem,
            externs: [(TEAM_BEGIN.to_owned(), begin), (TEAM_END.to_owned(), end)].into_iter().collect(),
            steps_left: u64::MAX,
            heap_limit: usize::MAX,
            backwards: false,
            returned: vec![],
            place: None,
        }
    }

    /// Supplies a linked function.
    pub fn supply(&mut self, symbol: &str, f: ExternFn<'p>) {
        self.externs.insert(symbol.to_owned(), f);
    }

    /// Bounds the number of statements run from now on.
    pub fn limit_steps(&mut self, steps: u64) {
        self.steps_left = steps;
    }

    /// Bounds a single heap allocation; a larger one gives a null address.
    pub fn limit_heap(&mut self, bytes: usize) {
        self.heap_limit = bytes;
    }

    /// Runs the iterations of parallel loops in reverse order.
    pub fn parallel_backwards(&mut self, backwards: bool) {
        self.backwards = backwards;
    }

    /// Cuts what is forked into up to this many ranges: one unless said.
    pub fn threads(&mut self, threads: u32) {
        self.threads.set(i64::from(threads));
    }

    /// Calls a function. Afterwards the buffers in `args` hold what was written, also after an error.
    pub fn call(&mut self, func: FuncId, args: &mut [ArgVal]) -> Result<Option<Scalar>, InterpError> {
        let f = &self.program.funcs[func];
        let fail = |fault| InterpError { func: f.name.clone(), stmt: String::new(), fault };
        let taken = self.take_args(f, args).map_err(|text| fail(Fault::Arguments(text)))?;
        let result = self.run(func, &taken);
        taken.iter().zip(&mut *args).for_each(|(t, a)| self.give_back(t, a));
        let leaks = self.mem.collect(&|func, buf| LinePrinter::new(self.program, &self.program.funcs[func]).buf(buf));
        match result {
            Err(fault) => {
                let (func, stmt) = self.place.take().unwrap_or_else(|| (f.name.clone(), String::new()));
                Err(InterpError { func, stmt, fault: *fault })
            }
            Ok(()) if !leaks.is_empty() => Err(fail(Fault::Leak(leaks))),
            Ok(()) => Ok(f.ret.map(|ty| Scalar { dtype: ty.elem, bits: self.returned[0] })),
        }
    }

    /// Moves the arguments into memory, if they fit the parameters.
    fn take_args(&mut self, f: &Func, args: &mut [ArgVal]) -> Result<Vec<Taken>, String> {
        if args.len() != f.params.len() {
            return Err(format!("{} arguments for {} parameters", args.len(), f.params.len()));
        }
        for (p, a) in f.params.iter().zip(&*args) {
            let ok = match (p.kind, a) {
                (ParamKind::Scalar(d), ArgVal::Scalar(s)) => d == s.dtype,
                (ParamKind::Buf { .. }, ArgVal::Buf(_) | ArgVal::Shared(_) | ArgVal::Null) => true,
                (ParamKind::Table, ArgVal::Table(entries)) => {
                    entries.iter().all(|e| matches!(e, ArgVal::Buf(_) | ArgVal::Shared(_) | ArgVal::Null))
                }
                _ => false,
            };
            if !ok {
                return Err(format!("the argument for '{}' isn't of its kind", p.name));
            }
        }
        let params = f.params.iter().map(|p| !matches!(p.kind, ParamKind::Buf { mutable: false, .. }));
        Ok(params.zip(args).map(|(writable, a)| self.take(a, writable)).collect())
    }

    fn take(&mut self, arg: &mut ArgVal, writable: bool) -> Taken {
        match arg {
            ArgVal::Scalar(s) => Taken::Scalar(s.bits),
            ArgVal::Buf(b) => Taken::Buf(self.mem.add(std::mem::take(b), writable, Origin::Lasting)),
            ArgVal::Shared(b) => Taken::Buf(self.mem.add_shared(b.clone())),
            ArgVal::Null => Taken::Buf(Ptr::NULL),
            ArgVal::Table(entries) => {
                let taken: Vec<Taken> = entries.iter_mut().map(|e| self.take(e, true)).collect();
                let ptrs = taken.iter().map(|t| if let Taken::Buf(p) = t { *p } else { Ptr::NULL }).collect();
                Taken::Table(self.mem.add_table(ptrs), taken)
            }
        }
    }

    fn give_back(&mut self, taken: &Taken, arg: &mut ArgVal) {
        match (taken, arg) {
            (Taken::Buf(p), ArgVal::Buf(b)) => *b = self.mem.remove(*p),
            (Taken::Buf(p), ArgVal::Shared(_)) => {
                self.mem.remove(*p);
            }
            (Taken::Table(_, taken), ArgVal::Table(entries)) => {
                taken.iter().zip(entries).for_each(|(t, e)| self.give_back(t, e));
            }
            _ => {}
        }
    }
}

/// An argument in the interpreter's memory.
enum Taken {
    Scalar(u64),
    Buf(Ptr),
    Table(usize, Vec<Taken>),
}
