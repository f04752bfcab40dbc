//! What was made: memory, sizes, operations, and what was fused with what.

use crate::{Module, budget};
use onnxc_base::Sym;
use onnxc_codegen::Artefact;
use onnxc_passes::manager::Note;
use serde::{Serialize, Serializer};
use std::fmt;

/// A number, or a formula over dims.
pub struct Amount(pub Sym);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0.as_int() {
            Some(v) => s.serialize_i64(v),
            None => s.serialize_str(&self.0.to_string()),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Nodes of a closed form that is still worth reading.
const CLOSED_FORM: u32 = 200;

/// The workspace over the dims; where that is long, the call that says it.
fn workspace_bytes(module: &Module) -> Amount {
    let short = module.lowered.memory.closed_form(CLOSED_FORM);
    Amount(short.unwrap_or_else(|| Sym::var(format!("{}_workspace_bytes(dims)", module.program.name))))
}

/// One step of the program.
#[derive(Serialize)]
pub struct Step {
    /// The kernel's function, if it is one.
    pub function: Option<String>,
    /// Nodes of the model that were fused into it.
    pub nodes: Vec<String>,
    /// Their operators.
    pub ops: Vec<String>,
    /// Floating-point operations.
    pub flops: Option<Amount>,
    /// Multiplications that are added up.
    pub macs: Option<Amount>,
}

/// The report of a compilation.
#[derive(Serialize)]
pub struct Report {
    /// The module's name.
    pub name: String,
    /// Bytes of memory that a run needs beside inputs and outputs.
    pub workspace_bytes: Amount,
    /// Bytes of stack that a run needs at most: the deepest chain of calls. Each frame as the backend made it, or with all that
    /// is alive at one time.
    /// None of Rust source: rustc puts more on the stack than the program has, and nobody says how much.
    pub stack_bytes: Option<u64>,
    /// Bytes of RAM that a run takes: workspace and stack. None where either isn't a number.
    pub ram_bytes: Option<u64>,
    /// Bytes of the module's own arrays on the stack, in the deepest chain of calls: all that is known of Rust source.
    pub stack_array_bytes: u64,
    /// Bytes of weights and tables.
    pub constant_bytes: u64,
    /// Bytes of machine code; of source text an estimate.
    pub code_bytes: u64,
    /// What goes into flash: weights, tables and code.
    pub flash_bytes: u64,
    /// Floating-point operations of a run, where they are known.
    pub flops: Amount,
    /// Multiplications of a run that are added up.
    pub macs: Amount,
    /// Distinct kernels.
    pub kernels: usize,
    /// What runs, in order.
    pub steps: Vec<Step>,
    /// Specialisations (`--hot`).
    pub hot: Vec<Hot>,
    /// What passes found worth knowing: quantised operators that stay in float, and why.
    pub notes: Vec<Remark>,
}

/// Code for some extents only.
#[derive(Serialize)]
pub struct Hot {
    /// The extents: `h=256, w=256`.
    pub extents: String,
    /// Bytes of machine code that only they need.
    pub code_bytes: u64,
}

/// A remark on a node.
#[derive(Serialize)]
pub struct Remark {
    /// The node.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// What there is to know.
    pub message: String,
}

impl Report {
    /// Of a module and its machine code, or the backend that wrote source text.
    pub fn new(module: &Module, code: Option<&Artefact<'_>>, source: Option<&str>) -> Report {
        let steps = module.lowered.assembled.steps.iter().map(|s| Step {
            function: s.function.clone(),
            nodes: s.nodes.clone(),
            ops: s.ops.clone(),
            flops: s.flops.clone().map(Amount),
            macs: s.macs.clone().map(Amount),
        });
        let hot = |(i, extents): (usize, &Vec<(String, i64)>)| {
            let prefix = onnxc_passes::specialise::prefix(&module.program.name, i + 1);
            let list: Vec<String> = extents.iter().map(|(n, v)| format!("{n}={v}")).collect();
            Hot { extents: list.join(", "), code_bytes: code.map_or(0, |c| c.function_bytes(&prefix)) }
        };
        let constant_bytes = code.map_or_else(|| budget::constant_bytes(&module.program), Artefact::constant_bytes);
        let code_bytes = code.map_or(module.lowered.code_bytes, Artefact::code_bytes);
        let macs = module.lowered.assembled.steps.iter().filter_map(|s| s.macs.clone()).fold(Sym::int(0), |a, b| a + b);
        let remark = |n: &Note| Remark { node: n.node.clone(), op: n.op.clone(), message: n.message.clone() };
        let workspace = workspace_bytes(module);
        let stack =
            (source != Some("rust")).then(|| budget::stack_bytes(&module.program, code.and_then(Artefact::frames)));
        Report {
            name: module.program.name.clone(),
            ram_bytes: workspace.0.as_int().zip(stack).map(|(w, s)| w.unsigned_abs() + s),
            workspace_bytes: workspace,
            stack_bytes: stack,
            stack_array_bytes: budget::array_bytes(&module.program),
            constant_bytes,
            code_bytes,
            flash_bytes: constant_bytes + code_bytes,
            macs: Amount(macs),
            flops: Amount(module.info.flops.clone().unwrap_or_else(|| Sym::int(0))),
            kernels: module.lowered.assembled.kernels.len(),
            steps: steps.collect(),
            hot: module.hot.iter().enumerate().map(hot).collect(),
            notes: module.lowered.notes.iter().map(remark).collect(),
        }
    }

    /// As one JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report has nothing but texts and numbers")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "module     {}", self.name)?;
        writeln!(f, "workspace  {} bytes", self.workspace_bytes)?;
        match self.stack_bytes {
            Some(bytes) => writeln!(f, "stack      {bytes} bytes at most")?,
            None => writeln!(
                f,
                "stack      no bound: how large rustc makes frames isn't known; the module's own arrays are {} bytes of them",
                self.stack_array_bytes
            )?,
        }
        if let Some(bytes) = self.ram_bytes {
            writeln!(f, "ram        {bytes} bytes: workspace and stack; --max-ram limits the workspace")?;
        }
        writeln!(f, "constants  {} bytes", self.constant_bytes)?;
        writeln!(f, "code       {} bytes", self.code_bytes)?;
        writeln!(f, "flash      {} bytes", self.flash_bytes)?;
        writeln!(f, "flops      {}", self.flops)?;
        writeln!(f, "macs       {}", self.macs)?;
        writeln!(f, "steps      {} ({} distinct kernels)", self.steps.len(), self.kernels)?;
        for step in &self.steps {
            let flops = step.flops.as_ref().map_or(String::new(), |s| format!(", {s} flops"));
            let macs = step.macs.as_ref().filter(|m| !m.0.is_zero()).map_or(String::new(), |m| format!(", {m} macs"));
            let function = step.function.as_deref().unwrap_or("-");
            writeln!(f, "  {function}: {} ({}){flops}{macs}", step.ops.join(" + "), step.nodes.join(", "))?;
        }
        for h in &self.hot {
            writeln!(f, "hot        {}: {} bytes of code of its own", h.extents, h.code_bytes)?;
        }
        for n in &self.notes {
            writeln!(f, "note       node '{}' ({}) {}", n.node, n.op, n.message)?;
        }
        Ok(())
    }
}
