//! Specialisations: a program for any extents gets, beside its general path, programs of the same model for extents that
//! are asked for often.
//!
//! Each is the whole model, compiled with these extents as constants, or as what other dims say. The entry `run` compares its dims with them first and
//! goes that way if they fit; everything else of the interface stays what it was. Holds afterwards: functions and constants
//! that are alike are there once; the workspace is exactly what the path of these dims needs.
//!
//! Does NOT decide which extents are worth it, and doesn't compile: the programs come from [`crate::pipeline::lower`].

use crate::assemble::set_workspace_function;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, SecondaryMap, Sym};
use onnxc_ir::loops::walk::{map_externs, map_funcs};
use onnxc_ir::loops::{
    Arg, Block, Buf, BufKind, Callee, CmpOp, ConstId, DimSource, ExternId, Func, FuncBuilder, FuncId, Interface,
    Linkage, Program, Stmt, Ty, Value,
};
use std::collections::BTreeMap;

/// Nodes of a size that needs no name.
const SHORT: u32 = 32;

/// Dims with the extents that a program is made for: constants, or over dims that are left.
pub type Extents = [(String, Sym)];

/// Adds to a complete program the one for some extents, as number `number`, from 1 on.
///
/// # Errors
/// Programs that can't be exchanged for each other: with the extents fixed, other sizes are known only after the run.
pub fn add(general: &mut Program, special: Program, extents: &Extents, number: usize) -> Result<(), Diagnostic> {
    let differ = |what: &str| {
        let list: Vec<String> = extents.iter().map(|(n, v)| format!("{n}={v}")).collect();
        Diagnostic::error("E4013", format!("no specialisation can be made for {}: {what}", list.join(",")))
            .help("leave it out, or compile a module of its own with --dim")
    };
    let (Some(run), Some(hot)) = (general.interface.entries.run, special.interface.entries.run) else {
        return Err(differ("there is no function to run"));
    };
    let passed = Passed::new(general, &special, run, hot).map_err(differ)?;
    let (sizes, bytes) = renamed_sizes(&special, number);
    let workspace = general.interface.workspace.clone().unwrap_or(Sym::int(0));
    let prefix = prefix(&general.name, number);
    let target = Merge::new(general).functions(special, hot, &prefix, run);
    let run = general.interface.entries.run.unwrap_or(run);
    guard(&mut general.funcs[run], target, extents, &passed);
    let fits = extents.iter().fold(Sym::int(1), |all, (name, v)| all * is(&Sym::var(Symbol::new(name)), v));
    general.interface.sizes.extend(sizes);
    let face = &mut general.interface;
    let (bytes, workspace) = (short(face, number, "special", bytes), short(face, number, "general", workspace));
    face.workspace = Some(choose(&fits, &bytes, &workspace));
    set_workspace_function(general);
    Ok(())
}

/// What the names of a specialisation's own functions begin with.
pub fn prefix(program: &str, number: usize) -> String {
    format!("{program}_hot{number}_")
}

/// What says the workspace of a specialisation, by names of its own.
fn renamed_sizes(special: &Program, number: usize) -> (Vec<(Symbol, Sym)>, Sym) {
    let face = &special.interface;
    let own = |s: &Symbol| Symbol::new(&format!("hot{number}#{s}"));
    let renamed = |e: &Sym| e.subst(&|s| face.sizes.iter().any(|(name, _)| name == s).then(|| Sym::var(own(s))));
    let sizes = face.sizes.iter().map(|(name, size)| (own(name), renamed(size))).collect();
    (sizes, face.workspace.as_ref().map_or(Sym::int(0), renamed))
}

/// A size, or a name for it where it is long: what is chosen from several times would be ever longer.
fn short(face: &mut Interface, number: usize, what: &str, size: Sym) -> Sym {
    if size.size() <= SHORT {
        return size;
    }
    let name = Symbol::new(&format!("hot{number}#{what}"));
    face.sizes.push((name.clone(), size));
    Sym::var(name)
}

/// 1 where `s` is `v`, else 0.
fn is(s: &Sym, v: &Sym) -> Sym {
    let far = Sym::max_of(vec![s - v, v - s]);
    Sym::max_of(vec![Sym::int(1) - far, Sym::int(0)])
}

/// `yes` where `fits` is 1, `no` where it is 0.
fn choose(fits: &Sym, yes: &Sym, no: &Sym) -> Sym {
    if yes == no {
        return yes.clone();
    }
    fits * yes + (Sym::int(1) - fits) * no
}

/// What the general run passes on: positions of dims that are left, and of its own parameters.
struct Passed {
    /// For each dim of the general program that a guard may look at, by name, its place.
    places: BTreeMap<String, usize>,
    /// The places of the dims that the special program still takes.
    dims: Vec<usize>,
    /// For each further parameter of the special run, the general one.
    params: Vec<u32>,
}

impl Passed {
    fn new(general: &Program, special: &Program, run: FuncId, hot: FuncId) -> Result<Passed, &'static str> {
        let all = &general.interface.dims;
        let places = all.iter().enumerate().map(|(i, d)| (d.name.clone(), i)).collect::<BTreeMap<_, _>>();
        let late = |p: &Program| -> Vec<DimSource> {
            p.interface.dims.iter().map(|d| d.source).filter(|s| matches!(s, DimSource::Run(_))).collect()
        };
        if late(general) != late(special) {
            return Err("other sizes are known only after the run");
        }
        let dims: Option<Vec<usize>> = special.interface.dims.iter().map(|d| places.get(&d.name).copied()).collect();
        let (from, to) = (&general.funcs[run].params, &special.funcs[hot].params);
        let skip = usize::from(!special.interface.dims.is_empty());
        let params = to.iter().skip(skip).map(|p| from.iter().position(|f| f.name == p.name).map(|i| i as u32));
        match (dims, params.collect::<Option<Vec<u32>>>()) {
            (Some(dims), Some(params)) => Ok(Passed { places, dims, params }),
            (None, _) => Err("it has dims of its own"),
            (_, None) => Err("its function takes something else"),
        }
    }
}

/// `if the dims fit { return special(..) }`, before anything else.
fn guard(run: &mut Func, target: FuncId, extents: &Extents, passed: &Passed) {
    let (mut b, body) = FuncBuilder::resume(std::mem::take(run));
    let of = |b: &FuncBuilder, i: u32| b.func.bufs.iter().find(|(_, d)| d.kind == BufKind::Param(i)).map(|(id, _)| id);
    let dims = of(&b, 0).unwrap_or_else(|| b.buf(DType::I64, BufKind::Param(0), "dims"));
    let mut fits: Option<Value> = None;
    for (name, v) in extents {
        for s in std::iter::once(Symbol::new(name)).chain(v.symbols()) {
            if b.lookup(&s).is_none() {
                let place = b.int(passed.places.get(s.as_str()).map_or(0, |p| *p as i64));
                let dim = b.load(dims, place, 1, None);
                b.bind(s, dim);
            }
        }
        let (dim, v) = (b.sym(&Sym::var(Symbol::new(name))), b.sym(v));
        let same = b.compare(CmpOp::Eq, dim, v);
        fits = Some(fits.map_or(same, |f| b.binary(onnxc_ir::loops::BinOp::And, f, same)));
    }
    let (then, ()) = b.block(|b| {
        let mut args = vec![];
        if !passed.dims.is_empty() {
            args.push(Arg::Buf { buf: fewer_dims(b, dims, &passed.dims), offset: None });
        }
        for &i in &passed.params {
            let buf = of(b, i).unwrap_or_else(|| {
                let p = b.func.params[i as usize].clone();
                let dtype = match p.kind {
                    onnxc_ir::loops::ParamKind::Buf { dtype, .. } => dtype,
                    _ => DType::U8,
                };
                b.buf(dtype, BufKind::Param(i), &p.name)
            });
            args.push(Arg::Buf { buf, offset: None });
        }
        let status = b.call(Callee::Func(target), args, Some(Ty::I32));
        b.stmt(Stmt::Return(status));
    });
    if let Some(cond) = fits {
        b.stmt(Stmt::If { cond, then, els: Block::default() });
    }
    body.0.into_iter().for_each(|s| b.stmt(s));
    *run = b.finish();
}

/// The dims at these places.
fn fewer_dims(b: &mut FuncBuilder, dims: Buf, places: &[usize]) -> Buf {
    let fewer = b.buf(DType::I64, BufKind::Stack(places.len() as u32), "fewer");
    for (to, from) in places.iter().enumerate() {
        let (to, from) = (b.int(to as i64), b.int(*from as i64));
        let v = b.load(dims, from, 1, None);
        b.store(fewer, to, v, None);
    }
    fewer
}

/// Takes the functions of one program into another.
struct Merge<'a> {
    into: &'a mut Program,
    /// Constants of the program by address and length, which the same weights share.
    known: BTreeMap<(usize, usize), Vec<ConstId>>,
}

impl<'a> Merge<'a> {
    fn new(into: &'a mut Program) -> Self {
        let mut known: BTreeMap<(usize, usize), Vec<ConstId>> = BTreeMap::new();
        for (id, c) in into.consts.iter() {
            known.entry((c.data.as_ptr().addr(), c.data.len())).or_default().push(id);
        }
        Merge { into, known }
    }

    /// All functions that `hot` calls, and itself, before `run`; gives where `hot` is now.
    fn functions(mut self, special: Program, hot: FuncId, prefix: &str, run: FuncId) -> FuncId {
        let mut consts: SecondaryMap<ConstId, Option<ConstId>> = SecondaryMap::new();
        for (id, c) in special.consts {
            consts[id] = Some(self.constant(c));
        }
        let mut externs: SecondaryMap<ExternId, Option<ExternId>> = SecondaryMap::new();
        for (id, x) in special.externs {
            let known = self.into.externs.iter().find(|(_, e)| **e == x).map(|(id, _)| id);
            externs[id] = Some(known.unwrap_or_else(|| self.into.externs.push(x)));
        }
        let after = self.cut_before(run);
        let mut funcs: SecondaryMap<FuncId, Option<FuncId>> = SecondaryMap::new();
        let entries = special.interface.entries;
        let others = [entries.plan, entries.call, entries.workspace_bytes];
        for (id, mut f) in special.funcs {
            if others.contains(&Some(id)) {
                continue;
            }
            for b in f.bufs.values_mut() {
                if let BufKind::Const(c) = &mut b.kind {
                    *c = consts[*c].unwrap_or(*c);
                }
            }
            map_funcs(&mut f.body, &mut |f| funcs[f].unwrap_or(f));
            map_externs(&mut f.body, &mut |x| externs[x].unwrap_or(x));
            funcs[id] = Some(self.function(f, &special.name, prefix, id == hot));
        }
        self.put_back(after, run);
        funcs[hot].unwrap_or(run)
    }

    fn constant(&mut self, c: onnxc_ir::loops::ConstData) -> ConstId {
        let place = (c.data.as_ptr().addr(), c.data.len());
        let same = |id: &ConstId| self.into.consts[*id].dtype == c.dtype;
        if let Some(id) = self.known.get(&place).into_iter().flatten().copied().find(same) {
            return id;
        }
        let equal = |(_, x): &(ConstId, &onnxc_ir::loops::ConstData)| x.dtype == c.dtype && x.data == c.data;
        if let Some((id, _)) = self.into.consts.iter().find(equal) {
            return id;
        }
        let id = self.into.consts.push(c);
        self.known.entry(place).or_default().push(id);
        id
    }

    /// A function that is there already, or this one under another name.
    fn function(&mut self, mut f: Func, old: &str, prefix: &str, entry: bool) -> FuncId {
        f.linkage = Linkage::Local;
        let known = self.into.funcs.iter().find(|(_, g)| !entry && f.same_code(g)).map(|(id, _)| id);
        known.unwrap_or_else(|| {
            let rest = f.name.strip_prefix(old).unwrap_or(&f.name).trim_start_matches('_');
            f.name = format!("{prefix}{rest}");
            self.into.funcs.push(f)
        })
    }

    /// Takes `run` and everything behind it out.
    fn cut_before(&mut self, run: FuncId) -> Vec<Func> {
        let all = std::mem::take(&mut self.into.funcs);
        let mut after = vec![];
        for (id, f) in all {
            if id < run {
                self.into.funcs.push(f);
            } else {
                after.push(f);
            }
        }
        after
    }

    /// Puts them back, with new numbers.
    fn put_back(&mut self, after: Vec<Func>, run: FuncId) {
        let first = self.into.funcs.next_key();
        let shift = |f: FuncId| {
            if f < run { f } else { FuncId::from_u32(f.as_u32() - run.as_u32() + first.as_u32()) }
        };
        for mut f in after {
            map_funcs(&mut f.body, &mut |f| shift(f));
            self.into.funcs.push(f);
        }
        self.into.interface.entries.map_funcs(shift);
    }
}
