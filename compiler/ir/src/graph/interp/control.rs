//! If, Loop and Scan.

use super::slices::{slice, stack};
use super::{HostValue, Run};
use crate::graph::{NodeId, Region};
use onnxc_base::{DType, Diagnostic, Tensor};

impl Run<'_> {
    /// Runs a node with regions.
    pub(super) fn control(&mut self, id: NodeId, inputs: &[Option<HostValue>]) -> Result<Vec<HostValue>, Diagnostic> {
        let op = self.graph.nodes[id].op.to_string();
        let outputs = match op.as_str() {
            "If" => self.if_else(id, inputs),
            "Loop" => self.repeat(id, inputs),
            "Scan" => self.scan(id, inputs),
            _ => Err(Failure::Form("an operator with regions that is no control flow".into())),
        };
        outputs.map_err(|f| match f {
            Failure::Form(message) => self.node_error(id, "E3204", message),
            Failure::Inner(d) => *d,
        })
    }

    fn regions<const N: usize>(&self, id: NodeId) -> Result<[Region; N], Failure> {
        let regions = self.graph.nodes[id].regions.clone();
        let n = regions.len();
        regions.try_into().map_err(|_| Failure::Form(format!("{n} regions, but it has {N}")))
    }

    fn if_else(&mut self, id: NodeId, inputs: &[Option<HostValue>]) -> Result<Vec<HostValue>, Failure> {
        let [yes, no] = self.regions(id)?;
        let cond = flag(inputs.first()).ok_or("the condition is no bool")?;
        Ok(self.region(if cond { &yes } else { &no })?)
    }

    /// Runs a body once; its results without the `carried` first ones are appended to `scanned`.
    fn body(&mut self, body: &Region, args: Vec<HostValue>) -> Result<Vec<HostValue>, Failure> {
        if args.len() != body.params.len() {
            return Err(Failure::Form(format!("{} values for {} parameters", args.len(), body.params.len())));
        }
        self.forget_symbols_in(body);
        for (&param, arg) in body.params.iter().zip(args) {
            self.enter(param, arg).map_err(|e| Diagnostic::error("E3203", e).tensor(&self.graph.values[param].name))?;
        }
        Ok(self.region(body)?)
    }

    fn repeat(&mut self, id: NodeId, inputs: &[Option<HostValue>]) -> Result<Vec<HostValue>, Failure> {
        let [body] = self.regions(id)?;
        let trips = match inputs.first().and_then(Option::as_ref) {
            None => i64::MAX,
            Some(t) => first_int(t).ok_or("the trip count is no integer")?,
        };
        let mut go_on = inputs.get(1).is_none_or(Option::is_none) || flag(inputs.get(1)).ok_or("no condition")?;
        let mut carried: Vec<HostValue> = present(inputs.get(2..).unwrap_or_default())?;
        let scans = body.results.len().checked_sub(1 + carried.len()).ok_or("too few results")?;
        let mut scanned = vec![Vec::new(); scans];
        let mut i = 0;
        while i < trips && go_on {
            let shape = |k| vec![1; self.rank_of_param(&body, k)];
            let holds = Tensor::from_bools(&shape(1), &[true]);
            let mut args = vec![HostValue::Tensor(Tensor::from_slice(&shape(0), &[i])), HostValue::Tensor(holds)];
            args.append(&mut carried);
            let n = args.len() - 2;
            let mut results = self.body(&body, args)?.into_iter();
            go_on = flag(Some(&results.next())).ok_or("the body's condition is no bool")?;
            carried = results.by_ref().take(n).collect();
            collect(&mut scanned, results)?;
            i += 1;
        }
        let first = carried.len();
        for (k, items) in scanned.into_iter().enumerate().take(self.wanted(id, first)) {
            carried.push(self.stacked(id, first + k, items, 0)?);
        }
        Ok(carried)
    }

    /// How many outputs the node lists after the `carried` first ones; the body may give more.
    fn wanted(&self, id: NodeId, carried: usize) -> usize {
        self.graph.nodes[id].outputs.len().saturating_sub(carried)
    }

    /// The rank of a parameter that is one element; some exporters declare it with an axis.
    fn rank_of_param(&self, body: &Region, k: usize) -> usize {
        body.params.get(k).and_then(|&p| self.graph.tensor_type(p)).map_or(0, |t| t.rank())
    }

    fn scan(&mut self, id: NodeId, inputs: &[Option<HostValue>]) -> Result<Vec<HostValue>, Failure> {
        let [body] = self.regions(id)?;
        let attrs = &self.graph.nodes[id].attrs;
        let count = attrs.int("num_scan_inputs").and_then(|n| usize::try_from(n).ok()).ok_or("no num_scan_inputs")?;
        let states = inputs.len().checked_sub(count).ok_or("fewer inputs than num_scan_inputs")?;
        let outs = body.results.len().checked_sub(states).ok_or("too few results")?;
        let list = |name: &str, len: usize| {
            let mut values = attrs.ints(name).unwrap_or_default().to_vec();
            values.resize(len, 0);
            values
        };
        let (in_axes, in_dirs) = (list("scan_input_axes", count), list("scan_input_directions", count));
        let (out_axes, out_dirs) = (list("scan_output_axes", outs), list("scan_output_directions", outs));
        let mut carried = present(&inputs[..states])?;
        let scanned_inputs = present(&inputs[states..])?;
        let extent = |(x, &axis): (&HostValue, &i64)| {
            let t = x.tensor()?;
            t.shape().get(position(axis, t.shape().len())?).copied()
        };
        let extents: Option<Vec<usize>> = scanned_inputs.iter().zip(&in_axes).map(extent).collect();
        let extents = extents.ok_or("an axis that an input doesn't have")?;
        let trips = extents.first().copied().unwrap_or(0);
        if extents.iter().any(|&e| e != trips) {
            return Err(Failure::Form(format!("scanned inputs of different lengths: {extents:?}")));
        }
        let mut scanned = vec![Vec::new(); outs];
        for i in 0..trips {
            for (k, x) in scanned_inputs.iter().enumerate() {
                let t = x.tensor().ok_or("a scanned input is no tensor")?;
                let at = if in_dirs[k] == 1 { trips - 1 - i } else { i };
                let axis = position(in_axes[k], t.shape().len()).ok_or("no such axis")?;
                carried.push(HostValue::Tensor(slice(t, axis, at).ok_or("an input that can't be sliced")?));
            }
            let mut results = self.body(&body, std::mem::take(&mut carried))?.into_iter();
            carried = results.by_ref().take(states).collect();
            collect(&mut scanned, results)?;
        }
        for (k, mut items) in scanned.into_iter().enumerate().take(self.wanted(id, states)) {
            if out_dirs[k] == 1 {
                items.reverse();
            }
            carried.push(self.stacked(id, states + k, items, out_axes[k])?);
        }
        Ok(carried)
    }

    /// The items stacked along a new axis. Without any, the extents are those of output `i`'s type.
    fn stacked(&self, id: NodeId, i: usize, items: Vec<Tensor>, axis: i64) -> Result<HostValue, Failure> {
        let v = *self.graph.nodes[id].outputs.get(i).ok_or("fewer outputs than the body has results")?;
        let ty = self.graph.tensor_type(v).ok_or("a scanned output is no tensor")?;
        let axis = position(axis, ty.rank()).ok_or("no such axis")?;
        if items.is_empty() {
            // An extent that only an iteration would have told is 0, like the number of iterations.
            let extent = |(k, d): (usize, &onnxc_base::Sym)| match d.eval(&|s| self.env.get(s).copied()) {
                Ok(d) if k != axis => usize::try_from(d).unwrap_or(0),
                _ => 0,
            };
            let shape: Vec<usize> = ty.shape.iter().enumerate().map(extent).collect();
            return Ok(HostValue::Tensor(Tensor::zeros(ty.dtype, &shape).ok_or("no such tensor")?));
        }
        Ok(HostValue::Tensor(stack(&items, axis).ok_or("results of different shapes")?))
    }
}

/// Why control flow failed: it isn't in canonical form, or something inside it did.
enum Failure {
    Form(String),
    Inner(Box<Diagnostic>),
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Failure::Form(message.into())
    }
}

impl From<Diagnostic> for Failure {
    fn from(d: Diagnostic) -> Self {
        Failure::Inner(Box::new(d))
    }
}

fn position(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(axis).ok().filter(|a| *a < rank)
}

fn flag(v: Option<&Option<HostValue>>) -> Option<bool> {
    let t = v?.as_ref()?.tensor()?;
    if t.dtype() == DType::Bool { t.bytes().first().map(|b| *b != 0) } else { None }
}

fn first_int(v: &HostValue) -> Option<i64> {
    v.tensor()?.to_i64()?.first().copied()
}

fn present(inputs: &[Option<HostValue>]) -> Result<Vec<HostValue>, Failure> {
    let all: Option<Vec<_>> = inputs.iter().cloned().collect();
    all.ok_or(Failure::Form("a carried or scanned input is missing".into()))
}

/// Adds an iteration's results to what was scanned.
fn collect(scanned: &mut [Vec<Tensor>], results: impl Iterator<Item = HostValue>) -> Result<(), Failure> {
    for (items, result) in scanned.iter_mut().zip(results) {
        match result {
            HostValue::Tensor(t) => items.push(t),
            _ => return Err("a scanned result is no tensor".into()),
        }
    }
    Ok(())
}
