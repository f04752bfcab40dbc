//! Flash: what a module needs, and, where that is too much, the tensors of the model that need it and what was made of them.

use crate::budget::{NAMED, constant_bytes, rest};
use onnxc_base::Diagnostic;
use onnxc_codegen::Artefact;
use onnxc_ir::graph::{Graph, NodeId, ValueDef, ValueId};
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{Arg, Block, BufKind, Callee, ConstId, Func, Program, Stmt};
use onnxc_passes::assemble::StepReport;
use onnxc_passes::pipeline::Lowered;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Checks a budget. `model`: the graph as imported, with the model's tensors.
pub(crate) fn within(max_flash: Option<u64>, model: &Graph, lowered: &Lowered) -> Result<(), Diagnostic> {
    let Some(most) = max_flash else { return Ok(()) };
    let program = &lowered.assembled.program;
    // Nobody has compiled it yet.
    let (weights, code) = (constant_bytes(program), lowered.code_bytes);
    let need = weights + code;
    if need <= most {
        return Ok(());
    }
    Err(Diagnostic::error(
        "E5032",
        format!(
            "the model needs {need} bytes of flash: {weights} of weights, about {code} of code; the largest tensors of the \
             model: {}; they are stored as: {}",
            tensors(model),
            constants(program, &lowered.assembled.steps)
        ),
    )
    .expected(format!("at most {most} bytes (--max-flash)"))
    .help("quantise the model: weights of 8 bits are a quarter"))
}

/// Checks a budget again when there is machine code.
pub(crate) fn check(max_flash: Option<u64>, code: &Artefact<'_>) -> Result<(), Diagnostic> {
    let (weights, code) = (code.constant_bytes(), code.code_bytes());
    let Some(most) = max_flash.filter(|most| weights + code > *most) else { return Ok(()) };
    let need = weights + code;
    let message = format!("the module needs {need} bytes of flash: {weights} of weights, {code} of code");
    Err(Diagnostic::error("E5032", message)
        .expected(format!("at most {most} bytes (--max-flash)"))
        .help("--strict-fp keeps weights out of transformed domains; weights of 8 bits are a quarter"))
}

/// The largest constants of a list, each with what it is for.
fn list(mut all: Vec<(String, usize, String)>) -> String {
    all.sort_by_key(|(_, bytes, _)| Reverse(*bytes));
    let one = |(name, bytes, user): &(String, usize, String)| format!("'{name}' {bytes} bytes ({user})");
    format!("{}{}", all.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", "), rest(all.len()))
}

/// The model's tensors, with the nodes that compute with them.
fn tensors(model: &Graph) -> String {
    let mut readers: BTreeMap<ValueId, Vec<NodeId>> = BTreeMap::new();
    for (id, n) in &model.nodes {
        n.inputs.iter().flatten().for_each(|v| readers.entry(*v).or_default().push(id));
    }
    let known = |v: &ValueId| matches!(model.values[*v].def, ValueDef::Const(_));
    let mut all = vec![];
    for (v, value) in &model.values {
        let ValueDef::Const(t) = &value.def else { continue };
        let mut names = vec![];
        let mut todo: Vec<NodeId> = readers.get(&v).cloned().unwrap_or_default();
        while let Some(id) = todo.pop() {
            let n = &model.nodes[id];
            let made = n.outputs.iter().flat_map(|y| readers.get(y).into_iter().flatten().copied());
            // What makes a constant of constants (DequantizeLinear of weights) isn't what needs it.
            if n.inputs.iter().flatten().all(known) && n.outputs.iter().any(|y| readers.contains_key(y)) {
                todo.extend(made);
            } else {
                names.push(n.name.as_str());
            }
        }
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            all.push((value.name.clone(), t.bytes().len(), names.join(", ")));
        }
    }
    list(all)
}

/// The module's constants, with the nodes of the first step that reads each.
fn constants(program: &Program, steps: &[StepReport]) -> String {
    let mut users: BTreeMap<ConstId, String> = BTreeMap::new();
    if let Some(run) = program.interface.entries.run {
        let mut calls = Calls { program, steps, seen: BTreeMap::new(), users: &mut users };
        calls.block(&program.funcs[run], &program.funcs[run].body);
    }
    let user = |id| users.get(&id).cloned().unwrap_or_else(|| "of no one step".into());
    list(program.consts.iter().map(|(id, c)| (c.name.clone(), c.data.len(), user(id))).collect())
}

/// Finds the step of each call: those of one function come in the order of the steps.
struct Calls<'a> {
    program: &'a Program,
    steps: &'a [StepReport],
    seen: BTreeMap<&'a str, usize>,
    users: &'a mut BTreeMap<ConstId, String>,
}

impl<'a> Calls<'a> {
    fn block(&mut self, f: &Func, b: &Block) {
        for s in &b.0 {
            if let Stmt::Call { callee: Callee::Func(id), args, .. } = s {
                let program: &'a Program = self.program;
                let name = program.funcs[*id].name.as_str();
                let number = self.seen.entry(name).or_insert(0);
                let step = self.steps.iter().filter(|s| s.function.as_deref() == Some(name)).nth(*number);
                *number += 1;
                for a in args {
                    if let (Arg::Buf { buf, .. }, Some(step)) = (a, step)
                        && let BufKind::Const(c) = f.bufs[*buf].kind
                    {
                        self.users.entry(c).or_insert_with(|| step.nodes.join(", "));
                    }
                }
            }
            blocks(s).into_iter().for_each(|b| self.block(f, b));
        }
    }
}
