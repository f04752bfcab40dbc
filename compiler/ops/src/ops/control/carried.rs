//! Values that an iteration hands to the next. Their dtype and rank stay; an extent that doesn't is a symbol of the
//! body, found anew at each entry.

use super::*;
use onnxc_ir::graph::TensorType;

/// How often a body runs.
pub(super) struct Trips {
    /// Exactly that often, if it is known.
    pub exact: Option<Sym>,
    /// At most that often, if it is known.
    pub most: Option<Sym>,
}

/// Carried values: parameters and results of region 0 by position, and the node's inputs that they start from.
pub(super) struct Carried {
    pub params: Vec<ValueId>,
    pub results: Vec<ValueId>,
    pub inputs: Vec<usize>,
}

/// Types the body until what it hands on fits what it is given. `prepare` sets types and contents of parameters that
/// aren't carried.
pub(super) fn infer_body(cx: &mut InferCx, c: &Carried, prepare: impl Fn(&mut InferCx) -> Result<()>) -> Result<()> {
    let body = region(cx, 0);
    let inside = Inside::of(cx.graph, &body);
    let mut types = Vec::new();
    for &i in &c.inputs {
        types.push(cx.graph.values[cx.input(i)?].ty.clone());
    }
    // An extent widens once; an item's type at most thrice.
    let rounds = types.iter().map(|t| t.as_tensor().map_or(3, TensorType::rank)).sum::<usize>() + 1;
    let guards = cx.graph.guards.len();
    for _ in 0..rounds {
        inside.forget_contents(cx.graph);
        // What was asked of extents that have turned out to change.
        cx.graph.guards.truncate(guards);
        for (&p, t) in c.params.iter().zip(&types) {
            cx.graph.values[p].ty = t.clone();
        }
        prepare(cx)?;
        // What can't be typed yet may be when more is known of the items of a sequence.
        let typed = cx.infer_region(0);
        if !widen(cx, c, &inside, &mut types)? {
            typed?;
            break;
        }
    }
    Ok(())
}

/// Replaces what an iteration changes by what both have in common; true if that is new.
fn widen(cx: &mut InferCx, c: &Carried, inside: &Inside, types: &mut [Type]) -> Result<bool> {
    let mut changed = false;
    for (k, t) in types.iter_mut().enumerate() {
        let result = cx.graph.values[c.results[k]].ty.clone();
        if result == crate::infer::unknown_type() {
            continue;
        }
        changed |= match (t.clone(), result) {
            (Type::Tensor(mut own), Type::Tensor(result)) => {
                let new = widen_tensor(cx, c, k, &mut own, &result)?;
                *t = Type::Tensor(own);
                new
            }
            (own, result) => {
                let result = escaped(cx.graph, inside, &result);
                let both = crate::handles::join(&cx.ranges(), &own, &result).ok_or_else(|| {
                    cx.error("E2052", format!("carried value {k} starts as {own} and becomes {result}"))
                        .expected("one kind of value in every iteration")
                })?;
                let new = both != own;
                *t = both;
                new
            }
        };
    }
    Ok(changed)
}

/// Replaces extents that an iteration changes by symbols; true if there are new ones.
fn widen_tensor(cx: &mut InferCx, c: &Carried, k: usize, t: &mut TensorType, result: &TensorType) -> Result<bool> {
    if (result.dtype, result.rank()) != (t.dtype, t.rank()) {
        let found = format!(
            "carried value {k} starts as {} of rank {} and becomes {} of rank {}",
            t.dtype,
            t.rank(),
            result.dtype,
            result.rank()
        );
        return Err(cx.error("E2052", found).expected("one dtype and rank in every iteration"));
    }
    let mut changed = false;
    for (axis, d) in t.shape.iter_mut().enumerate() {
        let source = SymbolSource::Carried(c.params[k], axis as u32);
        if !changes(cx.graph, c.params[k], axis, d) && cx.ranges().prove_eq(d, &result.shape[axis]) != Some(true) {
            *d = cx.fresh(source, "carried", 0, None);
            changed = true;
        }
    }
    Ok(changed)
}

/// Sets the types of the outputs for the carried values; gives the number of extents that they have.
pub(super) fn set_outputs(cx: &mut InferCx, c: &Carried, trips: &Trips) -> Result<u32> {
    let mut which = 0;
    for (k, &p) in c.params.iter().enumerate() {
        let Some(ty) = cx.graph.tensor_type(p).cloned() else {
            // What is optional before the first iteration isn't after one that gives a value.
            let given = cx.graph.values[c.results[k]].ty.clone();
            let ty = match (cx.graph.values[p].ty.clone(), &given) {
                (Type::Optional(inner), Type::Sequence(_)) => *inner,
                (ty, _) => ty,
            };
            cx.set_output(k, ty);
            continue;
        };
        let mut shape = Vec::new();
        for (axis, d) in ty.shape.iter().enumerate() {
            shape.push(if changes(cx.graph, p, axis, d) { last(cx, c, k, axis, d, trips, which)? } else { d.clone() });
            which += 1;
        }
        cx.set_tensor(k, ty.dtype, shape);
    }
    Ok(which)
}

/// Gradient goes back through iterations by what each began with, which is stacked for it: the results that attribute
/// `replayed` lists. That needs tensors of one shape.
pub(super) fn check_replayed(cx: &InferCx, c: &Carried) -> Result<()> {
    let results = region(cx, 0).results;
    for &i in cx.attrs().ints("replayed").unwrap_or_default() {
        let Some(k) = c.params.iter().position(|p| results.get(i as usize) == Some(p)) else { continue };
        let param = c.params[k];
        let found = match cx.graph.tensor_type(param) {
            None => "is no tensor",
            Some(t) if t.shape.iter().enumerate().any(|(axis, d)| changes(cx.graph, param, axis, d)) => {
                "changes its shape"
            }
            Some(_) => continue,
        };
        return Err(cx
            .error("E2029", format!("carried value {k}, which a Gradient needs as each iteration began with it, {found}"))
            .tensor(cx.graph.values[param].name.clone())
            .expected("a tensor of one shape in all iterations")
            .help("list a tensor behind the loop in 'zs' if it counts as constant, or compute the gradient in the exporting framework"));
    }
    Ok(())
}

/// Is an extent the symbol of one that iterations change?
fn changes(graph: &Graph, param: ValueId, axis: usize, d: &Sym) -> bool {
    let source = SymbolSource::Carried(param, axis as u32);
    d.as_symbol().and_then(|s| graph.symbols.get(s)).is_some_and(|i| i.source == source)
}

/// The extent after the last iteration. Where each iteration adds a constant, it follows from the number of trips.
fn last(cx: &mut InferCx, c: &Carried, k: usize, axis: usize, d: &Sym, trips: &Trips, which: u32) -> Result<Sym> {
    let start = cx.shape(c.inputs[k])?[axis].clone();
    let growth = (tensor_at(cx, c.results[k], "a carried value")?.shape[axis].clone() - d).as_int();
    let most = growth.zip(trips.most.clone()).map(|(by, n)| &start + n * by.max(0));
    if let (Some(by), Some(n)) = (growth.filter(|by| *by >= 0), &trips.exact) {
        cx.fresh(SymbolSource::Carried(c.params[k], axis as u32), "carried", 0, most);
        return Ok(start + n * by);
    }
    cx.fresh(SymbolSource::Carried(c.params[k], axis as u32), "carried", 0, most.clone());
    Ok(cx.fresh_result(which, "last", 0, most))
}

/// The type of a value that each iteration gives. Extents that depend on the iteration are the same in all of them, as the
/// standard has it, but known only afterwards: symbols of the node, from number `which` on.
pub(super) fn scanned(cx: &mut InferCx, v: ValueId, which: u32) -> Result<TensorType> {
    let mut t = tensor_at(cx, v, "a scan output")?;
    let inside = Inside::of(cx.graph, &region(cx, 0));
    for (axis, d) in t.shape.iter_mut().enumerate() {
        if inside.depends(cx.graph, d) {
            let hi = inside.bound(cx.graph, d);
            *d = cx.fresh_result(which + axis as u32, "slice", 0, hi);
        }
    }
    Ok(t)
}
