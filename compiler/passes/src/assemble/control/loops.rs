//! Loop: as many iterations as a limit and a condition allow.

use super::super::Assembler;
use super::carried::Carried;
use super::stacked::Scanned;
use onnxc_base::{DType, Diagnostics};
use onnxc_ir::graph::{NodeId, Region, ValueId};
use onnxc_ir::loops::{Buf, CmpOp, Stmt, Ty, Value, Var};
use onnxc_ir::scalar::{BinOp, Scalar, UnOp};

impl Assembler<'_> {
    pub(super) fn loop_node(&mut self, n: NodeId) -> Result<(), Diagnostics> {
        let node = self.graph.nodes[n].clone();
        let body = node.regions[0].clone();
        let carried = node.inputs.len().saturating_sub(2);
        let limit = match self.input(n, 0) {
            Some(m) => {
                let m = self.scalar_of(m)?;
                self.f.cast(m, DType::I64)
            }
            None => self.f.int(i64::MAX),
        };
        let going = self.f.var(Ty::BOOL, &[], "going");
        let start = match self.input(n, 1) {
            Some(c) => self.scalar_of(c)?,
            None => self.f.scalar(Scalar::bool(true)),
        };
        self.f.set(going, &[], start);
        let trips = self.f.var(Ty::I64, &[], "trips");
        let zero = self.f.int(0);
        self.f.set(trips, &[], zero);
        let index = self.cell(DType::I64, "iteration");
        let flag = self.cell(DType::Bool, "condition");
        self.place(body.params[0], index)?;
        self.place(body.params[1], flag)?;
        let mut states = Vec::new();
        for k in 0..carried {
            let initial = self.input(n, k + 2).ok_or_else(|| self.error(n, format!("carried value {k} is missing")))?;
            states.push(self.carry(initial, body.params[k + 2], body.results[k + 1], node.outputs[k])?);
        }
        let scans: Vec<(ValueId, ValueId)> =
            body.results[carried + 1..].iter().copied().zip(node.outputs[carried..].iter().copied()).collect();
        let scans = scans.into_iter().map(|(r, out)| self.start_scan(n, r, out)).collect::<Result<Vec<_>, _>>()?;
        self.f.open_block();
        let done = self.loop_body(&body, limit, (going, trips), (index, flag), &states, &scans);
        let block = self.f.close_block();
        self.f.stmt(Stmt::Loop(block));
        done?;
        self.end_scans(&scans);
        self.after_loop(n, trips, &states)
    }

    fn loop_body(
        &mut self,
        body: &Region,
        limit: Value,
        (going, trips): (Var, Var),
        (index, flag): (Buf, Buf),
        states: &[Carried],
        scans: &[Scanned],
    ) -> Result<(), Diagnostics> {
        let mut checked = self.checkable_guards();
        let zero = self.f.int(0);
        let i = self.f.get(trips, &[]);
        let go = self.f.get(going, &[]);
        let below = self.f.compare(CmpOp::Lt, i, limit);
        let go = self.f.binary(BinOp::And, go, below);
        self.break_unless(go);
        self.f.store(index, zero, i, None);
        let go = self.f.get(going, &[]);
        self.f.store(flag, zero, go, None);
        self.define_elements(body.params[0])?;
        self.bind_carried(states);
        self.check_new_guards(&mut checked);
        self.region(body)?;
        self.check_new_guards(&mut checked);
        for scan in scans {
            self.append(scan, i)?;
        }
        let go = self.scalar_of(body.results[0])?;
        self.f.set(going, &[], go);
        self.update(states)?;
        let one = self.f.int(1);
        let next = self.f.add(i, one);
        self.f.set(trips, &[], next);
        Ok(())
    }

    fn break_unless(&mut self, go: Value) {
        let stop = self.f.unary(UnOp::Not, go);
        self.f.if_else(stop, |f| f.stmt(Stmt::Break), |_| {});
    }
}
