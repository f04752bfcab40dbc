//! The derivatives through Loop and Scan.
//!
//! Both are gone through backwards by a Scan. Its states are the derivatives by what the iterations carry and, for what
//! the body takes from around it, the sums so far. It scans, from the last slice to the first, what each iteration began
//! with and the derivatives by what it gave; its body computes the iteration anew, then goes backwards through it.
//! The node that is derived gets outputs with what its iterations began with, where that is needed (attribute
//! `replayed`: the results that they are made of). What iterations change the shape of, and sequences, it keeps in a sequence
//! that it carries along, and gives what says where in that those of an iteration are.
//!
//! Does NOT keep so what isn't known to be such a value: inference refuses it.

use super::{Shares, constant, rules, sequences, through};
use crate::infer::unknown_type;
use crate::ops::regions::{Now, captured, copy_nodes, prune, reads};
use crate::prelude::*;
use onnxc_ir::graph::{Graph, NodeId, OpName, Region, ValueData, ValueDef, ValueId};
use std::collections::BTreeSet;

/// The way along the slices of a tensor.
#[derive(Clone, Copy, Default)]
struct Way {
    axis: i64,
    /// 1: from the last slice to the first.
    direction: i64,
}

/// What Loop and Scan have in common.
struct Parts {
    id: NodeId,
    body: Region,
    /// The results in front of those that are outputs: Loop's condition.
    head: usize,
    /// The parameters in front of the carried ones: Loop's iteration number and condition.
    skip: usize,
    /// What the carried values start from.
    starts: Vec<ValueId>,
    /// What is scanned; its parameters follow the carried ones.
    scanned: Vec<(ValueId, Way)>,
    /// How the outputs behind those of carried values are stacked.
    stacked: Vec<Way>,
}

/// What gets a share: carried and scanned values, by position, and values around the loop.
struct Wanted {
    carried: Vec<usize>,
    around: Vec<ValueId>,
    slices: Vec<usize>,
}

/// The parameters of the Scan that goes backwards.
struct Params {
    /// Derivatives by carried values, sums for what is around.
    states: Vec<ValueId>,
    /// What each parameter of the body was.
    begins: Vec<ValueId>,
    /// Derivatives by what was stacked, with the outputs.
    given: Vec<(usize, ValueId)>,
}

/// The shares of those of `depends` that the node reads, of the derivatives `from` of its outputs.
pub(super) fn shares(
    n: &mut NodeReader,
    id: NodeId,
    from: &[Option<ValueId>],
    depends: &BTreeSet<ValueId>,
) -> Result<Shares> {
    let parts = Parts::of(n, id)?;
    let wanted = parts.wanted(n, from, depends);
    if wanted.carried.is_empty() && wanted.around.is_empty() && wanted.slices.is_empty() {
        return Ok(vec![]);
    }
    let states = parts.states(n, from, &wanted)?;
    let (region, scans) = parts.back(n, from, &wanted)?;
    let ways: Vec<Way> = wanted.slices.iter().map(|&k| parts.scanned[k].1).collect();
    let outputs = emit(n, region, states, scans, &ways);
    let starts = wanted.carried.iter().map(|&k| parts.starts[k]);
    let inputs = wanted.slices.iter().map(|&k| parts.scanned[k].0);
    Ok(starts.chain(wanted.around.iter().copied()).chain(inputs).zip(outputs).collect())
}

impl Parts {
    fn of(n: &NodeReader, id: NodeId) -> Result<Parts> {
        let node = &n.graph.nodes[id];
        let (skip, head) = if node.op == OpName::onnx("Loop") { (2, 1) } else { (0, 0) };
        let way = |kind: &str, k: usize| {
            let item = |what: &str| node.attrs.ints(&format!("scan_{kind}_{what}")).and_then(|l| l.get(k).copied());
            Way { axis: item("axes").unwrap_or(0), direction: item("directions").unwrap_or(0) }
        };
        let scans = usize::try_from(node.attrs.int("num_scan_inputs").unwrap_or(0)).unwrap_or(0);
        let inputs: Option<Vec<ValueId>> = node.inputs.get(skip..).unwrap_or_default().iter().copied().collect();
        let (mut starts, body) = (inputs.unwrap_or_default(), node.regions.first().cloned());
        let carried = starts.len().checked_sub(scans);
        let fits = |body: &Region, carried: usize| {
            let (params, outputs) = (skip + carried + scans, node.outputs.len());
            body.params.len() == params && (carried..=body.results.len().saturating_sub(head)).contains(&outputs)
        };
        let (Some(body), Some(carried)) = (body, carried) else { return Err(misfit(n, id)) };
        if !fits(&body, carried) {
            return Err(misfit(n, id));
        }
        let scanned = starts.split_off(carried).into_iter().enumerate().map(|(k, v)| (v, way("input", k))).collect();
        let stacked = (0..node.outputs.len() - carried).map(|k| way("output", k)).collect();
        Ok(Parts { id, body, head, skip, starts, scanned, stacked })
    }

    /// The parameter of a carried or, behind them, scanned value.
    fn param(&self, k: usize) -> ValueId {
        self.body.params[self.skip + k]
    }

    /// The body's result that output `i` is made of.
    fn result(&self, i: usize) -> ValueId {
        self.body.results[self.head + i]
    }

    /// What depends on `depends` and is reached by the derivatives of the outputs.
    fn wanted(&self, n: &NodeReader, from: &[Option<ValueId>], depends: &BTreeSet<ValueId>) -> Wanted {
        let varied = self.varied(n, depends);
        let reached = self.reached(n.graph, from, &varied);
        let active = |v: &ValueId| varied.contains(v) && reached.contains(v);
        let (carried, scanned) = (self.starts.len(), self.scanned.len());
        let around: BTreeSet<ValueId> = captured(n.graph, &self.body).into_iter().filter(active).collect();
        Wanted {
            carried: (0..carried).filter(|&k| active(&self.param(k))).collect(),
            around: around.into_iter().collect(),
            slices: (0..scanned).filter(|&k| active(&self.param(carried + k))).collect(),
        }
    }

    /// Values of the body and around it that depend on `depends`.
    fn varied(&self, n: &NodeReader, depends: &BTreeSet<ValueId>) -> BTreeSet<ValueId> {
        let mut varied = depends.clone();
        let inputs = self.starts.iter().copied().chain(self.scanned.iter().map(|(v, _)| *v)).enumerate();
        varied.extend(inputs.filter(|(_, v)| depends.contains(v)).map(|(k, _)| self.param(k)));
        // What an iteration hands on, counts in the next one.
        loop {
            constant::spread(n, &self.body.nodes, &mut varied);
            let next = (0..self.starts.len()).filter(|&k| varied.contains(&self.result(k))).map(|k| self.param(k));
            let next: Vec<ValueId> = next.filter(|&p| !varied.contains(&p) && !constant::is_discrete(n, p)).collect();
            if next.is_empty() {
                return varied;
            }
            varied.extend(next);
        }
    }

    /// Values of the body and around it to which derivatives of the outputs come through values of `varied`.
    fn reached(&self, graph: &Graph, from: &[Option<ValueId>], varied: &BTreeSet<ValueId>) -> BTreeSet<ValueId> {
        let given: Vec<usize> = (0..from.len()).filter(|&i| from[i].is_some()).collect();
        let mut reached: BTreeSet<ValueId> = given.iter().map(|&i| self.result(i)).collect();
        reached.extend(given.iter().filter(|&&i| i < self.starts.len()).map(|&k| self.param(k)));
        loop {
            for &id in self.body.nodes.iter().rev() {
                if graph.nodes[id].outputs.iter().any(|v| reached.contains(v) && varied.contains(v)) {
                    reached.extend(reads(graph, id));
                }
            }
            let next = (0..self.starts.len()).filter(|&k| reached.contains(&self.param(k))).map(|k| self.result(k));
            let next: Vec<ValueId> = next.filter(|r| !reached.contains(r)).collect();
            if next.is_empty() {
                return reached;
            }
            reached.extend(next);
        }
    }

    /// The body of the Scan that goes backwards, and what that scans.
    fn back(
        &self,
        n: &mut NodeReader,
        from: &[Option<ValueId>],
        wanted: &Wanted,
    ) -> Result<(Region, Vec<(ValueId, Way)>)> {
        let states = wanted.carried.len() + wanted.around.len();
        let given: Vec<usize> = (self.starts.len()..from.len()).filter(|&i| from[i].is_some()).collect();
        let params = Params {
            states: (0..states).map(|_| n.param("state", unknown_type())).collect(),
            begins: self.body.params.iter().map(|&p| like(n, "begin", p)).collect(),
            given: given.into_iter().map(|i| (i, n.param("given", unknown_type()))).collect(),
        };
        let mut region = Region { params: params.states.clone(), nodes: vec![], results: vec![] };
        region.results = n.inside(&mut region, |n| self.backwards(n, wanted, &params))?;
        let needed = prune(n.graph, &mut region);
        let mut scans = Vec::new();
        // Something must say how many iterations there are: Loop's numbers, or what was scanned.
        let first = if self.head > 0 { 0 } else { self.starts.len() };
        let idle = !params.begins.iter().chain(params.given.iter().map(|(_, p)| p)).any(|p| needed.contains(p));
        for (i, &p) in params.begins.iter().enumerate().filter(|(i, p)| needed.contains(p) || idle && *i == first) {
            if self.is_kept(n, i) {
                self.recall(n, i, p, &mut region, &mut scans)?;
                continue;
            }
            region.params.push(p);
            scans.push(self.replay(n, i));
        }
        for &(i, p) in params.given.iter().filter(|(_, p)| needed.contains(p)) {
            region.params.push(p);
            scans.push((from[i].expect("it was given"), self.stacked[i - self.starts.len()]));
        }
        Ok((region, scans))
    }

    /// An iteration anew, then backwards: the derivatives by carried values at its begin, sums, derivatives by slices.
    fn backwards(&self, n: &mut NodeReader, wanted: &Wanted, params: &Params) -> Result<Vec<ValueId>> {
        let mut now: Now = self.body.params.iter().copied().zip(params.begins.iter().copied()).collect();
        if self.head > 0 {
            // The body runs while its condition holds.
            let rank = n.graph.tensor_type(self.body.params[1]).map_or(0, |t| t.rank().min(1));
            now.insert(self.body.params[1], n.constant("holds", Tensor::from_bools(&vec![1; rank], &[true])));
        }
        let (nodes, results) = copy_nodes(n, &self.body, &mut now)?;
        let carried = wanted.carried.iter().zip(&params.states).map(|(&k, &p)| (results[self.head + k], p));
        let given = params.given.iter().map(|&(i, p)| (results[self.head + i], p));
        let seeds: Vec<_> = carried.chain(given).collect();
        let begin = |k: usize| params.begins[self.skip + k];
        let mut by: Vec<ValueId> = wanted.carried.iter().map(|&k| begin(k)).collect();
        let sums = by.len()..params.states.len();
        by.extend(&wanted.around);
        by.extend(wanted.slices.iter().map(|&k| begin(self.starts.len() + k)));
        let shares = through(n, &nodes, &seeds, &by)?;
        let result = |(i, share): (usize, Option<ValueId>)| match share {
            Some(v) if sums.contains(&i) => sequences::sum(n, by[i], params.states[i], v),
            Some(v) => Ok(v),
            None if sums.contains(&i) => Ok(params.states[i]),
            None => rules::filled(n, 0.0, by[i]),
        };
        shares.into_iter().enumerate().map(result).collect()
    }

    /// The derivatives by the carried values behind the last iteration, and sums of nothing.
    fn states(&self, n: &mut NodeReader, from: &[Option<ValueId>], wanted: &Wanted) -> Result<Vec<ValueId>> {
        let mut states = Vec::new();
        for &k in &wanted.carried {
            let last = n.graph.nodes[self.id].outputs[k];
            states.push(from[k].map_or_else(|| rules::filled(n, 0.0, last), Ok)?);
        }
        for &v in &wanted.around {
            states.push(rules::filled(n, 0.0, v)?);
        }
        Ok(states)
    }

    /// The tensor of which parameter `i` is a slice in each iteration.
    fn replay(&self, n: &mut NodeReader, i: usize) -> (ValueId, Way) {
        let scanned = i.checked_sub(self.skip + self.starts.len());
        scanned.map_or_else(|| (self.replayed(n, self.body.params[i]), Way::default()), |k| self.scanned[k])
    }

    /// Is parameter `i` a carried value that can't be stacked?
    fn is_kept(&self, n: &NodeReader, i: usize) -> bool {
        let param = self.body.params[i];
        let carried = self.skip..self.skip + self.starts.len();
        carried.contains(&i) && (n.known.is_sequence(param) || n.known.changes(param))
    }

    /// Lets `own`, in the body that goes backwards, be what parameter `i` was: the loop keeps that in a sequence.
    fn recall(
        &self,
        n: &mut NodeReader,
        i: usize,
        own: ValueId,
        region: &mut Region,
        scans: &mut Vec<(ValueId, Way)>,
    ) -> Result<()> {
        let (kept, places) = self.keep(n, self.body.params[i])?;
        let mut numbers = vec![];
        for place in places {
            numbers.push(n.param("place", unknown_type()));
            scans.push((place, Way::default()));
        }
        region.params.extend(&numbers);
        let nodes = sequences::recall(n, own, kept, numbers[0], numbers.get(1).copied())?;
        region.nodes.splice(0..0, nodes);
        Ok(())
    }

    /// Carries along a sequence of what a parameter was in all iterations; gives its output, and those that say where in it
    /// those of an iteration begin and, of a sequence, how many they are.
    fn keep(&self, n: &mut NodeReader, param: ValueId) -> Result<(ValueId, Vec<ValueId>)> {
        let start = sequences::empty(n, param)?;
        let emitted = n.emitted().len();
        let history = sequences::keep(n, param)?;
        let nodes = n.take_emitted(emitted);
        let at = self.carried(n);
        // The sequence must be there before the loop.
        if let Some(id) = start.and_then(|v| n.graph.producer(v)) {
            n.emit_before(id, self.id);
        }
        let kept = ValueData {
            name: format!("{}_kept_{at}", n.graph.nodes[self.id].name),
            ty: unknown_type(),
            def: ValueDef::Node(self.id, at as u32),
            content: None,
        };
        let kept = n.graph.values.push(kept);
        let node = &mut n.graph.nodes[self.id];
        node.inputs.insert(self.skip + at, start);
        node.outputs.insert(at, kept);
        let body = &mut node.regions[0];
        body.params.insert(self.skip + at, history.before);
        body.results.insert(self.head + at, history.after);
        body.nodes.extend(nodes);
        let behind = node.outputs[at + 1..].to_vec();
        if let Some(list) = node.attrs.ints("replayed") {
            let list = list.iter().map(|&i| if i as usize >= self.head + at { i + 1 } else { i }).collect();
            node.attrs.set("replayed", Attr::Ints(list));
        }
        for (k, v) in behind.into_iter().enumerate() {
            n.graph.values[v].def = ValueDef::Node(self.id, (at + 1 + k) as u32);
        }
        let places = [Some(history.first), history.count];
        Ok((kept, places.into_iter().flatten().map(|v| self.replayed(n, v)).collect()))
    }

    /// How many values the node carries by now.
    fn carried(&self, n: &NodeReader) -> usize {
        n.graph.nodes[self.id].inputs.len() - self.skip - self.scanned.len()
    }

    /// The output with what a value of the body was in each iteration: one that is there already, or a new one.
    fn replayed(&self, n: &mut NodeReader, value: ValueId) -> ValueId {
        let carried = self.carried(n);
        let node = &mut n.graph.nodes[self.id];
        let results = &mut node.regions[0].results;
        let mut replayed = node.attrs.ints("replayed").unwrap_or_default().to_vec();
        if let Some(i) = replayed.iter().map(|&i| i as usize).find(|&i| results.get(i) == Some(&value)) {
            return node.outputs[i - self.head];
        }
        // It stands behind the listed outputs: results that nobody lists leave.
        let i = node.outputs.len();
        let v = ValueData {
            name: format!("{}_{i}", node.name),
            ty: unknown_type(),
            def: ValueDef::Node(self.id, i as u32),
            content: None,
        };
        let v = n.graph.values.push(v);
        node.outputs.push(v);
        results.truncate(self.head + i);
        replayed.push(results.len() as i64);
        results.push(value);
        node.attrs.set("replayed", Attr::Ints(replayed));
        for name in ["scan_output_axes", "scan_output_directions"] {
            if let Some(list) = node.attrs.ints(name) {
                let mut list = list.to_vec();
                list.resize(i - carried, 0);
                list.push(0);
                node.attrs.set(name, Attr::Ints(list));
            }
        }
        v
    }
}

/// A parameter for values like those of another one.
fn like(n: &mut NodeReader, hint: &str, param: ValueId) -> ValueId {
    let own = n.param(hint, unknown_type());
    n.known.same(param, own);
    own
}

/// Adds the Scan that goes backwards; gives its outputs, of which the last are stacked as `ways` were scanned.
fn emit(
    n: &mut NodeReader,
    region: Region,
    states: Vec<ValueId>,
    scans: Vec<(ValueId, Way)>,
    ways: &[Way],
) -> Vec<ValueId> {
    let mut attrs = Attrs::default().with("num_scan_inputs", Attr::Int(scans.len() as i64));
    let (scanned, scans): (Vec<ValueId>, Vec<Way>) = scans.into_iter().unzip();
    for (kind, ways) in [("input", &scans[..]), ("output", ways)] {
        attrs.set(&format!("scan_{kind}_axes"), Attr::Ints(ways.iter().map(|w| w.axis).collect()));
        let back = ways.iter().map(|w| 1 - w.direction).collect();
        attrs.set(&format!("scan_{kind}_directions"), Attr::Ints(back));
    }
    let inputs: Vec<_> = states.into_iter().chain(scanned).map(Some).collect();
    let outputs = region.results.len();
    n.emit_regions(OpName::onnx("Scan"), attrs, &inputs, outputs, vec![region])
}

fn misfit(n: &NodeReader, id: NodeId) -> Diagnostic {
    let node = &n.graph.nodes[id];
    n.error("E2054", format!("the body of '{}' ({}) doesn't fit the node", node.name, node.op))
        .expected("a parameter for each input, and a result for each output")
}
