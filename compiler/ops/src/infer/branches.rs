//! Branches that inference chooses: the chosen region's nodes take the node's place.
//!
//! An If whose condition is known types only the region that runs, so the other may be wrong for the model's shapes (it was
//! exported for other ranks). Where only a run knows the condition, and the branches give tensors of different ranks
//! ("squeeze the axis if it is 1"), only one of them can fit the rest of the model: [`Choices`] finds it by trying, and a
//! guard refuses runs that would take the other.
//!
//! Afterwards no chosen If is left. Outputs keep their values and names: each is the Identity of what the region gives.
//! Does NOT look at conditions that only constant folding can compute.

use super::{content_of, fresh_symbol};
use crate::{Control, Lower, OpRef, Registry};
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::graph::{Graph, Guard, Node, NodeId, OpName, Region, Relation, SymbolSource, ValueDef, ValueId};

/// Says that the branches of an If have different ranks and that one of them could be assumed.
pub const UNDECIDED: &str = "E2053";

/// The attribute of an If that says which region is assumed to run: [`Choices`] and the user's wishes set it.
const ASSUMED: &str = "assumed";

/// Models with more undecided branches than this many tries can settle are refused.
const MOST_TRIES: usize = 64;

/// The region that runs, if the condition of an If is known or assumed.
pub fn chosen(graph: &Graph, node: NodeId) -> Option<usize> {
    let node = &graph.nodes[node];
    let known = content_of(graph, node.inputs.first().copied().flatten()?);
    match known.as_deref() {
        Some([c]) if c.as_int().is_some() => c.as_int().map(|c| usize::from(c == 0)),
        _ => node.attrs.int(ASSUMED).map(|which| which as usize),
    }
}

/// Takes for granted that an If runs a region: a run that needs the other is refused.
pub fn assume(graph: &mut Graph, node: NodeId, which: usize) {
    graph.nodes[node].attrs.set(ASSUMED, onnxc_ir::graph::Attr::Int(which as i64));
}

/// What a run must fulfil for an assumed region to be the one that its condition takes. Where extents say what the
/// condition is, the run is refused as soon as they are known, else when the condition is.
pub fn guard(graph: &mut Graph, node: NodeId, which: usize) -> Option<Guard> {
    let condition = graph.nodes[node].inputs.first().copied().flatten()?;
    let taken = Sym::int(i64::from(which == 0));
    let reason = format!(
        "node '{}' (If): the model was compiled for the other branch, which gives other ranks",
        graph.nodes[node].name
    );
    let (left, right) = match truth(graph, condition) {
        Some(Truth::Equal(a, b)) if which == 0 => (a, b),
        Some(truth) => (truth.number(), taken),
        None => {
            let source = SymbolSource::Element(condition, 0);
            (fresh_symbol(graph, source, "condition", 0, Some(Sym::int(1))), taken)
        }
    };
    Some(Guard { left, right, relation: Relation::Equal, reason, region: None })
}

/// A condition as extents say it.
enum Truth {
    /// They are equal.
    Equal(Sym, Sym),
    /// It is 1; otherwise it is 0.
    One(Sym),
}

impl Truth {
    fn number(self) -> Sym {
        match self {
            // min(|a - b|, 1) is 1 exactly where they differ.
            Truth::Equal(a, b) => 1 - Sym::min(&Sym::max(&(&a - &b), &(&b - &a)), &Sym::int(1)),
            Truth::One(s) => s,
        }
    }

    fn not(self) -> Self {
        Truth::One(1 - self.number())
    }
}

fn truth(graph: &Graph, condition: ValueId) -> Option<Truth> {
    if let Some([s]) = content_of(graph, condition).as_deref() {
        return Some(Truth::One(s.clone()));
    }
    let n = &graph.nodes[graph.producer(condition)?];
    let input = |i: usize| n.inputs.get(i).copied().flatten();
    let both = || {
        let single = |i: usize| match &content_of(graph, input(i)?)?[..] {
            [s] => Some(s.clone()),
            _ => None,
        };
        single(0).zip(single(1))
    };
    // 1 where a is above b.
    let above = |a: &Sym, b: &Sym| Truth::One(Sym::min(&Sym::max(&(a - b), &Sym::int(0)), &Sym::int(1)));
    Some(match (n.op.domain.as_str(), n.op.name.as_str()) {
        ("", "Equal") => both().map(|(a, b)| Truth::Equal(a, b))?,
        ("", "Greater") => both().map(|(a, b)| above(&a, &b))?,
        ("", "Less") => both().map(|(a, b)| above(&b, &a))?,
        ("", "GreaterOrEqual") => both().map(|(a, b)| above(&b, &a).not())?,
        ("", "LessOrEqual") => both().map(|(a, b)| above(&a, &b).not())?,
        ("", "Not") => truth(graph, input(0)?)?.not(),
        ("", "Cast" | "Identity" | "Squeeze" | "Reshape" | "Unsqueeze") => truth(graph, input(0)?)?,
        _ => return None,
    })
}

/// The branches assumed so far, the latest last, each with true if the other one has been tried.
#[derive(Default)]
pub(super) struct Choices {
    made: Vec<(NodeId, usize, bool)>,
    tries: usize,
}

impl Choices {
    /// A copy of a graph with the assumptions made so far.
    pub(super) fn apply(&self, graph: &Graph) -> Graph {
        let mut trial = graph.clone();
        for &(n, which, _) in &self.made {
            assume(&mut trial, n, which);
        }
        trial
    }

    /// Assumes one more branch, or another one, after a try that ended with errors and found these nodes undecided; false
    /// if there is nothing left to try.
    pub(super) fn next(&mut self, graph: &Graph, trial: &Graph, undecided: &[NodeId]) -> bool {
        self.tries += 1;
        if self.tries > MOST_TRIES {
            return false;
        }
        if let Some(&n) = undecided.first() {
            self.made.push((n, preferred(graph, trial, n), false));
            return true;
        }
        while let Some((n, which, both)) = self.made.pop() {
            if !both {
                self.made.push((n, 1 - which, true));
                return true;
            }
        }
        false
    }

    /// What the user should know of the assumptions.
    pub(super) fn warnings(&self, graph: &Graph) -> Vec<Diagnostic> {
        let warn = |&(n, which, other_tried): &(NodeId, usize, bool)| {
            let (branch, other) = if which == 0 { ("then", "else") } else { ("else", "then") };
            let name = &graph.nodes[n].name;
            let dims = "give the dims in question their sizes (--dim), or export the model with them fixed";
            let help = match other_tried {
                true => dims.to_string(),
                false => format!("{dims}; --branch {name}={other} compiles it for the other"),
            };
            let found = match other_tried {
                true => format!("only the '{branch}' branch fits the model"),
                false => format!("the branches give tensors of different ranks; the '{branch}' branch is taken"),
            };
            Diagnostic::warning(UNDECIDED, format!("{found}: runs that need the other are refused"))
                .node(name.clone(), "If")
                .help(help)
        };
        self.made.iter().map(warn).collect()
    }
}

/// The branch whose ranks are those that the file declares for the outputs; the first one if it says nothing.
fn preferred(graph: &Graph, trial: &Graph, n: NodeId) -> usize {
    let fits = |which: usize| {
        let results = trial.nodes[n].regions.get(which).map(|r| r.results.as_slice()).unwrap_or_default();
        graph.nodes[n].outputs.iter().zip(results).all(|(&out, &result)| {
            let ranks = graph.tensor_type(out).zip(trial.tensor_type(result)).map(|(a, b)| (a.rank(), b.rank()));
            ranks.is_none_or(|(a, b)| a == b)
        })
    };
    usize::from(!fits(0) && fits(1))
}

/// Replaces every If whose condition is known, everywhere in the graph.
pub(super) fn settle(graph: &mut Graph, registry: &Registry) {
    let mut body = std::mem::take(&mut graph.body);
    settle_region(graph, registry, &mut body, None);
    graph.body = body;
}

/// `owner`: the branch that the region is.
fn settle_region(graph: &mut Graph, registry: &Registry, region: &mut Region, owner: Option<(NodeId, usize)>) {
    for n in std::mem::take(&mut region.nodes) {
        let mut regions = std::mem::take(&mut graph.nodes[n].regions);
        match taken(graph, registry, n) {
            Some(which) if which < regions.len() => {
                let mut inner = regions.swap_remove(which);
                graph.guards.retain(|g| g.region.is_none_or(|r| r.0 != n || r.1 == which));
                graph.guards.iter_mut().filter(|g| g.region == Some((n, which))).for_each(|g| g.region = owner);
                settle_region(graph, registry, &mut inner, owner);
                region.nodes.append(&mut inner.nodes);
                region.nodes.extend(hand_out(graph, n, &inner.results));
            }
            _ => {
                for (i, r) in regions.iter_mut().enumerate() {
                    settle_region(graph, registry, r, Some((n, i)));
                }
                graph.nodes[n].regions = regions;
                region.nodes.push(n);
            }
        }
    }
}

fn taken(graph: &Graph, registry: &Registry, n: NodeId) -> Option<usize> {
    let node = &graph.nodes[n];
    match registry.find(&node.op) {
        Some(OpRef::Builtin(d)) if matches!(d.lower, Lower::Control(Control::If)) => chosen(graph, n),
        _ => None,
    }
}

/// Nodes that make the outputs of an If from the results of its region.
fn hand_out(graph: &mut Graph, n: NodeId, results: &[ValueId]) -> Vec<NodeId> {
    let (name, outputs) = (graph.nodes[n].name.clone(), std::mem::take(&mut graph.nodes[n].outputs));
    let mut made = vec![];
    for (i, (&from, to)) in results.iter().zip(outputs).enumerate() {
        let id = graph.nodes.push(Node {
            name: format!("{name}/branch_{i}"),
            op: OpName::onnx("Identity"),
            attrs: Default::default(),
            inputs: vec![Some(from)],
            outputs: vec![to],
            regions: vec![],
        });
        graph.values[to].def = ValueDef::Node(id, 0);
        made.push(id);
    }
    made
}
