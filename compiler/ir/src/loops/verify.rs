//! Checks a program against the rules of loops IR and lists every violation, with the printed line under it.
//!
//! Types (E4101)
//! - Lanes are a power of two up to 64; elements are scalar types. f16 and bf16 are only moved and cast.
//! - Operands have the types that each operation asks for, and its result the type that follows.
//! - Offsets, counts, indices and bounds are i64 scalars (offsets of gather and scatter: i64 or i32 lanes); masks have a
//!   bool per lane; loads and stores have the buffer's dtype.
//! - Lanes of `extract` and `shuffle` exist. A variable is indexed once per dim, constants within its extents;
//!   its lanes, and the bytes of a stack buffer, are bounded.
//!
//! Definitions (E4102)
//! - A value is defined once, and each use is after the definition, in the same block or one inside it.
//! - `Index` is defined by its loop, `Result` by its call.
//!
//! Buffers (E4103)
//! - A `Local` buffer gets its memory at one `alloc`, `view` or `entry`, before each use as for values; a `Pointer` is
//!   assigned on every way to a use. No other buffer is given memory.
//! - Constants and parameters that aren't mutable are never written: not through views, pointers that only ever point to
//!   them, or calls.
//! - Only heap buffers and pointers are freed. A workspace buffer has a constant count or a bound over the dims.
//!
//! Control (E4104)
//! - `break` is inside a loop, and doesn't leave a parallel one; no `return` inside a parallel loop; nothing follows either.
//! - A step is at least 1; an unrolled loop has constant bounds.
//! - A variable set in a parallel loop is set there before it is read, and not used outside: it belongs to an iteration.
//! - A function that returns a value does so on every way out, and of its own type.
//!
//! Calls (E4105)
//! - A function forked takes three i64, the range and the thread, before the arguments, and returns nothing.
//! - A callee exists and, so that nothing recurs, comes before its caller; arguments and result match its signature.
//!
//! Program (E4106)
//! - Names of functions and linked symbols are unique, exported ones and the program's are C identifiers.
//! - Buffers of parameters and constants have their dtype; entries exist; dims and shapes mention only dims before them.
//!
//! After passes (E4107), as [`Stage`] asks
//! - `unrolled`: no unrolled loop is left and every tile index is a constant.
//! - `planned`: no `alloc` in the workspace is left.
//! - `expanded`: no math function is left.
//!
//! NOT checked: that accesses are in bounds (the interpreter does), that iterations of a parallel loop don't write what
//! others touch.

mod flow;
mod func;
mod memory;
mod ops;
mod program;
#[cfg(test)]
mod tests;

use super::print::LinePrinter;
use super::*;
use onnxc_base::{Diagnostic, Diagnostics, Place as Where};

/// Which passes are behind the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stage {
    /// `unroll` has run.
    pub unrolled: bool,
    /// `plan-memory` has run.
    pub planned: bool,
    /// `expand-math` has run.
    pub expanded: bool,
}

impl Stage {
    /// No pass has run.
    pub const FRESH: Stage = Stage { unrolled: false, planned: false, expanded: false };
    /// All have: what a backend gets.
    pub const FINAL: Stage = Stage { unrolled: true, planned: true, expanded: true };
}

/// Lists every violated rule.
pub fn verify(program: &Program, stage: Stage) -> Result<(), Diagnostics> {
    let mut found = Diagnostics::new();
    program::check(program, &mut found);
    for id in program.funcs.keys() {
        found.extend(verify_func(program, id, stage).err().unwrap_or_default());
    }
    found.into_result(())
}

/// Lists every rule that one function violates.
pub fn verify_func(program: &Program, id: FuncId, stage: Stage) -> Result<(), Diagnostics> {
    let mut checker = Checker::new(program, id, stage);
    checker.function();
    Diagnostics(checker.found).into_result(())
}

/// The kinds of rules, as error codes.
mod code {
    pub const TYPE: &str = "E4101";
    pub const DEFINITION: &str = "E4102";
    pub const BUFFER: &str = "E4103";
    pub const CONTROL: &str = "E4104";
    pub const CALL: &str = "E4105";
    pub const PROGRAM: &str = "E4106";
    pub const STAGE: &str = "E4107";
}

/// The check of one function.
struct Checker<'a> {
    program: &'a Program,
    id: FuncId,
    func: &'a Func,
    stage: Stage,
    found: Vec<Diagnostic>,
    /// The statement being checked.
    here: Option<&'a Stmt>,
    /// Made at the first violation, as most functions have none.
    printer: Option<LinePrinter<'a>>,
    scope: func::Scope,
    /// How each buffer may be used; see `memory`.
    writable: memory::Writable,
    /// The loops around the statement being checked, outermost first.
    loops: Vec<flow::Enclosing>,
}

impl<'a> Checker<'a> {
    fn new(program: &'a Program, id: FuncId, stage: Stage) -> Self {
        let func = &program.funcs[id];
        Self {
            program,
            id,
            func,
            stage,
            found: vec![],
            here: None,
            printer: None,
            scope: func::Scope::default(),
            writable: memory::Writable::default(),
            loops: vec![],
        }
    }

    /// Reports a violation by the statement being checked.
    fn report(&mut self, code: &'static str, message: impl FnOnce(&LinePrinter) -> String) {
        let (program, func) = (self.program, self.func);
        let printer = self.printer.get_or_insert_with(|| LinePrinter::new(program, func));
        let mut text = message(printer);
        if let Some(s) = self.here {
            text.push_str(&format!("\n  | {}", printer.line(s)));
        }
        let scope = vec![onnxc_base::text::sigil('@', &func.name)];
        self.found.push(Diagnostic::error(code, text).at(Where { scope, ..Where::default() }));
    }

    /// Reports unless `ok`.
    fn check(&mut self, ok: bool, code: &'static str, message: impl FnOnce(&LinePrinter) -> String) {
        if !ok {
            self.report(code, message);
        }
    }

    /// The type of a value, if it exists.
    fn ty(&self, v: Value) -> Option<Ty> {
        self.func.values.get(v).map(|d| d.ty)
    }

    /// The integer behind a value that is a constant.
    fn constant(&self, v: Value) -> Option<i64> {
        match self.func.values.get(v)?.op {
            Op::Const(s) => Some(s.to_i64()),
            _ => None,
        }
    }
}
