//! Runs what an operator writes in loops IR: routines, and the computation of extents from input values.
//!
//! The program is one function: the inputs' elements, the outputs', and a list for the symbols that it computes. It is
//! verified before it runs; outputs have memory for the proven bounds only, so that a wrong bound is an access out of
//! bounds.

use super::Inferred;
use crate::RoutineCx;
use crate::routine::TensorBuf;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Sym, Tensor};
use onnxc_ir::graph::{SymbolInfo, SymbolSource};
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::verify::{Stage, verify};
use onnxc_ir::loops::{DimInfo, DimSource, FuncBuilder, Program, Ty};
use onnxc_ir::scalar::Scalar;

impl Inferred {
    /// Symbols of a kind that this node defines.
    fn own_symbols(&self, kind: fn(SymbolSource) -> bool) -> Vec<(Symbol, SymbolInfo)> {
        self.graph.symbols.iter().filter(|(_, i)| kind(i.source)).map(|(s, i)| (s.clone(), i.clone())).collect()
    }

    /// Computes the extents that `infer` asked for from the values of the inputs. As in a plan, input 0 isn't at hand
    /// unless it is small.
    pub(super) fn define_extents(&mut self) -> Result<(), Diagnostic> {
        let wanted = self.own_symbols(|s| matches!(s, SymbolSource::Extent(..)));
        if wanted.is_empty() {
            return Ok(());
        }
        let emit = |me: &Inferred, f: &mut FuncBuilder, p: &mut Program| {
            let mut inputs = me.parameters(f);
            if inputs[0].as_ref().is_some_and(|x| x.shape.len() > 1) {
                inputs[0] = None;
            }
            let extents = me.def.extents.expect("infer asked for extents");
            let values = extents(&mut RoutineCx::new(f, p, &me.graph, me.node, inputs, vec![]))?;
            for (s, info) in &wanted {
                let SymbolSource::Extent(_, which) = info.source else { continue };
                f.bind(s.clone(), values[which as usize]);
            }
            Ok(())
        };
        self.run_program(&wanted, emit, false).map(|_| ())
    }

    /// Runs a routine.
    pub(super) fn run_routine(
        &mut self,
        lower: fn(&mut RoutineCx) -> Result<(), Diagnostic>,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        let wanted = self.own_symbols(|s| matches!(s, SymbolSource::Result(..)));
        let emit = |me: &Inferred, f: &mut FuncBuilder, p: &mut Program| {
            let inputs = me.parameters(f);
            let outputs = (0..me.graph.nodes[me.node].outputs.len()).map(|i| me.output(f, i)).collect();
            lower(&mut RoutineCx::new(f, p, &me.graph, me.node, inputs, outputs))
        };
        self.run_program(&wanted, emit, true)
    }

    fn parameters(&self, f: &mut FuncBuilder) -> Vec<Option<TensorBuf>> {
        let inputs = self.graph.nodes[self.node].inputs.iter();
        let buffers = inputs.map(|v| {
            let (v, t) = v.and_then(|v| Some((v, self.graph.tensor_type(v)?)))?;
            let buf = f.param_buf(&self.graph.values[v].name, t.dtype, false);
            Some(TensorBuf { buf, dtype: t.dtype, shape: t.shape.clone() })
        });
        buffers.collect()
    }

    fn output(&self, f: &mut FuncBuilder, i: usize) -> TensorBuf {
        let t = self.output_type(i).clone();
        TensorBuf { buf: f.param_buf(&format!("y{i}"), t.dtype, true), dtype: t.dtype, shape: t.shape }
    }

    /// Builds and runs a function; then the symbols `wanted` have values.
    fn run_program(
        &mut self,
        wanted: &[(Symbol, SymbolInfo)],
        emit: impl Fn(&Inferred, &mut FuncBuilder, &mut Program) -> Result<(), Diagnostic>,
        outputs: bool,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        let mut f = FuncBuilder::new("case");
        f.func.ret = Some(Ty::I32);
        for (s, v) in &self.env {
            let v = f.int(*v);
            f.bind(s.clone(), v);
        }
        let mut program = Program { name: "case".into(), ..Program::default() };
        emit(self, &mut f, &mut program)?;
        let found = f.param_buf("found", DType::I64, true);
        for (k, (s, _)) in wanted.iter().enumerate() {
            let value = f.lookup(s).unwrap_or_else(|| panic!("the operator gives {s} no value"));
            let at = f.int(k as i64);
            f.store(found, at, value, None);
        }
        let ok = f.scalar(Scalar::from_i64(DType::I32, 0));
        f.stmt(onnxc_ir::loops::Stmt::Return(Some(ok)));
        program.funcs.push(f.finish());
        self.call(program, wanted, outputs)
    }

    /// Calls the last function of a program.
    fn call(
        &mut self,
        mut program: Program,
        wanted: &[(Symbol, SymbolInfo)],
        outputs: bool,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        for s in self.env.keys() {
            let name = s.as_str().to_string();
            program.interface.dims.push(DimInfo { name, lo: i64::MIN, hi: None, source: DimSource::Input });
        }
        let id = program.funcs.keys().next_back().expect("it has a function");
        if let Err(found) = verify(&program, Stage::FRESH) {
            panic!("the routine breaks the rules of loops IR:\n{found:?}");
        }
        let mut args: Vec<ArgVal> = (0..self.graph.nodes[self.node].inputs.len())
            .filter(|&i| self.graph.nodes[self.node].inputs[i].is_some())
            .map(|i| ArgVal::Shared(self.input(i).bytes().clone()))
            .collect();
        let first = args.len();
        let count = if outputs { self.graph.nodes[self.node].outputs.len() } else { 0 };
        for i in 0..count {
            let bytes = self.bound(i) * self.output_type(i).dtype.size();
            args.push(ArgVal::Buf(vec![0xff; bytes]));
        }
        args.push(ArgVal::buf(&vec![0i64; wanted.len()]));
        let status = Interp::new(&program).call(id, &mut args).unwrap_or_else(|e| panic!("{e}"));
        let status = status.map_or(0, Scalar::to_i64);
        if status != 0 {
            let name = self.graph.nodes[self.node].name.clone();
            return Err(Diagnostic::error("E6000", format!("status {status}")).node(name, ""));
        }
        let found: Vec<i64> = args[first + count].elements();
        self.define(wanted, &found);
        Ok((0..count).map(|i| self.taken(i, &args[first + i])).collect())
    }

    /// Gives symbols their values, which must be in the ranges that were inferred.
    fn define(&mut self, wanted: &[(Symbol, SymbolInfo)], found: &[i64]) {
        for ((s, info), &v) in wanted.iter().zip(found) {
            let hi = info.hi.as_ref().map(|hi| self.eval(hi));
            assert!(v >= info.lo && hi.is_none_or(|hi| v <= hi), "{s} is {v}, but in {}..={hi:?}", info.lo);
            self.env.insert(s.clone(), v);
        }
    }

    /// The number of elements that output `i` can have.
    fn bound(&self, i: usize) -> usize {
        let late = |s: &Symbol| !self.env.contains_key(s);
        let count: Sym = self.output_type(i).shape.iter().product();
        let bound = self.graph.ranges().upper_bound(&count, &late);
        let bound = bound.unwrap_or_else(|| panic!("output {i} is unbounded: {count}"));
        usize::try_from(self.eval(&bound)).expect("a bound isn't negative")
    }

    fn taken(&self, i: usize, arg: &ArgVal) -> Tensor {
        let t = self.output_type(i);
        let shape = self.extents(&t.shape);
        let bytes = shape.iter().product::<usize>() * t.dtype.size();
        let data = arg.elements::<u8>()[..bytes].to_vec();
        Tensor::from_bytes(t.dtype, shape, data.into()).expect("as many elements as the shape says")
    }
}
