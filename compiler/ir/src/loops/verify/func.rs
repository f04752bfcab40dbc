//! Statement by statement: definitions before uses, types of operands, signatures of calls.

use super::{Checker, code};
use crate::loops::*;
use onnxc_base::SecondaryMap;

/// The lanes of a variable, at most: registers are few.
const MAX_TILE: u32 = 1 << 14;

/// What is defined at the statement being checked.
#[derive(Default)]
pub(super) struct Scope {
    values: SecondaryMap<Value, State>,
    pub(super) bufs: SecondaryMap<Buf, State>,
    /// What the open blocks define, to be taken back at their end.
    undo_values: Vec<Value>,
    undo_bufs: Vec<Buf>,
}

/// Of a value or buffer.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Undefined,
    Defined,
    /// Its block has ended.
    Gone,
}

impl Scope {
    /// A loop's index is gone after the loop.
    pub(super) fn end(&mut self, index: Value) {
        self.values[index] = State::Gone;
    }
}

impl<'a> Checker<'a> {
    /// Checks all of it.
    pub(super) fn function(&mut self) {
        self.declarations();
        self.find_writable();
        self.parallel_variables();
        let ends = self.block(&self.func.body);
        self.here = None;
        if let Some(ty) = self.func.ret {
            self.check(ends, code::CONTROL, |_| format!("not every way out returns the promised {ty}"));
        }
    }

    fn declarations(&mut self) {
        for v in self.func.vars.values() {
            self.valid_type(v.ty, &v.name);
            let dims = v.dims.iter().try_fold(u32::from(v.ty.lanes), |n, &d| n.checked_mul(d));
            let ok = dims.is_some_and(|n| (1..=MAX_TILE).contains(&n));
            self.check(ok, code::TYPE, |_| format!("tile '{}' has no lanes, or more than {MAX_TILE}", v.name));
        }
        if let Some(ty) = self.func.ret {
            self.valid_type(ty, "result");
        }
        self.declared_bufs();
    }

    pub(super) fn valid_type(&mut self, ty: Ty, name: &str) {
        let ok = ty.lanes.is_power_of_two() && ty.lanes <= 64 && Scalar::holds(ty.elem);
        self.check(ok, code::TYPE, |_| format!("'{name}' has the impossible type {ty}"));
    }

    /// Checks a block; says whether its end is never reached.
    pub(super) fn block(&mut self, block: &'a Block) -> bool {
        let (values, bufs) = (self.scope.undo_values.len(), self.scope.undo_bufs.len());
        let mut ended = false;
        for (i, s) in block.0.iter().enumerate() {
            self.here = Some(s);
            if ended && !matches!(s, Stmt::Comment(_)) {
                // Rather than a constant, show what needs it.
                self.here = block.0[i..].iter().find(|s| !self.is_constant(s)).or(Some(s));
                self.report(code::CONTROL, |_| "nothing gets here".to_owned());
                break;
            }
            ended |= self.statement(s);
        }
        for v in self.scope.undo_values.drain(values..) {
            self.scope.values[v] = State::Gone;
        }
        for b in self.scope.undo_bufs.drain(bufs..) {
            self.scope.bufs[b] = State::Gone;
        }
        ended
    }

    fn is_constant(&self, s: &Stmt) -> bool {
        matches!(s, Stmt::Let(v) if self.constant(*v).is_some())
    }

    /// Checks a statement; says whether what follows is never reached.
    fn statement(&mut self, s: &'a Stmt) -> bool {
        match s {
            Stmt::Let(v) => self.let_value(*v),
            Stmt::Set(place, v) => {
                let ty = self.place(place);
                self.typed(*v, ty, "the value set");
            }
            Stmt::Store { buf, offset, value, mask } => {
                self.writes(*buf);
                self.index(*offset, "the offset");
                self.stored(*buf, *value, *mask);
            }
            Stmt::Scatter { buf, offsets, value, mask } => {
                self.writes(*buf);
                let lanes = self.uses(*value).map_or(1, |t| t.lanes);
                self.lane_offsets(*offsets, lanes);
                self.stored(*buf, *value, *mask);
            }
            Stmt::Alloc { .. } | Stmt::Free(_) | Stmt::View { .. } | Stmt::Entry { .. } | Stmt::Assign { .. } => {
                self.memory(s);
            }
            Stmt::For { .. } | Stmt::Loop(_) | Stmt::Break | Stmt::If { .. } | Stmt::Return(_) => {
                return self.control(s);
            }
            Stmt::Prefetch { buf, offset } => {
                self.reads(*buf);
                self.index(*offset, "the offset");
            }
            Stmt::Call { callee, args, result } => self.call(*callee, args, *result),
            Stmt::Fork { callee, args, count, team } => {
                self.index(*count, "the count");
                self.index(*team, "the team");
                self.fork(*callee, args);
            }
            Stmt::Comment(_) => {}
        }
        false
    }

    fn let_value(&mut self, v: Value) {
        let Some(def) = self.func.values.get(v) else {
            return self.report(code::DEFINITION, |_| format!("{v:?} doesn't exist"));
        };
        match def.op {
            Op::Index => self.report(code::DEFINITION, |_| "an index is defined by its loop only".into()),
            Op::Result => self.report(code::DEFINITION, |_| "a result is defined by its call only".into()),
            _ => self.op(def),
        }
        self.defines(v);
    }

    /// Marks a value as defined from here on.
    pub(super) fn defines(&mut self, v: Value) {
        let Some(def) = self.func.values.get(v) else {
            return self.report(code::DEFINITION, |_| format!("{v:?} doesn't exist"));
        };
        let fresh = self.scope.values[v] == State::Undefined;
        self.check(fresh, code::DEFINITION, |p| format!("{} is defined more than once", p.value(v)));
        self.scope.values[v] = State::Defined;
        self.scope.undo_values.push(v);
        self.valid_type(def.ty, &def.name);
    }

    /// Marks a buffer as defined from here on.
    pub(super) fn defines_buf(&mut self, b: Buf) {
        self.scope.bufs[b] = State::Defined;
        self.scope.undo_bufs.push(b);
    }

    /// Checks that a value may be used here; gives its type.
    pub(super) fn uses(&mut self, v: Value) -> Option<Ty> {
        let ty = self.ty(v);
        match self.scope.values[v] {
            _ if ty.is_none() => self.report(code::DEFINITION, |_| format!("{v:?} doesn't exist")),
            State::Defined => {}
            State::Undefined => {
                self.report(code::DEFINITION, |p| format!("{} is used before it is defined", p.value(v)))
            }
            State::Gone => {
                self.report(code::DEFINITION, |p| {
                    format!("{} is used outside of the block that defines it", p.value(v))
                });
            }
        }
        ty
    }

    /// A use that must be of a type.
    pub(super) fn typed(&mut self, v: Value, want: Option<Ty>, what: &str) {
        let got = self.uses(v);
        if let (Some(got), Some(want)) = (got, want) {
            self.check(got == want, code::TYPE, |p| format!("{what} {} is {got}, not {want}", p.value(v)));
        }
    }

    /// An i64 scalar.
    pub(super) fn index(&mut self, v: Value, what: &str) {
        self.typed(v, Some(Ty::I64), what);
    }

    pub(super) fn mask(&mut self, mask: Option<Value>, lanes: u16) {
        if let Some(m) = mask {
            self.typed(m, Some(Ty::vector(DType::Bool, lanes)), "the mask");
        }
    }

    pub(super) fn lane_offsets(&mut self, v: Value, lanes: u16) {
        if let Some(got) = self.uses(v) {
            let ok = got.lanes == lanes && matches!(got.elem, DType::I32 | DType::I64);
            self.check(ok, code::TYPE, |p| {
                format!("the offsets {} are {got}, not {lanes} lanes of i32 or i64", p.value(v))
            });
        }
    }

    fn stored(&mut self, buf: Buf, value: Value, mask: Option<Value>) {
        let Some(ty) = self.uses(value) else { return };
        if let Some(dtype) = self.func.bufs.get(buf).map(|d| d.dtype) {
            self.typed(value, Some(ty.with_elem(dtype)), "the value stored");
        }
        self.mask(mask, ty.lanes);
    }

    /// Checks a place; gives its type.
    pub(super) fn place(&mut self, place: &Place) -> Option<Ty> {
        let Some(def) = self.func.vars.get(place.var) else {
            self.report(code::DEFINITION, |_| format!("variable {:?} doesn't exist", place.var));
            return None;
        };
        let (want, got) = (def.dims.len(), place.index.len());
        self.check(want == got, code::TYPE, |p| format!("{} has {want} dims but {got} indices", p.var(place.var)));
        for (i, &v) in place.index.iter().enumerate() {
            self.index(v, "the tile index");
            match (self.constant(v), def.dims.get(i)) {
                (Some(c), Some(&d)) => {
                    let ok = (0..i64::from(d)).contains(&c);
                    self.check(ok, code::TYPE, |_| format!("tile index {c} is not in 0..{d}"));
                }
                (None, _) if self.stage.unrolled => {
                    self.report(code::STAGE, |p| format!("tile index {} is no constant after unroll", p.value(v)));
                }
                _ => {}
            }
        }
        Some(def.ty)
    }

    fn call(&mut self, callee: Callee, args: &[Arg], result: Option<Value>) {
        let signature = match callee {
            Callee::Func(f) => {
                self.check(f < self.id, code::CALL, |_| "the callee doesn't come before its caller".to_owned());
                let func = self.program.funcs.get(f);
                func.map(|f| (f.params.iter().map(|p| p.kind).collect::<Vec<_>>(), f.ret))
            }
            Callee::Extern(e) => self.program.externs.get(e).map(|e| (e.params.clone(), e.ret)),
        };
        let Some((params, ret)) = signature else {
            return self.report(code::CALL, |_| "the callee doesn't exist".into());
        };
        self.arguments(args, &params);
        if let Some(v) = result {
            let def = self.func.values.get(v);
            let ok = def.is_some_and(|d| d.op == Op::Result);
            self.check(ok, code::DEFINITION, |_| "what a call defines is a result".into());
            let got = def.map(|d| d.ty);
            self.check(got == ret, code::CALL, |_| match ret {
                Some(ty) => format!("the callee returns {ty}"),
                None => "the callee returns nothing".into(),
            });
            self.defines(v);
        }
    }

    /// A function over a range, by a thread: three integers come before what is passed.
    fn fork(&mut self, callee: FuncId, args: &[Arg]) {
        self.check(callee < self.id, code::CALL, |_| "the callee doesn't come before its caller".to_owned());
        let Some(func) = self.program.funcs.get(callee) else {
            return self.report(code::CALL, |_| "the callee doesn't exist".into());
        };
        let params: Vec<ParamKind> = func.params.iter().map(|p| p.kind).collect();
        let (own, rest) = params.split_at(params.len().min(3));
        let ok = own == [ParamKind::Scalar(DType::I64); 3] && func.ret.is_none();
        self.check(ok, code::CALL, |_| "the callee doesn't take a range and a thread, or returns something".into());
        self.arguments(args, rest);
    }

    fn arguments(&mut self, args: &[Arg], params: &[ParamKind]) {
        let (want, got) = (params.len(), args.len());
        self.check(want == got, code::CALL, |_| format!("{got} arguments for {want} parameters"));
        for (i, arg) in args.iter().enumerate() {
            self.argument(i, arg, params.get(i).copied());
        }
    }

    fn argument(&mut self, i: usize, arg: &Arg, param: Option<ParamKind>) {
        let fits = match *arg {
            Arg::Value(v) => {
                let ty = self.uses(v);
                matches!(param, Some(ParamKind::Scalar(d)) if ty.is_none_or(|t| t == Ty::scalar(d)))
            }
            Arg::Buf { buf, offset } => {
                match param {
                    Some(ParamKind::Buf { mutable: true, .. }) => self.writes(buf),
                    _ => self.reads(buf),
                }
                if let Some(at) = offset {
                    self.index(at, "the offset");
                }
                let got = self.func.bufs.get(buf).map(|d| d.dtype);
                matches!(param, Some(ParamKind::Buf { dtype, .. }) if got.is_none_or(|d| d == dtype))
            }
            Arg::Table(t) => {
                let own = self.func.params.get(t as usize).map(|p| p.kind);
                own == Some(ParamKind::Table) && param == Some(ParamKind::Table)
            }
        };
        self.check(fits || param.is_none(), code::CALL, |_| format!("argument {i} isn't of the parameter's kind"));
    }
}
