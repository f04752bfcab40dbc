//! Broadcasting, by ONNX's (numpy's) rule: an extent of 1 is repeated. One rule for all operators that broadcast.
//!
//! Two extents that needn't be equal are decided by the run: the output's extent is their `joint` (the larger one; 0 if one
//! is 0), each operand is read at `min(i, d - 1)` along its extent `d`, and a guard says that `d` is 1 or the output's
//! extent. Where nothing has to be decided ([`open`]) nothing is paid for: the index is `i`.
//!
//! Does NOT promise that a joint extent is at least as large as each operand's: 1 beside 0 gives 0.

use crate::prelude::*;
use onnxc_base::Ranges;
use onnxc_base::sym::{SymNode, Symbol};
use onnxc_ir::graph::{Graph, Guard, Relation, SymbolSource};

/// True if a run decides whether an operand's extent is 1 beside another extent.
///
/// Extents of the same unknowns are taken to be equal, with a guard: one of them is 1 only where the other is small as well
/// (`h` beside `2 * floordiv(h, 2)`). Unless it is always the smaller one, so that a run can be right only where it is 1
/// (`min(h, 2)` beside `mod(h, 4) + 4`), or the other is what a run decided of several.
pub fn open(ranges: &Ranges, d: &Sym, other: &Sym) -> bool {
    if d == other || d.is_overflow() || other.is_overflow() || d.as_int().is_some() || never_one(ranges, d) {
        return false;
    }
    let (own, others) = (d.symbols(), other.symbols());
    let joint = matches!(other.node(), SymNode::Max(..) | SymNode::Joint(..));
    others.is_empty() || own != others || joint || ranges.prove_lt(d, other) == Some(true)
}

/// True if an extent is known to be more than 1.
fn never_one(ranges: &Ranges, d: &Sym) -> bool {
    ranges.prove_le(&Sym::int(2), d) == Some(true)
}

/// True if a run decides which of two extents is the output's, if any is 1.
fn decided_by_run(ranges: &Ranges, a: &Sym, b: &Sym) -> bool {
    (open(ranges, a, b) || open(ranges, b, a)) && ranges.prove_eq(a, b) != Some(true)
}

/// The extent that two broadcast to, if they do: of two that must be equal, a constant if one is; one that is never 1.
pub fn common(ranges: &Ranges, a: &Sym, b: &Sym) -> Sym {
    match () {
        () if a.is_one() || b.as_int().is_some_and(|b| b != 1) => b.clone(),
        () if b.is_one() || a.as_int().is_some() || !decided_by_run(ranges, a, b) => a.clone(),
        () if never_one(ranges, a) => a.clone(),
        () if never_one(ranges, b) => b.clone(),
        () => ranges.simplify(&a.joint(b)),
    }
}

/// How an operand is read along an axis of the output.
#[derive(Clone, Debug)]
pub enum Along {
    /// Its one element, again and again.
    First,
    /// Element by element.
    Each,
    /// Either: the extent says which.
    Decided {
        /// The operand's extent.
        extent: Sym,
        /// It may turn out to be 0 before the guard is checked.
        late: bool,
    },
}

impl Along {
    /// For an operand's axis of extent `d` beside an output's axis of extent `out`.
    pub fn new(graph: &Graph, ranges: &Ranges, d: &Sym, out: &Sym) -> Along {
        if d.is_one() {
            return Along::First;
        }
        if !open(ranges, d, out) {
            return Along::Each;
        }
        let source = |s: &Symbol| graph.symbols.get(s).map(|i| i.source);
        let late = d.any_symbol(&|s| !matches!(source(s), Some(SymbolSource::Dim(..))));
        Along::Decided { extent: d.clone(), late: late && ranges.prove_le(&Sym::int(1), d) != Some(true) }
    }

    /// For the axes of an operand beside the output's last ones.
    pub fn last_axes(cx: &ComputeCx, shape: &[Sym], out: &[Sym]) -> Vec<Along> {
        let ranges = cx.ranges();
        shape.iter().zip(&out[out.len() - shape.len()..]).map(|(d, o)| Along::new(cx.graph(), &ranges, d, o)).collect()
    }

    /// The operand's index for the output's.
    pub fn at(&self, i: &Sym) -> Sym {
        match self {
            Along::First => Sym::int(0),
            Along::Each => i.clone(),
            Along::Decided { extent, late: false } => Sym::min(i, &(extent - 1)),
            Along::Decided { extent, late: true } => Sym::max(&Sym::min(i, &(extent - 1)), &Sym::int(0)),
        }
    }
}

/// The operand's index for the last axes of an index of the output.
pub fn index_of(along: &[Along], index: &[Sym]) -> Vec<Sym> {
    along.iter().zip(&index[index.len() - along.len()..]).map(|(a, i)| a.at(i)).collect()
}

impl InferCx<'_> {
    /// The shape that several shapes broadcast to. A constant extent above 1 is the output's.
    pub fn broadcast(&mut self, shapes: &[Vec<Sym>]) -> Result<Vec<Sym>> {
        let rank = shapes.iter().map(Vec::len).max().unwrap_or(0);
        let axis = |o: usize| -> Vec<Sym> {
            shapes.iter().filter_map(|s| (o + s.len()).checked_sub(rank).map(|i| s[i].clone())).collect()
        };
        (0..rank).map(|o| self.joint_extent(&axis(o), &format!("axis {o} of the broadcast"))).collect()
    }

    /// The extent that several broadcast to.
    pub fn joint_extent(&mut self, extents: &[Sym], what: &str) -> Result<Sym> {
        let mut out = Sym::int(1);
        for d in extents.iter().filter(|d| !d.is_one()) {
            let ranges = self.ranges();
            if !out.is_one() && !decided_by_run(&ranges, &out, d) {
                self.unify(&out, d, what)?;
            }
            out = common(&ranges, &out, d);
        }
        extents.iter().for_each(|d| self.guard_repeated(d, &out, what));
        Ok(out)
    }

    /// Requires that an extent broadcasts to another without changing it.
    pub fn fit_extent(&mut self, d: &Sym, out: &Sym, what: &str) -> Result<()> {
        if d.is_one() {
            return Ok(());
        }
        if !open(&self.ranges(), d, out) {
            return self.unify(out, d, what).map(|_| ());
        }
        self.guard_repeated(d, out, what);
        Ok(())
    }

    /// Requires that a shape broadcasts to another without changing it; `rank` of it is no larger.
    pub fn fit_shape(&mut self, shape: &[Sym], out: &[Sym], what: &str) -> Result<()> {
        let skip = out.len() - shape.len();
        shape.iter().zip(&out[skip..]).try_for_each(|(d, o)| self.fit_extent(d, o, what))
    }

    fn guard_repeated(&mut self, d: &Sym, out: &Sym, what: &str) {
        if !d.is_one() && open(&self.ranges(), d, out) {
            let n = self.node();
            let reason = format!("node '{}' ({}): {what}", n.name, n.op);
            let (left, right) = (d.clone(), out.clone());
            self.add_guard(Guard { left, right, relation: Relation::Repeated, reason, region: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::infer_graph;
    use crate::registry::Registry;
    use onnxc_ir::graph::parse_graph;

    /// The shape of `node`'s output and what the run has to check of operands of two shapes.
    fn said(a: &str, b: &str, node: &str) -> String {
        let mut symbols = String::from("  sym h = dim(%h, 0) in 0..\n");
        for (v, shape) in [("%a", a), ("%b", b)] {
            for (k, d) in shape.split(", ").enumerate() {
                let line = format!("  sym {d} = dim(");
                if d.chars().all(char::is_alphabetic) && d != "h" && !symbols.contains(&line) {
                    symbols += &format!("{line}{v}, {k}) in 0..\n");
                }
            }
        }
        let text = format!("graph @g(%a: f32[{a}], %b: f32[{b}], %h: f32[h]) -> %y {{\n{symbols}  {node} : ? @y\n}}\n");
        let mut g = parse_graph(&text, None, None).expect("the text is right");
        let found = infer_graph(&mut g, &Registry::new());
        let guards = g.guards.iter().map(|g| match g.relation {
            Relation::Equal => format!("; {} == {}", g.left, g.right),
            Relation::Repeated => format!("; {} repeats to {}", g.left, g.right),
        });
        let codes = found.0.iter().map(|d| format!(" {}", d.code)).collect::<String>();
        format!("{}{}{codes}", g.values[g.body.results[0]].ty, guards.collect::<String>())
    }

    #[test]
    fn the_run_decides_what_is_not_known() {
        let add = |a: &str, b: &str| said(a, b, "%y = Add(%a, %b)");
        insta::assert_snapshot!(
            [
                add("n, 4", "n, 4"),
                add("n, 4", "m, 4"),
                add("n, 4", "m, k"),
                add("1, 4", "m, k"),
                add("h, 4", "2 * floordiv(h, 2), 4"),
                add("n, 4", "h + 2, 4"),
                add("h + 2", "7"),
                add("min(h, 2), 4", "mod(h, 4) + 4, 4"),
                add("n, m, min(n, m)", "n, m, max(n, m)"),
                add("4", "3"),
                said("n, m, k", "j, k, 5", "%y = MatMul(%a, %b)"),
            ]
            .join("\n")
        );
    }
}
