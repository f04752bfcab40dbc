//! Random kernels: well typed, every load in range or padded, for dims `n` of 0 to 3 and `h` of 1 to 4.

use crate::kernel::*;
use crate::scalar::BinOp;
use proptest::prelude::*;

/// Dims and the values that tests give them.
pub(in crate::kernel) const SIZES: [(&str, i64); 2] = [("n", 2), ("h", 3)];

const TYPES: [DType; 13] = [
    DType::F32,
    DType::Bool,
    DType::I64,
    DType::I8,
    DType::U8,
    DType::I16,
    DType::U16,
    DType::I32,
    DType::U32,
    DType::U64,
    DType::F64,
    DType::F16,
    DType::BF16,
];
/// Names that aren't unique, no identifiers, or mean something else in the text.
const NAMES: [&str; 10] = ["x", "max", "in", "a/b:0", "f32", "y.padded", "", "sum", "nan", "`\"\\\n"];

/// Random kernels.
pub(in crate::kernel) fn kernels() -> impl Strategy<Value = Kernel> {
    prop::collection::vec(any::<u32>(), 400).prop_map(|dice| Maker::new(dice).kernel())
}

/// Makes choices from a list of random numbers, zeros once that is used up: shrinking the list shrinks the kernel.
struct Maker {
    dice: Vec<u32>,
    at: usize,
    kernel: Kernel,
    vars: usize,
}

impl Maker {
    fn new(dice: Vec<u32>) -> Self {
        Self { dice, at: 0, kernel: Kernel::default(), vars: 0 }
    }

    fn roll(&mut self, below: usize) -> usize {
        let v = self.dice.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        v as usize % below.max(1)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    fn kernel(mut self) -> Kernel {
        self.kernel.name = self.pick(&NAMES).into();
        self.kernel.doc = self.pick(&["", "Conv_0 \"a\""]).into();
        self.kernel.ranges.set("n", 0, Some(Sym::int(3)));
        let most = (self.roll(2) == 0).then(|| Sym::var("n") + 1);
        self.kernel.ranges.set("h", 1, most);
        for _ in 0..self.roll(4) {
            self.param();
        }
        for _ in 0..1 + self.roll(4) {
            self.def();
        }
        let last = DefId::from_u32(self.kernel.defs.len() as u32 - 1);
        self.kernel.outputs = if self.roll(2) == 0 { vec![last] } else { vec![last, DefId::from_u32(0), last] };
        if self.roll(4) == 0 {
            let strides = vec![Sym::var("n") + 1; self.kernel.defs[last].axes.len()];
            self.kernel.place(0, Placed { strides, offset: Sym::int(7) });
        }
        if self.roll(3) == 0 {
            let axes = self.axes(1);
            let cond = self.expr(DType::Bool, &axes, 3);
            let status = self.roll(9) as i32 - 4;
            self.kernel.checks.push(Check { axes, cond, status });
        }
        self.schedule();
        self.kernel
    }

    fn extent(&mut self) -> Sym {
        let (n, h) = (Sym::var("n"), Sym::var("h"));
        let all = [Sym::int(2), Sym::int(1), n.clone(), h.clone(), Sym::int(0), &n + &h, h.floordiv(&Sym::int(2)) + 1];
        self.pick(&all)
    }

    fn param(&mut self) {
        let dtype = self.pick(&TYPES);
        let shape: Vec<Sym> = (0..self.roll(4)).map(|_| self.extent()).collect();
        let fixed: Option<Vec<usize>> = shape.iter().map(|e| e.as_int().map(|v| v as usize)).collect();
        let value = fixed.filter(|_| self.roll(2) == 0).map(|shape| {
            let count = shape.iter().product::<usize>();
            let bytes: Vec<u8> = (0..count)
                .flat_map(|_| {
                    let mut b = vec![0; dtype.size()];
                    self.scalar(dtype).write(&mut b);
                    b
                })
                .collect();
            Tensor::from_bytes(dtype, shape, bytes.into()).expect("the bytes fill the shape")
        });
        let name = self.pick(&NAMES).into();
        self.kernel.params.push(Param { name, dtype, shape, value });
    }

    fn axes(&mut self, most: usize) -> Vec<Axis> {
        (0..self.roll(most + 1))
            .map(|_| {
                self.vars += 1;
                // Some need backticks.
                let var =
                    if self.vars.is_multiple_of(5) { format!("i {}", self.vars) } else { format!("i{}", self.vars) };
                Axis { var: Symbol::new(&var), extent: self.extent() }
            })
            .collect()
    }

    fn def(&mut self) {
        let dtype = self.pick(&TYPES);
        let axes = self.axes(3);
        let ops: Vec<ReduceOp> = ReduceOp::ALL.iter().copied().filter(|o| o.binary().takes(dtype)).collect();
        let body = if self.roll(2) == 0 || ops.is_empty() {
            Body::Map(self.expr(dtype, &axes, 4))
        } else {
            let over = self.axes(2);
            let all: Vec<Axis> = axes.iter().chain(&over).cloned().collect();
            let init = if self.roll(2) == 0 { Some(self.expr(dtype, &axes, 2)) } else { None };
            Body::Reduce { op: self.pick(&ops), axes: over, init, value: self.expr(dtype, &all, 3) }
        };
        let name = format!("{}{}", self.pick(&NAMES), if self.roll(2) == 0 { "" } else { "2" });
        let taken = self.kernel.defs.values().filter(|d| d.name.starts_with(&name)).count();
        let name = if taken == 0 { name } else { format!("{name}.{taken}") };
        self.kernel.defs.push(Def { name, dtype, axes, body });
    }

    fn scalar(&mut self, dtype: DType) -> Scalar {
        let v = self.pick(&[1.0, 0.0, -0.0, 2.5, -3.0, 1e10, f64::INFINITY, f64::NAN, 0.1]);
        Scalar::from_f64(dtype, v)
    }

    fn sym(&mut self, axes: &[Axis]) -> Sym {
        let var = if axes.is_empty() { Sym::int(1) } else { Sym::var(&axes[self.roll(axes.len())].var) };
        let other = match axes.last() {
            Some(a) => Sym::var(&a.var),
            None => Sym::var("h"),
        };
        match self.roll(6) {
            0 => var,
            1 => 2 * &var + &other - 1,
            2 => var.floordiv(&Sym::int(2)) + other.modulo(&Sym::int(3)),
            3 => Sym::max_of(vec![var, other, Sym::var("n")]),
            4 => var * other,
            _ => Sym::int(3),
        }
    }

    /// An expression of a type.
    fn expr(&mut self, dtype: DType, axes: &[Axis], depth: u32) -> Expr {
        let simple = ExprKind::Const(self.scalar(dtype));
        if depth == 0 {
            return Expr::new(simple);
        }
        let kind = match self.roll(10) {
            0 => {
                let from = self.pick(&TYPES);
                Some(ExprKind::Cast(dtype, self.expr(from, axes, depth - 1)))
            }
            1 if dtype == DType::I64 => Some(ExprKind::Int(self.sym(axes))),
            1 | 2 => self
                .operation(UnOp::ALL, |o| o.takes(dtype))
                .map(|o| ExprKind::Unary(o, self.expr(dtype, axes, depth - 1))),
            3 | 4 => self
                .operation(BinOp::ALL, |o| o.takes(dtype))
                .map(|o| ExprKind::Binary(o, self.expr(dtype, axes, depth - 1), self.expr(dtype, axes, depth - 1))),
            5 if dtype == DType::Bool => {
                let of = self.pick(&TYPES);
                self.operation(CmpOp::ALL, |o| o.takes(of))
                    .map(|o| ExprKind::Compare(o, self.expr(of, axes, depth - 1), self.expr(of, axes, depth - 1)))
            }
            5 | 6 => Some(ExprKind::Select(
                self.expr(DType::Bool, axes, depth - 1),
                self.expr(dtype, axes, depth - 1),
                self.expr(dtype, axes, depth - 1),
            )),
            _ => self.load(dtype, axes, depth - 1),
        };
        Expr::new(kind.unwrap_or(simple))
    }

    fn operation<T: Copy>(&mut self, all: &[T], takes: impl Fn(T) -> bool) -> Option<T> {
        let fit: Vec<T> = all.iter().copied().filter(|o| takes(*o)).collect();
        if fit.is_empty() { None } else { Some(self.pick(&fit)) }
    }

    /// A load of something of this type: at variables as long as its dims where there are such, else padded.
    fn load(&mut self, dtype: DType, axes: &[Axis], depth: u32) -> Option<ExprKind> {
        let params = self.kernel.params.keys().map(Src::Param);
        let all: Vec<Src> = params.chain(self.kernel.defs.keys().map(Src::Def)).collect();
        let src = self.operation(&all, |_| true)?;
        let shape = self.kernel.src_shape(src);
        let beside: Option<Vec<Expr>> =
            shape.iter().map(|e| axes.iter().find(|a| a.extent == *e).map(|a| build::int(Sym::var(&a.var)))).collect();
        let found = self.kernel.src_dtype(src);
        let load = match beside {
            Some(index) if self.roll(2) == 0 => ExprKind::Load { src, index, pad: None },
            _ => {
                let index = shape.iter().map(|_| match self.roll(3) {
                    0 => self.expr(DType::I64, axes, depth),
                    _ => build::int(self.sym(axes)),
                });
                let index = index.collect();
                ExprKind::Load { src, index, pad: Some(self.scalar(found)) }
            }
        };
        Some(if found == dtype { load } else { ExprKind::Cast(dtype, Expr::new(load)) })
    }

    /// Any schedule, legal or not.
    fn schedule(&mut self) {
        let stages = self.roll(4);
        for _ in 0..stages {
            let defs: Vec<DefId> = self.kernel.defs.keys().collect();
            let (def, acc) = (self.pick(&defs), self.pick(&defs));
            let mut symbols: Vec<Symbol> = self.kernel.defs[def].axes.iter().map(|a| a.var.clone()).collect();
            symbols.extend(["stage", "parallel", "order"].map(Symbol::new));
            let some = |m: &mut Self| {
                (0..m.roll(4))
                    .map(|_| Loop {
                        axis: m.pick(&symbols),
                        block: m.roll(9) as u32,
                        cut: m.pick(&[Cut::Aligned, Cut::Even, Cut::Graded, Cut::Guarded, Cut::Alike]),
                    })
                    .collect::<Vec<_>>()
            };
            let (loops, over, axis, owner) = (some(self), some(self), self.pick(&symbols), self.pick(&defs));
            let lanes = Lanes { axis, lanes: self.roll(70) as u16 };
            let at = At { owner, depth: self.roll(4) as u32, rolls: self.roll(2) == 0 };
            let stage = Stage {
                def,
                acc: (self.roll(2) == 0).then_some(acc),
                at: (self.roll(2) == 0).then_some(at),
                parallel: self.roll(2) == 0,
                loops,
                over,
                vector: (self.roll(2) == 0).then_some(lanes),
                few: (0..self.roll(3)).map(|n| Few { rows: n as u32, block: self.roll(99) as u32 }).collect(),
                ahead: (self.roll(2) == 0).then(|| self.pick(&symbols)),
                fused: self.roll(2) == 0,
                dots: (self.roll(3) == 0).then_some(Dots { most: 4, least: 2 }),
            };
            self.kernel.schedule.stages.push(stage);
        }
    }
}
