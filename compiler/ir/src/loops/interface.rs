//! What a caller of a module needs to know: its dims, inputs, outputs and entry functions. No code is here.

use super::FuncId;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Sym};

/// What a caller needs to know of a module.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Interface {
    /// Symbolic dims, in the order of the dims struct.
    pub dims: Vec<DimInfo>,
    /// Inputs, in the model's order.
    pub inputs: Vec<Port>,
    /// Outputs, in the model's order.
    pub outputs: Vec<Port>,
    /// What a run checks of the dims. Not part of the text.
    pub checks: Vec<Check>,
    /// Names for what says the workspace, each over the dims and the names before it, so that none is long.
    pub sizes: Vec<(Symbol, Sym)>,
    /// Workspace bytes over the dims and `sizes`; known after `plan-memory`.
    pub workspace: Option<Sym>,
    /// The entry functions, by role.
    pub entries: Entries,
}

/// Entry functions. All take `dims: const i64*` first unless the module has no dims.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entries {
    /// `NAME_run(dims, inputs.., outputs.., extents, allocator, workspace) -> status`; extents only if some dim is
    /// known only after the run, allocator only if needed.
    pub run: Option<FuncId>,
    /// `NAME_plan(inputs.., dims) -> status`: sets the dims of [`DimSource::Plan`] from input values.
    pub plan: Option<FuncId>,
    /// `NAME_workspace_bytes(dims) -> i64`.
    pub workspace_bytes: Option<FuncId>,
    /// `NAME_call(dims, inputs, outputs, extents, allocator, workspace) -> status`, the same for every module:
    /// inputs and outputs are tables of addresses.
    pub call: Option<FuncId>,
}

impl Entries {
    /// Replaces the entry functions that there are.
    pub fn map_funcs(&mut self, mut f: impl FnMut(FuncId) -> FuncId) {
        let Entries { run, plan, workspace_bytes, call } = self;
        for entry in [run, plan, workspace_bytes, call].into_iter().flatten() {
            *entry = f(*entry);
        }
    }
}

/// What has to hold for the dims: a run where it doesn't is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// One side.
    pub left: Sym,
    /// The other.
    pub right: Sym,
    /// It is enough that the left side is 1.
    pub or_one: bool,
    /// Who needs it, and why.
    pub reason: String,
}

/// A symbolic dim of a module.
#[derive(Clone, PartialEq, Debug)]
pub struct DimInfo {
    /// Its name, as in every `Sym` of the program.
    pub name: String,
    /// Where its value comes from.
    pub source: DimSource,
    /// Least value accepted.
    pub lo: i64,
    /// Greatest value accepted, over dims that come before; none: no limit.
    pub hi: Option<Sym>,
}

/// When a dim becomes known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DimSource {
    /// From the inputs' shapes.
    Input,
    /// From the inputs' values, before the run (`NAME_plan`).
    Plan,
    /// During the run; its number among the extents that the run returns.
    Run(u32),
}

/// An input or output of a module.
#[derive(Clone, PartialEq, Debug)]
pub struct Port {
    /// The tensor's name in the model.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Extents over the module's dims; none for what is no tensor.
    pub shape: Vec<Sym>,
    /// For what isn't passed as the address of elements but as that of an `onnxc_value`: its type as ONNX spells it,
    /// `seq(tensor(float))`. `dtype` is then that of the tensors in it.
    pub value: Option<String>,
}
