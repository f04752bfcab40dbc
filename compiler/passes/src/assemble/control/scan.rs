//! Scan: an iteration for each slice of its inputs along axis 0, forwards or backwards.

use super::super::Assembler;
use onnxc_base::{Diagnostic, Diagnostics, Sym};
use onnxc_ir::graph::{NodeId, ValueId};
use onnxc_ir::loops::{BufKind, LoopKind, Stmt, Ty, Value};
use onnxc_ops::routine::TensorBuf;

impl Assembler<'_> {
    /// Scan over axis 0, forwards or backwards.
    pub(super) fn scan_node(&mut self, n: NodeId) -> Result<(), Diagnostics> {
        let node = self.graph.nodes[n].clone();
        let body = node.regions[0].clone();
        let scanned = node.attrs.int("num_scan_inputs").unwrap_or(0) as usize;
        let carried = node.inputs.len().saturating_sub(scanned);
        let reverse = |key: &str, k: usize| node.attrs.ints(key).and_then(|d| d.get(k)).is_some_and(|&d| d == 1);
        let mut states = Vec::new();
        for k in 0..carried {
            let initial = self.input(n, k).ok_or_else(|| self.error(n, format!("state {k} is missing")))?;
            states.push(self.carry(initial, body.params[k], body.results[k], node.outputs[k])?);
        }
        let first = self.input(n, carried).ok_or_else(|| self.error(n, "Scan has nothing to scan"))?;
        let length = self.tensor(first)?.shape[0].clone();
        let length = self.f.sym(&length);
        let scans: Vec<(ValueId, ValueId)> =
            body.results[carried..].iter().copied().zip(node.outputs[carried..].iter().copied()).collect();
        let scans = scans.into_iter().map(|(r, out)| self.start_scan(n, r, out)).collect::<Result<Vec<_>, _>>()?;
        if scans.iter().enumerate().any(|(k, s)| s.capacity.is_some() && reverse("scan_output_directions", k)) {
            return Err(self
                .error(n, "what is stacked backwards must be bounded")
                .help("give the input dims a range")
                .into());
        }
        let zero = self.f.int(0);
        let trips = self.f.var(Ty::I64, &[], "trips");
        self.f.set(trips, &[], length);
        let mut checked = self.checkable_guards();
        let i = self.f.open_loop("step");
        let last = {
            let one = self.f.int(1);
            let l = self.f.sub(length, one);
            self.f.sub(l, i)
        };
        let mut done = Ok(());
        for k in 0..scanned {
            let at = if reverse("scan_input_directions", k) { last } else { i };
            done = done.and_then(|()| self.slice(n, carried + k, body.params[carried + k], at));
        }
        self.bind_carried(&states);
        self.check_new_guards(&mut checked);
        let done = done.map_err(Diagnostics::from).and_then(|()| self.region(&body)).and_then(|()| {
            self.check_new_guards(&mut checked);
            for (k, scan) in scans.iter().enumerate() {
                let at = if reverse("scan_output_directions", k) { last } else { i };
                self.append(scan, at)?;
            }
            Ok(self.update(&states)?)
        });
        self.f.close_loop(i, zero, length, 1, LoopKind::Serial);
        done?;
        self.end_scans(&scans);
        self.after_loop(n, trips, &states)
    }

    /// Makes a body's parameter the slice of a scanned input at one position.
    fn slice(&mut self, n: NodeId, input: usize, param: ValueId, at: Value) -> Result<(), Diagnostic> {
        let v = self.input(n, input).ok_or_else(|| self.error(n, format!("input {input} is missing")))?;
        let from = self.buffer(v)?;
        let shape = from.shape[1..].to_vec();
        let count = shape.iter().fold(Sym::int(1), |n, d| &n * d) * from.dtype.size() as i64;
        let bytes = self.f.sym(&count);
        let byte_offset = self.f.mul(at, bytes);
        let buf = self.f.buf(from.dtype, BufKind::Local, &self.graph.values[param].name.clone());
        self.f.stmt(Stmt::View { buf, base: from.buf, byte_offset, count: None });
        self.storage[param] = Some(TensorBuf { buf, dtype: from.dtype, shape });
        Ok(())
    }
}
