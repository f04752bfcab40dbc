//! Control flow: If here, Loop (`loops`) and Scan (`scan`) beside it, with any bodies.
//!
//! What both kinds of loops keep between iterations is in `carried`, what they gather in `stacked`.

mod carried;
mod loops;
mod scan;
mod stacked;

use super::Assembler;
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Diagnostics, Sym};
use onnxc_ir::graph::{NodeId, Region, SymbolSource, ValueId};
use onnxc_ir::loops::{Stmt, Ty, Value, Var};
use onnxc_ops::Control;
use onnxc_ops::routine::TensorBuf;

impl Assembler<'_> {
    /// Emits a control flow node.
    pub(super) fn control(&mut self, n: NodeId, control: Control) -> Result<(), Diagnostics> {
        self.f.comment(format!("{} ({})", self.graph.nodes[n].name, self.graph.nodes[n].op));
        match control {
            Control::If => self.if_node(n)?,
            Control::Loop => self.loop_node(n)?,
            Control::Scan => self.scan_node(n)?,
        }
        for &v in &self.graph.nodes[n].outputs {
            self.define_elements(v)?;
        }
        Ok(())
    }

    /// Extents of the outputs that are known only when the node has run: symbol and number.
    fn result_symbols(&self, n: NodeId) -> Vec<Symbol> {
        let mine = |s: &SymbolSource| matches!(s, SymbolSource::Result(node, _) if *node == n);
        self.graph.symbols.iter().filter(|(_, i)| mine(&i.source)).map(|(s, _)| s.clone()).collect()
    }

    fn input(&self, n: NodeId, i: usize) -> Option<ValueId> {
        self.graph.nodes[n].inputs.get(i).copied().flatten()
    }

    /// The single element of a tensor.
    fn scalar_of(&mut self, v: ValueId) -> Result<Value, Diagnostic> {
        let t = self.buffer(v)?;
        let zero = self.f.int(0);
        Ok(self.f.load(t.buf, zero, 1, None))
    }

    fn if_node(&mut self, n: NodeId) -> Result<(), Diagnostics> {
        let node = self.graph.nodes[n].clone();
        let cond = self.input(n, 0).ok_or_else(|| self.error(n, "If has no condition"))?;
        let cond = self.scalar_of(cond)?;
        let symbols: Vec<(Symbol, Var)> =
            self.result_symbols(n).into_iter().map(|s| (s.clone(), self.f.var(Ty::I64, &[], s.as_str()))).collect();
        let mut outputs = Vec::new();
        for &v in &node.outputs {
            outputs.push(self.allocate(v)?);
        }
        let mut blocks = Vec::new();
        for (i, region) in node.regions.iter().enumerate() {
            let mut checked = self.checkable_guards();
            self.f.open_block();
            self.branches.push((n, i));
            self.check_new_guards(&mut checked);
            let done = self.branch(region, &node.outputs, &outputs, &symbols);
            self.check_new_guards(&mut checked);
            self.branches.pop();
            blocks.push(self.f.close_block());
            done?;
        }
        let els = blocks.pop().unwrap_or_default();
        let then = blocks.pop().unwrap_or_default();
        self.f.stmt(Stmt::If { cond, then, els });
        for (s, var) in symbols {
            let v = self.f.get(var, &[]);
            self.f.bind(s, v);
        }
        Ok(())
    }

    /// One branch: its results go to the outputs, their extents to the variables.
    fn branch(
        &mut self,
        region: &Region,
        values: &[ValueId],
        outputs: &[TensorBuf],
        symbols: &[(Symbol, Var)],
    ) -> Result<(), Diagnostics> {
        self.region(region)?;
        for ((&result, &value), to) in region.results.iter().zip(values).zip(outputs) {
            let from = self.buffer(result)?;
            self.copy(&from, to);
            self.set_extents(value, &from.shape, symbols)?;
        }
        Ok(())
    }

    /// Sets the variable of each extent of a value that is a bare symbol of the node.
    fn set_extents(&mut self, value: ValueId, shape: &[Sym], symbols: &[(Symbol, Var)]) -> Result<(), Diagnostic> {
        for (d, actual) in self.tensor(value)?.shape.iter().zip(shape) {
            if let Some((_, var)) = symbols.iter().find(|(s, _)| d.as_symbol() == Some(s)) {
                let v = self.f.sym(actual);
                self.f.set(*var, &[], v);
            }
        }
        Ok(())
    }
}
