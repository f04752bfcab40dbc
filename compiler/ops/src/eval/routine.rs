//! Loops IR: routines, and extents computed from input values; run by the interpreter of loops IR.
//!
//! The function has a parameter for each symbol that has a value, then the inputs, the outputs, and a buffer for the
//! symbols that the node defines.

use super::{One, extent_number, result_number};
use crate::RoutineCx;
use crate::routine::TensorBuf;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Tensor};
use onnxc_ir::graph::{Attr, TensorType};
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::verify::{Stage, verify};
use onnxc_ir::loops::{DimInfo, DimSource, FuncBuilder, Linkage, Program, Stmt, Ty, Value};
use onnxc_ir::scalar::Scalar;
use std::collections::BTreeSet;

impl One<'_> {
    /// Computes the extents that `infer` asked for.
    pub(super) fn extents(
        &mut self,
        f: fn(&mut RoutineCx) -> Result<Vec<Value>, Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let wanted = self.symbols(extent_number);
        let own: BTreeSet<Symbol> = wanted.iter().chain(&self.symbols(result_number)).map(|(s, _)| s.clone()).collect();
        self.needs_symbols(&own)?;
        let (mut b, mut program, inputs) = self.start()?;
        let values = f(&mut RoutineCx::new(&mut b, &mut program, self.graph, self.node, inputs, vec![]))?;
        let args = self.call(b, program, &values, vec![])?;
        let found = args.last().map(|a| a.elements::<i64>()).unwrap_or_default();
        for (symbol, which) in wanted {
            let value = found.get(which as usize).copied();
            let value = value.ok_or_else(|| self.error("E3303", format!("extent {which} isn't computed")))?;
            self.define(symbol, value);
        }
        Ok(())
    }

    /// Runs the node's routine.
    pub(super) fn routine(
        &mut self,
        lower: fn(&mut RoutineCx) -> Result<(), Diagnostic>,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        let results = self.symbols(result_number);
        self.needs_symbols(&results.iter().map(|(s, _)| s.clone()).collect())?;
        let (mut b, mut program, inputs) = self.start()?;
        let count = self.graph.nodes[self.node].outputs.len();
        let types: Vec<TensorType> = (0..count).map(|i| self.output_type(i).cloned()).collect::<Result<_, _>>()?;
        let buf = |(i, t): (usize, &TensorType)| TensorBuf {
            buf: b.param_buf(&format!("y{i}"), t.dtype, true),
            dtype: t.dtype,
            shape: t.shape.clone(),
        };
        let outputs: Vec<TensorBuf> = types.iter().enumerate().map(buf).collect();
        lower(&mut RoutineCx::new(&mut b, &mut program, self.graph, self.node, inputs, outputs))?;
        let values: Option<Vec<Value>> = results.iter().map(|(s, _)| b.lookup(s)).collect();
        let values = values.ok_or_else(|| self.error("E3303", "the routine doesn't define its extents"))?;
        let room = types.iter().map(|t| self.room(t)).collect::<Result<_, _>>()?;
        let args = self.call(b, program, &values, room)?;
        let found = args.last().map(|a| a.elements::<i64>()).unwrap_or_default();
        for ((symbol, _), value) in results.into_iter().zip(found) {
            self.define(symbol, value);
        }
        types.iter().zip(args).map(|(t, a)| self.tensor(t, a)).collect()
    }

    /// Insists that every symbol that the routine may use has a value, but for those that it defines.
    fn needs_symbols(&self, own: &BTreeSet<Symbol>) -> Result<(), Diagnostic> {
        let node = &self.graph.nodes[self.node];
        let mut needed = BTreeSet::new();
        for &v in node.inputs.iter().flatten().chain(&node.outputs) {
            let data = &self.graph.values[v];
            let shape = data.ty.as_tensor().map(|t| t.shape.as_slice()).unwrap_or_default();
            shape.iter().chain(data.content.iter().flatten()).for_each(|s| needed.extend(s.symbols()));
        }
        for attr in node.attrs.0.values() {
            if let Attr::Syms(syms) = attr {
                syms.iter().for_each(|s| needed.extend(s.symbols()));
            }
        }
        match needed.iter().find(|s| !self.env.contains_key(*s) && !own.contains(*s)) {
            Some(s) => Err(self.error("E3301", format!("the extent {s} has no value yet"))),
            None => Ok(()),
        }
    }

    fn start(&self) -> Result<(FuncBuilder, Program, Vec<Option<TensorBuf>>), Diagnostic> {
        let mut b = FuncBuilder::new("node");
        b.func.linkage = Linkage::Local;
        b.func.ret = Some(Ty::scalar(DType::I32));
        for (i, s) in self.env.keys().enumerate() {
            let v = b.param(&format!("s{i}"), DType::I64);
            b.bind(s.clone(), v);
        }
        if self.objects.is_some() {
            let v = b.param("objects", DType::I64);
            b.bind(crate::routine::OBJECTS, v);
        }
        let mut inputs = Vec::new();
        for (i, v) in self.graph.nodes[self.node].inputs.iter().enumerate() {
            let Some(v) = v else {
                inputs.push(None);
                continue;
            };
            let t = self.graph.tensor_type(*v).ok_or_else(|| self.error("E3301", "an input is no tensor"))?;
            let buf = b.param_buf(&format!("x{i}"), t.dtype, false);
            inputs.push(Some(TensorBuf { buf, dtype: t.dtype, shape: t.shape.clone() }));
        }
        Ok((b, Program { name: "node".into(), ..Program::default() }, inputs))
    }

    /// Ends the function by storing `values` and calls it; gives back what became of `outputs`, and the values last.
    fn call(
        &self,
        mut b: FuncBuilder,
        mut program: Program,
        values: &[Value],
        outputs: Vec<ArgVal>,
    ) -> Result<Vec<ArgVal>, Diagnostic> {
        let found = b.param_buf("found", DType::I64, true);
        for (i, &v) in values.iter().enumerate() {
            let at = b.int(i as i64);
            b.store(found, at, v, None);
        }
        let ok = b.scalar(Scalar::from_i64(DType::I32, 0));
        b.stmt(Stmt::Return(Some(ok)));
        // Bounds of scratch memory may mention every symbol that has a value.
        for name in self.env.keys().map(|s| s.as_str().to_string()) {
            program.interface.dims.push(DimInfo { name, lo: i64::MIN, hi: None, source: DimSource::Input });
        }
        program.externs = std::mem::take(&mut b.externs);
        let func = program.funcs.push(b.finish());
        verify(&program, Stage::FRESH).map_err(|problems| self.error("E3303", problems.to_string()))?;
        let mut args: Vec<ArgVal> = self.env.values().map(|&v| ArgVal::Scalar(Scalar::i64(v))).collect();
        args.extend(self.objects.map(|o| ArgVal::Scalar(Scalar::i64(o))));
        args.extend(self.inputs.iter().flatten().map(|t| ArgVal::Shared(t.bytes().clone())));
        let first = args.len();
        args.extend(outputs);
        args.push(ArgVal::buf(&vec![0i64; values.len()]));
        let mut interp = Interp::new(&program);
        crate::handles::linked::supply(&mut interp, &program);
        let status = interp.call(func, &mut args);
        match status.map_err(|e| self.error("E3303", e.to_string()))?.map_or(0, Scalar::to_i64) {
            0 => Ok(args.split_off(first)),
            status => Err(self.error("E3302", format!("a check of the data failed with status {status}"))),
        }
    }

    /// Memory for an output, for as many elements as it can have.
    fn room(&self, t: &TensorType) -> Result<ArgVal, Diagnostic> {
        let ranges = self.graph.ranges();
        let mut bytes = t.dtype.size();
        for d in &t.shape {
            let bound = ranges.upper_bound(d, &|s| !self.env.contains_key(s));
            let bound = bound.ok_or_else(|| self.error("E3301", format!("the extent {d} has no upper bound")))?;
            let total = bytes.checked_mul(self.extent(&bound)?).filter(|n| *n <= isize::MAX as usize);
            bytes = total.ok_or_else(|| self.error("E3301", "the output is too large"))?;
        }
        Ok(ArgVal::Buf(vec![0; bytes]))
    }

    /// The output that lies at the start of a buffer.
    fn tensor(&self, t: &TensorType, arg: ArgVal) -> Result<Tensor, Diagnostic> {
        let shape = self.extents_of(t)?;
        let ArgVal::Buf(mut bytes) = arg else { return Err(self.error("E3303", "an output is no buffer")) };
        bytes.truncate(shape.iter().product::<usize>() * t.dtype.size());
        let made = Tensor::from_bytes(t.dtype, shape, bytes.into());
        made.ok_or_else(|| self.error("E3303", "the output is larger than its bound"))
    }
}
