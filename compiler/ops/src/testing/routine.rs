//! Runs what an operator writes as loops IR: its routine, and the extents that it computes beforehand.
//!
//! Holds: the function passes the verifier of loops IR before it runs.

use super::Inferred;
use crate::RoutineCx;
use crate::routine::TensorBuf;
use onnxc_base::{DType, Diagnostic, Sym, Symbol, Tensor};
use onnxc_ir::graph::{SymbolSource, TensorType};
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::{Buf, FuncBuilder, Linkage, Program, Stmt, Ty, Value, verify};
use onnxc_ir::scalar::Scalar;

impl Inferred {
    /// Computes the extents that `infer` asked for, and gives them to their symbols.
    pub(super) fn define_extents(&mut self) -> Result<(), Diagnostic> {
        let Some(extents) = self.def.extents else { return Ok(()) };
        let (mut f, inputs) = self.start();
        let values = extents(&mut RoutineCx::new(&mut f, &self.graph, self.node, inputs, vec![]))?;
        let out = f.param_buf("extents", DType::I64, true);
        store_all(&mut f, out, &values);
        let args = self.call(f, vec![ArgVal::buf(&vec![-1i64; values.len()])])?;
        for (which, v) in args[0].elements::<i64>().into_iter().enumerate() {
            self.define(SymbolSource::Extent(self.node, which as u32), v);
        }
        Ok(())
    }

    /// Runs the node's routine; extents known only afterwards are given to their symbols.
    pub(super) fn run_routine(
        &mut self,
        lower: fn(&mut RoutineCx) -> Result<(), Diagnostic>,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        let (mut f, inputs) = self.start();
        let types: Vec<TensorType> =
            (0..self.graph.nodes[self.node].outputs.len()).map(|i| self.output_type(i).clone()).collect();
        let outputs = types
            .iter()
            .enumerate()
            .map(|(i, t)| TensorBuf {
                buf: f.param_buf(&format!("y{i}"), t.dtype, true),
                dtype: t.dtype,
                shape: t.shape.clone(),
            })
            .collect();
        lower(&mut RoutineCx::new(&mut f, &self.graph, self.node, inputs, outputs))?;
        let results: Vec<(Symbol, SymbolSource)> =
            self.graph.symbols.iter().map(|(s, i)| (s.clone(), i.source)).filter(|(_, s)| self.is_result(*s)).collect();
        let values: Vec<Value> = results
            .iter()
            .map(|(s, _)| f.lookup(s).expect("a routine defines the extents that only it knows"))
            .collect();
        let out = f.param_buf("extents", DType::I64, true);
        store_all(&mut f, out, &values);
        let mut args: Vec<ArgVal> = types.iter().map(|t| self.room(t)).collect();
        args.push(ArgVal::buf(&vec![-1i64; results.len()]));
        let args = self.call(f, args)?;
        for ((_, source), v) in results.iter().zip(args[types.len()].elements::<i64>()) {
            self.define(*source, v);
        }
        Ok(types.iter().zip(args).map(|(t, a)| self.tensor(t, &a)).collect())
    }

    fn is_result(&self, source: SymbolSource) -> bool {
        matches!(source, SymbolSource::Result(n, _) if n == self.node)
    }

    /// A function with a parameter for each symbol that has a value and for each input.
    fn start(&self) -> (FuncBuilder, Vec<Option<TensorBuf>>) {
        let mut f = FuncBuilder::new("case");
        f.func.linkage = Linkage::Export;
        f.func.ret = Some(Ty::scalar(DType::I32));
        for s in self.env.keys() {
            let v = f.param(s.as_str(), DType::I64);
            f.bind(s.clone(), v);
        }
        let inputs = self.graph.nodes[self.node].inputs.iter().enumerate().map(|(i, v)| {
            let t = self.graph.tensor_type((*v)?)?;
            Some(TensorBuf {
                buf: f.param_buf(&format!("x{i}"), t.dtype, false),
                dtype: t.dtype,
                shape: t.shape.clone(),
            })
        });
        let inputs = inputs.collect();
        (f, inputs)
    }

    /// Ends the function with status 0 and calls it; gives back what became of `outputs`.
    fn call(&self, mut f: FuncBuilder, outputs: Vec<ArgVal>) -> Result<Vec<ArgVal>, Diagnostic> {
        let ok = f.scalar(Scalar::from_i64(DType::I32, 0));
        f.stmt(Stmt::Return(Some(ok)));
        let mut program = Program { name: "case".into(), ..Program::default() };
        let func = program.funcs.push(f.finish());
        if let Err(problems) = verify::verify(&program, verify::Stage::FRESH) {
            panic!("{problems}");
        }
        let inputs = &self.graph.nodes[self.node].inputs;
        let mut args: Vec<ArgVal> = self.env.values().map(|&v| ArgVal::Scalar(Scalar::i64(v))).collect();
        args.extend(
            (0..inputs.len()).filter(|&i| inputs[i].is_some()).map(|i| ArgVal::Shared(self.input(i).bytes().clone())),
        );
        let first = args.len();
        args.extend(outputs);
        let status = Interp::new(&program).call(func, &mut args).unwrap_or_else(|e| panic!("{e}"));
        match status.map(Scalar::to_i64) {
            Some(0) => Ok(args.split_off(first)),
            other => Err(Diagnostic::error("E6000", format!("status {other:?}"))
                .node(self.graph.nodes[self.node].name.clone(), "")),
        }
    }

    /// Room for an output, as many elements as it can have.
    fn room(&self, t: &TensorType) -> ArgVal {
        let ranges = self.graph.ranges();
        let unknown = |s: &Symbol| !self.env.contains_key(s);
        let extent = |d: &Sym| ranges.upper_bound(d, &unknown).unwrap_or_else(|| panic!("{d} has no upper bound"));
        let count: i64 = t.shape.iter().map(|d| self.eval(&extent(d))).product();
        ArgVal::Buf(vec![0xff; count as usize * t.dtype.size()])
    }

    /// The output that lies at the start of a buffer.
    fn tensor(&self, t: &TensorType, arg: &ArgVal) -> Tensor {
        let ArgVal::Buf(bytes) = arg else { panic!("outputs are buffers") };
        let shape = self.extents(&t.shape);
        let size = shape.iter().product::<usize>() * t.dtype.size();
        Tensor::from_bytes(t.dtype, shape, bytes[..size].to_vec().into()).expect("the size follows from the shape")
    }

    fn define(&mut self, source: SymbolSource, value: i64) {
        let symbol = self.graph.symbols.iter().find(|(_, i)| i.source == source).map(|(s, _)| s.clone());
        self.env.insert(symbol.unwrap_or_else(|| panic!("no symbol has the source {source:?}")), value);
    }
}

fn store_all(f: &mut FuncBuilder, out: Buf, values: &[Value]) {
    for (i, &v) in values.iter().enumerate() {
        let at = f.int(i as i64);
        f.store(out, at, v, None);
    }
}
